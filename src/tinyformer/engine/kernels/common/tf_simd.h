/* SPDX-License-Identifier: Apache-2.0 */
/* The ARMv7E-M instructions on packed INT8 and INT16 values that the kernels are made of, and the same in plain C.
 * Packed words are little-endian: element 0 in the low bits. */
#ifndef TF_SIMD_H
#define TF_SIMD_H

#include <stdint.h>
#include <string.h>

#include "tf_compiler.h"
#include "tf_name.h"

/* A word at any address. The builtin stays one instruction even where the library is freestanding. */
static inline uint32_t tf_load(const void *address) {
  uint32_t word;
#if defined(__GNUC__)
  __builtin_memcpy(&word, address, 4);
#else
  memcpy(&word, address, 4);
#endif
  return word;
}

/* A half-word at any address. */
static inline uint32_t tf_load_half(const void *address) {
  uint16_t half;
#if defined(__GNUC__)
  __builtin_memcpy(&half, address, 2);
#else
  memcpy(&half, address, 2);
#endif
  return half;
}

static inline void tf_store(void *address, uint32_t word) {
#if defined(__GNUC__)
  __builtin_memcpy(address, &word, 4);
#else
  memcpy(address, &word, 4);
#endif
}

static inline uint32_t tf_pack(int32_t low, int32_t high) { return ((uint32_t)low & 0xFFFF) | (uint32_t)high << 16; }

/* Both halves, as int16, times 2^shift; the results fit int16. */
static inline uint32_t tf_shift_halves(uint32_t word, unsigned shift) {
  const int32_t scale = 1 << shift;
  return tf_pack((int16_t)(word & 0xFFFF) * scale, (int16_t)(word >> 16) * scale);
}

#if TF_ARM_DSP

#define TF_BINARY(name, instruction)                      \
  static inline uint32_t name(uint32_t a, uint32_t b) {   \
    uint32_t result;                                      \
    __asm__(instruction : "=r"(result) : "r"(a), "r"(b)); \
    return result;                                        \
  }
