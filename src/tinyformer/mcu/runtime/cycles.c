/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime.h"

#define DEMCR (*(volatile uint32_t *)0xE000EDFCu)
#define DWT_LAR (*(volatile uint32_t *)0xE0001FB0u)
#define DWT_CTRL (*(volatile uint32_t *)0xE0001000u)
#define DWT_CYCCNT (*(volatile uint32_t *)0xE0001004u)

uint32_t runtime_cycles(void) {
  if ((DWT_CTRL & 1u) == 0u) {
    DEMCR |= 1u << 24;     /* TRCENA */
    DWT_LAR = 0xC5ACCE55u; /* unlock on Cortex-M7 */
    DWT_CTRL |= 1u;        /* CYCCNTENA */
  }
  return DWT_CYCCNT;
}
