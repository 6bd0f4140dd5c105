/* SPDX-License-Identifier: Apache-2.0 */
#include "tf_depthwise_rows.h"

#if !TF_ARM_DSP

void TF(widen_pairs)(const tf_pair_line *line) {
  const uint32_t plane = line->plane_bytes / 4;
  const int8_t *above = line->above, *below = line->below;
  for (uint32_t cell = 0; cell < line->cells; cell++, above += line->above_skip, below += line->below_skip) {
    uint32_t *out = line->out + cell;
    for (uint32_t quad = line->quads; quad; quad--, above += 4, below += 4, out += 4 * plane) {
      tf_store_pairs(out, plane, tf_load(above), tf_load(below));
    }
  }
}

#endif
