#include "tf_kernels.h"
#include "tf_simd.h"

static int largest(int a, int b) { return a > b ? a : b; }
static int smallest(int a, int b) { return a < b ? a : b; }

void TF(max_pool)(const tf_pool_params *p, const int8_t *x, int8_t *y, void *scratch) {
  const int channels = p->channels;
  (void)scratch;
  for (int row = 0; row < p->out_height; row++) {
    const int top = row * p->stride_y - p->pad_top;
    const int first_row = largest(top, 0), rows_end = smallest(top + p->kernel_height, p->in_height);
    for (int column = 0; column < p->out_width; column++, y += channels) {
      const int left = column * p->stride_x - p->pad_left;
      const int first_column = largest(left, 0), columns_end = smallest(left + p->kernel_width, p->in_width);
      int c = 0;
      for (; c + 4 <= channels; c += 4) {
        uint32_t most = 0x80808080u;
        for (int i = first_row; i < rows_end; i++) {
          const int8_t *cell = x + (i * p->in_width + first_column) * channels + c;
          for (int j = first_column; j < columns_end; j++, cell += channels) most = tf_max_bytes(most, tf_load(cell));
        }
        tf_store(y + c, most);
      }
      for (; c < channels; c++) {
        int most = -128;
        for (int i = first_row; i < rows_end; i++) {
          const int8_t *cell = x + (i * p->in_width + first_column) * channels + c;
          for (int j = first_column; j < columns_end; j++, cell += channels) most = largest(most, *cell);
        }
        y[c] = (int8_t)most;
      }
    }
  }
}
