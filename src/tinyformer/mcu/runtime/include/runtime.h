/* SPDX-License-Identifier: Apache-2.0 */
/* What the start-up code offers to a program. */
#ifndef TINYFORMER_RUNTIME_H
#define TINYFORMER_RUNTIME_H

#include <stdint.h>

/* The value of stack words that were never used. */
#define STACK_PAINT 0xC5C5C5C5u

/* Ends the program; the host sees `status`. */
__attribute__((noreturn)) void runtime_exit(int status);

/* Bytes of stack used at most since reset. */
uint32_t runtime_stack_high_water(void);

/* Clock cycles since reset (DWT cycle counter, switched on by the first call); wraps at 2^32. */
uint32_t runtime_cycles(void);

#endif
