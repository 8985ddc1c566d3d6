/* Ends that no handler catches. ENDING chooses one. */
#include "check.h"
#include "vectors.h"

/* As the start-up files of vendors have it. */
NAKED static void default_handler(void)
{
    __asm__ volatile("b .");
}

NAKED static void fault_again(void)
{
    __asm__ volatile("udf #0");
}

int main(void)
{
    printf("before\n");
    fflush(stdout);
    vectors_to_ram();
    for (unsigned exception = NMI; exception < VECTORS; ++exception)
        install(exception, default_handler);
    SCB_SHCSR &= ~(SHCSR_MEMFAULTENA | SHCSR_BUSFAULTENA | SHCSR_USGFAULTENA);
    BARRIER();
#if ENDING == 1 /* a fault while HardFault runs: lockup (B1.5.15) */
    install(HARD_FAULT, fault_again);
    __asm__ volatile("udf #0");
#elif ENDING == 2 /* a fault with FAULTMASK set: lockup */
    __asm__ volatile("cpsid f\n\tudf #0");
#elif ENDING == 3 /* a bus error that ends in the vendor's endless loop */
    (void)REG(0x0A000000u);
#elif ENDING == 4 /* an interrupt without a handler: the same loop */
    irq_enable(40);
    irq_pend(40);
#elif ENDING == 5 /* sleep with nothing left that could wake the core */
    __asm__ volatile("wfi");
#elif ENDING == 6 /* a vector table that cannot be read at all: lockup */
    SCB_VTOR = 0x0A000000u;
    irq_enable(40);
    irq_pend(40);
#endif
    printf("after\n");
    return 0;
}
