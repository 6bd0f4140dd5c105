#include "runtime.h"
#include "semihost.h"

void runtime_exit(int status)
{
    semihost_exit(status);
    for (;;) {
    }
}
