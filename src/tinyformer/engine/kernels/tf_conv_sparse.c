#include "tf_rows.h"
#include "tf_simd.h"
#include "tf_sparse_index.h"

#if TF_ARM_DSP
extern const uint32_t TF(sparse_entries)[];
#define ENTRY(number) TF(sparse_entries)[number]
#define ADDRESS(tile) ((uint32_t)(uintptr_t)(tile))
#else
#define ENTRY(number) ((uint32_t)(number))
#define ADDRESS(tile) 0u
#endif

/* Where decoding stands. */
typedef struct {
  tf_sparse_index index;
  const int8_t *weights;
  const int32_t *channel;
  uint32_t row;   /* block row */
  uint32_t count; /* its blocks */
} decoder;

static void next_row(decoder *d, uint32_t rows) {
  d->row += 1 + tf_next_number(&d->index);
  if (d->row >= rows) d->row -= rows;
  d->count = 1 + tf_next_number(&d->index);
}

/* The stream record of one row pair out of a block row, in the order in which tf_sparse_rows reads. Returns its end;
 * `*link`, the word in which the record before expects the address of its successor's first inputs, moves on. */
static uint32_t *expand_row_pair(const tf_conv_sparse_params *p, const decoder *d, tf_sparse_index *index,
                                 const int8_t *weights, uint32_t tile, uint32_t *out, uint32_t **link) {
  const uint32_t pairs = p->block_pairs, step = 4u * pairs * p->block_row_pairs;
  const uint32_t total = d->count * pairs;
  const uint32_t first_pass = total <= TF_SPARSE_PASS + 1 ? total - 1 : (total - 2) % TF_SPARSE_PASS + 1;
  uint32_t written = 0, dispatch = 1;

  tile -= 16 * pairs;
  for (uint32_t block = 0; block < d->count; block++, weights += step) {
    tile += 16 * pairs * (1 + tf_next_number(index));
    for (uint32_t pair = 0; pair < pairs; pair++) {
      const uint32_t word = tf_load(weights + 4 * pair);
      if (written == 0) {
        **link = tile;
        *out++ = (uint32_t)d->channel[0];
        *out++ = (uint32_t)d->channel[1];
      } else {
        *out++ = tile + 16 * pair;
      }
      *out++ = tf_even(word);
      *out++ = tf_odd(word);
      if (written++ != dispatch) continue;
      if (dispatch == 1 && total > TF_SPARSE_PASS + 1) {
        *out++ = ENTRY(TF_SPARSE_MANY);
        *out++ = ENTRY(first_pass);
        dispatch += first_pass;
      } else if (dispatch == 1) {
        *out++ = ENTRY(first_pass);
      } else {
        dispatch += TF_SPARSE_PASS;
        *out++ = ENTRY(dispatch < total ? TF_SPARSE_FULL_PASS : TF_SPARSE_LAST_PASS);
      }
    }
  }
  *link = out++;
  *out++ = (uint32_t)d->channel[2];
  *out++ = (uint32_t)d->channel[3];
  if (total == 1) *out++ = ENTRY(0);
  return out;
}

/* Expands block rows into the stream until it is full or the rows are. Returns the number of block rows. */
static uint32_t expand_rows(const tf_conv_sparse_params *p, decoder *d, uint32_t most, uint32_t tile,
                            uint32_t *stream) {
  const uint32_t outputs = p->window.out_channels, height = 2u * p->block_row_pairs;
  uint32_t *out = stream + 1, *link = stream, rows = 0;
  const uint32_t *limit = stream + p->stream_words - TF_SPARSE_SPARE_WORDS;
  for (;;) {
    const uint32_t needed = TF_SPARSE_RECORD_WORDS(d->count * p->block_pairs) * p->block_row_pairs;
    if (rows == most || needed > (uint32_t)(limit - out)) break;
    const uint32_t first = d->row * height + height > outputs ? outputs - height : d->row * height;
    tf_sparse_index index = d->index;
    for (uint32_t i = 0; i < p->block_row_pairs; i++) {
      index = d->index;
      out = expand_row_pair(p, d, &index, d->weights + 4 * i * p->block_pairs, tile, out, &link);
      *out++ = 2 * (first + 2 * i);
      d->channel += 4;
    }
    d->index = index;
    d->weights += 4u * d->count * p->block_pairs * p->block_row_pairs;
    if (++rows < most) next_row(d, p->block_rows);
  }
  out[-1] |= 1;
  *link = tile;
  return rows;
}

void TF(conv_sparse)(const tf_conv_sparse_params *p, const int8_t *x, int8_t *y, void *scratch) {
  const tf_window *w = &p->window;
  const uint32_t pixels = (uint32_t)w->out_height * w->out_width, outputs = w->out_channels;
  const int clamped = p->low > -128 || p->high < 127;
  uint32_t *stream = (uint32_t *)scratch, *tile = stream + p->stream_words;
  const tf_gather gather = TF(gather_begin)(w, x, tile, (int8_t *)(tile + 4 * p->pairs));
  decoder d = {{p->index, 0}, p->weights, p->channels, p->block_rows - 1u, 0};
  tf_rows rows = {tile, NULL, y, (int32_t)outputs, p->zero_point, 0};

  next_row(&d, p->block_rows);
  for (uint32_t left = p->block_rows; left;) {
    left -= expand_rows(p, &d, left, ADDRESS(tile), stream);
    for (uint32_t pixel = 0; pixel < pixels; pixel += 4) {
      if (pixel + 4 > pixels) pixel = pixels - 4; /* the last tile overlaps the one before */
      TF(gather_tile)(&gather, pixel);
      rows.y = y + (size_t)pixel * outputs;
      TF(sparse_rows)(stream, &rows);
      if (clamped && !left) TF(clamp_bytes)(rows.y, 4 * outputs, p->low, p->high);
    }
  }
}
