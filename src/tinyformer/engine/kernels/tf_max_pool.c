#include "tf_kernels.h"

static int largest(int a, int b) { return a > b ? a : b; }
static int smallest(int a, int b) { return a < b ? a : b; }

void TF(max_pool)(const tf_pool_params *p, const int8_t *x, int8_t *y, void *scratch) {
  (void)scratch;
  for (int row = 0; row < p->out_height; row++) {
    const int top = row * p->stride_y - p->pad_top;
    const int first_row = largest(top, 0), rows_end = smallest(top + p->kernel_height, p->in_height);
    for (int column = 0; column < p->out_width; column++, y += p->channels) {
      const int left = column * p->stride_x - p->pad_left;
      const int first_column = largest(left, 0), columns_end = smallest(left + p->kernel_width, p->in_width);
      for (int c = 0; c < p->channels; c++) y[c] = -128;
      for (int i = first_row; i < rows_end; i++) {
        const int8_t *cell = x + (i * p->in_width + first_column) * p->channels;
        for (int j = first_column; j < columns_end; j++, cell += p->channels) {
          for (int c = 0; c < p->channels; c++) y[c] = cell[c] > y[c] ? cell[c] : y[c];
        }
      }
    }
  }
}
