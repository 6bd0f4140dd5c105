/* SPDX-License-Identifier: Apache-2.0 */
#include "board.h"
#include "registers.h"

void board_write(uint8_t byte) {
  while ((UART_ISR & (1u << 7)) == 0u) {
  }
  UART_TDR = byte;
}
