/* SPDX-License-Identifier: Apache-2.0 */
/* Single precision: polynomials, dot products, division, square roots, conversions. */
#include <string.h>

#include "program.h"

static float a[256], b[256];

uint32_t program(void) {
  uint32_t state = 3;
  float sum = 0.0f;
  for (unsigned i = 0; i < 256; ++i) {
    a[i] = (float)(next_random(&state) & 0xFFFu) * 0.001f + 0.5f;
    b[i] = (float)(next_random(&state) & 0xFFFu) * 0.002f - 1.0f;
  }
  for (unsigned round = 0; round < 20; ++round) {
    for (unsigned i = 0; i < 256; ++i) {
      sum += a[i] * b[i];
    }
    for (unsigned i = 0; i < 256; ++i) {
      const float x = b[i];
      a[i] = ((0.25f * x + 0.5f) * x + 1.0f) * x + a[i] / (1.5f + x * x);
      sum += __builtin_sqrtf(a[i] * a[i] + 1.0f);
    }
  }
  uint32_t bits;
  memcpy(&bits, &sum, sizeof bits);
  return bits;
}
