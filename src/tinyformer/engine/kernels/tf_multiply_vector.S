/* tf_multiply_vector for ARMv7E-M. The C twin, tf_multiply_vector.c, says what it computes. */
#include "tf_name.h"
#if TF_ARM_DSP

weights .req r0
x       .req r1
left    .req r2
acc0    .req r3
acc1    .req lr

  .syntax unified
  .thumb
  .text
  .global TF(multiply_vector)
  .type TF(multiply_vector), %function
  .thumb_func
  .p2align 3
TF(multiply_vector):
  push {r3-r11, lr}
  ldrd acc0, acc1, [r3]
  subs left, #4
  blo 2f
  .p2align 3
1:
  ldm weights!, {r4-r7}
  ldm x!, {r8-r11}
  sxtb16 r12, r4
  sxtb16 r4, r4, ror #8
  smlad acc0, r12, r8, acc0
  sxtb16 r12, r5
  smlad acc1, r4, r8, acc1
  sxtb16 r5, r5, ror #8
  smlad acc0, r12, r9, acc0
  sxtb16 r12, r6
  smlad acc1, r5, r9, acc1
  sxtb16 r6, r6, ror #8
  smlad acc0, r12, r10, acc0
  sxtb16 r12, r7
  smlad acc1, r6, r10, acc1
  sxtb16 r7, r7, ror #8
  smlad acc0, r12, r11, acc0
  subs left, #4
  smlad acc1, r7, r11, acc1
  bhs 1b
2:
  adds left, #4                 /* 0 or 2 pairs are left */
  beq 3f
  ldm weights, {r4, r5}
  ldm x, {r8, r9}
  sxtb16 r12, r4
  sxtb16 r4, r4, ror #8
  smlad acc0, r12, r8, acc0
  sxtb16 r12, r5
  smlad acc1, r4, r8, acc1
  sxtb16 r5, r5, ror #8
  smlad acc0, r12, r9, acc0
  smlad acc1, r5, r9, acc1
3:
  pop {r2}
  strd acc0, acc1, [r2]
  pop {r4-r11, pc}
  .size TF(multiply_vector), . - TF(multiply_vector)

#endif
