/* WFI, WFE, SEV and the bits of SCR that change them.
 *
 * Sections are of the Armv7-M Architecture Reference Manual (DDI 0403E): WFE B1.5.18, WFI B1.5.19.
 */
#include "check.h"
#include "part.h"
#include "vectors.h"

#define PERIOD_CYCLES 20000

static volatile uint32_t ticks, alarms, exit_after;

static void tick(void)
{
    ++ticks;
    if (exit_after && --exit_after == 0)
        SCB_SCR &= ~SCR_SLEEPONEXIT;
}

static void alarm(void)
{
    ++alarms;
    TIM_SR(TIM6) = ~TIM_UIF;
    (void)TIM_SR(TIM6);
}

static void start_ticks(void)
{
    SYST_RVR = PERIOD_CYCLES - 1;
    SYST_CVR = 0;
    SYST_CSR = SYST_CSR_ENABLE | SYST_CSR_TICKINT | SYST_CSR_CLKSOURCE;
}

static void stop_ticks(void)
{
    SYST_CSR = 0;
    SCB_ICSR = ICSR_PENDSTCLR;
    BARRIER();
}

/* TIM6 once, after so many of its counts (two core cycles each, or more). */
static void set_alarm(uint32_t counts)
{
    TIM_CR1(TIM6) = 0;
    TIM_PSC(TIM6) = 0;
    TIM_ARR(TIM6) = counts - 1;
    TIM_CR1(TIM6) = TIM_CR1_URS | TIM_CR1_OPM;
    TIM_EGR(TIM6) = TIM_UIF;
    TIM_SR(TIM6) = 0;
    TIM_DIER(TIM6) = TIM_UIF;
    TIM_CR1(TIM6) |= TIM_CR1_CEN;
    BARRIER();
}

static void wfi(void)
{
    __asm__ volatile("dsb\n\twfi" ::: "memory");
}

static void wfe(void)
{
    __asm__ volatile("dsb\n\twfe" ::: "memory");
}

/* Empty the event register, whatever it held. */
static void clear_event(void)
{
    __asm__ volatile("sev\n\twfe" ::: "memory");
}

static void wait_for_interrupt(void)
{
    uint32_t wakes = 0;

    start_ticks();
    ticks = 0;
    while (ticks < 10) {
        wfi();
        ++wakes;
    }
    check("B1.5.19", "each WFI sleeps until the next tick", wakes, 10);

    ticks = 0;
    DISABLE_INTERRUPTS();
    wfi();
    check("B1.5.19", "WFI wakes for an interrupt that PRIMASK holds back", ticks, 0);
    check("B1.5.19", "which is pending", SCB_ICSR & ICSR_PENDSTSET, ICSR_PENDSTSET);
    wfi(); /* does not sleep: it is still pending */
    check("B1.5.19", "WFI does not sleep with one pending", ticks, 0);
    ENABLE_INTERRUPTS();
    check("B1.4.3", "and it comes when PRIMASK is clear", ticks, 1);
    stop_ticks();

    /* The tick's priority is below BASEPRI, the alarm's above it. */
    exception_priority(SYS_TICK, 12);
    irq_priority(TIM6_IRQ, 2);
    WRITE_SPECIAL(basepri, 8u << 4);
    ticks = alarms = 0;
    start_ticks();
    set_alarm(60000);
    wfi();
    check("B1.5.19", "an interrupt that BASEPRI masks does not wake WFI", alarms, 1);
    check("B1.4.3", "nor does it come", ticks, 0);
    check("B3.2 ICSR", "it is pending", SCB_ICSR & ICSR_PENDSTSET, ICSR_PENDSTSET);
    stop_ticks();
    WRITE_SPECIAL(basepri, 0);
    exception_priority(SYS_TICK, 0);
}

static void wait_for_event(void)
{
    ticks = 0;
    clear_event();
    start_ticks();
    __asm__ volatile("sev" ::: "memory");
    wfe();
    check("B1.5.18", "WFE after SEV does not sleep", ticks, 0);
    wfe();
    check("B1.5.18", "the second one sleeps until an interrupt", ticks, 1);
    wfe(); /* the exception's entry and return have set the event register */
    check("B1.5.18", "an exception leaves an event behind", ticks, 1);
    wfe();
    check("B1.5.18", "and only one", ticks, 2);
    stop_ticks();
    ticks = 0;

    /* A disabled interrupt. */
    irq_disable(TIM6_IRQ);
    alarms = 0;
    clear_event();
    set_alarm(1000);
    start_ticks();
    wfe();
    check("B1.5.18", "SEVONPEND clear: a disabled interrupt wakes no WFE", ticks, 1);
    stop_ticks();
    TIM_SR(TIM6) = 0;
    NVIC_ICPR(TIM6_IRQ / 32) = 1u << TIM6_IRQ % 32;
    BARRIER();

    ticks = 0;
    SCB_SCR |= SCR_SEVONPEND;
    clear_event();
    set_alarm(1000);
    start_ticks();
    wfe();
    check("B1.5.18", "SEVONPEND set: it does", ticks, 0);
    check("B3.4 NVIC_ISPR", "and is pending", NVIC_ISPR(TIM6_IRQ / 32) >> TIM6_IRQ % 32 & 1, 1);
    check("B3.4 NVIC_ICER", "but does not come", alarms, 0);
    stop_ticks();
    SCB_SCR &= ~SCR_SEVONPEND;
    TIM_SR(TIM6) = 0;
    TIM_DIER(TIM6) = 0;
    NVIC_ICPR(TIM6_IRQ / 32) = 1u << TIM6_IRQ % 32;
    irq_enable(TIM6_IRQ);

    ticks = 0;
    clear_event();
    start_ticks();
    DISABLE_INTERRUPTS();
    SCB_SCR |= SCR_SEVONPEND;
    wfe();
    check("B1.5.18", "WFE wakes for an interrupt that PRIMASK holds back, with SEVONPEND",
          SCB_ICSR & ICSR_PENDSTSET, ICSR_PENDSTSET);
    SCB_SCR &= ~SCR_SEVONPEND;
    ENABLE_INTERRUPTS();
    stop_ticks();
}

static void sleep_on_exit(void)
{
    ticks = 0;
    exit_after = 5;
    SCB_SCR |= SCR_SLEEPONEXIT;
    BARRIER();
    start_ticks();
    wfi();
    check("B3.2 SCR", "SLEEPONEXIT: Thread mode goes on after the fifth tick", ticks, 5);
    stop_ticks();
}

int main(void)
{
#ifdef STM32F746
    RCC_APB1ENR |= 1u << 4;
#else
    RCC_APB1LENR |= 1u << 4;
#endif
    vectors_to_ram();
    install(SYS_TICK, tick);
    install(IRQ_0 + TIM6_IRQ, alarm);
    irq_enable(TIM6_IRQ);
    wait_for_interrupt();
    wait_for_event();
    sleep_on_exit();
    return checks_done();
}
