/* SPDX-License-Identifier: Apache-2.0 */
/* Words and half-words at odd addresses. */
#include <string.h>

#include "program.h"

static uint8_t buffer[4096 + 8];

uint32_t program(void) {
  uint32_t sum = 0;
  for (unsigned i = 0; i < sizeof buffer; ++i) {
    buffer[i] = (uint8_t)(i * 3u);
  }
  for (unsigned shift = 0; shift < 4; ++shift) {
    for (unsigned i = 0; i < 4096; i += 8) {
      uint32_t word;
      uint16_t half;
      memcpy(&word, buffer + i + shift, sizeof word);
      memcpy(&half, buffer + i + 4 + shift, sizeof half);
      sum += word ^ half;
      memcpy(buffer + i + shift, &sum, sizeof sum);
    }
  }
  return sum;
}
