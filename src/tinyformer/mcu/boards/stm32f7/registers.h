/* SPDX-License-Identifier: Apache-2.0 */
/* STM32F7 registers that the board's support uses (reference manual RM0385). */
#ifndef TINYFORMER_STM32F7_REGISTERS_H
#define TINYFORMER_STM32F7_REGISTERS_H

#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(address))

#define FLASH_ACR REGISTER(0x40023C00u)
#define RCC_CR REGISTER(0x40023800u)
#define RCC_PLLCFGR REGISTER(0x40023804u)
#define RCC_CFGR REGISTER(0x40023808u)
#define RCC_AHB1ENR REGISTER(0x40023830u)
#define RCC_APB1ENR REGISTER(0x40023840u)
#define PWR_CR1 REGISTER(0x40007000u)
#define PWR_CSR1 REGISTER(0x40007004u)

/* Registers of the serial port, by their offset. */
#define UART(offset) REGISTER(BOARD_UART_BASE + (offset))
#define UART_CR1 UART(0x00u)
#define UART_BRR UART(0x0Cu)
#define UART_ISR UART(0x1Cu)
#define UART_ICR UART(0x20u)
#define UART_RDR UART(0x24u)
#define UART_TDR UART(0x28u)

/* Registers of GPIO port `port` (0 for A). */
#define GPIO(port, offset) REGISTER(0x40020000u + 0x400u * (port) + (offset))

#endif
