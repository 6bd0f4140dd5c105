/* SPDX-License-Identifier: Apache-2.0 */
/* More straight code than the instruction cache holds, run again and again. */
#include "program.h"

#define MIX(k)                                                           \
  x = (x ^ (x >> ((k) % 13u + 3u))) * 0x85EBCA6Bu + ((k) * 0x3C6EF372u); \
  y += x;                                                                \
  y = (y << 7) | (y >> 25);
#define MIX_8(k) \
  MIX(k) MIX((k) + 1u) MIX((k) + 2u) MIX((k) + 3u) MIX((k) + 4u) MIX((k) + 5u) MIX((k) + 6u) MIX((k) + 7u)
#define MIX_64(k) \
  MIX_8(k)        \
  MIX_8((k) + 8u) MIX_8((k) + 16u) MIX_8((k) + 24u) MIX_8((k) + 32u) MIX_8((k) + 40u) MIX_8((k) + 48u) MIX_8((k) + 56u)

uint32_t program(void) {
  uint32_t x = 1, y = 2;
  __asm volatile("" : "+r"(x), "+r"(y)); /* not known to the compiler */
  for (unsigned round = 0; round < 50; ++round) {
    MIX_64(1u)
    MIX_64(101u)
    MIX_64(211u)
  }
  return x ^ y;
}
