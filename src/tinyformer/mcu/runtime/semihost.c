/* SPDX-License-Identifier: Apache-2.0 */
#include "semihost.h"

enum {
  SYS_OPEN = 0x01,
  SYS_WRITE0 = 0x04,
  SYS_WRITE = 0x05,
  SYS_READ = 0x06,
  SYS_EXIT_EXTENDED = 0x20,
  ADP_STOPPED_APPLICATION_EXIT = 0x20026,
  OPEN_READ = 0,
  OPEN_WRITE = 4,
};

static int32_t semihost_call(uint32_t operation, const void *argument) {
  register uint32_t r0 __asm("r0") = operation;
  register const void *r1 __asm("r1") = argument;
  __asm volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
  return (int32_t)r0;
}

/* The handle of the console in the given mode, opened on first use. */
static uint32_t console(uint32_t mode) {
  static int32_t handles[2] = {-1, -1};
  int32_t *handle = &handles[mode == OPEN_WRITE];
  if (*handle < 0) {
    static const char name[] = ":tt";
    const uint32_t arguments[3] = {(uint32_t)(uintptr_t)name, mode, sizeof name - 1};
    *handle = semihost_call(SYS_OPEN, arguments);
  }
  return (uint32_t)*handle;
}

void semihost_print(const char *text) { (void)semihost_call(SYS_WRITE0, text); }

void semihost_print_u32(uint32_t value) {
  char digits[11];
  char *first = &digits[10];
  *first = '\0';
  do {
    *--first = (char)('0' + value % 10u);
    value /= 10u;
  } while (value != 0u);
  semihost_print(first);
}

size_t semihost_write(const void *data, size_t bytes) {
  const uint32_t arguments[3] = {console(OPEN_WRITE), (uint32_t)(uintptr_t)data, bytes};
  return (size_t)semihost_call(SYS_WRITE, arguments);
}

size_t semihost_read(void *data, size_t bytes) {
  const uint32_t arguments[3] = {console(OPEN_READ), (uint32_t)(uintptr_t)data, bytes};
  return bytes - (size_t)semihost_call(SYS_READ, arguments);
}

void semihost_exit(int status) {
  const uint32_t arguments[2] = {ADP_STOPPED_APPLICATION_EXIT, (uint32_t)status};
  (void)semihost_call(SYS_EXIT_EXTENDED, arguments);
}
