/* NUCLEO-H743ZI: 8 MHz from the ST-LINK, 480 MHz core. RM0433, chapters PWR, RCC, FLASH, GPIO. */
#include "board.h"

#if BOARD_IS_H743

#define RCC_CR 0x58024400u
#define RCC_CFGR 0x58024410u
#define RCC_D1CFGR 0x58024418u
#define RCC_D2CFGR 0x5802441Cu
#define RCC_D3CFGR 0x58024420u
#define RCC_PLLCKSELR 0x58024428u
#define RCC_PLLCFGR 0x5802442Cu
#define RCC_PLL1DIVR 0x58024430u
#define RCC_AHB4ENR 0x580244E0u
#define RCC_APB1LENR 0x580244E8u
#define RCC_APB4ENR 0x580244F4u
#define PWR_CSR1 0x58024804u
#define PWR_CR3 0x5802480Cu
#define PWR_D3CR 0x58024818u
#define SYSCFG_PWRCR 0x5800042Cu
#define FLASH_ACR 0x52002000u
#define GPIOD 0x58020C00u

#define MODER 0x00u
#define AFRH 0x24u

void board_start_clocks(void) {
    /* The LDO supplies the core; 480 MHz wants voltage scale 0, which is scale 1 with over-drive. */
    REGISTER(PWR_CR3) = 1u << 1; /* LDOEN */
    wait_for(PWR_CSR1, 1u << 13, 1u << 13);
    REGISTER(PWR_D3CR) = 3u << 14; /* VOS1 */
    wait_for(PWR_D3CR, 1u << 13, 1u << 13);
    REGISTER(RCC_APB4ENR) |= 1u << 1; /* SYSCFG */
    (void)REGISTER(RCC_APB4ENR);
    REGISTER(SYSCFG_PWRCR) |= 1u << 0; /* ODEN */
    wait_for(PWR_D3CR, 1u << 13, 1u << 13);

    REGISTER(RCC_CR) |= 1u << 18; /* HSEBYP: a clock, no crystal */
    REGISTER(RCC_CR) |= 1u << 16; /* HSEON */
    wait_for(RCC_CR, 1u << 17, 1u << 17);

    /* 8 MHz / 4 * 480 / 2 = 480 MHz. */
    REGISTER(RCC_PLLCKSELR) = 2u | 4u << 4;
    REGISTER(RCC_PLLCFGR) = 1u << 2 | 1u << 16; /* input of 2 to 4 MHz, output P */
    REGISTER(RCC_PLL1DIVR) = (480u - 1) | (2u - 1) << 9 | (20u - 1) << 16 | (2u - 1) << 24;
    REGISTER(RCC_CR) |= 1u << 24; /* PLL1ON */
    wait_for(RCC_CR, 1u << 25, 1u << 25);

    REGISTER(FLASH_ACR) = 4u | 2u << 4; /* 4 wait states at an AXI clock of 240 MHz */
    wait_for(FLASH_ACR, 0xFu, 4u);

    REGISTER(RCC_D1CFGR) = 8u | 4u << 4; /* AHB and APB3 half of what feeds them */
    REGISTER(RCC_D2CFGR) = 4u << 4 | 4u << 8;
    REGISTER(RCC_D3CFGR) = 4u << 4;
    REGISTER(RCC_CFGR) = 3u; /* SW: PLL1 */
    wait_for(RCC_CFGR, 7u << 3, 3u << 3);
}

void board_connect_usart(void) {
    REGISTER(RCC_AHB4ENR) |= 1u << 3;             /* GPIOD */
    REGISTER(RCC_APB1LENR) |= 1u << 0 | 1u << 18; /* TIM2, USART3 */
    (void)REGISTER(RCC_APB1LENR);                 /* the clock runs two cycles later */

    REGISTER(GPIOD + AFRH) = (REGISTER(GPIOD + AFRH) & ~0xFFu) | 0x77u;
    REGISTER(GPIOD + MODER) = (REGISTER(GPIOD + MODER) & ~(0xFu << 16)) | 0xAu << 16;
}

#endif
