/* SPDX-License-Identifier: Apache-2.0 */
/* Ways to fail, chosen by standard input. */
#include <stdint.h>

#include "semihost.h"

static volatile uint32_t sink;
static uint8_t arena[1024];

__attribute__((noinline)) static void write_to_flash(void) { *(volatile uint32_t *)0x08001000u = 1u; }

__attribute__((noinline)) static void write_beyond_sram(void) { *(volatile uint32_t *)0x20050000u = 1u; }

__attribute__((noinline)) static void read_nowhere(void) { sink = *(volatile uint32_t *)0x70000000u; }

__attribute__((noinline)) static uint32_t overflow_stack(uint32_t depth) {
  volatile uint8_t frame[256];
  frame[depth & 255u] = (uint8_t)depth;
  return depth == 0u ? frame[0] : overflow_stack(depth - 1u) + frame[depth & 255u];
}

__attribute__((noinline)) static void loop_for_ever(void) {
  for (;;) {
  }
}

__attribute__((noinline)) static void loop_with_work(void) {
  for (;;) {
    ++sink;
  }
}

__attribute__((noinline)) static void undefined_instruction(void) { __asm volatile("udf #0"); }

__attribute__((noinline)) static void jump_into_nothing(void) {
  ((void (*)(void))0x70000001u)();
  sink = 1; /* no tail call */
}

int main(void) {
  char choice = 0;
  (void)semihost_read(&choice, 1);
  arena[0] = 1;
  semihost_print("choice\n");
  switch (choice) {
    case 'f':
      write_to_flash();
      break;
    case 's':
      write_beyond_sram();
      break;
    case 'r':
      read_nowhere();
      break;
    case 'o':
      sink = overflow_stack(1000);
      break;
    case 'l':
      loop_for_ever();
      break;
    case 'w':
      loop_with_work();
      break;
    case 'u':
      undefined_instruction();
      break;
    case 'j':
      jump_into_nothing();
      break;
    default:
      return choice;
  }
  return 0;
}
