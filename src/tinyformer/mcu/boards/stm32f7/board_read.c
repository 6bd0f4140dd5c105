/* SPDX-License-Identifier: Apache-2.0 */
#include "board.h"
#include "registers.h"

uint8_t board_read(void) {
  for (;;) {
    const uint32_t flags = UART_ISR;
    if ((flags & 0xFu) != 0u) { /* overrun, noise, framing, parity: the checksum will tell */
      UART_ICR = 0xFu;
    }
    if ((flags & (1u << 5)) != 0u) {
      return (uint8_t)UART_RDR;
    }
  }
}
