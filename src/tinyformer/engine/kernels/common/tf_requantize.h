/* SPDX-License-Identifier: Apache-2.0 */
/* The requantization rule of tf_kernels.h as inline functions, without undefined behaviour on any target. */
#ifndef TF_REQUANTIZE_H
#define TF_REQUANTIZE_H

#include <stdint.h>

#include "tf_name.h"

static inline int32_t tf_clamp(int32_t value, int32_t low, int32_t high) {
  return value < low ? low : value > high ? high : value;
}

/* Floor division by 2^32; `>>` of negative numbers is implementation-defined in C, and arithmetic everywhere. */
static inline int32_t tf_high_word(int64_t value) { return (int32_t)(value >> 32); }

/* saturate_int32(acc << shift), 0 <= shift <= 10 */
static inline int32_t tf_shift_saturate(int32_t acc, unsigned shift) {
  const int32_t limit = INT32_MAX >> shift;
  return tf_clamp(acc, -limit - 1, limit) * (int32_t)(UINT32_C(1) << shift);
}

/* zero_point + round_half_up(acc * multiplier / 2^32) */
static inline int32_t tf_scale(int32_t acc, int32_t multiplier, int32_t zero_point) {
#if TF_ARM_DSP
  int32_t result;
  __asm__("smmlar %0, %1, %2, %3" : "=r"(result) : "r"(acc), "r"(multiplier), "r"(zero_point));
  return result;
#else
  return zero_point + tf_high_word((int64_t)acc * multiplier + (INT64_C(1) << 31));
#endif
}

static inline int8_t tf_requantize(int32_t acc, int32_t multiplier, unsigned shift, int32_t zero_point, int32_t low,
                                   int32_t high) {
  return (int8_t)tf_clamp(tf_scale(tf_shift_saturate(acc, shift), multiplier, zero_point), low, high);
}

/* Clamps `count` bytes in place. */
void TF(clamp_bytes)(int8_t *y, uint32_t count, int low, int high);

#endif
