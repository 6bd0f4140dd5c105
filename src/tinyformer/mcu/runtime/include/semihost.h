/* SPDX-License-Identifier: Apache-2.0 */
/* Arm semihosting (BKPT 0xAB): input and output through a debugger or the simulator.
 * Specification: https://github.com/ARM-software/abi-aa, semihosting for AArch32 and AArch64. */
#ifndef TINYFORMER_SEMIHOST_H
#define TINYFORMER_SEMIHOST_H

#include <stddef.h>
#include <stdint.h>

/* Prints a zero-terminated text (SYS_WRITE0). */
void semihost_print(const char *text);

/* Prints an unsigned number in decimal. */
void semihost_print_u32(uint32_t value);

/* Writes `bytes` bytes to standard output; returns the number of bytes not written. */
size_t semihost_write(const void *data, size_t bytes);

/* Reads up to `bytes` bytes of standard input; returns the number of bytes read, less than asked only at its end. */
size_t semihost_read(void *data, size_t bytes);

/* Ends the program with `status` (SYS_EXIT_EXTENDED); does not return under a debugger. */
void semihost_exit(int status);

#endif
