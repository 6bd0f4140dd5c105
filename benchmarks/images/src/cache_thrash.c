/* SPDX-License-Identifier: Apache-2.0 */
/* Reads and writes that the data cache cannot hold: large strides and random places in 128 KB. */
#include "program.h"

#define WORDS (32u * 1024u)

static uint32_t table[WORDS];

uint32_t program(void) {
  uint32_t state = 11, sum = 0;
  for (unsigned stride = 8; stride <= 1032; stride += 256) {
    for (unsigned i = 0; i < WORDS; i += stride) {
      table[i] += stride;
    }
  }
  for (unsigned i = 0; i < 12000; ++i) {
    const uint32_t at = next_random(&state) % WORDS;
    sum += table[at];
    table[(at * 5u) % WORDS] = sum;
  }
  return sum;
}
