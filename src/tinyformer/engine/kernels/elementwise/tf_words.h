/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the kernels on single elements: their loops over words of four elements, in assembly for ARMv7E-M
 * (tf_*_words.S). Elsewhere the kernels' own loops over elements do all the work. No address needs alignment. */
#ifndef TF_WORDS_H
#define TF_WORDS_H

#include <stdint.h>

#include "tf_name.h"

#if TF_ARM_DSP

/* y = saturate(((a * multiplier_a + b * multiplier_b + offset) * scale) >> 32) - 128, saturated to 0 .. 255; the sums
 * before it fit int16. The assembly knows the offsets of the members. */
typedef struct {
  uint32_t multipliers; /* of a in the low half, of b in the high half */
  int32_t offset, scale;
  const int8_t *y_end; /* y plus a positive multiple of 8 */
} tf_add_terms;
void TF(add_words)(const tf_add_terms *terms, const int8_t *a, const int8_t *b, int8_t *y);

/* y = saturate(zero + (((a + a_offset) * (b + b_offset) * multiplier + 2^31) >> 32)) - 128, saturated to 0 .. 255; what
 * is saturated fits int16. The assembly knows the offsets of the members. */
typedef struct {
  uint32_t a_offsets, b_offsets; /* in both halves */
  int32_t multiplier, zero;
  const int8_t *y_end; /* y plus a positive multiple of 8 */
} tf_mul_terms;
void TF(mul_words)(const tf_mul_terms *terms, const int8_t *a, const int8_t *b, int8_t *y);

/* y = table[x + 128]; y_end is y plus a positive multiple of 8. */
void TF(lut_words)(const int8_t *table, const int8_t *x, int8_t *y, const int8_t *y_end);

/* A row of softmax; the assembly knows the offsets of the members. */
typedef struct {
  const uint32_t *table; /* rising */
  uint32_t *e;
  uint32_t leading; /* elements, a positive multiple of 8 */
  int32_t most;     /* in: at most the largest element; out: the largest */
  int32_t zero;     /* the output's zero point plus 128 */
} tf_softmax_row;

/* e[i] = table[255 - most + x[i]] for the leading elements; returns their sum. */
uint32_t TF(softmax_exponents)(tf_softmax_row *row, const int8_t *x);

/* y = saturate(zero + ((e * reciprocal + 2^31) >> 32)) - 128, saturated to 0 .. 255, for the leading elements; what is
 * saturated fits int16. The four words after the leading ones of e are read and ignored. */
void TF(softmax_words)(const tf_softmax_row *row, int32_t reciprocal, int8_t *y);

/* The sum and the sum of squares of x, added to sums[0] and sums[1]; x_end is x plus a positive multiple of 8. */
void TF(layer_norm_sums)(const int8_t *x, const int8_t *x_end, int32_t sums[2]);

/* y = saturate(((((x * factor + offset) * multiplier + 2^31) >> 32) * gamma + beta) >> shift); what is saturated fits
 * int16. The assembly knows the offsets of the members. */
typedef struct {
  int32_t wide_factor; /* factor * 2^8 */
  int32_t offset, multiplier;
  int32_t shift; /* less 16, not negative */
  const int16_t *gamma;
  const int32_t *beta;
  const int8_t *y_last; /* the last four elements, y plus a multiple of 4 */
} tf_layer_norm_terms;
void TF(layer_norm_words)(const tf_layer_norm_terms *terms, const int8_t *x, int8_t *y);

#endif

#endif
