/* SPDX-License-Identifier: Apache-2.0 */
/* mem* and strlen, with their names in the Arm run-time ABI. Compiled with -fno-builtin: a compiler that knows
 * memcpy would otherwise turn the loop of memcpy into a call of itself. */
#include <stddef.h>
#include <stdint.h>

/* Before loops that are not worth the code of unrolling them further. */
#define ROLLED _Pragma("clang loop unroll(disable)")

#define ALIAS(function) __attribute__((alias(#function)))

void *memcpy(void *restrict to, const void *restrict from, size_t bytes) {
  uint8_t *d = to;
  const uint8_t *s = from;
  if ((((uintptr_t)d | (uintptr_t)s) & 3u) == 0u) {
    uint32_t *dw = (uint32_t *)(void *)d;
    const uint32_t *sw = (const uint32_t *)(const void *)s;
    for (; bytes >= 16u; bytes -= 16u, dw += 4, sw += 4) {
      const uint32_t a = sw[0], b = sw[1], c = sw[2], e = sw[3];
      dw[0] = a;
      dw[1] = b;
      dw[2] = c;
      dw[3] = e;
    }
    ROLLED for (; bytes >= 4u; bytes -= 4u) { *dw++ = *sw++; }
    d = (uint8_t *)dw;
    s = (const uint8_t *)sw;
  }
  ROLLED while (bytes-- != 0u) { *d++ = *s++; }
  return to;
}

void *memmove(void *to, const void *from, size_t bytes) {
  uint8_t *d = to;
  const uint8_t *s = from;
  if ((uintptr_t)d - (uintptr_t)s >= bytes) {
    return memcpy(to, from, bytes);
  }
  ROLLED while (bytes-- != 0u) { d[bytes] = s[bytes]; }
  return to;
}

void *memset(void *to, int value, size_t bytes) {
  uint8_t *d = to;
  ROLLED for (; bytes != 0u && ((uintptr_t)d & 3u) != 0u; --bytes) { *d++ = (uint8_t)value; }
  uint32_t *dw = (uint32_t *)(void *)d;
  const uint32_t word = (uint32_t)(uint8_t)value * 0x01010101u;
  ROLLED for (; bytes >= 4u; bytes -= 4u) { *dw++ = word; }
  ROLLED for (d = (uint8_t *)dw; bytes != 0u; --bytes) { *d++ = (uint8_t)value; }
  return to;
}

int memcmp(const void *left, const void *right, size_t bytes) {
  const uint8_t *a = left;
  const uint8_t *b = right;
  for (; bytes != 0u; --bytes, ++a, ++b) {
    if (*a != *b) {
      return *a < *b ? -1 : 1;
    }
  }
  return 0;
}

size_t strlen(const char *text) {
  const char *end = text;
  while (*end != '\0') {
    ++end;
  }
  return (size_t)(end - text);
}

void __aeabi_memcpy(void *, const void *, size_t) ALIAS(memcpy);
void __aeabi_memcpy4(void *, const void *, size_t) ALIAS(memcpy);
void __aeabi_memcpy8(void *, const void *, size_t) ALIAS(memcpy);
void __aeabi_memmove(void *, const void *, size_t) ALIAS(memmove);
void __aeabi_memmove4(void *, const void *, size_t) ALIAS(memmove);
void __aeabi_memmove8(void *, const void *, size_t) ALIAS(memmove);

/* The ABI's memset takes its length before the value. */
void __aeabi_memset(void *to, size_t bytes, int value) { (void)memset(to, value, bytes); }

void __aeabi_memclr(void *to, size_t bytes) { (void)memset(to, 0, bytes); }

void __aeabi_memset4(void *, size_t, int) ALIAS(__aeabi_memset);
void __aeabi_memset8(void *, size_t, int) ALIAS(__aeabi_memset);
void __aeabi_memclr4(void *, size_t) ALIAS(__aeabi_memclr);
void __aeabi_memclr8(void *, size_t) ALIAS(__aeabi_memclr);
