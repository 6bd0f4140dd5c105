#include "tf_rows.h"

void TF(multiply_tiles)(const tf_gather *gather, const uint32_t *stream, tf_rows rows, tf_rows_function *multiply, int low,
                        int high) {
  const uint32_t pixels = (uint32_t)gather->window->out_height * gather->window->out_width;
  const uint32_t outputs = (uint32_t)rows.stride;
  int8_t *y = rows.y;
  for (uint32_t pixel = 0; pixel < pixels; pixel += 4) {
    if (pixel + 4 > pixels) pixel = pixels - 4;
    TF(gather_tile)(gather, pixel);
    rows.y = y + (size_t)pixel * outputs;
    multiply(stream, &rows);
    if (low > -128 || high < 127) TF(clamp_bytes)(rows.y, 4 * outputs, low, high);
  }
}
