/* The cycle counter and the trace port: what CMSIS's ITM_SendChar and every profiler use. */
#include "check.h"
#include "core.h"

/* Loads of a register whose address and result depend on each other cost what they cost; counting
 * nops in between must come out to the cycle, up to dual issue. */
__attribute__((noinline, aligned(32))) static uint32_t nops(void)
{
    uint32_t before, after;

    __asm__ volatile(
        "ldr %0, [%2]\n\t"
        "isb\n\t"
        ".rept 100\n\t"
        "mul r3, r3, r3\n\t" /* one multiplier: one a cycle at the most */
        ".endr\n\t"
        "isb\n\t"
        "ldr %1, [%2]\n\t"
        : "=&r"(before), "=&r"(after)
        : "r"(0xE0001004u)
        : "r3");
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
    nops();
    uint32_t cycles = nops();
    check_between("C1.8 DWT", "a hundred multiplications take a hundred cycles and some", cycles,
                  100, 160);
    check("C1.8 DWT", "the same code takes the same time", nops(), cycles);
    DWT_CTRL &= ~1u;
    uint32_t still = DWT_CYCCNT;
    nops();
    check("C1.8 DWT", "the counter stands when it is disabled", DWT_CYCCNT, still);
    DWT_CYCCNT = 0xFFFFFF00u;
    DWT_CTRL |= 1;
    for (int turn = 0; turn < 4; ++turn)
        nops();
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
