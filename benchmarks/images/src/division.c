/* SPDX-License-Identifier: Apache-2.0 */
/* Signed and unsigned division, remainders, greatest common divisors. */
#include "program.h"

static uint32_t gcd(uint32_t a, uint32_t b) {
  while (b != 0u) {
    const uint32_t r = a % b;
    a = b;
    b = r;
  }
  return a;
}

uint32_t program(void) {
  uint32_t state = 7, sum = 0;
  for (unsigned i = 0; i < 2000; ++i) {
    const uint32_t a = next_random(&state), b = (next_random(&state) & 0xFFFu) + 1u;
    sum += gcd(a, b) + a / b;
    sum ^= (uint32_t)((int32_t)(a - 0x800000u) / (int32_t)b);
  }
  return sum;
}
