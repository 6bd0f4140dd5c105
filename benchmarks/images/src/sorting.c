/* SPDX-License-Identifier: Apache-2.0 */
/* Shell sort of words and insertion sort of bytes: data-dependent loops. */
#include "program.h"

static int32_t words[2000];
static uint8_t bytes[200];

uint32_t program(void) {
  uint32_t state = 33, sum = 0;
  for (unsigned i = 0; i < 2000; ++i) {
    words[i] = (int32_t)next_random(&state) - 0x800000;
  }
  for (unsigned i = 0; i < 200; ++i) {
    bytes[i] = (uint8_t)next_random(&state);
  }
  for (int gap = 701; gap > 0; gap = gap * 4 / 9) {
    for (int i = gap; i < 2000; ++i) {
      const int32_t key = words[i];
      int j = i;
      for (; j >= gap && words[j - gap] > key; j -= gap) {
        words[j] = words[j - gap];
      }
      words[j] = key;
    }
  }
  for (int i = 1; i < 200; ++i) {
    const uint8_t key = bytes[i];
    int j = i;
    for (; j > 0 && bytes[j - 1] > key; --j) {
      bytes[j] = bytes[j - 1];
    }
    bytes[j] = key;
  }
  for (unsigned i = 0; i < 2000; ++i) {
    sum = sum * 31u + (uint32_t)words[i] + bytes[i % 200u];
  }
  return sum;
}
