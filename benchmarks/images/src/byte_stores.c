/* SPDX-License-Identifier: Apache-2.0 */
/* Byte and half-word stores, to the same and to alternating banks. */
#include "program.h"

static uint8_t bytes[2048] __attribute__((aligned(32)));
static uint16_t halves[1024] __attribute__((aligned(32)));

uint32_t program(void) {
  uint32_t sum = 0;
  for (unsigned round = 0; round < 30; ++round) {
    for (unsigned i = 0; i < 2048; ++i) {
      bytes[i] = (uint8_t)(i * 7u + round);
    }
    for (unsigned i = 0; i < 512; ++i) {
      halves[i] = (uint16_t)(i + round);
      halves[i + 512] = (uint16_t)(i ^ round);
    }
    for (unsigned i = 0; i < 2048; i += 3) {
      sum = sum * 33u + bytes[i] + halves[i / 2];
    }
  }
  return sum;
}
