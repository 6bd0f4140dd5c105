/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime.h"

extern uint32_t __stack_limit[], __stack_top[];

uint32_t runtime_stack_high_water(void) {
  const volatile uint32_t *word = __stack_limit;
  while (word < __stack_top && *word == STACK_PAINT) {
    ++word;
  }
  return (uint32_t)((uintptr_t)__stack_top - (uintptr_t)word);
}
