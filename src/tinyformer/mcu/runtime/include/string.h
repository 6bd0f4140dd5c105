/* SPDX-License-Identifier: Apache-2.0 */
/* The part of <string.h> that firmware needs. A freestanding compiler treats memcpy() as an ordinary function; the
 * builtins let it expand small constant copies in place (a 4-byte copy is one load and one store). */
#ifndef TINYFORMER_STRING_H
#define TINYFORMER_STRING_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);
int memcmp(const void *left, const void *right, size_t bytes);
size_t strlen(const char *text);

#define memcpy __builtin_memcpy
#define memmove __builtin_memmove
#define memset __builtin_memset
#define memcmp __builtin_memcmp

#endif
