/* SPDX-License-Identifier: Apache-2.0 */
/* A linked list in SRAM in random order: every load waits for the one before. */
#include "program.h"

#define NODES 1024u

struct node {
  struct node *next;
  uint32_t value;
};

static struct node nodes[NODES];
static uint16_t order[NODES];

uint32_t program(void) {
  uint32_t state = 9, sum = 0;
  for (unsigned i = 0; i < NODES; ++i) {
    order[i] = (uint16_t)i;
  }
  for (unsigned i = NODES - 1; i > 0; --i) {
    const unsigned j = next_random(&state) % (i + 1u);
    const uint16_t swap = order[i];
    order[i] = order[j];
    order[j] = swap;
  }
  for (unsigned i = 0; i < NODES; ++i) {
    nodes[order[i]].next = &nodes[order[(i + 1u) % NODES]];
    nodes[order[i]].value = i;
  }
  const struct node *at = &nodes[0];
  for (unsigned i = 0; i < 20000; ++i) {
    sum += at->value ^ i;
    at = at->next;
  }
  return sum;
}
