/* SPDX-License-Identifier: Apache-2.0 */
#include "tf_matrix.h"

/* Widens `rows` rows of kernel_width + 3 cells, of which the first begins at (row, column), into the tile. */
static void gather_band(const tf_gather *gather, int row, int rows, int column) {
  const tf_window *w = gather->window;
  const int channels = w->in_channels;
  uint32_t inside = 0; /* a bit for each column of the image */
  for (int i = 0; i < TF_BAND_COLUMNS; i++) inside |= (uint32_t)(column + i >= 0 && column + i < w->in_width) << i;
  const int8_t *const image = gather->x, *const outside = gather->border;
  uint32_t *tile = gather->tile;
  for (; rows; rows--, row++) {
    const int8_t *source[TF_BAND_COLUMNS];
    const uint32_t there = row >= 0 && row < w->in_height ? inside : 0;
    int offset = (row * w->in_width + column) * channels;
    if (there == (1u << TF_BAND_COLUMNS) - 1) {
      const int8_t *cell = image + offset;
      for (int i = 0; i < TF_BAND_COLUMNS; i++, cell += channels) source[i] = cell;
    } else {
      for (int i = 0; i < TF_BAND_COLUMNS; i++, offset += channels) {
        source[i] = there >> i & 1 ? image + offset : outside;
      }
    }
    tile = gather->widen(source, w->in_channels / 4u, tile);
  }
}

void TF(multiply_bands)(const tf_gather *gather, const uint32_t *stream, tf_rows rows, tf_rows_function *multiply,
                        int low, int high) {
  const tf_window *w = gather->window;
  const int out_height = w->out_height, out_width = w->out_width;
  const uint32_t row_words = (w->kernel_width + 3u) * (w->in_channels / 2u), outputs = w->out_channels;
  int8_t *y = rows.y;
  for (int top = 0; top < out_height; top += gather->band_rows) {
    const int count = top + gather->band_rows < out_height ? gather->band_rows : out_height - top;
    for (int left = 0; left < out_width; left += 4) {
      if (left + 4 > out_width) left = out_width - 4;
      gather_band(gather, top - w->pad_top, count + w->kernel_height - 1, left - w->pad_left);
      rows.tile = gather->tile;
      for (int row = top; row < top + count; row++, rows.tile += row_words) {
        rows.tile_end = rows.tile + row_words * w->kernel_height;
        rows.y = y + (size_t)(row * out_width + left) * outputs;
        multiply(stream, &rows);
        if (low > -128 || high < 127) TF(clamp_bytes)(rows.y, 4 * outputs, low, high);
      }
    }
  }
}
