/* SPDX-License-Identifier: Apache-2.0 */
/* What start-up code does: word and byte copies from flash to SRAM, zeroing, aligned and not. */
#include <string.h>

#include "program.h"

#define BYTES 6144

static const uint8_t source[BYTES] = {1, 2, 3, 5, 8, 13, 21, 34};
static uint8_t target[BYTES + 8];

uint32_t program(void) {
  uint32_t sum = 0;
  for (unsigned shift = 0; shift < 4; ++shift) {
    memset(target, (int)shift, sizeof target);
    memcpy(target + shift, source, BYTES);
    memmove(target + 8, target + shift, BYTES / 2);
    for (unsigned i = 0; i < sizeof target; i += 5) {
      sum = sum * 31u + target[i];
    }
  }
  return sum;
}
