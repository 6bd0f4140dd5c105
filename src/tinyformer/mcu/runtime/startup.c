/* SPDX-License-Identifier: Apache-2.0 */
/* Boots a firmware on any of the supported Cortex-M parts: vectors, FPU, stack paint, sections, caches, main(). */
#include "runtime.h"

#include <stdint.h>

extern uint32_t __stack_limit[], __stack_top[];
extern uint32_t __data_start[], __data_end[], __data_load[];
extern uint32_t __dtcm_data_start[], __dtcm_data_end[], __dtcm_data_load[];
extern uint32_t __itcm_start[], __itcm_end[], __itcm_load[];
extern uint32_t __bss_start[], __bss_end[], __dtcm_start[], __dtcm_end[];

#define CPACR (*(volatile uint32_t *)0xE000ED88u)
#define CCR (*(volatile uint32_t *)0xE000ED14u)
#define ICIALLU (*(volatile uint32_t *)0xE000EF50u)
#define CPACR_FPU_FULL_ACCESS (0xFu << 20)
#define CCR_CACHES ((1u << 17) | (1u << 16))

#ifdef TINYFORMER_FLASH_CONTROL /* address of the flash accelerator's control register, such as FLASH_ACR */
#define FLASH_CONTROL (*(volatile uint32_t *)TINYFORMER_FLASH_CONTROL)
#endif

int main(void);
void Reset_Handler(void);

__attribute__((noinline)) static void copy_words(uint32_t *to, const uint32_t *end, const uint32_t *from) {
  while (to < end) {
    *to++ = *from++;
  }
}

__attribute__((noinline)) static void fill_words(uint32_t *to, const uint32_t *end, uint32_t value) {
  while (to < end) {
    *to++ = value;
  }
}

/* Stops a program that took an interrupt or a fault nobody handles; a debugger or the simulator sees where. */
static void unexpected_exception(void) {
  for (;;) {
  }
}

/* Paints what the stack has not used yet; naked, so that the stack pointer is still the initial one. */
__attribute__((naked, noinline)) static void paint_stack(void) {
  __asm volatile(
      "ldr r0, =__stack_limit\n"
      "ldr r1, =%c0\n"
      "mov r2, sp\n"
      "1: cmp r0, r2\n"
      "it lo\n"
      "strlo r1, [r0], #4\n"
      "blo 1b\n"
      "bx lr\n"
      ".ltorg\n" ::"i"(STACK_PAINT));
}

__attribute__((noreturn, used)) void Reset_Handler(void) {
  paint_stack();
  CPACR |= CPACR_FPU_FULL_ACCESS;
  __asm volatile("dsb\n isb" ::: "memory");
  copy_words(__data_start, __data_end, __data_load);
  copy_words(__dtcm_data_start, __dtcm_data_end, __dtcm_data_load);
  copy_words(__itcm_start, __itcm_end, __itcm_load);
  fill_words(__bss_start, __bss_end, 0);
  fill_words(__dtcm_start, __dtcm_end, 0);
#ifdef TINYFORMER_FLASH_CONTROL
  FLASH_CONTROL |= TINYFORMER_FLASH_ENABLE; /* prefetch and caches */
#endif
#if TINYFORMER_HAS_CACHES
  ICIALLU = 0;
  __asm volatile("dsb\n isb" ::: "memory");
  CCR |= CCR_CACHES;
  __asm volatile("dsb\n isb" ::: "memory");
#endif
  runtime_exit(main());
}

typedef void (*vector)(void);

__attribute__((section(".vectors"), used)) static const vector vectors[16] = {
    (vector)__stack_top,
    Reset_Handler,
    unexpected_exception,
    unexpected_exception,
    unexpected_exception,
    unexpected_exception,
    unexpected_exception,
    0,
    0,
    0,
    0,
    unexpected_exception,
    unexpected_exception,
    0,
    unexpected_exception,
    unexpected_exception,
};
