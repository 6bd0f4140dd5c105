/* SPDX-License-Identifier: Apache-2.0 */
/* INT8 fully connected layer with SXTB16 and SMLAD: weights in flash, activations in SRAM. */
#include <arm_acle.h>
#include <string.h>

#include "program.h"

#define INPUTS 128
#define OUTPUTS 32

static const int8_t weights[OUTPUTS * INPUTS] = {1, -2, 3, -4, 5, -6, 7, -8};
static int8_t input[INPUTS] __attribute__((aligned(4)));
static int8_t output[OUTPUTS];

static uint32_t load_word(const int8_t *from) {
  uint32_t word;
  memcpy(&word, from, sizeof word);
  return word;
}

static uint32_t rotate_8(uint32_t word) { return (word >> 8) | (word << 24); }

uint32_t program(void) {
  uint32_t sum = 0;
  for (unsigned i = 0; i < INPUTS; ++i) {
    input[i] = (int8_t)(i * 5u);
  }
  for (unsigned round = 0; round < 200; ++round) {
    for (unsigned o = 0; o < OUTPUTS; ++o) {
      int32_t accumulator = (int32_t)o;
      for (unsigned i = 0; i < INPUTS; i += 4) {
        const uint32_t x = load_word(input + i), w = load_word(weights + o * INPUTS + i);
        accumulator = __smlad(__sxtb16(x), __sxtb16(w), accumulator);
        accumulator = __smlad(__sxtb16(rotate_8(x)), __sxtb16(rotate_8(w)), accumulator);
      }
      output[o] = (int8_t)__ssat(accumulator >> 4, 8);
      sum = sum * 17u + (uint8_t)output[o];
    }
    input[round % INPUTS] = output[round % OUTPUTS];
  }
  return sum;
}
