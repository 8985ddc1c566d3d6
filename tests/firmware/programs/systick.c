/* SysTick: period and flags to the cycle, and a delay as HAL's.
 *
 * Sections are of the Armv7-M Architecture Reference Manual (DDI 0403E).
 */
#include "check.h"
#include "clocks.h"
#include "vectors.h"

static volatile uint32_t ticks, stamps[16];

static void remember(void)
{
    stamps[ticks++ % 16] = DWT_CYCCNT;
}

static void count(void)
{
    ++ticks;
}

/* Wait until more than `ms` ticks have passed, as HAL_Delay: the first one may be short. */
static void delay_ms(uint32_t ms)
{
    uint32_t start = ticks;

    while (ticks - start < ms + 1)
        ;
}

static void start(uint32_t period_cycles, uint32_t flags)
{
    SYST_CSR = 0;
    SYST_RVR = period_cycles - 1;
    SYST_CVR = 0;
    SYST_CSR = SYST_CSR_ENABLE | flags;
}

static void period(void)
{
    ticks = 0;
    install(SYS_TICK, remember);
    start(10000, SYST_CSR_CLKSOURCE | SYST_CSR_TICKINT);
    while (ticks < 12)
        __asm__ volatile("wfi");
    SYST_CSR = 0;
    /* From the third on, caches are warm and each entry is from the same WFI. */
    check_between("B3.3 SysTick", "nine periods of 10000 cycles", stamps[11] - stamps[2], 89990,
                  90010);
}

static void flags(void)
{
    install(SYS_TICK, count);
    ticks = 0;
    start(2000, SYST_CSR_CLKSOURCE);
    (void)SYST_CSR;
    while (!(SYST_CSR & SYST_CSR_COUNTFLAG))
        ;
    uint32_t again = SYST_CSR;
    uint32_t before = DWT_CYCCNT;
    while (!(SYST_CSR & SYST_CSR_COUNTFLAG))
        ;
    uint32_t took = DWT_CYCCNT - before;
    uint32_t first = SYST_CVR;
    for (volatile int wait = 0; wait < 5; ++wait)
        ;
    uint32_t second = SYST_CVR;
    check("B3.3 SYST_CSR", "COUNTFLAG is cleared by reading it", again & SYST_CSR_COUNTFLAG, 0);
    check("B3.3 SYST_CSR", "TICKINT clear: no interrupt", ticks, 0);
    check_between("B3.3 SysTick", "COUNTFLAG comes once a period", took, 1850, 2050);
    check_between("B3.3 SYST_CVR", "the counter is below its reload value", first, 1800, 1999);
    check("B3.3 SYST_CVR", "it counts down", second < first, 1);
    while (SYST_CVR > 1000 || SYST_CVR < 500) /* far from the next wrap */
        ;
    SYST_CVR = 12345; /* any value clears */
    (void)SYST_CVR; /* it reads as zero until the next clock */
    second = SYST_CVR;
    uint32_t control = SYST_CSR;
    check_between("B3.3 SYST_CVR", "a write makes it start over", second, 1900, 1999);
    check("B3.3 SYST_CVR", "and clears COUNTFLAG", control & SYST_CSR_COUNTFLAG, 0);
    SYST_CSR = 0;
    SYST_RVR = 0xFFFFFFFFu;
    check("B3.3 SYST_RVR", "the counter has 24 bits", SYST_RVR, 0x00FFFFFFu);

    DISABLE_INTERRUPTS();
    SCB_ICSR = ICSR_PENDSTSET;
    BARRIER();
    check("B3.2 ICSR", "PENDSTSET pends SysTick", SCB_ICSR & ICSR_PENDSTSET, ICSR_PENDSTSET);
    ENABLE_INTERRUPTS();
    check("B3.2 ICSR", "which comes although the counter is off", ticks, 1);
}

static void delays(void)
{
    const uint32_t ms_cycles = CORE_HZ / 1000;

    ticks = 0;
    start(ms_cycles, SYST_CSR_CLKSOURCE | SYST_CSR_TICKINT);
    uint32_t before = DWT_CYCCNT;
    delay_ms(5);
    uint32_t took = DWT_CYCCNT - before;
    before = DWT_CYCCNT;
    delay_ms(1); /* begins at a tick: two whole periods */
    uint32_t two_periods = DWT_CYCCNT - before;
    check_between("HAL_Delay", "5 ms: five to six periods", took, 5 * ms_cycles,
                  6 * ms_cycles + 200);
    check_between("HAL_Delay", "1 ms from a tick on: two periods", two_periods, 2 * ms_cycles - 300,
                  2 * ms_cycles + 300);
    SYST_CSR = 0;
    printf("%lu cycles a millisecond\n", (unsigned long)ms_cycles);
}

int main(void)
{
    clocks_to_top();
    check("RM", "no wait for a clock is endless", clocks_stuck_at, 0);
    vectors_to_ram();
    cycle_counter_start();
    period();
    flags();
    delays();
    return checks_done();
}
