/* SPDX-License-Identifier: Apache-2.0 */
/* Where the assembly finds the members of the structs of tf_sparse.h, in bytes: a test compares them with the
 * compiler's. */
#ifndef TF_SPARSE_OFFSETS_H
#define TF_SPARSE_OFFSETS_H

#define tf_pair_reader_at_index 0
#define tf_pair_reader_at_weights 8
#define tf_pair_reader_at_at 12
#define tf_pair_reader_at_pair 16
#define tf_pair_reader_at_left 20
#define tf_pair_reader_at_pairs 24
#define tf_pair_reader_at_other_rows 28
#define tf_pair_reader_at_places 32

#define tf_pair_places_at_reciprocal 0
#define tf_pair_places_at_step 4
#define tf_pair_places_at_tap 8

#endif
