/* SPDX-License-Identifier: Apache-2.0 */
#include "tf_widen_reference.h"

#if !TF_ARM_DSP

uint32_t *TF(widen_6)(const int8_t *const source[], uint32_t quads, uint32_t *tile) {
  return tf_widen(source, quads, tile, 6);
}

#endif
