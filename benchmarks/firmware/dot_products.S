/* SPDX-License-Identifier: Apache-2.0 */
/* Inner loops of INT8 layers: a weight word is loaded, widened, multiplied and accumulated. */
.syntax unified
.thumb

/* Four weights at \row times the activations in \low and \high, in three cycles. */
.macro dot_four row, low, high
  ldr.w r7, [\row], #4
  sxtb16 r8, r7
  sxtb16 r9, r7, ror #8
  smlad r10, r8, \low, r10
  smlad r10, r9, \high, r10
.endm

/* uint32_t dot_rows(const uint32_t *row, uint32_t words, uint32_t stride): six rows of weights, `stride` bytes apart, as
 * in a fully connected layer; the rows' cache lines end together, three cycles apart. */
.section .text.dot_rows, "ax", %progbits
.balign 32
.global dot_rows
.type dot_rows, %function
.thumb_func
dot_rows:
  push {r4-r11, lr}
  mov r11, r1
  mov r12, r2
  add.w r1, r0, r12
  add.w r2, r1, r12
  add.w r3, r2, r12
  add.w r4, r3, r12
  add.w r5, r4, r12
  movs r6, #3
  mov.w r10, #0
.balign 8
1:
  dot_four r0, r6, r6
  dot_four r1, r6, r6
  dot_four r2, r6, r6
  dot_four r3, r6, r6
  dot_four r4, r6, r6
  dot_four r5, r6, r6
  subs.w r11, r11, #1
  bne.w 1b
  mov r0, r10
  pop {r4-r11, pc}
.size dot_rows, . - dot_rows

/* uint32_t dot_patch(const uint32_t *row, uint32_t words, const uint32_t *patch): a row of weights times a patch of
 * widened activations, as in a convolution, the load of a weight word paired with the multiplication of the one before;
 * a cache line of weights lasts some forty cycles. */
.section .text.dot_patch, "ax", %progbits
.balign 32
.global dot_patch
.type dot_patch, %function
.thumb_func
dot_patch:
  push {r4-r11, lr}
  mov.w r10, #0
  mov.w r9, #0
  mov.w r5, #0
.balign 8
1:
  ldr.w r7, [r0], #4
  smlad r10, r9, r5, r10
  sxtb16 r8, r7
  ldr.w r4, [r2], #4
  sxtb16 r9, r7, ror #8
  ldr.w r5, [r2], #4
  smlad r10, r8, r4, r10
  subs.w r1, r1, #1
  bne.w 1b
  smlad r0, r9, r5, r10
  pop {r4-r11, pc}
.size dot_patch, . - dot_patch
