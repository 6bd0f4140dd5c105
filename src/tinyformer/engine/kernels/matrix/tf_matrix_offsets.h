/* SPDX-License-Identifier: Apache-2.0 */
/* Where the assembly finds the members of the structs of tf_matrix.h, in bytes: a test compares them with the
 * compiler's. */
#ifndef TF_MATRIX_OFFSETS_H
#define TF_MATRIX_OFFSETS_H

#define tf_rows_at_tile 0
#define tf_rows_at_tile_end 4
#define tf_rows_at_y 8
#define tf_rows_at_stride 12
#define tf_rows_at_zero_point 16
#define tf_rows_at_steps 20

#define tf_window_rows_at_source 0
#define tf_window_rows_at_tile 16
#define tf_window_rows_at_rest 20
#define tf_window_rows_at_rest_bytes 24
#define tf_window_rows_at_left 28
#define tf_window_rows_at_quads 32
#define tf_window_rows_at_count 36
#define tf_window_rows_at_step 40

#endif
