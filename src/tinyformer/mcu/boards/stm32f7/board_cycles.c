/* SPDX-License-Identifier: Apache-2.0 */
#include "board.h"
#include "runtime.h"

uint32_t board_cycles(void) { return runtime_cycles(); }
