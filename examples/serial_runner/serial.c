#include "serial.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include "board.h"

/* RM0385 and RM0433, chapter USART: the two parts have one register map. */
#define USART_CR1 (USART_BASE + 0x00u)
#define USART_BRR (USART_BASE + 0x0Cu)
#define USART_ISR (USART_BASE + 0x1Cu)
#define USART_ICR (USART_BASE + 0x20u)
#define USART_RDR (USART_BASE + 0x24u)
#define USART_TDR (USART_BASE + 0x28u)

#define CR1_UE (1u << 0)
#define CR1_RE (1u << 2)
#define CR1_TE (1u << 3)
#define CR1_RXNEIE (1u << 5)
#define CR1_TCIE (1u << 6)
#define CR1_TXEIE (1u << 7)
#define ISR_ORE (1u << 3)
#define ISR_RXNE (1u << 5)
#define ISR_TC (1u << 6)
#define ISR_TXE (1u << 7)
#define ISR_TEACK (1u << 21)
#define ISR_REACK (1u << 22)

/* Armv7-M Architecture Reference Manual (ARM DDI 0403E), B3.4. */
#define NVIC_ISER(line) (0xE000E100u + 4u * ((line) / 32u))

#define RING_BYTES 256u /* a power of two */
#define LINE_BYTES 160

static volatile char ring[RING_BYTES];
static volatile uint32_t written_count; /* by the handler alone */
static uint32_t read_count;             /* by serial_read alone */
static const char *volatile to_send;    /* the rest of a line; NULL when it has left the chip */

static void receive(void) {
    const char byte = (char)REGISTER(USART_RDR);
    if (written_count - read_count < RING_BYTES) ring[written_count++ % RING_BYTES] = byte;
}

static void send(void) {
    REGISTER(USART_TDR) = (uint8_t)*to_send++;
    if (!*to_send) REGISTER(USART_CR1) = (REGISTER(USART_CR1) & ~CR1_TXEIE) | CR1_TCIE;
}

void USART_HANDLER(void) {
    const uint32_t status = REGISTER(USART_ISR);
    const uint32_t control = REGISTER(USART_CR1);

    if (status & ISR_RXNE) receive();
    if (status & ISR_ORE) REGISTER(USART_ICR) = ISR_ORE;
    if ((status & ISR_TXE) && (control & CR1_TXEIE)) {
        send();
    } else if ((status & ISR_TC) && (control & CR1_TCIE)) {
        REGISTER(USART_CR1) = control & ~CR1_TCIE;
        to_send = NULL;
    }
}

/* Sleep until an interrupt has come, given that interrupts are off: one that is pending already ends
 * the sleep, so none is slept through. It is handled before this returns. */
static void sleep(void) {
    __asm__ volatile("dsb\n\twfi\n\tcpsie i\n\tisb\n\tcpsid i" ::: "memory");
}

static void interrupts_off(void) {
    __asm__ volatile("cpsid i" ::: "memory");
}

static void interrupts_on(void) {
    __asm__ volatile("cpsie i" ::: "memory");
}

void serial_start(void) {
    REGISTER(USART_BRR) = (USART_CLOCK_HZ + SERIAL_BAUD / 2) / SERIAL_BAUD;
    REGISTER(USART_CR1) = CR1_UE | CR1_TE | CR1_RE | CR1_RXNEIE;
    wait_for(USART_ISR, ISR_TEACK | ISR_REACK, ISR_TEACK | ISR_REACK);
    REGISTER(NVIC_ISER(USART_IRQ)) = 1u << (USART_IRQ % 32);
}

char serial_read(void) {
    interrupts_off();
    while (written_count == read_count) sleep();
    interrupts_on();
    return ring[read_count++ % RING_BYTES];
}

void serial_printf(const char *format, ...) {
    char line[LINE_BYTES];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (!line[0]) return;
    interrupts_off();
    to_send = line;
    REGISTER(USART_CR1) |= CR1_TXEIE;
    while (to_send) sleep();
    interrupts_on();
}
