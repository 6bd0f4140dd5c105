/* SPDX-License-Identifier: Apache-2.0 */
/* Copying short pieces at any address: for most of them memcpy costs more than the copy. */
#ifndef TF_COPY_BYTES_H
#define TF_COPY_BYTES_H

#include "tf_simd.h"

static inline void tf_copy_bytes(int8_t *to, const int8_t *from, uint32_t bytes) {
  for (; bytes >= 16; bytes -= 16, to += 16, from += 16) {
    const uint32_t a = tf_load(from), b = tf_load(from + 4), c = tf_load(from + 8), d = tf_load(from + 12);
    tf_store(to, a);
    tf_store(to + 4, b);
    tf_store(to + 8, c);
    tf_store(to + 12, d);
  }
  for (; bytes >= 4; bytes -= 4, to += 4, from += 4) tf_store(to, tf_load(from));
  for (; bytes; bytes--) *to++ = *from++;
}

#endif
