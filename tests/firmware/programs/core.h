/* Registers and instructions of the core, as far as the programs use them.
 *
 * Source: Armv7-M Architecture Reference Manual (DDI 0403E) B3; cache operations B2.2.7.
 */
#ifndef CORE_H
#define CORE_H

#include <stdint.h>

#define REG(address) (*(volatile uint32_t *)(uintptr_t)(address))
#define REG8(address) (*(volatile uint8_t *)(uintptr_t)(address))
#define REG16(address) (*(volatile uint16_t *)(uintptr_t)(address))

#define ICTR REG(0xE000E004u)

#define SYST_CSR REG(0xE000E010u)
#define SYST_RVR REG(0xE000E014u)
#define SYST_CVR REG(0xE000E018u)
#define SYST_CSR_ENABLE (1u << 0)
#define SYST_CSR_TICKINT (1u << 1)
#define SYST_CSR_CLKSOURCE (1u << 2)
#define SYST_CSR_COUNTFLAG (1u << 16)

#define NVIC_ISER(n) REG(0xE000E100u + 4u * (n))
#define NVIC_ICER(n) REG(0xE000E180u + 4u * (n))
#define NVIC_ISPR(n) REG(0xE000E200u + 4u * (n))
#define NVIC_ICPR(n) REG(0xE000E280u + 4u * (n))
#define NVIC_IABR(n) REG(0xE000E300u + 4u * (n))
#define NVIC_IPR(irq) REG8(0xE000E400u + (irq))
#define NVIC_STIR REG(0xE000EF00u)

#define SCB_CPUID REG(0xE000ED00u)
#define SCB_ICSR REG(0xE000ED04u)
#define SCB_VTOR REG(0xE000ED08u)
#define SCB_AIRCR REG(0xE000ED0Cu)
#define SCB_SCR REG(0xE000ED10u)
#define SCB_CCR REG(0xE000ED14u)
#define SCB_SHPR(exception) REG8(0xE000ED14u + (exception)) /* 4 to 15 */
#define SCB_SHCSR REG(0xE000ED24u)
#define SCB_CFSR REG(0xE000ED28u)
#define SCB_HFSR REG(0xE000ED2Cu)
#define SCB_MMFAR REG(0xE000ED34u)
#define SCB_BFAR REG(0xE000ED38u)
#define SCB_CLIDR REG(0xE000ED78u)
#define SCB_CCSIDR REG(0xE000ED80u)
#define SCB_CSSELR REG(0xE000ED84u)
#define SCB_CPACR REG(0xE000ED88u)

#define ICSR_NMIPENDSET (1u << 31)
#define ICSR_PENDSVSET (1u << 28)
#define ICSR_PENDSVCLR (1u << 27)
#define ICSR_PENDSTSET (1u << 26)
#define ICSR_PENDSTCLR (1u << 25)
#define ICSR_ISRPENDING (1u << 22)
#define ICSR_RETTOBASE (1u << 11)
#define AIRCR_VECTKEY (0x05FAu << 16)
#define AIRCR_SYSRESETREQ (1u << 2)
#define SCR_SLEEPONEXIT (1u << 1)
#define SCR_SEVONPEND (1u << 4)
#define CCR_USERSETMPEND (1u << 1)
#define CCR_UNALIGN_TRP (1u << 3)
#define CCR_DIV_0_TRP (1u << 4)
#define CCR_BFHFNMIGN (1u << 8)
#define CCR_STKALIGN (1u << 9)
#define CCR_DC (1u << 16)
#define CCR_IC (1u << 17)
#define SHCSR_SVCALLACT (1u << 7)
#define SHCSR_PENDSVACT (1u << 10)
#define SHCSR_SYSTICKACT (1u << 11)
#define SHCSR_MEMFAULTENA (1u << 16)
#define SHCSR_BUSFAULTENA (1u << 17)
#define SHCSR_USGFAULTENA (1u << 18)
#define HFSR_VECTTBL (1u << 1)
#define HFSR_FORCED (1u << 30)

