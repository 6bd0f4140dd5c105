/* SPDX-License-Identifier: Apache-2.0 */
#include "tf_pool.h"
#include "tf_requantize.h"
#include "tf_simd.h"

#define WORD_CELLS 256u /* whose sums fit int16 */
#define WORDS 4u
#define CHANNELS (4 * WORDS) /* that are added up side by side */

/* A window, the negated sum of the zero points of its cells, and the multiplier of its sums. */
typedef struct {
  tf_pool_cells cells;
  int32_t bias, multiplier;
} mean;

/* Adds up CHANNELS channels of at most WORD_CELLS cells. */
static void add_up(const tf_pool_cells *window, const int8_t *first, uint32_t rows, int32_t *sums) {
  uint32_t even[WORDS] = {0, 0, 0, 0}, odd[WORDS] = {0, 0, 0, 0};
  TF_ROLLED for (; rows; rows--, first += window->row_bytes) {
    const int8_t *cell = first;
    TF_ROLLED for (uint32_t i = window->columns; i; i--, cell += window->channels) {
      for (uint32_t w = 0; w < WORDS; w++) {
        const uint32_t word = tf_load(cell + 4 * w);
        even[w] = tf_even_plus(even[w], word);
        odd[w] = tf_odd_plus(odd[w], word);
      }
    }
  }
  for (uint32_t w = 0; w < WORDS; w++, sums += 4) {
    sums[0] = tf_mac_low_low(even[w], 1, sums[0]);
    sums[1] = tf_mac_low_low(odd[w], 1, sums[1]);
    sums[2] = tf_mac_high_low(even[w], 1, sums[2]);
    sums[3] = tf_mac_high_low(odd[w], 1, sums[3]);
  }
}

/* `value` / 2^shift, ties away from zero. */
static int32_t divide_away(int32_t value, unsigned shift) {
  return (int32_t)(((int64_t)value + (INT64_C(1) << (shift - 1)) - (value < 0)) >> shift);
}

static int8_t rounded_twice(const tf_pool_params *p, int32_t sum, int32_t multiplier) {
  const int32_t product = tf_scale(tf_shift_saturate(sum, p->shift), multiplier, 0);
  return (int8_t)tf_clamp(p->zero_point + divide_away(product, p->right_shift), p->low, p->high);
}

/* Averages of CHANNELS channels that begin at channel c. */
static void average_words(const tf_pool_params *p, const mean *m, uint32_t c, int8_t *y) {
  const uint32_t lows = (uint32_t)(p->low & 0xFF) * 0x01010101u, highs = (uint32_t)(p->high & 0xFF) * 0x01010101u;
  const uint32_t band = WORD_CELLS / m->cells.columns;
  const int8_t *first = m->cells.first + c;
  int32_t sums[CHANNELS];
  TF_ROLLED for (uint32_t i = 0; i < CHANNELS; i++) sums[i] = m->bias;
  TF_ROLLED for (uint32_t rows = m->cells.rows; rows;) {
    const uint32_t some = rows < band ? rows : band;
    add_up(&m->cells, first, some, sums);
    first += some * m->cells.row_bytes;
    rows -= some;
  }
  if (p->right_shift) {
    TF_ROLLED for (uint32_t i = 0; i < CHANNELS; i++) y[c + i] = rounded_twice(p, sums[i], m->multiplier);
    return;
  }
  TF_ROLLED for (uint32_t w = 0; w < WORDS; w++) {
    int32_t *s = sums + 4 * w;
    TF_ROLLED for (uint32_t i = 0; i < 4; i++) {
      if (p->shift) s[i] = tf_shift_saturate(s[i], p->shift);
      s[i] = tf_saturate(tf_scale(s[i], m->multiplier, p->zero_point));
    }
    tf_store(y + c + 4 * w, tf_min_bytes(tf_max_bytes(tf_pack_bytes(s[0], s[1], s[2], s[3]), lows), highs));
  }
}

static void average(const tf_pool_params *p, const mean *m, uint32_t c, int8_t *y) {
  const int8_t *first = m->cells.first + c;
  int32_t sum = m->bias;
  TF_ROLLED for (uint32_t row = 0; row < m->cells.rows; row++, first += m->cells.row_bytes) {
    TF_ROLLED for (uint32_t i = 0; i < m->cells.columns; i++) sum += first[i * m->cells.channels];
  }
  y[c] = p->right_shift ? rounded_twice(p, sum, m->multiplier)
                        : tf_requantize(sum, m->multiplier, p->shift, p->zero_point, p->low, p->high);
}

void TF(average_pool)(const tf_pool_params *p, const int8_t *x, int8_t *y, void *scratch) {
  const uint32_t channels = p->channels;
  (void)scratch;
  for (int row = 0; row < p->out_height; row++) {
    for (int column = 0; column < p->out_width; column++, y += channels) {
      const tf_pool_cells cells = tf_pool_window(p, x, row, column);
      const int32_t count = (int32_t)(cells.rows * cells.columns);
      const mean m = {cells, -count * p->in_zero_point, p->multipliers[(count - 1) * p->multiplier_step]};
      if (cells.columns > WORD_CELLS || channels < CHANNELS) {
        for (uint32_t c = 0; c < channels; c++) average(p, &m, c, y);
        continue;
      }
      for (uint32_t c = 0; c < channels; c += CHANNELS) {
        const uint32_t last = channels - CHANNELS; /* may overlap the ones before */
        average_words(p, &m, c < last ? c : last, y);
      }
    }
  }
}
