/* SPDX-License-Identifier: Apache-2.0 */
/* Branches that no predictor can know. */
#include "program.h"

uint32_t program(void) {
  uint32_t state = 1, sum = 0;
  for (unsigned i = 0; i < 20000; ++i) {
    const uint32_t r = next_random(&state);
    if ((r & 1u) != 0u) {
      sum += r ^ (sum << 3);
      __asm volatile("" : "+r"(sum));
    } else if ((r & 6u) == 2u) {
      sum -= r;
      __asm volatile("" : "+r"(sum));
    }
    if ((r & 0x300u) == 0u) {
      sum ^= sum >> 5;
      __asm volatile("" : "+r"(sum));
    }
  }
  return sum;
}
