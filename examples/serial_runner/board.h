/* What differs between the two boards: clocks, the USART that is wired to the ST-LINK, a timer.
 *
 * board_f746.c is for STM32F746G-DISCO, board_h743.c for NUCLEO-H743ZI; the folder holds both and
 * one of them is empty after the preprocessor. Registers are written by address and bit, as the
 * reference manuals (RM0385, RM0433) have them: there is no vendor header here. */
#ifndef SERIAL_RUNNER_BOARD_H
#define SERIAL_RUNNER_BOARD_H

#include <stdint.h>

/* A double-precision FPU tells H743 from F746 at compile time. */
#if defined(__ARM_FP) && (__ARM_FP & 8)
#define BOARD_IS_H743 1
#else
#define BOARD_IS_H743 0
#endif

#if BOARD_IS_H743
#define BOARD_NAME "h743"
#define CORE_CLOCK_HZ 480000000u
#define USART_CLOCK_HZ 120000000u /* APB1: 480 MHz / 2 (AHB) / 2 */
#define TIMER_CLOCK_HZ 240000000u /* a divided APB counts twice */
#define USART_BASE 0x40004800u    /* USART3, PD8 and PD9 */
#define USART_IRQ 39
#define USART_HANDLER USART3_IRQHandler
#else
#define BOARD_NAME "f746"
#define CORE_CLOCK_HZ 216000000u
#define USART_CLOCK_HZ 108000000u /* APB2: 216 MHz / 2 */
#define TIMER_CLOCK_HZ 108000000u /* APB1 is 216 MHz / 4, and its timers count twice that */
#define USART_BASE 0x40011000u    /* USART1, PA9 and PB7 */
#define USART_IRQ 37
#define USART_HANDLER USART1_IRQHandler
#endif

#define TIM2_BASE 0x40000000u

#define REGISTER(address) (*(volatile uint32_t *)(address))

/* Wait for bits of a register to take a value. */
static inline void wait_for(uintptr_t address, uint32_t mask, uint32_t value) {
    while ((REGISTER(address) & mask) != value) {
    }
}

/* Run from the crystal through the PLL at CORE_CLOCK_HZ. */
void board_start_clocks(void);

/* Clock the USART and TIM2, and give the USART its pins. */
void board_connect_usart(void);

#endif
