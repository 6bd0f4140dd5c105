/* SPDX-License-Identifier: Apache-2.0 */
/* Echoes what it receives by interrupt on USART1 (F7), in capitals, until a full stop; then reports the time. */
#include <stdint.h>

#define REG(address) (*(volatile uint32_t *)(address))
#define RCC_CR REG(0x40023800u)
#define RCC_CFGR REG(0x40023808u)
#define PWR_CSR1 REG(0x40007004u)
#define USART_CR1 REG(0x40011000u)
#define USART_ISR REG(0x4001101Cu)
#define USART_RDR REG(0x40011024u)
#define USART_TDR REG(0x40011028u)
#define TIM2_CR1 REG(0x40000000u)
#define TIM2_CNT REG(0x40000024u)
#define TIM2_PSC REG(0x40000028u)
#define SYST_CSR REG(0xE000E010u)
#define SYST_RVR REG(0xE000E014u)
#define NVIC_ISER1 REG(0xE000E104u)
#define SCB_VTOR REG(0xE000ED08u)
#define ITM_EXIT REG(0xE000007Cu)

static volatile uint32_t ticks, received, done, begin;
static volatile float scale = 1.5f;
static uint32_t table[64] __attribute__((aligned(512)));

static void send(char character) {
  while ((USART_ISR & (1u << 7)) == 0u) {
  }
  USART_TDR = (uint8_t)character;
}

static void send_number(uint32_t value) {
  char digits[11];
  int at = 0;
  do {
    digits[at++] = (char)('0' + value % 10u);
    value /= 10u;
  } while (value != 0u);
  while (at > 0) {
    send(digits[--at]);
  }
}

static void on_tick(void) { ++ticks; }

static void on_receive(void) {
  const char character = (char)USART_RDR;
  scale = scale * 2.0f; /* uses the registers that the interrupted code uses as well */
  if (received++ == 0u) {
    begin = TIM2_CNT;
  }
  send(character >= 'a' && character <= 'z' ? (char)(character - 32) : character);
  done = character == '.';
}

int main(void) {
  RCC_CR |= (1u << 16) | (1u << 24);
  while ((RCC_CR & ((1u << 17) | (1u << 25))) != ((1u << 17) | (1u << 25))) {
  }
  RCC_CFGR = 2u | (5u << 10); /* PLL; APB1 at a quarter of 216 MHz, its timers at half */
  while ((RCC_CFGR & 0xCu) != 8u) {
  }
  while ((PWR_CSR1 & (1u << 14)) == 0u) {
  }
  const uint32_t *flash_table = (const uint32_t *)0x08000000u;
  for (unsigned i = 0; i < 16; ++i) {
    table[i] = flash_table[i];
  }
  table[15] = (uint32_t)(uintptr_t)on_tick;
  table[16 + 37] = (uint32_t)(uintptr_t)on_receive;
  SCB_VTOR = (uint32_t)(uintptr_t)table;
  TIM2_PSC = 107u; /* 108 MHz to 1 MHz */
  TIM2_CR1 = 1u;
  SYST_RVR = 216000u - 1u; /* a millisecond */
  SYST_CSR = 7u;
  NVIC_ISER1 = 1u << (37 - 32);
  USART_CR1 = (1u << 5) | 13u;
  float check = 1.0f;
  while (!done) {
    check = check * 1.0f;
  }
  const uint32_t microseconds = TIM2_CNT - begin;
  send('\n');
  send_number(received);
  send(' ');
  send_number(ticks);
  send(' ');
  send_number(microseconds);
  send('\n');
  ITM_EXIT = check == 1.0f ? 0u : 1u;
  for (;;) {
  }
}
