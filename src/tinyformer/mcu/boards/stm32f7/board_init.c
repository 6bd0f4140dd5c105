/* SPDX-License-Identifier: Apache-2.0 */
#include "board.h"
#include "registers.h"

/* 216 MHz from the internal oscillator, which every board has: 16 MHz / 8 * 216 / 2. The peripherals' buses get 54 MHz
 * (APB1) and 108 MHz (APB2). RM0385, 4.1.4 (over-drive), 3.3.2 (wait states), 5.2.3 (PLL). */
static void raise_clock(void) {
  RCC_APB1ENR |= 1u << 28;                                                   /* PWREN */
  (void)RCC_APB1ENR;                                                         /* the clock is there two cycles later */
  PWR_CR1 |= 3u << 14;                                                       /* VOS: scale 1 */
  RCC_CFGR = (RCC_CFGR & ~0xFCF0u) | (5u << 10) | (4u << 13);                /* AHB 1, APB1 1/4, APB2 1/2 */
  RCC_PLLCFGR = (RCC_PLLCFGR & 0xF0000000u) | 8u | (216u << 6) | (9u << 24); /* M, N, P = 2, HSI, Q */
  RCC_CR |= 1u << 24;                                                        /* PLLON */
  PWR_CR1 |= 1u << 16;                                                       /* ODEN */
  while ((PWR_CSR1 & (1u << 16)) == 0u) {
  }
  PWR_CR1 |= 1u << 17; /* ODSWEN */
  while ((PWR_CSR1 & (1u << 17)) == 0u) {
  }
  FLASH_ACR = (FLASH_ACR & ~0xFu) | 7u; /* wait states at 216 MHz, 2.7 V and more */
  while ((RCC_CR & (1u << 25)) == 0u) {
  }
  RCC_CFGR = (RCC_CFGR & ~3u) | 2u; /* from the PLL */
  while ((RCC_CFGR & 0xCu) != 8u) {
  }
}

/* Gives a pin to its alternate function, at high speed and pulled up (an open line reads as idle). */
static void assign_pin(uint32_t port, uint32_t pin, uint32_t function) {
  const uint32_t twice = 2u * pin, nibble = 4u * (pin & 7u);
  RCC_AHB1ENR |= 1u << port;
  (void)RCC_AHB1ENR;
  GPIO(port, 0x20u + 4u * (pin >> 3)) =
      (GPIO(port, 0x20u + 4u * (pin >> 3)) & ~(0xFu << nibble)) | (function << nibble);
  GPIO(port, 0x08u) = (GPIO(port, 0x08u) & ~(3u << twice)) | (2u << twice); /* OSPEEDR */
  GPIO(port, 0x0Cu) = (GPIO(port, 0x0Cu) & ~(3u << twice)) | (1u << twice); /* PUPDR */
  GPIO(port, 0x00u) = (GPIO(port, 0x00u) & ~(3u << twice)) | (2u << twice); /* MODER */
}

void board_init(void) {
  raise_clock();
  assign_pin(BOARD_TX_PORT, BOARD_TX_PIN, BOARD_TX_FUNCTION);
  assign_pin(BOARD_RX_PORT, BOARD_RX_PIN, BOARD_RX_FUNCTION);
  REGISTER(BOARD_UART_ENABLE_REGISTER) |= BOARD_UART_ENABLE_MASK;
  (void)REGISTER(BOARD_UART_ENABLE_REGISTER);
  UART_BRR = BOARD_UART_DIVIDER; /* 16 samples a bit */
  UART_CR1 = 0xDu;               /* TE, RE, UE */
}