#define TF_ACCUMULATE(name, instruction)                                              \
  static inline int32_t name(uint32_t a, uint32_t b, int32_t acc) {                   \
    int32_t result;                                                                   \
    __asm__(instruction " %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(acc)); \
    return result;                                                                    \
  }

/* Bytes 0 and 2 as two int16. */
static inline uint32_t tf_even(uint32_t bytes) {
  uint32_t result;
  __asm__("sxtb16 %0, %1" : "=r"(result) : "r"(bytes));
  return result;
}
/* Bytes 1 and 3 as two int16. */
static inline uint32_t tf_odd(uint32_t bytes) {
  uint32_t result;
  __asm__("sxtb16 %0, %1, ror #8" : "=r"(result) : "r"(bytes));
  return result;
}
/* Bytes 0 and 2, or 1 and 3, as two int16, each plus its half of `offsets`. */
static inline uint32_t tf_even_plus(uint32_t offsets, uint32_t bytes) {
  uint32_t result;
  __asm__("sxtab16 %0, %1, %2" : "=r"(result) : "r"(offsets), "r"(bytes));
  return result;
}
static inline uint32_t tf_odd_plus(uint32_t offsets, uint32_t bytes) {
  uint32_t result;
  __asm__("sxtab16 %0, %1, %2, ror #8" : "=r"(result) : "r"(offsets), "r"(bytes));
  return result;
}
TF_BINARY(tf_low_halves, "pkhbt %0, %1, %2, lsl #16")  /* (a.low, b.low) */
TF_BINARY(tf_high_halves, "pkhtb %0, %2, %1, asr #16") /* (a.high, b.high) */
TF_ACCUMULATE(tf_dot, "smlad")                         /* acc + a.low * b.low + a.high * b.high */
TF_ACCUMULATE(tf_mac_low_low, "smlabb")                /* acc + a.low * b.low */
TF_ACCUMULATE(tf_mac_low_high, "smlabt")               /* acc + a.low * b.high */
TF_ACCUMULATE(tf_mac_high_low, "smlatb")               /* acc + a.high * b.low */
TF_ACCUMULATE(tf_mac_high_high, "smlatt")              /* acc + a.high * b.high */

/* Larger of each pair of signed bytes. */
static inline uint32_t tf_max_bytes(uint32_t a, uint32_t b) {
  uint32_t result;
  __asm__("ssub8 %0, %1, %2\n\tsel %0, %1, %2" : "=&r"(result) : "r"(a), "r"(b));
  return result;
}
/* Smaller of each pair of signed bytes. */
static inline uint32_t tf_min_bytes(uint32_t a, uint32_t b) {
  uint32_t result;
  __asm__("ssub8 %0, %1, %2\n\tsel %0, %2, %1" : "=&r"(result) : "r"(a), "r"(b));
  return result;
}

/* Saturated to int8. */
static inline int32_t tf_saturate(int32_t value) {
  int32_t result;
  __asm__("ssat %0, #8, %1" : "=r"(result) : "r"(value));
  return result;
}

/* The low bytes of four values, the first in the low bits. */
static inline uint32_t tf_pack_bytes(int32_t a, int32_t b, int32_t c, int32_t d) {
  uint32_t word = (uint32_t)a;
  __asm__("bfi %0, %1, #8, #24" : "+r"(word) : "r"(b));
  __asm__("bfi %0, %1, #16, #16" : "+r"(word) : "r"(c));
  __asm__("bfi %0, %1, #24, #8" : "+r"(word) : "r"(d));
  return word;
}

#else

static inline int32_t tf_low(uint32_t word) { return (int16_t)(word & 0xFFFF); }
static inline int32_t tf_high(uint32_t word) { return (int16_t)(word >> 16); }

static inline uint32_t tf_even(uint32_t bytes) { return tf_pack((int8_t)(bytes & 0xFF), (int8_t)(bytes >> 16 & 0xFF)); }
static inline uint32_t tf_odd(uint32_t bytes) { return tf_even(bytes >> 8); }
static inline uint32_t tf_even_plus(uint32_t offsets, uint32_t bytes) {
  const uint32_t wide = tf_even(bytes);
  return tf_pack(tf_low(wide) + tf_low(offsets), tf_high(wide) + tf_high(offsets));
}
static inline uint32_t tf_odd_plus(uint32_t offsets, uint32_t bytes) { return tf_even_plus(offsets, bytes >> 8); }
static inline uint32_t tf_low_halves(uint32_t a, uint32_t b) { return tf_pack(tf_low(a), tf_low(b)); }
static inline uint32_t tf_high_halves(uint32_t a, uint32_t b) { return tf_pack(tf_high(a), tf_high(b)); }
static inline int32_t tf_mac_low_low(uint32_t a, uint32_t b, int32_t acc) { return acc + tf_low(a) * tf_low(b); }
static inline int32_t tf_mac_low_high(uint32_t a, uint32_t b, int32_t acc) { return acc + tf_low(a) * tf_high(b); }
static inline int32_t tf_mac_high_low(uint32_t a, uint32_t b, int32_t acc) { return acc + tf_high(a) * tf_low(b); }
static inline int32_t tf_mac_high_high(uint32_t a, uint32_t b, int32_t acc) { return acc + tf_high(a) * tf_high(b); }
static inline int32_t tf_dot(uint32_t a, uint32_t b, int32_t acc) {
  return tf_mac_high_high(a, b, tf_mac_low_low(a, b, acc));
}

static inline uint32_t tf_max_bytes(uint32_t a, uint32_t b) {
  uint32_t result = 0;
  for (int i = 0; i < 32; i += 8) {
    const int8_t left = (int8_t)(a >> i & 0xFF), right = (int8_t)(b >> i & 0xFF);
    result |= (uint32_t)(uint8_t)(left > right ? left : right) << i;
  }
  return result;
}
static inline uint32_t tf_min_bytes(uint32_t a, uint32_t b) { return ~tf_max_bytes(~a, ~b); }
static inline uint32_t tf_pack_bytes(int32_t a, int32_t b, int32_t c, int32_t d) {
  return ((uint32_t)a & 0xFF) | ((uint32_t)b & 0xFF) << 8 | ((uint32_t)c & 0xFF) << 16 | (uint32_t)d << 24;
}
static inline int32_t tf_saturate(int32_t value) { return value < -128 ? -128 : value > 127 ? 127 : value; }

#endif

#endif
