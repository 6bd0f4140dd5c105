/* SPDX-License-Identifier: Apache-2.0 */
/* Where the assembly finds the members of the structs of tf_words.h, in bytes: a test compares them with the
 * compiler's. */
#ifndef TF_WORDS_OFFSETS_H
#define TF_WORDS_OFFSETS_H

#define tf_add_terms_at_multipliers 0
#define tf_add_terms_at_offset 4
#define tf_add_terms_at_scale 8
#define tf_add_terms_at_y_end 12

#define tf_mul_terms_at_a_offsets 0
#define tf_mul_terms_at_b_offsets 4
#define tf_mul_terms_at_multiplier 8
#define tf_mul_terms_at_zero 12
#define tf_mul_terms_at_y_end 16

#define tf_softmax_row_at_table 0
#define tf_softmax_row_at_e 4
#define tf_softmax_row_at_leading 8
#define tf_softmax_row_at_most 12
#define tf_softmax_row_at_zero 16

#define tf_layer_norm_terms_at_wide_factor 0
#define tf_layer_norm_terms_at_offset 4
#define tf_layer_norm_terms_at_multiplier 8
#define tf_layer_norm_terms_at_shift 12
#define tf_layer_norm_terms_at_gamma 16
#define tf_layer_norm_terms_at_beta 20
#define tf_layer_norm_terms_at_y_last 24

#endif
