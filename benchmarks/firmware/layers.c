/* SPDX-License-Identifier: Apache-2.0 */
/* Layers whose INT8 weights do not fit the data cache. Compile with FULLY_CONNECTED, whose cache misses come in bursts,
 * or CONVOLUTION, whose misses come alone; with WEIGHTS_FLASH or WEIGHTS_SRAM for where the weights lie. */
#include <stdint.h>

uint32_t dot_rows(const uint32_t *row, uint32_t words, uint32_t stride);
uint32_t dot_patch(const uint32_t *row, uint32_t words, const uint32_t *patch);

#ifdef WEIGHTS_FLASH
#define WEIGHTS static const
#else
#define WEIGHTS static
#endif

#ifdef FULLY_CONNECTED

#define ROW_WORDS 1032 /* an odd number of cache lines: rows do not compete for one set */
WEIGHTS uint32_t weights[6][ROW_WORDS] __attribute__((aligned(32)));

static uint32_t layer(void) { return dot_rows(weights[0], ROW_WORDS, sizeof weights[0]); }

#else /* 3x3 convolution of 32 to 32 channels; the patch lies at the beginning of RAM, in tightly coupled memory */

#define PATCH 288
#define OUTPUTS 32
#define PIXELS 8
WEIGHTS uint32_t weights[OUTPUTS][PATCH / 4] __attribute__((aligned(32)));
static int8_t input[PIXELS][PATCH] __attribute__((aligned(32)));
__attribute__((section(".dtcm"))) static int16_t patch[PATCH];
static int8_t output[PIXELS][OUTPUTS] __attribute__((aligned(32)));

static uint32_t layer(void) {
  for (unsigned pixel = 0; pixel < PIXELS; ++pixel) {
    for (unsigned i = 0; i < PATCH; ++i) {
      patch[i] = input[pixel][i];
    }
    for (unsigned o = 0; o < OUTPUTS; ++o) {
      output[pixel][o] = (int8_t)dot_patch(weights[o], PATCH / 4, (const uint32_t *)(const void *)patch);
    }
  }
  return (uint32_t)output[0][0];
}

#endif

int main(void) {
  uint32_t sum = 0;
  for (unsigned pass = 0; pass < 4; ++pass) {
    sum += layer();
  }
  return sum != 0u; /* never: all weights are zero */
}
