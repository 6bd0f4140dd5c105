#include "tf_requantize.h"
#include "tf_rows.h"
#include "tf_simd.h"

/* A *plane* holds one channel of a band of the image as vertical pairs: the word at (r, column) is (row first + step * r,
 * the row below it), columns padded. One SMLAD then multiplies two rows of a filter, and four neighbouring outputs share
 * every word they load. */
typedef struct {
  uint32_t *planes;       /* channel after channel */
  uint32_t *filters;      /* channel after channel: bias, multiplier, then the filter's words */
  int8_t *outside;        /* one cell's channels of padding */
  uint32_t line_words;    /* from one pair row of a plane to the next */
  uint32_t plane_words;   /* from one plane to the next */
  uint32_t step;          /* image rows from one pair row to the next: 1, or 2 where only every other one is needed */
  uint32_t filter_pairs;  /* pair rows of a filter */
  uint32_t filter_words;  /* of a channel, bias and multiplier included */
} workspace;

/* Filters of channels [first, first + count), widened. */
static void widen_filters(const tf_depthwise_rows_params *p, const workspace *s, uint32_t first, uint32_t count) {
  const uint32_t taps = s->filter_words - 2;
  const int8_t *weights = p->weights + (size_t)first * taps * 2;
  const int32_t *channel = p->channels + (size_t)first * 2;
  const int32_t scale = 1 << p->weight_shift;
  uint32_t *out = s->filters;
  for (; count; count--) {
    *out++ = (uint32_t)*channel++;
    *out++ = (uint32_t)*channel++;
    for (uint32_t i = 0; i < taps; i++, weights += 2) *out++ = tf_pack(weights[0] * scale, weights[1] * scale);
  }
}

/* Vertical pairs of four channels at one cell. */
static inline void store_pairs(uint32_t *plane, uint32_t plane_words, uint32_t above, uint32_t below) {
  const uint32_t a02 = tf_even(above), a13 = tf_odd(above), b02 = tf_even(below), b13 = tf_odd(below);
  plane[0] = tf_low_halves(a02, b02);
  plane[plane_words] = tf_low_halves(a13, b13);
  plane[2 * plane_words] = tf_high_halves(a02, b02);
  plane[3 * plane_words] = tf_high_halves(a13, b13);
}

/* Up to four channels as a word. */
static inline uint32_t load_channels(const int8_t *x, uint32_t count) {
  uint32_t word = 0;
  if (count >= 4) return tf_load(x);
  for (uint32_t i = 0; i < count; i++) word |= (uint32_t)(uint8_t)x[i] << (8 * i);
  return word;
}

/* One pair row of the planes of channels [first, first + count), from image rows `row` and row + 1. */
static void fill_line(const tf_depthwise_rows_params *p, const workspace *s, const int8_t *x, uint32_t first,
                      uint32_t count, int row, uint32_t *line) {
  const tf_window *w = &p->window;
  const uint32_t row_bytes = (uint32_t)w->in_width * w->in_channels;
  const int8_t *above = s->outside, *below = s->outside;
  uint32_t above_step = 0, below_step = 0;
  if (row >= 0 && row < w->in_height) above = x + (uint32_t)row * row_bytes + first, above_step = w->in_channels;
  if (row + 1 >= 0 && row + 1 < w->in_height) {
    below = x + (uint32_t)(row + 1) * row_bytes + first;
    below_step = w->in_channels;
  }
  line += w->pad_left;
  for (uint32_t column = w->in_width; column; column--, line++, above += above_step, below += below_step) {
    uint32_t *plane = line, quad = 0;
    for (; quad + 4 <= count; quad += 4, plane += 4 * s->plane_words) {
      store_pairs(plane, s->plane_words, tf_load(above + quad), tf_load(below + quad));
    }
    if (quad < count) {
      store_pairs(plane, s->plane_words, load_channels(above + quad, count - quad),
                  load_channels(below + quad, count - quad));
    }
  }
}

/* Padding to the left and right of the image in all lines. */
static void fill_sides(const tf_depthwise_rows_params *p, const workspace *s, uint32_t lines) {
  const uint32_t pad = tf_pack(p->window.pad_value, p->window.pad_value);
  const uint32_t image_end = (uint32_t)p->window.pad_left + p->window.in_width;
  uint32_t *line = s->planes;
  for (; lines; lines--, line += s->line_words) {
    for (uint32_t i = 0; i < p->window.pad_left; i++) line[i] = pad;
    for (uint32_t i = image_end; i < s->line_words; i++) line[i] = pad;
  }
}

/* The word of column i of four windows, times the weights that it meets. */
TF_INLINE void multiply_column(int width, int stride, int i, const uint32_t *line, const uint32_t *weights,
                               int32_t acc[4]) {
  if (i >= 3 * stride + width) return;
  const uint32_t word = line[i];
  for (int output = 0; output < 4; output++) {
    const int tap = i - output * stride;
    if (tap >= 0 && tap < width) acc[output] = tf_dot(word, weights[tap], acc[output]);
  }
}

