/* SPDX-License-Identifier: Apache-2.0 */
#include "tf_simd.h"
#include "tf_sparse.h"

#if TF_ARM_DSP
extern const uint32_t TF(sparse_entries)[6];
#define ADDRESS(tile) ((uint32_t)(uintptr_t)(tile))

static uint32_t entry(uint32_t number) {
  const uint32_t *e = TF(sparse_entries);
  if (number <= TF_SPARSE_PASS) return e[0] - number * e[1];
  if (number < TF_SPARSE_FULL_PASS) return e[2] + (number - TF_SPARSE_PASS - 1) * e[3];
  return number == TF_SPARSE_FULL_PASS ? e[4] : e[5];
}
#else
#define ADDRESS(tile) 0u

static uint32_t entry(uint32_t number) { return number; }
#endif

/* The stream record of a row pair of `total` pairs, up to its multipliers. Returns its end; `*link`, the word in which
 * the record before expects the address of its successor's first inputs, moves on. */
static uint32_t *expand_row_pair(tf_pair_reader *r, uint32_t total, const int32_t channel[4], uint32_t tile,
                                 uint32_t *out, uint32_t **link) {
  uint32_t others = total ? total - 1 : 0, pass = TF_SPARSE_FIRST_PASS(others);
  if (total) {
    TF(read_pairs)(r, 1, out + 1); /* the address is in the way of bias 1 */
  } else {
    out[1] = tile; /* any inputs times 0 */
    out[2] = out[3] = 0;
  }
  **link = out[1];
  out[0] = (uint32_t)channel[0];
  out[1] = (uint32_t)channel[1];
  out[4] = entry(others > TF_SPARSE_PASS ? TF_SPARSE_PASS + pass : pass);
  out += 5;
  for (;;) {
    TF(read_pairs)(r, pass, out);
    out += TF_SPARSE_PAIR_WORDS * pass;
    others -= pass;
    if (!others) break;
    /* The pass ends by loading the pair that comes next; the way to go stands behind it. */
    TF(read_pairs)(r, 1, out);
    out[3] = entry(others > TF_SPARSE_PASS ? TF_SPARSE_FULL_PASS : TF_SPARSE_LAST_PASS);
    out += 4;
    others--;
    pass = TF_SPARSE_PASS - 1;
  }
  *link = out;
  out[1] = (uint32_t)channel[2];
  out[2] = (uint32_t)channel[3];
  return out + 3;
}

/* Expands block rows into the stream until it is full or `most` are done. Returns their number. */
static uint32_t expand_rows(const tf_conv_sparse_params *p, tf_sparse_decoder *d, uint32_t most, uint32_t tile,
                            const tf_pair_places *places, uint32_t *stream) {
  const uint32_t outputs = p->window.out_channels, height = 2u * p->block_row_pairs, bytes = 4u * p->block_pairs;
  const uint32_t other_rows = bytes * (p->block_row_pairs - 1u);
  const uint32_t *limit = stream + p->stream_words - TF_STREAM_SPARE_WORDS;
  const uint32_t begin = places ? 0 : tile;
  uint32_t *out = stream + TF_SPARSE_FIRST_WORDS, *link = stream, rows = 0;
  for (;;) {
    const uint32_t pairs = d->count * p->block_pairs;
    const uint32_t needed = TF_SPARSE_RECORD_WORDS(pairs ? pairs : 1) * p->block_row_pairs;
    if (rows == most || needed > (uint32_t)(limit - out)) break;
    const uint32_t first = d->row * height + height > outputs ? outputs - height : d->row * height;
    tf_pair_reader r = {.index = d->index};
    for (uint32_t i = 0; i < p->block_row_pairs; i++) {
      r = (tf_pair_reader){d->index, d->weights, bytes * i - other_rows, begin, 0, p->block_pairs, other_rows, places};
      out = expand_row_pair(&r, pairs, d->channel, tile, out, &link);
      *out++ = 2 * (first + 2 * i);
      d->channel += 4;
    }
    d->index = r.index;
    d->weights += 4 * pairs * p->block_row_pairs;
    if (++rows < most) tf_next_block_row(d);
  }
  out[-1] |= 1;
  *link = tile;
  return rows;
}

/* Where a tile in bands holds inputs, for kernels of `width` columns. */
static void find_places(const tf_window *w, uint32_t tile, uint32_t width, tf_pair_places *places) {
  const uint32_t columns = width + 3, cell = w->in_channels / 2u, taps = w->kernel_height * width;
  places->step = 4 * columns;
  places->reciprocal = UINT32_MAX / cell + 1;
  for (uint32_t tap = 0; tap <= taps; tap++) {
    const uint32_t ky = tap / width % w->kernel_height, kx = tap % width; /* past the last tap: any inputs, times 0 */
    places->tap[tap] = tile + 4 * (columns * cell * ky + kx) - places->step * cell * tap;
  }
}

void TF(conv_sparse_body)(const tf_conv_sparse_params *p, const int8_t *x, int8_t *y, void *scratch,
                          const tf_tiling *tiling) {
  uint32_t *stream = (uint32_t *)scratch, *tile = stream + p->stream_words;
  int8_t *border = (int8_t *)(tile + p->tile_words);
  const tf_gather gather = {&p->window, x, tile, border, tiling->widen, p->band_rows};
  const tf_rows rows = {tile, NULL, y, p->window.out_channels, p->zero_point, 0};
  tf_prepare_border(&gather);
  tf_pair_places places;
  if (tiling->width > 1) find_places(&p->window, ADDRESS(tile), tiling->width, &places);
  tf_sparse_decoder d = tf_begin_decoding(p->index, p->weights, p->channels, p->block_rows);

  for (uint32_t left = p->block_rows; left;) {
    left -= expand_rows(p, &d, left, ADDRESS(tile), tiling->width > 1 ? &places : NULL, stream);
    tiling->multiply(&gather, stream, rows, TF(sparse_rows), left ? -128 : p->low, left ? 127 : p->high);
  }
}
