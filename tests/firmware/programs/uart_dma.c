/* The UART by DMA: output with an interrupt at the end, input into a ring with the idle line. */
#include "check.h"
#include "uart.h"
#include "vectors.h"

#include <string.h>

/* A cache line each, so that cleaning one touches nothing else (RM: DMA does not see the caches). */
static char out[64] __attribute__((aligned(32)));
static char ring[32] __attribute__((aligned(32)));
static volatile unsigned tx_done, tx_interrupts, rx_half, rx_full, idle_count;

#define TCIF(stream) (1u << ((const unsigned char[]){5, 11, 21, 27}[(stream) % 4]))
#define HTIF(stream) (1u << ((const unsigned char[]){4, 10, 20, 26}[(stream) % 4]))

static void tx_handler(void)
{
    ++tx_interrupts;
    if (DMA_HISR(DMA) & TCIF(TX_STREAM)) {
        DMA_HIFCR(DMA) = TCIF(TX_STREAM) | HTIF(TX_STREAM);
        tx_done = 1;
    }
}

static void rx_handler(void)
{
    uint32_t flags = DMA_LISR(DMA);

    if (flags & HTIF(RX_STREAM)) {
        DMA_LIFCR(DMA) = HTIF(RX_STREAM);
        ++rx_half;
    }
    if (flags & TCIF(RX_STREAM)) {
        DMA_LIFCR(DMA) = TCIF(RX_STREAM);
        ++rx_full;
    }
}

static void uart_handler(void)
{
    if (USART_ISR(CONSOLE) & USART_ISR_IDLE) {
        USART_ICR(CONSOLE) = USART_ISR_IDLE;
        ++idle_count;
    }
}

static void clean(const void *start, uint32_t size_bytes)
{
    __asm__ volatile("dsb" ::: "memory");
    for (uint32_t at = (uint32_t)start & ~31u; at < (uint32_t)start + size_bytes; at += 32)
        DCCIMVAC = at;
    BARRIER();
}

static void send(const char *text)
{
    uint32_t length = strlen(text);

    memcpy(out, text, length);
    clean(out, sizeof out);
    tx_done = 0;
    DMA_CR(DMA, TX_STREAM) = STREAM_CHANNEL | DMA_CR_MINC | DMA_CR_TO_PERIPHERAL;
    DMA_NDTR(DMA, TX_STREAM) = length;
    DMA_PAR(DMA, TX_STREAM) = CONSOLE + 0x28;
    DMA_M0AR(DMA, TX_STREAM) = (uint32_t)out;
    DMA_CR(DMA, TX_STREAM) |= DMA_CR_TCIE | DMA_CR_TEIE;
    DMA_CR(DMA, TX_STREAM) |= DMA_CR_EN;
    USART_ICR(CONSOLE) = USART_ISR_TC;
    USART_CR3(CONSOLE) |= USART_CR3_DMAT;
    while (!tx_done)
        __asm__ volatile("wfi");
    check("RM DMA", "a stream that is through is off", DMA_CR(DMA, TX_STREAM) & DMA_CR_EN, 0);
    check("RM DMA", "and has nothing left", DMA_NDTR(DMA, TX_STREAM), 0);
    USART_CR3(CONSOLE) &= ~USART_CR3_DMAT;
    while (!(USART_ISR(CONSOLE) & USART_ISR_TC))
        ;
}

int main(void)
{
    clocks_to_top();
    cycle_counter_start();
    vectors_to_ram();
    uart_open();
#ifdef STM32H743
    DMAMUX_CCR(TX_STREAM) = DMAMUX_USART3_TX;
    DMAMUX_CCR(RX_STREAM) = DMAMUX_USART3_RX;
#endif
    install(IRQ_0 + TX_STREAM_IRQ, tx_handler);
    install(IRQ_0 + RX_STREAM_IRQ, rx_handler);
    install(IRQ_0 + CONSOLE_IRQ, uart_handler);
    irq_enable(TX_STREAM_IRQ);
    irq_enable(RX_STREAM_IRQ);
    irq_enable(CONSOLE_IRQ);

    clean(ring, sizeof ring);
    DMA_CR(DMA, RX_STREAM) = STREAM_CHANNEL | DMA_CR_MINC | DMA_CR_CIRC | DMA_CR_HTIE | DMA_CR_TCIE;
    DMA_NDTR(DMA, RX_STREAM) = sizeof ring;
    DMA_PAR(DMA, RX_STREAM) = CONSOLE + 0x24;
    DMA_M0AR(DMA, RX_STREAM) = (uint32_t)ring;
    DMA_CR(DMA, RX_STREAM) |= DMA_CR_EN;
    USART_CR3(CONSOLE) |= USART_CR3_DMAR;
    USART_ICR(CONSOLE) = USART_ISR_IDLE;
    USART_CR1(CONSOLE) |= USART_CR1_IDLEIE;

    uint32_t before = DWT_CYCCNT;
    send("from memory to the wire\n");
    uint32_t took = DWT_CYCCNT - before;
    check("RM DMA", "one interrupt for the whole text", tx_interrupts, 1);
    check_between("RM USART", "24 characters take 240 bits", took, CHARACTER_CYCLES * 24 - 2000,
                  CHARACTER_CYCLES * 24 + CHARACTER_CYCLES / 5);

    /* The script sends twenty characters: over the middle of the ring, not to its end. */
    while (!idle_count)
        __asm__ volatile("wfi");
    clean(ring, sizeof ring);
    check("RM DMA", "twenty characters came", sizeof ring - DMA_NDTR(DMA, RX_STREAM), 20);
    check("RM DMA", "they are in memory", memcmp(ring, "abcdefghijklmnopqrst", 20), 0);
    check("RM DMA", "the ring was half full once", rx_half, 1);
    check("RM DMA", "and not full", rx_full, 0);
    idle_count = 0;
    send("more\n");
    /* Sixteen more: around the end. */
    while (!idle_count)
        __asm__ volatile("wfi");
    clean(ring, sizeof ring);
    check("RM DMA", "the ring begins anew", sizeof ring - DMA_NDTR(DMA, RX_STREAM), 4);
    check("RM DMA", "the end of the ring is filled", memcmp(ring + 20, "ABCDEFGHIJKL", 12), 0);
    check("RM DMA", "and its start again", memcmp(ring, "MNOPefgh", 8), 0);
    check("RM DMA", "the ring was full once", rx_full, 1);
    send("done\n");
    return checks_done();
}
