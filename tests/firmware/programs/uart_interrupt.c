/* The UART by interrupts, as HAL's _IT functions: a line in, the same line out backwards. */
#include "check.h"
#include "uart.h"
#include "vectors.h"

#include <string.h>

static char received[32];
static volatile unsigned received_count, line_done, idle_count;
static const char *volatile to_send;
static volatile unsigned sent_count, transmission_done, interrupts;

static void uart_handler(void)
{
    uint32_t flags = USART_ISR(CONSOLE), enabled = USART_CR1(CONSOLE);

    ++interrupts;
    if (flags & enabled & USART_ISR_RXNE) { /* the enable bits lie where the flags do */
        char byte = (char)USART_RDR(CONSOLE);
        if (received_count < sizeof received - 1)
            received[received_count++] = byte;
        if (byte == '\n')
            line_done = 1;
    }
    if (flags & enabled & USART_ISR_IDLE) {
        ++idle_count;
        USART_ICR(CONSOLE) = USART_ISR_IDLE;
    }
    if (flags & enabled & USART_ISR_TXE) {
        if (*to_send) {
            USART_TDR(CONSOLE) = (uint8_t)*to_send++;
            ++sent_count;
        } else {
            USART_CR1(CONSOLE) &= ~USART_CR1_TXEIE;
            USART_CR1(CONSOLE) |= USART_CR1_TCIE;
        }
    } else if (flags & enabled & USART_ISR_TC) {
        USART_CR1(CONSOLE) &= ~USART_CR1_TCIE;
        transmission_done = 1;
    }
}

static void send(const char *text)
{
    transmission_done = 0;
    to_send = text;
    USART_CR1(CONSOLE) |= USART_CR1_TXEIE;
    while (!transmission_done)
        __asm__ volatile("wfi");
}

int main(void)
{
    clocks_to_top();
    cycle_counter_start();
    vectors_to_ram();
    uart_open();
    install(IRQ_0 + CONSOLE_IRQ, uart_handler);
    irq_enable(CONSOLE_IRQ);

    uint32_t before = DWT_CYCCNT;
    send("ready to receive\n");
    uint32_t took = DWT_CYCCNT - before;
    check("RM USART", "every character was sent by an interrupt", sent_count, 17);
    check_between("RM USART", "in the time of 17 characters", took, CHARACTER_CYCLES * 17 - 2000,
                  CHARACTER_CYCLES * 17 + CHARACTER_CYCLES / 5);
    /* One a character, one that finds nothing to send, one for TC. */
    check("RM USART", "by 19 interrupts", interrupts, 19);

    USART_ICR(CONSOLE) = USART_ISR_IDLE;
    USART_CR1(CONSOLE) |= USART_CR1_RXNEIE | USART_CR1_IDLEIE;
    while (!line_done || !idle_count)
        __asm__ volatile("wfi");
    check("RM USART", "a line of twelve characters came", received_count, 12);
    check("RM USART", "it is what was sent", memcmp(received, "hello there\n", 12), 0);
    check("RM USART", "the line was idle once after it", idle_count, 1);

    char answer[16];
    for (unsigned at = 0; at < 11; ++at)
        answer[at] = received[10 - at];
    answer[11] = '\n';
    answer[12] = 0;
    send(answer);
    return checks_done();
}
