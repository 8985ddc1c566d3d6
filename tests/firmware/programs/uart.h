/* The board's console UART, set up as ST's HAL does. */
#ifndef UART_H
#define UART_H

#include "clocks.h"

#define BAUD 115200u
#define CHARACTER_CYCLES ((uint32_t)((uint64_t)CORE_HZ * 10 / BAUD)) /* start, eight bits, stop */

static unsigned uart_stuck_at;

static void uart_open(void)
{
#ifdef STM32F746
    RCC_AHB1ENR |= 1u << 0 | 1u << 1 | 1u << 22; /* GPIOA, GPIOB, DMA2 */
    RCC_APB2ENR |= 1u << 4;                      /* USART1 */
    (void)RCC_APB2ENR;
    GPIO_MODER(GPIOA) = (GPIO_MODER(GPIOA) & ~(3u << 18)) | 2u << 18; /* PA9: TX */
    GPIO_AFRH(GPIOA) = (GPIO_AFRH(GPIOA) & ~(15u << 4)) | 7u << 4;
    GPIO_MODER(GPIOB) = (GPIO_MODER(GPIOB) & ~(3u << 14)) | 2u << 14; /* PB7: RX */
    GPIO_AFRL(GPIOB) = (GPIO_AFRL(GPIOB) & ~(15u << 28)) | 7u << 28;
#else
    RCC_AHB4ENR |= 1u << 3;   /* GPIOD */
    RCC_AHB1ENR |= 1u << 0;   /* DMA1 and DMAMUX1 */
    RCC_APB1LENR |= 1u << 18; /* USART3 */
    (void)RCC_APB1LENR;
    GPIO_MODER(GPIOD) = (GPIO_MODER(GPIOD) & ~(15u << 16)) | 10u << 16; /* PD8, PD9 */
    GPIO_AFRH(GPIOD) = (GPIO_AFRH(GPIOD) & ~0xFFu) | 0x77u;
#endif
    USART_CR1(CONSOLE) = 0;
    USART_CR2(CONSOLE) = 0;
    USART_CR3(CONSOLE) = 0;
    USART_BRR(CONSOLE) = (CONSOLE_HZ + BAUD / 2) / BAUD;
    USART_CR1(CONSOLE) = USART_CR1_TE | USART_CR1_RE;
    USART_CR1(CONSOLE) |= USART_CR1_UE;

    /* HAL's UART_CheckIdleState. */
    unsigned patience = 1000000;
    while (!(USART_ISR(CONSOLE) & USART_ISR_TEACK))
        if (--patience == 0) {
            uart_stuck_at = 1;
            return;
        }
    while (!(USART_ISR(CONSOLE) & USART_ISR_REACK))
        if (--patience == 0) {
            uart_stuck_at = 2;
            return;
        }
    /* Setting TE sends an idle frame first (RM: USART transmitter); let it pass. */
    for (uint32_t start = DWT_CYCCNT; DWT_CYCCNT - start < 2 * CHARACTER_CYCLES;)
        ;
}

static void uart_put(char byte)
{
    while (!(USART_ISR(CONSOLE) & USART_ISR_TXE))
        ;
    USART_TDR(CONSOLE) = (uint8_t)byte;
}

__attribute__((unused)) static void uart_print(const char *text)
{
    while (*text)
        uart_put(*text++);
    while (!(USART_ISR(CONSOLE) & USART_ISR_TC))
        ;
}

#endif
