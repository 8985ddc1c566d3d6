/* STM32F746G-DISCO: 25 MHz crystal, 216 MHz core. RM0385, chapters PWR, RCC, FLASH, GPIO. */
#include "board.h"

#if !BOARD_IS_H743

#define RCC_CR 0x40023800u
#define RCC_PLLCFGR 0x40023804u
#define RCC_CFGR 0x40023808u
#define RCC_AHB1ENR 0x40023830u
#define RCC_APB1ENR 0x40023840u
#define RCC_APB2ENR 0x40023844u
#define PWR_CR1 0x40007000u
#define PWR_CSR1 0x40007004u
#define FLASH_ACR 0x40023C00u
#define GPIOA 0x40020000u
#define GPIOB 0x40020400u

#define MODER 0x00u
#define AFRL 0x20u
#define AFRH 0x24u

void board_start_clocks(void) {
    REGISTER(RCC_APB1ENR) |= 1u << 28; /* PWREN */

    REGISTER(RCC_CR) |= 1u << 16; /* HSEON */
    wait_for(RCC_CR, 1u << 17, 1u << 17);

    /* 25 MHz / 25 * 432 / 2 = 216 MHz; Q = 9 makes 48 MHz for USB. */
    REGISTER(RCC_PLLCFGR) = 25u | 432u << 6 | 0u << 16 | 1u << 22 | 9u << 24;
    REGISTER(RCC_CR) |= 1u << 24; /* PLLON */

    /* Over-drive: 216 MHz is beyond what the regulator gives without. */
    REGISTER(PWR_CR1) |= 1u << 16; /* ODEN */
    wait_for(PWR_CSR1, 1u << 16, 1u << 16);
    REGISTER(PWR_CR1) |= 1u << 17; /* ODSWEN */
    wait_for(PWR_CSR1, 1u << 17, 1u << 17);

    REGISTER(FLASH_ACR) = 7u | 1u << 8 | 1u << 9; /* 7 wait states, prefetch, ART */
    wait_for(FLASH_ACR, 0xFu, 7u);

    REGISTER(RCC_CFGR) = 5u << 10 | 4u << 13; /* APB1 a quarter, APB2 half of AHB */
    wait_for(RCC_CR, 1u << 25, 1u << 25);     /* PLLRDY */
    REGISTER(RCC_CFGR) |= 2u;                 /* SW: PLL */
    wait_for(RCC_CFGR, 3u << 2, 2u << 2);
}

void board_connect_usart(void) {
    REGISTER(RCC_AHB1ENR) |= 1u << 0 | 1u << 1; /* GPIOA, GPIOB */
    REGISTER(RCC_APB1ENR) |= 1u << 0;           /* TIM2 */
    REGISTER(RCC_APB2ENR) |= 1u << 4;           /* USART1 */
    (void)REGISTER(RCC_APB2ENR);                /* the clock runs two cycles later */

    REGISTER(GPIOA + AFRH) = (REGISTER(GPIOA + AFRH) & ~(0xFu << 4)) | 7u << 4;
    REGISTER(GPIOA + MODER) = (REGISTER(GPIOA + MODER) & ~(3u << 18)) | 2u << 18;
    REGISTER(GPIOB + AFRL) = (REGISTER(GPIOB + AFRL) & ~(0xFu << 28)) | 7u << 28;
    REGISTER(GPIOB + MODER) = (REGISTER(GPIOB + MODER) & ~(3u << 14)) | 2u << 14;
}

#endif
