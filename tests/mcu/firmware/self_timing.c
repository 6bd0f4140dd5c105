/* SPDX-License-Identifier: Apache-2.0 */
/* Third-party style: reads commands from USART3 by polling, runs a kernel, prints its own timing in cycles. */
#include <stdint.h>

#include "runtime.h"

#define REG(address) (*(volatile uint32_t *)(address))
#define USART_ISR REG(0x4000481Cu)
#define USART_RDR REG(0x40004824u)
#define USART_TDR REG(0x40004828u)

static void send(const char *text) {
  for (; *text != '\0'; ++text) {
    while ((USART_ISR & (1u << 7)) == 0u) {
    }
    USART_TDR = (uint8_t)*text;
  }
}

static void send_number(uint32_t value) {
  char digits[11];
  char *at = &digits[10];
  *at = '\0';
  do {
    *--at = (char)('0' + value % 10u);
    value /= 10u;
  } while (value != 0u);
  send(at);
}

static char receive(void) {
  while ((USART_ISR & (1u << 5)) == 0u) {
  }
  return (char)USART_RDR;
}

/* 1000 iterations of subs and bne: one cycle each on the Cortex-M7, the loop is predicted. */
__attribute__((naked, noinline)) static void spin(void) {
  __asm volatile("movw r0, #1000\n1: subs r0, #1\nbne 1b\nbx lr\n");
}

int main(void) {
  send("ready\n");
  for (;;) {
    const char command = receive();
    if (command == 'r') {
      spin();
      const uint32_t begin = runtime_cycles();
      spin();
      const uint32_t cycles = runtime_cycles() - begin;
      send("cycles ");
      send_number(cycles);
      send("\n");
    } else if (command == 'n') {
      send("name simulated\n");
    }
  }
}
