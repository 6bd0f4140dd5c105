/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime.h"
#include "semihost.h"

void runtime_exit(int status) {
  semihost_exit(status);
  for (;;) {
  }
}
