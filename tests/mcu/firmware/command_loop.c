/* SPDX-License-Identifier: Apache-2.0 */
/* A benchmark's command loop as vendors' libraries build it, on an STM32F746: waits for the board's "power good", sets
 * the bus prescalers, prints a prompt, receives byte by byte by interrupt, each reception armed by the program.
 * Commands end in '%'. A byte that comes when nothing is armed is lost. */
#include <stdint.h>

#define REG(address) (*(volatile uint32_t *)(address))
#define RCC_CR REG(0x40023800u)
#define RCC_CFGR REG(0x40023808u)
#define GPIOG_MODER REG(0x40021800u)
#define GPIOG_PUPDR REG(0x4002180Cu)
#define GPIOG_IDR REG(0x40021810u)
#define USART3_CR1 REG(0x40004800u)
#define USART3_BRR REG(0x4000480Cu)
#define USART3_ISR REG(0x4000481Cu)
#define USART3_RDR REG(0x40004824u)
#define USART3_TDR REG(0x40004828u)
#define TIM5_CR1 REG(0x40000C00u)
#define TIM5_EGR REG(0x40000C14u)
#define TIM5_CNT REG(0x40000C24u)
#define TIM5_PSC REG(0x40000C28u)
#define SYST_CSR REG(0xE000E010u)
#define SYST_RVR REG(0xE000E014u)
#define NVIC_ISER1 REG(0xE000E104u)
#define SCB_VTOR REG(0xE000ED08u)
#define DEMCR REG(0xE000EDFCu)
#define DWT_CTRL REG(0xE0001000u)
#define DWT_CYCCNT REG(0xE0001004u)

#define SYSTEM_HZ 216000000u
#define RECEIVED (1u << 5)
#define ROOM (1u << 7)
#define RECEIVE_INTERRUPT (1u << 5)

static uint32_t table[128] __attribute__((aligned(512)));
static volatile uint32_t ticks, lost, length;
static volatile uint8_t complete;
static char *volatile armed;
static char command[64];

static void send(const char *text) {
  for (; *text != '\0'; ++text) {
    while ((USART3_ISR & ROOM) == 0u) {
    }
    USART3_TDR = (uint8_t)*text;
  }
}

static void send_number(uint32_t value) {
  char digits[12];
  char *at = &digits[11];
  *at = '\0';
  *--at = '\n';
  do {
    *--at = (char)('0' + value % 10u);
    value /= 10u;
  } while (value != 0u);
  send(at);
}

static void receive_by_interrupt(char *to) {
  armed = to;
  USART3_CR1 |= RECEIVE_INTERRUPT;
}

static void on_tick(void) { ++ticks; }

static void on_port(void) {
  if ((USART3_ISR & RECEIVED) == 0u) {
    return;
  }
  const char byte = (char)USART3_RDR;
  if (armed == 0) {
    ++lost;
    return;
  }
  *armed = byte;
  armed = 0;
  USART3_CR1 &= ~RECEIVE_INTERRUPT;
  if (byte == '%' || length + 1u == sizeof command) {
    complete = 1;
  } else {
    receive_by_interrupt(&command[++length]);
  }
}

/* Clock of the timers of APB1, as the registers say. */
static uint32_t timer_hz(void) {
  const uint32_t field = (RCC_CFGR >> 10) & 7u;
  return field < 4u ? SYSTEM_HZ : SYSTEM_HZ / (1u << (field - 3u)) * 2u;
}

static void start(void) {
  GPIOG_MODER &= ~(3u << 12);
  GPIOG_PUPDR |= 1u << 12; /* PG6: pulled up until the regulator is good, or driven by it */
  while ((GPIOG_IDR & (1u << 6)) == 0u) {
  }
  RCC_CR |= 1u << 24;
  while ((RCC_CR & (1u << 25)) == 0u) {
  }
  RCC_CFGR = 2u | (5u << 10) | (4u << 13); /* PLL; APB1 a quarter, APB2 half */
  TIM5_PSC = timer_hz() / 1000000u - 1u;
  TIM5_EGR = 1u;
  TIM5_CR1 = 1u;
  DEMCR |= 1u << 24;
  DWT_CTRL |= 1u;
  for (unsigned i = 0; i < 16; ++i) {
    table[i] = ((const uint32_t *)0x08000000u)[i];
  }
  table[15] = (uint32_t)(uintptr_t)on_tick;
  table[16 + 39] = (uint32_t)(uintptr_t)on_port;
  SCB_VTOR = (uint32_t)(uintptr_t)table;
  SYST_RVR = SYSTEM_HZ / 1000u - 1u;
  SYST_CSR = 7u;
  USART3_BRR = SYSTEM_HZ / 4u / 115200u;
  USART3_CR1 = 13u;
  NVIC_ISER1 = 1u << (39 - 32);
}

__attribute__((noinline)) static void Error_Handler(void) {
  __asm volatile("cpsid i");
  for (;;) {
  }
}

static int is(const char *name) {
  const char *at = command;
  while (*name != '\0' && *at == *name) {
    ++at;
    ++name;
  }
  return *name == '\0' && *at == '%';
}

int main(void) {
  uint8_t sleepy = 0;
  start();
  for (volatile unsigned i = 0; i < 200000u; ++i) { /* the model is set up: some milliseconds */
  }
  for (;;) {
    send("m-ready\n");
    length = 0;
    complete = 0;
    receive_by_interrupt(command);
    while (!complete) {
      if (sleepy) {
        __asm volatile("wfi");
      }
    }
    if (is("name")) {
      send("m-name-simulated\n");
    } else if (is("lost")) {
      send_number(lost);
    } else if (is("sleep")) {
      sleepy = 1;
    } else if (is("time")) {
      const uint32_t begin = DWT_CYCCNT, microseconds = TIM5_CNT;
      while (TIM5_CNT - microseconds < 2000u) {
      }
      send_number((DWT_CYCCNT - begin) / (SYSTEM_HZ / 1000000u));
    } else if (is("delay")) {
      const uint32_t now = ticks;
      while (ticks - now < 300u) { /* nothing but an interrupt ends this */
      }
      send("delayed\n");
    } else if (is("fail")) {
      Error_Handler();
    }
  }
}
