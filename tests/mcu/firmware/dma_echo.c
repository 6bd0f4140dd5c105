/* SPDX-License-Identifier: Apache-2.0 */
/* Receives lines by circular DMA, each ended by the pause after it (idle-line interrupt), and answers in capitals by
 * DMA. Compile for an STM32F746 (streams), or with CHANNELS for an STM32L4R5. */
#include <stdint.h>

#define REG(address) (*(volatile uint32_t *)(address))
#ifdef CHANNELS
#define PORT 0x40008000u /* LPUART1, interrupt 70 */
#define PORT_IRQ 70
#define RECEIVE 0x40020008u  /* DMA1 channel 1, interrupt 11 */
#define TRANSMIT 0x4002001Cu /* DMA1 channel 2, interrupt 12 */
#define TRANSMIT_IRQ 12
#define STATUS REG(0x40020000u)
#define CLEAR REG(0x40020004u)
#define TRANSMITTED (1u << 5)
#define RECEIVE_SETTINGS ((1u << 5) | (1u << 7)) /* circular, increment */
#define TRANSMIT_SETTINGS ((1u << 4) | (1u << 7) | (1u << 1))
#else
#define PORT 0x40004800u /* USART3, interrupt 39 */
#define PORT_IRQ 39
#define RECEIVE 0x40026028u  /* DMA1 stream 1, interrupt 12 */
#define TRANSMIT 0x40026058u /* DMA1 stream 3, interrupt 14 */
#define TRANSMIT_IRQ 14
#define STATUS REG(0x40026000u)
#define CLEAR REG(0x40026008u)
#define TRANSMITTED (1u << 27)
#define RECEIVE_SETTINGS ((4u << 25) | (1u << 8) | (1u << 10))
#define TRANSMIT_SETTINGS ((4u << 25) | (1u << 6) | (1u << 10) | (1u << 4))
#endif
#define CR1 REG(PORT)
#define CR3 REG(PORT + 0x08u)
#define ISR REG(PORT + 0x1Cu)
#define ICR REG(PORT + 0x20u)
#define IDLE (1u << 4)
#define NVIC_ISER(irq) REG(0xE000E100u + 4u * ((irq) / 32))
#define SCB_VTOR REG(0xE000ED08u)
#define FLASH 0x08000000u

static uint32_t table[128] __attribute__((aligned(512)));
static volatile uint8_t ring[16];
static uint8_t answer[16];
static volatile uint32_t lines, sent = 1;

static void on_port(void) {
  if ((ISR & IDLE) != 0u) {
    ICR = IDLE;
    ++lines;
  }
}

static void on_transmitted(void) {
  if ((STATUS & TRANSMITTED) != 0u) {
    CLEAR = TRANSMITTED;
    sent = 1;
  }
}

static void transmit(uint32_t bytes) {
  while (!sent) {
    __asm volatile("wfi");
  }
  sent = 0;
  REG(TRANSMIT) = 0;
  REG(TRANSMIT + 4u) = bytes;
  REG(TRANSMIT + 8u) = PORT + 0x28u;
  REG(TRANSMIT + 12u) = (uint32_t)(uintptr_t)answer;
  REG(TRANSMIT) = TRANSMIT_SETTINGS | 1u;
  CR3 |= 1u << 7;
}

int main(void) {
  for (unsigned i = 0; i < 16; ++i) {
    table[i] = ((const uint32_t *)FLASH)[i];
  }
  table[16 + PORT_IRQ] = (uint32_t)(uintptr_t)on_port;
  table[16 + TRANSMIT_IRQ] = (uint32_t)(uintptr_t)on_transmitted;
  SCB_VTOR = (uint32_t)(uintptr_t)table;
  REG(RECEIVE + 4u) = sizeof ring;
  REG(RECEIVE + 8u) = PORT + 0x24u;
  REG(RECEIVE + 12u) = (uint32_t)(uintptr_t)ring;
  REG(RECEIVE) = RECEIVE_SETTINGS | 1u;
  NVIC_ISER(PORT_IRQ) = 1u << (PORT_IRQ % 32);
  NVIC_ISER(TRANSMIT_IRQ) = 1u << (TRANSMIT_IRQ % 32);
  CR3 = 1u << 6;
  CR1 = 13u | IDLE;
  uint32_t seen = 0, taken = 0;
  for (;;) {
    while (lines == seen) {
      __asm volatile("wfi");
    }
    ++seen;
    const uint32_t end = sizeof ring - REG(RECEIVE + 4u);
    uint32_t bytes = 0;
    for (; taken != end; taken = (taken + 1u) % sizeof ring) {
      const uint8_t byte = ring[taken];
      answer[bytes++] = byte >= 'a' && byte <= 'z' ? (uint8_t)(byte - 32u) : byte;
    }
    transmit(bytes);
  }
}
