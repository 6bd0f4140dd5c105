/* SPDX-License-Identifier: Apache-2.0 */
/* Where the assembly finds the members of the structs of tf_depthwise_rows.h, in bytes: a test compares them with the
 * compiler's. */
#ifndef TF_DEPTHWISE_OFFSETS_H
#define TF_DEPTHWISE_OFFSETS_H

#define tf_depthwise_row_at_plane 0
#define tf_depthwise_row_at_filter 4
#define tf_depthwise_row_at_y 8
#define tf_depthwise_row_at_stride 12
#define tf_depthwise_row_at_zero_point 16
#define tf_depthwise_row_at_count 20
#define tf_depthwise_row_at_plane_bytes 24
#define tf_depthwise_row_at_pair_bytes 28
#define tf_depthwise_row_at_tiles 32

#define tf_pair_line_at_above 0
#define tf_pair_line_at_below 4
#define tf_pair_line_at_above_skip 8
#define tf_pair_line_at_below_skip 12
#define tf_pair_line_at_out 16
#define tf_pair_line_at_plane_bytes 20
#define tf_pair_line_at_quads 24
#define tf_pair_line_at_cells 28

#endif
