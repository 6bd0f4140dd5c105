/* SPDX-License-Identifier: Apache-2.0 */
#include "tf_pool.h"
#include "tf_simd.h"

/* Largest values of `words` * 4 channels, at most 16, that begin at channel c. */
TF_INLINE void pool_words(const tf_pool_cells *window, uint32_t c, uint32_t words, int8_t *y) {
  uint32_t most[4] = {0x80808080u, 0x80808080u, 0x80808080u, 0x80808080u};
  const int8_t *first = window->first + c;
  for (uint32_t rows = window->rows; rows; rows--, first += window->row_bytes) {
    const int8_t *cell = first;
    for (uint32_t i = window->columns; i; i--, cell += window->channels) {
      for (uint32_t w = 0; w < words; w++) most[w] = tf_max_bytes(most[w], tf_load(cell + 4 * w));
    }
  }
  for (uint32_t w = 0; w < words; w++) tf_store(y + c + 4 * w, most[w]);
}

static void pool_channel(const tf_pool_cells *window, uint32_t c, int8_t *y) {
  const int8_t *first = window->first + c;
  int most = -128;
  for (uint32_t rows = window->rows; rows; rows--, first += window->row_bytes) {
    for (uint32_t i = 0; i < window->columns; i++) {
      const int value = first[i * window->channels];
      most = value > most ? value : most;
    }
  }
  y[c] = (int8_t)most;
}

void TF(max_pool)(const tf_pool_params *p, const int8_t *x, int8_t *y, void *scratch) {
  const uint32_t channels = p->channels;
  (void)scratch;
  for (int row = 0; row < p->out_height; row++) {
    for (int column = 0; column < p->out_width; column++, y += channels) {
      const tf_pool_cells window = tf_pool_window(p, x, row, column);
      uint32_t c = 0;
      for (; c + 16 <= channels; c += 16) pool_words(&window, c, 4, y);
      for (; c + 4 <= channels; c += 4) pool_words(&window, c, 1, y);
      for (; c < channels; c++) pool_channel(&window, c, y);
    }
  }
}
