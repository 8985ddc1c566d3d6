/* A reset that the firmware asks for: the part starts over and says why. */
#include "check.h"
#include "part.h"

int main(void)
{
#ifdef STM32F746
    const uint32_t software = RCC_CSR >> 28 & 1;
#else
    const uint32_t software = RCC_RSR >> 24 & 1;
#endif
    if (!software) {
        printf("first start\n");
        fflush(stdout);
        SCB_SHCSR |= 1u << 18;
        __asm__ volatile("dsb" ::: "memory");
        SCB_AIRCR = AIRCR_VECTKEY | AIRCR_SYSRESETREQ;
        __asm__ volatile("dsb" ::: "memory");
        for (;;)
            ;
    }
    printf("second start\n");
    check("B1.4.3", "PRIMASK is clear after reset", READ_SPECIAL(primask), 0);
    check("B3.3 SYST_CSR", "SysTick is off", SYST_CSR & 7u, 0);
    check("B3.4 NVIC_ISER", "no interrupt is enabled", NVIC_ISER(0) | NVIC_ISER(1), 0);
#ifdef STM32F746
    RCC_CSR |= 1u << 24; /* RMVF */
    check("RM RCC", "RMVF clears the flags", RCC_CSR >> 28 & 1, 0);
#else
    RCC_RSR |= 1u << 16;
    check("RM RCC", "RMVF clears the flags", RCC_RSR >> 24 & 1, 0);
#endif
    return checks_done();
}
