/* SPDX-License-Identifier: Apache-2.0 */
#include "program.h"
#include "semihost.h"

#define REGION_BEGIN (*(volatile uint32_t *)0xE0000004u)
#define REGION_END (*(volatile uint32_t *)0xE0000008u)

int main(void) {
  REGION_BEGIN = 0;
  const uint32_t checksum = program();
  REGION_END = 0;
  semihost_print_u32(checksum);
  semihost_print("\n");
  return 0;
}
