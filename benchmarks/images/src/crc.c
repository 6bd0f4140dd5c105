/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32 bit by bit and by table, and 64-bit multiplication: short dependent chains. */
#include "program.h"

static uint32_t table[256];

uint32_t program(void) {
  uint32_t crc = ~0u, state = 13;
  uint64_t product = 1;
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t entry = i;
    for (unsigned bit = 0; bit < 8; ++bit) {
      entry = (entry >> 1) ^ ((entry & 1u) != 0u ? 0xEDB88320u : 0u);
    }
    table[i] = entry;
  }
  for (unsigned i = 0; i < 8000; ++i) {
    const uint32_t r = next_random(&state);
    crc = (crc >> 8) ^ table[(crc ^ r) & 0xFFu];
    product = product * (r | 1u) + crc;
  }
  return crc ^ (uint32_t)(product >> 32);
}
