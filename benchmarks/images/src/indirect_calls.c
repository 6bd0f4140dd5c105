/* SPDX-License-Identifier: Apache-2.0 */
/* Calls through a table of functions and a dense switch: indirect branches with changing targets. */
#include "program.h"

typedef uint32_t (*operation)(uint32_t);

__attribute__((noinline)) static uint32_t twice(uint32_t x) { return x * 2u + 1u; }
__attribute__((noinline)) static uint32_t turn(uint32_t x) { return (x >> 7) | (x << 25); }
__attribute__((noinline)) static uint32_t flip(uint32_t x) { return ~x; }
__attribute__((noinline)) static uint32_t step(uint32_t x) { return x + 0x9E3779B9u; }

static const operation operations[4] = {twice, turn, flip, step};

__attribute__((noinline)) static uint32_t choose(uint32_t kind, uint32_t x) {
  switch (kind) {
    case 0:
      return x + 3u;
    case 1:
      return x ^ 0x55u;
    case 2:
      return x * 5u;
    case 3:
      return x - 9u;
    case 4:
      return x << 2;
    case 5:
      return x >> 1;
    case 6:
      return x | 0x100u;
    default:
      return x & 0xFFFFFFu;
  }
}

uint32_t program(void) {
  uint32_t state = 21, sum = 1;
  for (unsigned i = 0; i < 10000; ++i) {
    const uint32_t r = next_random(&state);
    sum = operations[r & 3u](sum);
    sum = choose((r >> 2) & 7u, sum);
  }
  return sum;
}
