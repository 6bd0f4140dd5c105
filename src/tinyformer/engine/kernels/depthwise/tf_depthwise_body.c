/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "tf_compiler.h"
#include "tf_depthwise_rows.h"

typedef struct {
  uint32_t *filters;    /* channel after channel; first, because the assembly reads words behind the last one */
  uint32_t *planes;     /* channel after channel */
  int8_t *outside;      /* one cell's channels of padding */
  int8_t *narrow;       /* four outputs' channels, where a row of outputs is shorter */
  uint32_t line_words;  /* from one line of a plane to the next */
  uint32_t plane_words; /* from one plane to the next */
  uint32_t step;        /* image rows from one line to the next: 1 or 2 */
  uint32_t extra_lines; /* beyond the one in which a window begins */
} workspace;

/* Lines that `rows` rows of outputs need. */
static uint32_t needed_lines(const workspace *s, uint32_t stride, uint32_t rows) {
  return (rows - 1) * stride / s->step + s->extra_lines + 1;
}

/* One line of the planes of channels [first, first + count), from image rows `row` and row + 1. */
static void fill_line(const tf_depthwise_rows_params *p, const workspace *s, const int8_t *x, uint32_t first,
                      uint32_t count, int row, uint32_t *out) {
  const tf_window *w = &p->window;
  const int32_t channels = w->in_channels, quads = (int32_t)(count / 4);
  const int has_above = row >= 0 && row < w->in_height, has_below = row + 1 >= 0 && row + 1 < w->in_height;
  const int8_t *cells = x + row * w->in_width * channels + first;
  const tf_pair_line line = {.above = has_above ? cells : s->outside,
                             .below = has_below ? cells + w->in_width * channels : s->outside,
                             .above_skip = (has_above ? channels : 0) - 4 * quads,
                             .below_skip = (has_below ? channels : 0) - 4 * quads,
                             .out = out + w->pad_left,
                             .plane_bytes = 4 * s->plane_words,
                             .quads = (uint32_t)quads,
                             .cells = w->in_width};
  TF(widen_pairs)(&line);
  TF_ROLLED for (uint32_t channel = count & ~UINT32_C(3); channel < count; channel++) {
    TF_ROLLED for (int32_t cell = 0; cell < w->in_width; cell++) {
      line.out[channel * s->plane_words + (uint32_t)cell] =
          tf_pack(line.above[(has_above ? channels : 0) * cell + (int32_t)channel],
                  line.below[(has_below ? channels : 0) * cell + (int32_t)channel]);
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

/* Row `index` of a band's outputs for `count` channels; `y` is the first one's first output. */
static void multiply_row(const tf_depthwise_rows_params *p, const workspace *s, const tf_depthwise_method *method,
                         uint32_t index, uint32_t count, int8_t *y) {
  const uint32_t channels = p->window.out_channels, width = p->window.out_width;
  const uint32_t begin = index * p->window.stride_y, odd = begin % s->step;
  const uint32_t past = width % 4 ? width - 4 : width; /* where the last tile begins that overlaps the one before */
  const int32_t line_bytes = 4 * (int32_t)s->line_words;
  tf_depthwise_row_function *multiply = odd ? method->multiply_odd : method->multiply;
  tf_depthwise_row row = {.plane = s->planes + (begin / s->step + odd) * s->line_words,
                          .filter = s->filters + (odd ? method->odd_filter : 0),
                          .y = y,
                          .stride = channels,
                          .zero_point = p->zero_point,
                          .count = count,
                          .plane_bytes = 4 * s->plane_words,
                          .pair_bytes = odd ? -line_bytes : 2 / (int32_t)s->step * line_bytes,
                          .tiles = width / 4};
  if (width < 4) {
    row.y = s->narrow;
    row.stride = count;
    row.tiles = 1;
    multiply(&row);
    TF_ROLLED for (uint32_t i = 0; i < width; i++) memcpy(y + i * channels, s->narrow + i * count, count);
  } else {
    multiply(&row);
    if (past < width) {
      row.plane += past * p->window.stride_x;
      row.y += past * channels;
      row.tiles = 1;
      multiply(&row);
    }
  }
  if (p->low > -128 || p->high < 127) {
    for (uint32_t i = 0; i < width; i++) TF(clamp_bytes)(y + i * channels, count, p->low, p->high);
  }
}

void TF(depthwise_body)(const tf_depthwise_rows_params *p, const int8_t *x, int8_t *y, void *scratch,
                        const tf_depthwise_method *method) {
  const tf_window *w = &p->window;
  const uint32_t channels = w->out_channels, stride = w->stride_y, group = p->group_channels;
  const uint32_t outputs = w->out_width < 4 ? 4 : w->out_width;
  workspace s = {.filters = (uint32_t *)scratch,
                 .line_words = (outputs - 1) * stride + w->kernel_width,
                 .step = stride == 2 || method->multiply_odd ? 2 : 1};
  s.extra_lines = (w->kernel_height - 1u) / 2 * (2 / s.step);
  s.plane_words = needed_lines(&s, stride, p->band_rows) * s.line_words;
  s.planes = s.filters + group * method->filter_words;
  s.outside = (int8_t *)(s.planes + group * s.plane_words);
  s.narrow = s.outside + group;
  memset(s.outside, w->pad_value, group);
  fill_sides(p, &s, group * (s.plane_words / s.line_words));

  for (uint32_t first = 0; first < channels; first += group) {
    const uint32_t count = channels - first < group ? channels - first : group;
    method->widen(p, first, count, s.filters);
    for (uint32_t band = 0; band < w->out_height; band += p->band_rows) {
      const uint32_t rows = w->out_height - band < p->band_rows ? w->out_height - band : p->band_rows;
      const int top = (int)(band * stride) - w->pad_top;
      const uint32_t lines = needed_lines(&s, stride, rows);
      for (uint32_t line = 0; line < lines; line++) {
        fill_line(p, &s, x, first, count, top + (int)(line * s.step), s.planes + line * s.line_words);
      }
      for (uint32_t row = 0; row < rows; row++) {
        multiply_row(p, &s, method, row, count, y + (size_t)(band + row) * w->out_width * channels + first);
      }
    }
  }
}
