/* From reset to the top clock, with the waits that ST's HAL makes: oscillator, voltage, PLL, flash.
 *
 * F746: HSE 25 MHz (DISCO), 216 MHz with over-drive. H743: HSE 8 MHz (NUCLEO), 480 MHz at VOS0.
 * Sources: RM0385 5.3, RM0433 8.5 and 6.6: the order of steps and the flags.
 */
#ifndef CLOCKS_H
#define CLOCKS_H

#include "part.h"

/* Which wait it was, when the hardware never answered; 0 when all of them ended. */
static unsigned clocks_stuck_at;

#define CLOCKS_WAIT(number, condition)                                            \
    do {                                                                          \
        unsigned patience_ = 1000000;                                             \
        while (!(condition))                                                      \
            if (--patience_ == 0) {                                               \
                clocks_stuck_at = (number);                                       \
                return;                                                           \
            }                                                                     \
    } while (0)

#ifdef STM32F746

static void clocks_to_top(void)
{
    RCC_APB1ENR |= 1u << 28; /* PWR */
    (void)RCC_APB1ENR;
    PWR_CR1 |= 3u << 14; /* scale 1 */

    RCC_CR |= 1u << 16; /* HSE */
    CLOCKS_WAIT(1, RCC_CR & 1u << 17);
    RCC_CR &= ~(1u << 24);
    CLOCKS_WAIT(2, !(RCC_CR & 1u << 25));
    RCC_PLLCFGR = 0x20000000u | 25u | 432u << 6 | 0u << 16 | 1u << 22 | 9u << 24;
    RCC_CR |= 1u << 24;
    CLOCKS_WAIT(3, RCC_CR & 1u << 25);

    PWR_CR1 |= 1u << 16;
    CLOCKS_WAIT(4, PWR_CSR1 & 1u << 16); /* ODRDY */
    PWR_CR1 |= 1u << 17;
    CLOCKS_WAIT(5, PWR_CSR1 & 1u << 17); /* ODSWRDY */

    FLASH_ACR = (FLASH_ACR & ~0xFu) | 7u;
    CLOCKS_WAIT(6, (FLASH_ACR & 0xFu) == 7);
    FLASH_ACR |= 3u << 8; /* ART and its prefetch */
    RCC_CFGR = (RCC_CFGR & ~0xFCF3u) | 5u << 10 | 4u << 13; /* AHB 1, APB1 4, APB2 2 */
    RCC_CFGR |= 2u;
    CLOCKS_WAIT(7, (RCC_CFGR & 0xCu) == 0x8u);
    CLOCKS_WAIT(8, PWR_CSR1 & 1u << 14); /* VOSRDY */
}

/* The core from the internal 16 MHz, as after reset. */
__attribute__((unused)) static void clocks_to_internal(void)
{
    RCC_CFGR &= ~0xFCF3u;
    CLOCKS_WAIT(20, (RCC_CFGR & 0xCu) == 0);
    RCC_CR &= ~(1u << 24);
    CLOCKS_WAIT(21, !(RCC_CR & 1u << 25));
    FLASH_ACR &= ~0xFu;
}

#define INTERNAL_HZ 16000000u

#else

static void clocks_to_top(void)
{
    PWR_CR3 = (PWR_CR3 & ~7u) | 2u; /* LDO */
    CLOCKS_WAIT(1, PWR_CSR1 & 1u << 13); /* ACTVOSRDY */
    PWR_D3CR |= 3u << 14;                /* VOS1 */
    CLOCKS_WAIT(2, PWR_D3CR & 1u << 13); /* VOSRDY */
    RCC_APB4ENR |= 1u << 1;              /* SYSCFG */
    (void)RCC_APB4ENR;
    SYSCFG_PWRCR |= 1; /* over-drive: VOS0 */
    CLOCKS_WAIT(3, PWR_D3CR & 1u << 13);

    RCC_CR |= 1u << 18 | 1u << 16; /* HSE from the debugger's clock output */
    CLOCKS_WAIT(4, RCC_CR & 1u << 17);
    RCC_CR &= ~(1u << 24);
    CLOCKS_WAIT(5, !(RCC_CR & 1u << 25));
    RCC_PLLCKSELR = 2u | 4u << 4; /* HSE, by 4: 2 MHz */
    RCC_PLL1DIVR = (480u - 1) | (2u - 1) << 9 | (20u - 1) << 16 | (2u - 1) << 24;
    RCC_PLLCFGR = (RCC_PLLCFGR & ~0x000F000Fu) | 1u << 2 | 7u << 16;
    RCC_CR |= 1u << 24;
    CLOCKS_WAIT(6, RCC_CR & 1u << 25);

    FLASH_ACR = 4u | 2u << 4;
    CLOCKS_WAIT(7, (FLASH_ACR & 0xFu) == 4);
    RCC_D1CFGR = 8u | 4u << 4; /* core 1, AHB 2, APB3 2 */
    RCC_D2CFGR = 4u << 4 | 4u << 8;
    RCC_D3CFGR = 4u << 4;
    RCC_CFGR = (RCC_CFGR & ~7u) | 3u;
    CLOCKS_WAIT(8, (RCC_CFGR >> 3 & 7u) == 3);
}

__attribute__((unused)) static void clocks_to_internal(void)
{
    RCC_CFGR &= ~7u;
    CLOCKS_WAIT(20, (RCC_CFGR >> 3 & 7u) == 0);
    RCC_CR &= ~(1u << 24);
    CLOCKS_WAIT(21, !(RCC_CR & 1u << 25));
    RCC_D1CFGR = 0;
    RCC_D2CFGR = 0;
    RCC_D3CFGR = 0;
    FLASH_ACR = 0;
}

#define INTERNAL_HZ 64000000u

#endif

#endif
