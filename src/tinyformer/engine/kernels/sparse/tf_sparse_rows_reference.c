/* SPDX-License-Identifier: Apache-2.0 */
#include "tf_requantize.h"
#include "tf_sparse.h"
#include "tf_simd.h"

#if !TF_ARM_DSP

typedef struct {
  const uint32_t *next;
  const uint8_t *tile;
  uint32_t at, weights[2];
} reader;

static void next_block(reader *r) {
  r->at = *r->next++;
  r->weights[0] = *r->next++;
  r->weights[1] = *r->next++;
}

/* One block for four pixels; acc[pixel][output]. */
static void multiply(const reader *r, int32_t acc[4][2]) {
  for (int pixel = 0; pixel < 4; pixel++) {
    const uint32_t inputs = tf_load(r->tile + r->at + 4 * pixel);
    acc[pixel][0] = tf_dot(inputs, r->weights[0], acc[pixel][0]);
    acc[pixel][1] = tf_dot(inputs, r->weights[1], acc[pixel][1]);
  }
}

void TF(sparse_rows)(const uint32_t *stream, const tf_rows *rows) {
  reader r = {stream + 1, (const uint8_t *)rows->tile, stream[0], {0, 0}};
  uint32_t word;
  do {
    int32_t acc[4][2];
    for (int pixel = 0; pixel < 4; pixel++) {
      acc[pixel][0] = (int32_t)r.next[0];
      acc[pixel][1] = (int32_t)r.next[1];
    }
    r.weights[0] = r.next[2];
    r.weights[1] = r.next[3];
    uint32_t left = r.next[4];
    int more = left > TF_SPARSE_PASS;
    if (more) left -= TF_SPARSE_PASS;
    r.next += 5;
    multiply(&r, acc);
    next_block(&r);
    for (;;) {
      for (; left; left--) {
        multiply(&r, acc);
        next_block(&r);
      }
      if (!more) break;
      more = *r.next++ == TF_SPARSE_FULL_PASS;
      left = TF_SPARSE_PASS;
    }
    word = *r.next++;
    for (int pixel = 0; pixel < 4; pixel++) {
      int8_t *y = rows->y + (word >> 1) + pixel * rows->stride;
      y[0] = (int8_t)tf_clamp(tf_scale(acc[pixel][0], (int32_t)r.weights[0], rows->zero_point), -128, 127);
      y[1] = (int8_t)tf_clamp(tf_scale(acc[pixel][1], (int32_t)r.weights[1], rows->zero_point), -128, 127);
    }
  } while (!(word & 1));
}

#endif
