#include "tf_rows.h"
#include "tf_simd.h"

/* Widens `quads` * 4 inputs of four pixels into the tile; returns where it goes on. */
static uint32_t *widen(const int8_t *const source[4], uint32_t quads, uint32_t *tile) {
  const int8_t *a = source[0], *b = source[1], *c = source[2], *d = source[3];
  for (; quads; quads--, tile += 8) {
    const uint32_t p = tf_load(a), q = tf_load(b), r = tf_load(c), s = tf_load(d);
    a += 4, b += 4, c += 4, d += 4;
    tile[0] = tf_even(p);
    tile[1] = tf_even(q);
    tile[2] = tf_even(r);
    tile[3] = tf_even(s);
    tile[4] = tf_odd(p);
    tile[5] = tf_odd(q);
    tile[6] = tf_odd(r);
    tile[7] = tf_odd(s);
  }
  return tile;
}

/* Top left corner of a window, which may lie outside the image. */
typedef struct {
  int y, x;
} corner;

/* The inputs at one tap, or NULL outside the image. */
static const int8_t *tap(const tf_window *w, const int8_t *x, corner at, int dy, int dx) {
  const int row = at.y + dy, column = at.x + dx;
  if (row < 0 || row >= w->in_height || column < 0 || column >= w->in_width) return NULL;
  return x + (row * w->in_width + column) * w->in_channels;
}

void TF(gather_tile)(const tf_gather *gather, uint32_t first_pixel) {
  const tf_window *w = gather->window;
  const uint32_t channels = w->in_channels;
  const int flat = channels % 4 != 0;
  const uint32_t filter = (uint32_t)w->kernel_height * w->kernel_width * channels;
  const uint32_t patch_bytes = (filter + 3) & ~UINT32_C(3);
  corner at[4];
  const int8_t *source[4];
  uint32_t *tile = gather->tile;
  int8_t *patch = gather->patch;

  for (uint32_t i = 0; i < 4; i++) {
    at[i].y = (int)((first_pixel + i) / w->out_width) * w->stride_y - w->pad_top;
    at[i].x = (int)((first_pixel + i) % w->out_width) * w->stride_x - w->pad_left;
  }
  if (!flat) memset(patch, w->pad_value, channels);
  for (int ky = 0; ky < w->kernel_height; ky++) {
    for (int kx = 0; kx < w->kernel_width; kx++) {
      for (int i = 0; i < 4; i++) {
        source[i] = tap(w, gather->x, at[i], ky * w->dilation_y, kx * w->dilation_x);
      }
      if (flat) {
        for (uint32_t i = 0; i < 4; i++) {
          int8_t *target = patch + i * patch_bytes;
          if (source[i]) {
            memcpy(target, source[i], channels);
          } else {
            memset(target, w->pad_value, channels);
          }
        }
        patch += channels;
      } else {
        for (int i = 0; i < 4; i++) source[i] = source[i] ? source[i] : patch;
        tile = widen(source, channels / 4, tile);
      }
    }
  }
  if (flat) {
    for (uint32_t i = 0; i < 4; i++) {
      memset(patch + i * patch_bytes, 0, patch_bytes - filter);
      source[i] = gather->patch + i * patch_bytes;
    }
    widen(source, patch_bytes / 4, tile);
  }
}
