/* The clock tree at work: what the core, the timers and SysTick count when the firmware changes it.
 *
 * TIM2 runs from APB1's timer clock, the cycle counter from the core's: their quotient says whether
 * both follow.
 */
#include "check.h"
#include "clocks.h"

/* Core cycles while TIM2 counts a thousand. */
static uint32_t cycles_of_a_thousand(void)
{
    TIM_CR1(TIM2) = 0;
    TIM_PSC(TIM2) = 0;
    TIM_ARR(TIM2) = 0xFFFFFFFFu;
    TIM_EGR(TIM2) = TIM_UIF;
    TIM_CNT(TIM2) = 0;
    TIM_CR1(TIM2) = TIM_CR1_CEN;
    uint32_t timer = TIM_CNT(TIM2), cycles = DWT_CYCCNT;
    while (TIM_CNT(TIM2) - timer < 1000)
        ;
    cycles = DWT_CYCCNT - cycles;
    timer = TIM_CNT(TIM2) - timer;
    TIM_CR1(TIM2) = 0;
    return (uint32_t)((uint64_t)cycles * 1000 / timer);
}

int main(void)
{
#ifdef STM32F746
    RCC_APB1ENR |= 1;
#else
    RCC_APB1LENR |= 1;
#endif
    cycle_counter_start();
    clocks_to_top();
    check("RM", "no wait on the way to the top clock is endless", clocks_stuck_at, 0);
    uint32_t quotient = cycles_of_a_thousand();
    uint32_t expected = CORE_HZ / (APB1_TIMER_HZ / 1000);
    check_between("RM", "the core runs twice as fast as APB1's timers", quotient, expected - 40,
                  expected + 40);

    clocks_to_internal();
    check("RM", "no wait on the way to the internal oscillator is endless", clocks_stuck_at, 0);
    quotient = cycles_of_a_thousand();
    check_between("RM", "the core runs as fast as APB1's timers", quotient, 960, 1040);

    /* Where the prescaler is 4 a timer counts with twice its bus: half the core's clock. */
#ifdef STM32F746
    RCC_CFGR |= 5u << 10;
#else
    RCC_D2CFGR |= 5u << 4;
#endif
    quotient = cycles_of_a_thousand();
    check_between("RM", "APB1 by 4: its timers count every second cycle", quotient, 1960, 2040);
    clocks_to_top();
    check("RM", "no wait on the way back is endless", clocks_stuck_at, 0);
    return checks_done();
}
