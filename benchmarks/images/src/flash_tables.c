/* SPDX-License-Identifier: Apache-2.0 */
/* Random look-ups in tables of flash, bytes and words. */
#include "program.h"

#define FOUR(x) (x), (x) * 3u + 1u, (x) * 7u + 5u, (x) * 11u + 2u
#define SIXTEEN(x) FOUR(x), FOUR((x) + 17u), FOUR((x) + 29u), FOUR((x) + 71u)
#define SIXTY_FOUR(x) SIXTEEN(x), SIXTEEN((x) + 101u), SIXTEEN((x) + 211u), SIXTEEN((x) + 307u)

static const uint32_t words[512] = {SIXTY_FOUR(1u), SIXTY_FOUR(2u),  SIXTY_FOUR(3u),  SIXTY_FOUR(5u),
                                    SIXTY_FOUR(7u), SIXTY_FOUR(11u), SIXTY_FOUR(13u), SIXTY_FOUR(17u)};
static const uint8_t pairs[4096] = {3, 1, 4, 1, 5, 9, 2, 6};

uint32_t program(void) {
  uint32_t state = 5, sum = 0;
  for (unsigned i = 0; i < 15000; ++i) {
    const uint32_t r = next_random(&state);
    sum += words[r & 511u] + pairs[(r >> 9) & 4095u];
    sum ^= words[sum & 511u];
  }
  return sum;
}
