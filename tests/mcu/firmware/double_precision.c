/* SPDX-License-Identifier: Apache-2.0 */
/* Prints results of arithmetic in double precision, as hexadecimal words, one a line. */
#include <stdint.h>
#include <string.h>

#include "runtime.h"
#include "semihost.h"

static void print(double value) {
  uint64_t bits;
  char text[18];
  memcpy(&bits, &value, sizeof bits);
  for (int i = 15; i >= 0; --i, bits >>= 4) {
    text[i] = "0123456789abcdef"[bits & 15u];
  }
  text[16] = '\n';
  text[17] = '\0';
  semihost_print(text);
}

static volatile double x = 1.1, y = -2.7, z = 1e300;
static volatile float f = 0.3f;
static volatile int32_t i = -7;
static volatile uint32_t u = 4000000000u;

int main(void) {
  print(x + y);
  print(x - y);
  print(x * y);
  print(x / y);
  print(x * y + z);
  print(__builtin_fma(x, y, x));
  print(__builtin_fma(-x, y, x));
  print(-(x * y));
  print(__builtin_sqrt(x));
  print(__builtin_fabs(y));
  print(-x);
  print((double)f);
  print((double)(float)x);
  print((double)i);
  print((double)u);
  print((double)(int32_t)(y * 10.0));
  print((double)(uint32_t)(x * 1000.0));
  print((double)(int32_t)z); /* saturates */
  print(x < y ? 1.0 : 0.5);
  print(x > y ? 31.0 : -0.125);
  print(y == y ? x : y);
  double sum = 0.0;
  for (int k = 1; k <= 1000; ++k) {
    sum += 1.0 / k;
  }
  print(sum);
  return 0;
}
