/* The cycle counter and the trace port: what CMSIS's ITM_SendChar and every profiler use. */
#include "check.h"
#include "core.h"

/* Cycles from before a hundred multiplications to after them. */
__attribute__((noinline, aligned(32))) static uint32_t multiplications(void)
{
    uint32_t before, after;

    __asm__ volatile(
        "mov r2, #3\n\t"
        "ldr %0, [%2]\n\t"
        "isb\n\t"
        ".rept 100\n\t"
        "mul r3, r2, r2\n\t" /* one multiplier: one a cycle at the most */
        ".endr\n\t"
        "isb\n\t"
        "ldr %1, [%2]\n\t"
        : "=&r"(before), "=&r"(after)
        : "r"(0xE0001004u)
        : "r2", "r3");
    return after - before;
}

static int itm_put(char byte)
{
    if (!(ITM_TCR & 1) || !(ITM_TER & 1))
        return 0;
    while (!(ITM_STIM(0) & 1))
        ;
    ITM_STIM8(0) = (uint8_t)byte;
    return 1;
}

int main(void)
{
    check("C1.8 DWT", "the counter stands while DEMCR.TRCENA and CYCCNTENA are clear",
          DWT_CTRL & 1, 0);
    cycle_counter_start();
    check("C1.8 DWT", "CYCCNTENA reads back", DWT_CTRL & 1, 1);
    multiplications();
    uint32_t cycles = multiplications(), again = multiplications();
    check_between("C1.8 DWT", "a hundred multiplications take a hundred cycles and some", cycles,
                  100, 160);
    check("C1.8 DWT", "the same code takes the same time", again, cycles);
    DWT_CTRL &= ~1u;
    uint32_t still = DWT_CYCCNT;
    multiplications();
    check("C1.8 DWT", "the counter stands when it is disabled", DWT_CYCCNT, still);
    DWT_CYCCNT = 0xFFFFFF00u;
    DWT_CTRL |= 1;
    for (int turn = 0; turn < 4; ++turn)
        multiplications();
    check("C1.8 DWT", "the counter wraps", DWT_CYCCNT < 0x10000u, 1);

    ITM_LAR = 0xC5ACCE55u;
    ITM_TCR = 0x0001000Du;
    ITM_TER = 1;
    unsigned sent = 0;
    for (const char *at = "over the trace port\n"; *at; ++at)
        sent += (unsigned)itm_put(*at);
    check("C1.7 ITM", "twenty characters were sent", sent, 20);
    return checks_done();
}