/* A row of outputs of one channel; `width` and `stride` are constants wherever this is inlined. */
TF_INLINE void multiply_row(int width, int stride, const tf_depthwise_rows_params *p, const workspace *s,
                            const uint32_t *plane, const uint32_t *filter, int8_t *y) {
  const uint32_t outputs = p->window.out_width, channels = p->window.out_channels;
  const uint32_t pair_step = 2 / s->step * s->line_words;
  for (uint32_t x = 0; x < outputs; x += 4) {
    if (x + 4 > outputs && outputs >= 4) x = outputs - 4; /* overlaps the four outputs before */
    int32_t acc[4];
    for (int i = 0; i < 4; i++) acc[i] = (int32_t)filter[0];
    const uint32_t *line = plane + x * (uint32_t)stride, *weights = filter + 2;
    for (uint32_t pair = s->filter_pairs; pair; pair--, line += pair_step, weights += width) {
      multiply_column(width, stride, 0, line, weights, acc);
      multiply_column(width, stride, 1, line, weights, acc);
      multiply_column(width, stride, 2, line, weights, acc);
      multiply_column(width, stride, 3, line, weights, acc);
      multiply_column(width, stride, 4, line, weights, acc);
      multiply_column(width, stride, 5, line, weights, acc);
      multiply_column(width, stride, 6, line, weights, acc);
      multiply_column(width, stride, 7, line, weights, acc);
      multiply_column(width, stride, 8, line, weights, acc);
      multiply_column(width, stride, 9, line, weights, acc);
      multiply_column(width, stride, 10, line, weights, acc);
      multiply_column(width, stride, 11, line, weights, acc);
      multiply_column(width, stride, 12, line, weights, acc);
    }
    int8_t *cell = y + x * channels;
    const uint32_t count = outputs - x < 4 ? outputs - x : 4;
    for (uint32_t i = 0; i < count; i++, cell += channels) {
      const int32_t scaled = tf_scale(acc[i], (int32_t)filter[1], p->zero_point);
      *cell = (int8_t)tf_clamp(scaled, p->low, p->high);
    }
  }
}

/* A row of outputs of `count` channels. */
#define DEFINE_ROW(name, width, stride)                                                                        \
  static void name(const tf_depthwise_rows_params *p, const workspace *s, const uint32_t *plane, uint32_t count, \
                   int8_t *y) {                                                                                \
    const uint32_t *filter = s->filters;                                                                       \
    for (; count; count--, plane += s->plane_words, filter += s->filter_words, y++) {                          \
      multiply_row(width, stride, p, s, plane, filter, y);                                                     \
    }                                                                                                          \
  }
DEFINE_ROW(row_3_1, 3, 1)
DEFINE_ROW(row_3_2, 3, 2)
DEFINE_ROW(row_5_1, 5, 1)
DEFINE_ROW(row_5_2, 5, 2)
DEFINE_ROW(row_7_1, 7, 1)
DEFINE_ROW(row_7_2, 7, 2)

typedef void row_function(const tf_depthwise_rows_params *p, const workspace *s, const uint32_t *plane, uint32_t count,
                          int8_t *y);

void TF(depthwise_rows)(const tf_depthwise_rows_params *p, const int8_t *x, int8_t *y, void *scratch) {
  static row_function *const functions[] = {row_3_1, row_3_2, row_5_1, row_5_2, row_7_1, row_7_2};
  const tf_window *w = &p->window;
  row_function *const row_function = functions[w->kernel_width / 2 * 2 + w->stride_x - 3];
  const uint32_t channels = w->out_channels, stride = w->stride_y, step = stride == 2 ? 2 : 1;
  const uint32_t filter_pairs = (w->kernel_height + 1u) / 2, outputs = w->out_width < 4 ? 4 : w->out_width;
  const uint32_t line_words = (outputs - 1) * w->stride_x + w->kernel_width;
  const uint32_t lines = (((p->band_rows - 1u) * stride + 2 * (filter_pairs - 1)) / step) + 1;
  const uint32_t group = p->group_channels;
  workspace s = {.planes = (uint32_t *)scratch,
                 .line_words = line_words,
                 .plane_words = lines * line_words,
                 .step = step,
                 .filter_pairs = filter_pairs,
                 .filter_words = 2 + filter_pairs * w->kernel_width};
  s.filters = s.planes + group * s.plane_words;
  s.outside = (int8_t *)(s.filters + group * s.filter_words);
  memset(s.outside, w->pad_value, group);
  fill_sides(p, &s, group * lines);

  for (uint32_t first = 0; first < channels; first += group) {
    const uint32_t count = channels - first < group ? channels - first : group;
    widen_filters(p, &s, first, count);
    for (uint32_t band = 0; band < w->out_height; band += p->band_rows) {
      const uint32_t rows = w->out_height - band < p->band_rows ? w->out_height - band : p->band_rows;
      const int top = (int)(band * stride) - w->pad_top;
      const uint32_t used = ((rows - 1) * stride + 2 * (filter_pairs - 1)) / step + 1;
      for (uint32_t line = 0; line < used; line++) {
        fill_line(p, &s, x, first, count, top + (int)(line * step), s.planes + line * line_words);
      }
      for (uint32_t row = 0; row < rows; row++) {
        row_function(p, &s, s.planes + row * stride / step * line_words, count,
                     y + (size_t)(band + row) * w->out_width * channels + first);
      }
    }
  }
}
