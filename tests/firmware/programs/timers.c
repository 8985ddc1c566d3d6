/* Timers: their clock, update and compare interrupts, one pulse, and a microsecond ticker as mbed's.
 *
 * Sources: RM0385 and RM0433, chapters of the general-purpose and basic timers.
 */
#include "check.h"
#include "clocks.h"
#include "vectors.h"

#define RATIO (CORE_HZ / APB1_TIMER_HZ) /* core cycles a count */

static volatile uint32_t updates, update_at[8], compares, compare_at, compare_count;

static void tim3_handler(void)
{
    if (TIM_SR(TIM3) & TIM_UIF) {
        TIM_SR(TIM3) = ~TIM_UIF;
        update_at[updates++ % 8] = DWT_CYCCNT;
    }
    BARRIER();
}

static void tim5_handler(void)
{
    if (TIM_SR(TIM5) & TIM_CC1IF) {
        compare_at = DWT_CYCCNT;
        compare_count = TIM_CNT(TIM5);
        TIM_SR(TIM5) = ~TIM_CC1IF;
        ++compares;
    }
    BARRIER();
}

static void tim6_handler(void)
{
    TIM_SR(TIM6) = 0;
    ++updates;
    BARRIER();
}

static void setup(uint32_t timer, uint32_t prescaler, uint32_t reload)
{
    TIM_CR1(timer) = TIM_CR1_URS;
    TIM_PSC(timer) = prescaler;
    TIM_ARR(timer) = reload;
    TIM_EGR(timer) = TIM_UIF; /* loads the prescaler */
    TIM_SR(timer) = 0;
}

static void update_interrupts(void)
{
    setup(TIM3, 9, 999);
    TIM_DIER(TIM3) = TIM_UIF;
    updates = 0;
    TIM_CR1(TIM3) |= TIM_CR1_CEN;
    while (updates < 6)
        __asm__ volatile("wfi");
    TIM_CR1(TIM3) = 0;
    TIM_DIER(TIM3) = 0;
    check_between("RM TIM", "four periods of 10 times 1000 counts", update_at[5] - update_at[1],
                  4 * 10000 * RATIO - 60, 4 * 10000 * RATIO + 60);

    setup(TIM3, 0, 99);
    check("RM TIM", "with URS, UG sets no flag", TIM_SR(TIM3) & TIM_UIF, 0);
    TIM_CR1(TIM3) = 0;
    TIM_EGR(TIM3) = TIM_UIF;
    check("RM TIM", "without it UG does", TIM_SR(TIM3) & TIM_UIF, TIM_UIF);
    TIM_SR(TIM3) = 0;
    TIM_CNT(TIM3) = 50;
    check("RM TIM", "the count can be written", TIM_CNT(TIM3), 50);
    check("RM TIM", "a 16-bit timer keeps 16 bits of ARR",
          (TIM_ARR(TIM3) = 0x12345, TIM_ARR(TIM3)), 0x2345);

    setup(TIM3, 0, 999);
    TIM_CR1(TIM3) = TIM_CR1_OPM | TIM_CR1_CEN;
    while (!(TIM_SR(TIM3) & TIM_UIF))
        ;
    check("RM TIM", "one pulse: the timer stops by itself", TIM_CR1(TIM3) & TIM_CR1_CEN, 0);
    TIM_SR(TIM3) = 0;
}

static void counting(void)
{
    setup(TIM2, 0, 0xFFFFFFFFu);
    TIM_CR1(TIM2) |= TIM_CR1_CEN;
    uint32_t count = TIM_CNT(TIM2), cycles = DWT_CYCCNT;
    for (volatile int wait = 0; wait < 2000; ++wait)
        ;
    count = TIM_CNT(TIM2) - count;
    cycles = DWT_CYCCNT - cycles;
    check_between("RM TIM", "a count is two core cycles", cycles, count * RATIO - 30,
                  count * RATIO + 30);
    TIM_CR1(TIM2) &= ~TIM_CR1_CEN;
    count = TIM_CNT(TIM2);
    for (volatile int wait = 0; wait < 20; ++wait)
        ;
    check("RM TIM", "a timer that is off stands still", TIM_CNT(TIM2), count);
}

/* As mbed's us_ticker on these parts: TIM5 of 32 bits counts microseconds, its first channel calls. */
static void microseconds(void)
{
    setup(TIM5, APB1_TIMER_HZ / 1000000 - 1, 0xFFFFFFFFu);
    TIM_CR1(TIM5) = TIM_CR1_CEN;
    uint32_t start = TIM_CNT(TIM5), cycles = DWT_CYCCNT;
    while (TIM_CNT(TIM5) - start < 100)
        ;
    cycles = DWT_CYCCNT - cycles;
    check_between("mbed us_ticker", "100 microseconds", cycles, 99 * (CORE_HZ / 1000000),
                  102 * (CORE_HZ / 1000000));

    compares = 0;
    TIM_CCR1(TIM5) = TIM_CNT(TIM5) + 250;
    uint32_t set_at = DWT_CYCCNT;
    TIM_SR(TIM5) = ~TIM_CC1IF;
    TIM_DIER(TIM5) = TIM_CC1IF;
    while (!compares)
        __asm__ volatile("wfi");
    check_between("mbed us_ticker", "an alarm in 250 microseconds", compare_at - set_at,
                  249 * (CORE_HZ / 1000000), 252 * (CORE_HZ / 1000000));
    check("RM TIM", "comes at its count", compare_count, TIM_CCR1(TIM5));

    TIM_DIER(TIM5) = TIM_CC1IF;
    compares = 0;
    TIM_EGR(TIM5) = TIM_CC1IF; /* as us_ticker_fire_interrupt */
    BARRIER();
    for (volatile int wait = 0; wait < 10; ++wait)
        ;
    check("RM TIM", "CC1G makes a compare event at once", compares, 1);
    TIM_DIER(TIM5) = 0;
    TIM_CR1(TIM5) = 0;
}

static void basic(void)
{
    setup(TIM6, APB1_TIMER_HZ / 1000000 - 1, 1000 - 1); /* as HAL's tick on a timer: 1 ms */
    updates = 0;
    TIM_DIER(TIM6) = TIM_UIF;
    uint32_t before = DWT_CYCCNT;
    TIM_CR1(TIM6) |= TIM_CR1_CEN;
    while (updates < 3)
        __asm__ volatile("wfi");
    uint32_t took = DWT_CYCCNT - before;
    TIM_CR1(TIM6) = 0;
    check_between("RM TIM", "three milliseconds of TIM6", took, 3 * (CORE_HZ / 1000) - 500,
                  3 * (CORE_HZ / 1000) + 500);
}

int main(void)
{
    clocks_to_top();
    cycle_counter_start();
    vectors_to_ram();
#ifdef STM32F746
    RCC_APB1ENR |= 1u << 0 | 1u << 1 | 1u << 3 | 1u << 4;
    (void)RCC_APB1ENR;
#else
    RCC_APB1LENR |= 1u << 0 | 1u << 1 | 1u << 3 | 1u << 4;
    (void)RCC_APB1LENR;
#endif
    install(IRQ_0 + TIM3_IRQ, tim3_handler);
    install(IRQ_0 + TIM5_IRQ, tim5_handler);
    install(IRQ_0 + TIM6_IRQ, tim6_handler);
    irq_enable(TIM3_IRQ);
    irq_enable(TIM5_IRQ);
    irq_enable(TIM6_IRQ);
    update_interrupts();
    counting();
    microseconds();
    basic();
    return checks_done();
}
