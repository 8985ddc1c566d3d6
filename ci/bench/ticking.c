/* Integer work beside interrupts: SysTick at TICK_HZ and TIM2 at TIMER_HZ, either may be 0. */
#include <stdint.h>
#include <stdio.h>

#define REG(address) (*(volatile uint32_t *)(address))

static volatile uint32_t ticks, updates;
static int8_t weights[1024], inputs[1024];

void SysTick_Handler(void)
{
    ticks++;
}

void TIM2_IRQHandler(void)
{
    REG(0x40000010) = 0; /* SR: the update flag */
    updates++;
}

__attribute__((noinline)) static int32_t dot(void)
{
    int32_t sum = 0;

    __asm__ volatile("" ::: "memory");
    for (int i = 0; i < 1024; ++i)
        sum += weights[i] * inputs[i];
    return sum;
}

int main(void)
{
    for (int i = 0; i < 1024; ++i) {
        weights[i] = (int8_t)(i * 7);
        inputs[i] = (int8_t)(i * 3);
    }
#if TICK_HZ
    REG(0xE000E014) = CORE_HZ / TICK_HZ - 1;
    REG(0xE000E018) = 0;
    REG(0xE000E010) = 7; /* enabled, with interrupt, core clock */
#endif
#if TIMER_HZ
    REG(RCC_APB1ENR) |= 1;
    REG(0x40000028) = 0;
    REG(0x4000002C) = TIMER_CLOCK_HZ / TIMER_HZ - 1;
    REG(0x40000014) = 1; /* EGR.UG */
    REG(0x40000010) = 0;
    REG(0x4000000C) = 1; /* DIER.UIE */
    REG(0xE000E100) = 1u << 28;
    REG(0x40000000) = 1; /* CR1.CEN */
#endif
    int32_t sum = 0;
    for (int i = 0; i < 60000; ++i)
        sum += dot();
    printf("%ld %lu %lu\n", (long)sum, (unsigned long)ticks, (unsigned long)updates);
    return 0;
}