#define MPU_TYPE REG(0xE000ED90u)
#define MPU_CTRL REG(0xE000ED94u)
#define MPU_RNR REG(0xE000ED98u)
#define MPU_RBAR REG(0xE000ED9Cu)
#define MPU_RASR REG(0xE000EDA0u)
#define MPU_CTRL_ENABLE (1u << 0)
#define MPU_CTRL_PRIVDEFENA (1u << 2)

#define DEMCR REG(0xE000EDFCu)
#define DEMCR_TRCENA (1u << 24)

#define FPCCR REG(0xE000EF34u)
#define FPCAR REG(0xE000EF38u)
#define FPDSCR REG(0xE000EF3Cu)
#define FPCCR_ASPEN (1u << 31)
#define FPCCR_LSPEN (1u << 30)
#define FPCCR_THREAD (1u << 3)
#define FPCCR_LSPACT (1u << 0)

#define ICIALLU REG(0xE000EF50u)
#define DCIMVAC REG(0xE000EF5Cu)
#define DCISW REG(0xE000EF60u)
#define DCCMVAC REG(0xE000EF68u)
#define DCCSW REG(0xE000EF6Cu)
#define DCCIMVAC REG(0xE000EF70u)
#define DCCISW REG(0xE000EF74u)

#define DWT_CTRL REG(0xE0001000u)
#define DWT_CYCCNT REG(0xE0001004u)
#define DWT_LAR REG(0xE0001FB0u)

#define ITM_STIM(port) REG(0xE0000000u + 4u * (port))
#define ITM_STIM8(port) REG8(0xE0000000u + 4u * (port))
#define ITM_TER REG(0xE0000E00u)
#define ITM_TCR REG(0xE0000E80u)
#define ITM_LAR REG(0xE0000FB0u)

#define NAKED __attribute__((naked, noinline, used))
#define HANDLER __attribute__((noinline, used))

#define XPSR_THUMB (1u << 24)
#define XPSR_IT 0x0600FC00u
#define XPSR_ALIGNED (1u << 9) /* of a stacked one: four bytes were left out */

/* What entry to an exception stacks, lowest address first (B1.5.6). */
struct frame {
    uint32_t r0, r1, r2, r3, r12, lr, pc, xpsr;
};

#define BARRIER() __asm__ volatile("dsb\n\tisb" ::: "memory")

#define READ_SPECIAL(name)                                        \
    ({                                                            \
        uint32_t value_;                                          \
        __asm__ volatile("mrs %0, " #name : "=r"(value_)::"memory"); \
        value_;                                                   \
    })
#define WRITE_SPECIAL(name, value) \
    __asm__ volatile("msr " #name ", %0\n\tisb" ::"r"(value) : "memory")

#define DISABLE_INTERRUPTS() __asm__ volatile("cpsid i" ::: "memory")
#define ENABLE_INTERRUPTS() __asm__ volatile("cpsie i\n\tisb" ::: "memory")

static inline void irq_enable(unsigned irq)
{
    NVIC_ISER(irq / 32) = 1u << irq % 32;
    BARRIER();
}

static inline void irq_disable(unsigned irq)
{
    NVIC_ICER(irq / 32) = 1u << irq % 32;
    BARRIER();
}

static inline void irq_pend(unsigned irq)
{
    NVIC_ISPR(irq / 32) = 1u << irq % 32;
    BARRIER();
}

/* Both parts implement the top four bits of a priority (RM: NVIC features). */
static inline void irq_priority(unsigned irq, unsigned level)
{
    NVIC_IPR(irq) = (uint8_t)(level << 4);
}

static inline void exception_priority(unsigned exception, unsigned level)
{
    SCB_SHPR(exception) = (uint8_t)(level << 4);
}

/* DWT_CYCCNT as HAL and mbed start it. */
static inline void cycle_counter_start(void)
{
    DEMCR |= DEMCR_TRCENA;
    DWT_LAR = 0xC5ACCE55u;
    DWT_CYCCNT = 0;
    DWT_CTRL |= 1;
}

#endif
