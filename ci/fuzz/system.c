/* A seed of the image fuzzer: what start-up code and drivers touch: a vector table of its own in
 * RAM, SysTick, SVC, PendSV, a pended interrupt, priorities, the MPU, caches, DWT, exclusive
 * accesses, a timer, a serial port, DMA, reset and clock registers, sleeping. Addresses are common
 * to both parts where they can be; where they differ, an access to the wrong one is a test as well.
 */
#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define ICSR REGISTER(0xE000ED04u)
#define VTOR REGISTER(0xE000ED08u)

typedef void (*handler)(void);

static volatile uint32_t ticks, calls, switches, pended;
static volatile float kept;

__attribute__((interrupt)) static void on_tick(void)
{
    ticks++;
    kept = kept * 1.5f + 1.0f;
}
__attribute__((interrupt)) static void on_call(void) { calls++; }
__attribute__((interrupt)) static void on_switch(void) { switches++; }
__attribute__((interrupt)) static void on_interrupt(void)
{
    REGISTER(0x40000010u) = 0; /* TIM2: its flags, or it comes again at once */
    pended++;
}
static void on_fault(void)
{
    for (;;)
        ;
}

__attribute__((aligned(1024))) static handler table[16 + 100];

int main(void)
{
    for (int i = 1; i < 116; i++)
        table[i] = i < 7 ? on_fault : on_interrupt;
    table[11] = on_call;
    table[14] = on_switch;
    table[15] = on_tick;
    VTOR = (uint32_t)table;

    REGISTER(0xE000ED20u) = 0xF0E00000u; /* SHPR3: SysTick before PendSV */
    REGISTER(0xE000E014u) = 400;         /* SysTick */
    REGISTER(0xE000E018u) = 0;
    REGISTER(0xE000E010u) = 7;
    REGISTER(0xE000EDFCu) |= 1u << 24; /* DEMCR.TRCENA, DWT */
    REGISTER(0xE0001FB0u) = 0xC5ACCE55u;
    REGISTER(0xE0001000u) |= 1;

    __asm__ volatile("svc 3" ::: "memory");
    ICSR = 1u << 28;                  /* PendSV */
    REGISTER(0xE000E100u) = 1u << 6;  /* enable and pend interrupt 6 */
    REGISTER(0xE000E406u) = 0x40;
    REGISTER(0xE000EF00u) = 6;        /* STIR */
    __asm__ volatile("cpsid i\n\tdsb\n\tisb\n\tcpsie i" ::: "memory");
    __asm__ volatile("msr basepri, %0\n\tisb\n\tmsr basepri, %1" ::"r"(0x80), "r"(0) : "memory");

    uint32_t old, failed;
    __asm__ volatile("ldrex %0, [%2]\n\tadd %0, #1\n\tstrex %1, %0, [%2]"
                     : "=&r"(old), "=&r"(failed)
                     : "r"(&calls)
                     : "memory");

    REGISTER(0xE000ED98u) = 0; /* MPU: one region, background map stays */
    REGISTER(0xE000ED9Cu) = 0x20000000u;
    REGISTER(0xE000EDA0u) = 0x0300001Fu | 1u << 28;
    REGISTER(0xE000ED94u) = 5;

    REGISTER(0x40023800u) |= 1u << 16; /* RCC of F7; AHB1 reserved on H7 */
    REGISTER(0x40023830u) = 0xFFu;
    REGISTER(0x58024400u) |= 1u << 16; /* RCC of H7 */
    REGISTER(0x40000028u) = 3;         /* TIM2: prescaler, reload, update interrupt, enable */
    REGISTER(0x4000002Cu) = 50;
    REGISTER(0x4000000Cu) = 1;
    REGISTER(0x40000000u) = 1;
    REGISTER(0xE000E100u) = 1u << 28;
    REGISTER(0x4000440Cu) = 100; /* USART2: baud rate, enable, transmit */
    REGISTER(0x40004400u) = 0xDu;
    REGISTER(0x40004428u) = 'x';

    for (int i = 0; i < 3 && ticks < 3; i++)
        __asm__ volatile("wfi");
    __asm__ volatile("sev\n\twfe");
    REGISTER(0xE0000000u) = '.'; /* ITM */
    return (int)(ticks + calls + switches + pended == 0);
}
