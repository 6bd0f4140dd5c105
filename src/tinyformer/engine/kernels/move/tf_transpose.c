/* SPDX-License-Identifier: Apache-2.0 */
#include "tf_copy_bytes.h"
#include "tf_kernels.h"

/* Four words as the rows of a 4 x 4 matrix of bytes, to its columns, `stride` apart. */
static inline void store_columns(const uint32_t rows[4], int8_t *y, uint32_t stride) {
  const uint32_t even = 0x00FF00FFu;
  const uint32_t a = (rows[0] & even) | (rows[1] & even) << 8, b = (rows[0] >> 8 & even) | (rows[1] & ~even);
  const uint32_t c = (rows[2] & even) | (rows[3] & even) << 8, d = (rows[2] >> 8 & even) | (rows[3] & ~even);
  tf_store(y, tf_low_halves(a, c));
  tf_store(y + stride, tf_low_halves(b, d));
  tf_store(y + 2 * stride, tf_high_halves(a, c));
  tf_store(y + 3 * stride, tf_high_halves(b, d));
}

/* y[k * columns + l] = x[k + l * stride] */
static void transpose_matrix(const int8_t *x, int32_t stride, uint32_t rows, uint32_t columns, int8_t *y) {
  uint32_t k = 0;
  for (; k + 4 <= rows; k += 4, x += 4, y += 4 * columns) {
    const int8_t *line = x;
    uint32_t l = 0;
    for (; l + 4 <= columns; l += 4, line += 4 * stride) {
      const uint32_t words[4] = {tf_load(line), tf_load(line + stride), tf_load(line + 2 * stride),
                                 tf_load(line + 3 * stride)};
      store_columns(words, y + l, columns);
    }
    for (; l < columns; l++, line += stride) {
      for (uint32_t i = 0; i < 4; i++) y[i * columns + l] = line[i];
    }
  }
  for (; k < rows; k++, x++) {
    for (uint32_t l = 0; l < columns; l++) *y++ = x[(int32_t)l * stride];
  }
}

void TF(transpose)(const tf_transpose_params *p, const int8_t *x, int8_t *y, void *scratch) {
  const uint32_t rows = p->shape[2], columns = p->shape[3];
  (void)scratch;
  for (int i = 0; i < p->shape[0]; i++) {
    for (int j = 0; j < p->shape[1]; j++, y += rows * columns) {
      const int8_t *matrix = x + i * p->strides[0] + j * p->strides[1];
      if (p->strides[2] == 1) {
        transpose_matrix(matrix, p->strides[3], rows, columns, y);
        continue;
      }
      for (uint32_t k = 0; k < rows; k++) {
        const int8_t *line = matrix + (int32_t)k * p->strides[2];
        if (p->strides[3] == 1) {
          tf_copy_bytes(y + k * columns, line, columns);
        } else {
          for (uint32_t l = 0; l < columns; l++) y[k * columns + l] = line[(int32_t)l * p->strides[3]];
        }
      }
    }
  }
}
