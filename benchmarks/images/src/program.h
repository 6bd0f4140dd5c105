/* SPDX-License-Identifier: Apache-2.0 */
/* A benchmark image: `program` is measured between two marks of the simulator (ITM ports 1 and 2). */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <stdint.h>

/* The measured part; returns a checksum of its results. */
uint32_t program(void);

/* Next number of a linear congruential generator. */
static inline uint32_t next_random(uint32_t *state) {
  *state = *state * 1664525u + 1013904223u;
  return *state >> 8;
}

#endif
