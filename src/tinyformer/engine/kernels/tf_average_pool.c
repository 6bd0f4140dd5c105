#include "tf_kernels.h"
#include "tf_requantize.h"
#include "tf_simd.h"

#define WORD_CELLS 256u /* whose sums fit int16 */

static int largest(int a, int b) { return a > b ? a : b; }
static int smallest(int a, int b) { return a < b ? a : b; }

/* The cells of a window that lie inside the image. */
typedef struct {
  const int8_t *first;
  uint32_t rows, columns;
  uint32_t row_bytes, channels; /* from one row or cell to the next */
} cells;

/* Adds up four channels that begin at `first`. */
static void add_up(const cells *window, const int8_t *first, int32_t sums[4]) {
  uint32_t even = 0, odd = 0, room = WORD_CELLS;
  for (uint32_t row = 0; row < window->rows; row++, first += window->row_bytes) {
    const int8_t *cell = first;
    for (uint32_t left = window->columns; left;) {
      const uint32_t run = left < room ? left : room;
      for (uint32_t i = run; i; i--, cell += window->channels) {
        const uint32_t word = tf_load(cell);
        even = tf_even_plus(even, word);
        odd = tf_odd_plus(odd, word);
      }
      left -= run;
      room -= run;
      if (room == 0 || (left == 0 && row + 1 == window->rows)) {
        sums[0] = tf_mac_low_low(even, 1, sums[0]);
        sums[1] = tf_mac_low_low(odd, 1, sums[1]);
        sums[2] = tf_mac_high_low(even, 1, sums[2]);
        sums[3] = tf_mac_high_low(odd, 1, sums[3]);
        even = odd = 0;
        room = WORD_CELLS;
      }
    }
  }
}

static int8_t average(const tf_pool_params *p, const cells *window, const int8_t *first, int32_t sum, int32_t multiplier) {
  for (uint32_t row = 0; row < window->rows; row++, first += window->row_bytes) {
    for (uint32_t i = 0; i < window->columns; i++) sum += first[i * window->channels];
  }
  return tf_requantize(sum, multiplier, p->shift, p->zero_point, p->low, p->high);
}

static void pool(const tf_pool_params *p, const cells *window, int8_t *y) {
  const int32_t count = (int32_t)(window->rows * window->columns), bias = -count * p->in_zero_point;
  const int32_t multiplier = p->multipliers[(count - 1) * p->multiplier_step];
  uint32_t c = 0;
  for (; c + 4 <= window->channels; c += 4) {
    int32_t sums[4] = {bias, bias, bias, bias};
    add_up(window, window->first + c, sums);
    for (int i = 0; i < 4; i++) {
      y[c + (uint32_t)i] = tf_requantize(sums[i], multiplier, p->shift, p->zero_point, p->low, p->high);
    }
  }
  for (; c < window->channels; c++) y[c] = average(p, window, window->first + c, bias, multiplier);
}

void TF(average_pool)(const tf_pool_params *p, const int8_t *x, int8_t *y, void *scratch) {
  (void)scratch;
  for (int row = 0; row < p->out_height; row++) {
    const int top = row * p->stride_y - p->pad_top;
    const int first_row = largest(top, 0), rows_end = smallest(top + p->kernel_height, p->in_height);
    for (int column = 0; column < p->out_width; column++, y += p->channels) {
      const int left = column * p->stride_x - p->pad_left;
      const int first_column = largest(left, 0), columns_end = smallest(left + p->kernel_width, p->in_width);
      const cells window = {x + (first_row * p->in_width + first_column) * p->channels, (uint32_t)(rows_end - first_row),
                            (uint32_t)(columns_end - first_column), (uint32_t)p->in_width * p->channels, p->channels};
      pool(p, &window, y);
    }
  }
}
