/* Every fault, taken by the firmware's own handler, which goes on after the instruction.
 *
 * Sections are of the Armv7-M Architecture Reference Manual (DDI 0403E): faults B1.5.14, their
 * status bits B3.2 (CFSR, HFSR, MMFAR, BFAR).
 */
#include "check.h"
#include "vectors.h"

#define FAULTS_ENABLED (SHCSR_MEMFAULTENA | SHCSR_BUSFAULTENA | SHCSR_USGFAULTENA)

/* Neither part has anything between its flash and its system memory (RM: memory map). */
#define NOWHERE 0x0A000000u

static volatile struct {
    uint32_t count, ipsr, cfsr, hfsr, mmfar, bfar, pc, xpsr, exc_return;
} seen;

static volatile uint32_t resume_at;
static void (*volatile in_handler)(void);

__attribute__((used)) static void on_fault(struct frame *frame, uint32_t exc_return)
{
    seen.count++;
    seen.ipsr = READ_SPECIAL(ipsr);
    seen.cfsr = SCB_CFSR;
    seen.hfsr = SCB_HFSR;
    seen.mmfar = SCB_MMFAR;
    seen.bfar = SCB_BFAR;
    seen.pc = frame->pc;
    seen.xpsr = frame->xpsr;
    seen.exc_return = exc_return;
    SCB_CFSR = 0xFFFFFFFFu; /* ones clear */
    SCB_HFSR = 0xFFFFFFFFu;
    frame->pc = resume_at;
    frame->xpsr = (frame->xpsr & ~XPSR_IT) | XPSR_THUMB;
    if (in_handler) {
        void (*action)(void) = in_handler;
        in_handler = 0;
        action();
    }
    BARRIER();
}

NAKED static void fault_handler(void)
{
    __asm__ volatile(
        "tst lr, #4\n\t"
        "ite eq\n\t"
        "mrseq r0, msp\n\t"
        "mrsne r0, psp\n\t"
        "mov r1, lr\n\t"
        "b on_fault\n\t");
}

/* A function that faults at NAME_at and is left through NAME_resume. */
#define FAULTING(name, before, at, after)                \
    NAKED static void name(uint32_t r0_)                 \
    {                                                    \
        __asm__ volatile(before "\n"                     \
                         ".global " #name "_at\n" #name  \
                         "_at:\n\t" at "\n\t" after "\n" \
                         ".global " #name "_resume\n" #name "_resume:\n\tbx lr\n\t"); \
    }                                                    \
    extern char name##_at[], name##_resume[];

#define TRY(name, argument)                         \
    do {                                            \
        resume_at = (uint32_t)name##_resume & ~1u;  \
        seen.count = 0;                             \
        seen.cfsr = seen.hfsr = seen.ipsr = 0;      \
        name(argument);                             \
    } while (0)

#define AT(name) ((uint32_t)name##_at & ~1u)

static void expect(const char *what, uint32_t exception, uint32_t cfsr, uint32_t pc)
{
    char text[100];

    snprintf(text, sizeof text, "%s: one exception", what);
    check("B1.5.14", text, seen.count, 1);
    snprintf(text, sizeof text, "%s: its number", what);
    check("B1.5.2", text, seen.ipsr, exception);
    snprintf(text, sizeof text, "%s: CFSR", what);
    check("B3.2 CFSR", text, seen.cfsr, cfsr);
    snprintf(text, sizeof text, "%s: the stacked address is the instruction's", what);
    check("B1.5.6", text, seen.pc, pc);
}

FAULTING(undefined, "", "udf #0", "")
FAULTING(undefined_wide, "", "udf.w #0", "")
FAULTING(undefined_in_it, "cmp r0, r0\n\titt eq\n\taddeq r0, #1", ".inst.n 0xDE01", "") /* udf #1 */
FAULTING(coprocessor, "", ".inst.w 0xEE000110", "") /* mcr p1, 0, r0, c0, c0, 0 */
FAULTING(floating_point, "", "vadd.f32 s0, s0, s0", "")
FAULTING(load_word, "", "ldr r1, [r0]", "")
FAULTING(load_half, "", "ldrh r1, [r0]", "")
FAULTING(load_double, "", "ldrd r1, r2, [r0]", "")
FAULTING(load_multiple, "", "ldmia r0, {r1, r2}", "")
FAULTING(load_exclusive, "", "ldrex r1, [r0]", "")
FAULTING(store_word, "", "str r0, [r0]\n\tdsb\n\tisb", "nop\n\tnop")
FAULTING(divide_unsigned, "mov r2, #0", "udiv r1, r0, r2", "")
FAULTING(divide_signed, "mov r2, #0", "sdiv r1, r0, r2", "")
FAULTING(service, "", "svc #0", "")
FAULTING(service_masked, "", "svc #0", "")

static void undefined_instructions(void)
{
    TRY(undefined, 0);
    expect("udf", USAGE_FAULT, 0x00010000u, AT(undefined));
    check("B3.2 HFSR", "udf: HFSR stays zero", seen.hfsr, 0);
    check("B3.2 CFSR", "ones clear CFSR", SCB_CFSR, 0);
    TRY(undefined_wide, 0);
    expect("udf.w", USAGE_FAULT, 0x00010000u, AT(undefined_wide));
    TRY(undefined_in_it, 0);
    expect("udf in an IT block", USAGE_FAULT, 0x00010000u, AT(undefined_in_it));
    check("B1.5.6", "udf in an IT block: its IT state is stacked", seen.xpsr & XPSR_IT, 0x0800u);
    TRY(coprocessor, 0);
    expect("a coprocessor that is not there", USAGE_FAULT, 0x00080000u, AT(coprocessor));
}

static void floating_point_off(void)
{
    const uint32_t access = SCB_CPACR;

    check("B3.2 CPACR", "CP10 and CP11 are on", access, 0x00F00000u);
    WRITE_SPECIAL(control, 0);
    SCB_CPACR = 0;
    BARRIER();
    TRY(floating_point, 0);
    SCB_CPACR = access;
    BARRIER();
    expect("the FPU is off", USAGE_FAULT, 0x00080000u, AT(floating_point));
    TRY(floating_point, 0);
    check("B3.2 CPACR", "the FPU is on again", seen.count, 0);
}

/* Calls through an even address and into memory that holds no code. */
NAKED static void call_and_return(uint32_t address)
{
    __asm__ volatile(
        "push {r4, lr}\n\t"
        "blx r0\n"
        ".global call_resume_here\n"
        "call_resume_here:\n\t"
        "pop {r4, pc}\n\t");
}
extern char call_resume_here[];

static void try_call(uint32_t address)
{
    resume_at = (uint32_t)call_resume_here & ~1u;
    seen.count = 0;
    call_and_return(address);
}

__attribute__((noinline, used)) static void a_function(void)
{
    __asm__ volatile("nop");
}

static void calls(void)
{
    const uint32_t even = (uint32_t)a_function & ~1u;

    try_call(even);
    expect("a call to an even address", USAGE_FAULT, 0x00020000u, even);
    check("B1.5.6", "a call to an even address: stacked T is clear", seen.xpsr & XPSR_THUMB, 0);
    try_call(0x40000001u);
    expect("a call into peripherals, which are never executable", MEM_MANAGE, 0x00000001u,
           0x40000000u);
    try_call(0xE0000001u);
    expect("a call into the system's addresses", MEM_MANAGE, 0x00000001u, 0xE0000000u);
    try_call(NOWHERE | 1u);
    expect("a call to where no memory is", BUS_FAULT, 0x00000100u, NOWHERE);
}

static uint32_t words[4] __attribute__((aligned(16)));

static void alignment(void)
{
    const uint32_t odd = (uint32_t)words + 1;

    TRY(load_word, odd);
    check("A3.2.1", "an unaligned word is loaded while traps are off", seen.count, 0);
    TRY(load_double, odd + 1);
    expect("an unaligned LDRD", USAGE_FAULT, 0x01000000u, AT(load_double));
    TRY(load_multiple, odd + 1);
    expect("an unaligned LDM", USAGE_FAULT, 0x01000000u, AT(load_multiple));
    TRY(load_exclusive, odd);
    expect("an unaligned LDREX", USAGE_FAULT, 0x01000000u, AT(load_exclusive));
    SCB_CCR |= CCR_UNALIGN_TRP;
    BARRIER();
    TRY(load_word, odd);
    SCB_CCR &= ~CCR_UNALIGN_TRP;
    BARRIER();
    expect("an unaligned word with CCR.UNALIGN_TRP", USAGE_FAULT, 0x01000000u, AT(load_word));
    SCB_CCR |= CCR_UNALIGN_TRP;
    BARRIER();
    TRY(load_half, odd);
    SCB_CCR &= ~CCR_UNALIGN_TRP;
    BARRIER();
    expect("an unaligned half-word with CCR.UNALIGN_TRP", USAGE_FAULT, 0x01000000u, AT(load_half));
}

static uint32_t quotient_of(uint32_t dividend)
{
    uint32_t quotient = 99;

    __asm__ volatile("udiv %0, %1, %2" : "=r"(quotient) : "r"(dividend), "r"(0));
    return quotient;
}

static void division(void)
{
    SCB_CCR |= CCR_DIV_0_TRP;
    BARRIER();
    TRY(divide_unsigned, 5);
    expect("a division by zero, unsigned", USAGE_FAULT, 0x02000000u, AT(divide_unsigned));
    TRY(divide_signed, 5);
    expect("a division by zero, signed", USAGE_FAULT, 0x02000000u, AT(divide_signed));
    SCB_CCR &= ~CCR_DIV_0_TRP;
    BARRIER();
    seen.count = 0;
    check("A7.7 UDIV", "without CCR.DIV_0_TRP the quotient is zero", quotient_of(5), 0);
    check("A7.7 UDIV", "and nothing faults", seen.count, 0);
}

static void bus_errors(void)
{
    TRY(load_word, NOWHERE);
    expect("a load from nowhere", BUS_FAULT, 0x00008200u, AT(load_word));
    check("B3.2 BFAR", "a load from nowhere: BFAR", seen.bfar, NOWHERE);
    TRY(load_word, NOWHERE + 0x104);
    check("B3.2 BFAR", "another load from nowhere: BFAR", seen.bfar, NOWHERE + 0x104);

    /* A store may leave the core before its error comes back (B1.5.14). */
    TRY(store_word, NOWHERE);
    check("B1.5.14", "a store to nowhere: one exception", seen.count, 1);
    check("B1.5.2", "a store to nowhere: its number", seen.ipsr, BUS_FAULT);
    check("B3.2 CFSR", "a store to nowhere: IMPRECISERR, or PRECISERR with BFAR",
          seen.cfsr == 0x00000400u || (seen.cfsr == 0x00008200u && seen.bfar == NOWHERE), 1);

    SCB_CCR |= CCR_BFHFNMIGN;
    __asm__ volatile("cpsid f" ::: "memory");
    BARRIER();
    TRY(load_word, NOWHERE);
    __asm__ volatile("cpsie f\n\tisb" ::: "memory");
    check("B3.2 CCR", "CCR.BFHFNMIGN with FAULTMASK: a bus error is ignored", seen.count, 0);
    check("B3.2 CFSR", "and noted in CFSR", SCB_CFSR & 0x00000200u, 0x00000200u);
    SCB_CCR &= ~CCR_BFHFNMIGN;
    SCB_CFSR = 0xFFFFFFFFu;
}

static void undefined_inside(void)
{
    const uint32_t outer_resume = resume_at;

    resume_at = (uint32_t)undefined_resume & ~1u;
    undefined(0);
    resume_at = outer_resume;
}

static void svc_inside(void)
{
    const uint32_t outer_resume = resume_at;

    resume_at = (uint32_t)service_resume & ~1u;
    service(0);
    resume_at = outer_resume;
}

static void escalation(void)
{
    SCB_SHCSR &= ~FAULTS_ENABLED;
    BARRIER();
    TRY(undefined, 0);
    SCB_SHCSR |= FAULTS_ENABLED;
    BARRIER();
    expect("UsageFault disabled", HARD_FAULT, 0x00010000u, AT(undefined));
    check("B3.2 HFSR", "UsageFault disabled: HFSR.FORCED", seen.hfsr, HFSR_FORCED);

    SCB_SHCSR &= ~SHCSR_BUSFAULTENA;
    BARRIER();
    TRY(load_word, NOWHERE);
    SCB_SHCSR |= FAULTS_ENABLED;
    BARRIER();
    expect("BusFault disabled", HARD_FAULT, 0x00008200u, AT(load_word));
    check("B3.2 BFAR", "BusFault disabled: BFAR", seen.bfar, NOWHERE);
    check("B3.2 HFSR", "BusFault disabled: HFSR.FORCED", seen.hfsr, HFSR_FORCED);

    DISABLE_INTERRUPTS();
    TRY(undefined, 0);
    ENABLE_INTERRUPTS();
    expect("a fault with PRIMASK set", HARD_FAULT, 0x00010000u, AT(undefined));
    check("B3.2 HFSR", "a fault with PRIMASK set: HFSR.FORCED", seen.hfsr, HFSR_FORCED);

    DISABLE_INTERRUPTS();
    TRY(service_masked, 0);
    ENABLE_INTERRUPTS();
    check("B1.5.14", "SVC with PRIMASK set: HardFault", seen.ipsr, HARD_FAULT);
    check("B3.2 HFSR", "SVC with PRIMASK set: HFSR.FORCED", seen.hfsr, HFSR_FORCED);
    check("B3.2 CFSR", "SVC with PRIMASK set: no cause in CFSR", seen.cfsr, 0);

    in_handler = undefined_inside;
    TRY(undefined, 0);
    check("B1.5.14", "a fault in its own handler: two exceptions", seen.count, 2);
    check("B1.5.14", "a fault in its own handler: HardFault", seen.ipsr, HARD_FAULT);
    check("B1.5.8", "a fault in its own handler: it returns to Handler mode",
          seen.exc_return & ~0x10u, 0xFFFFFFE1u);

    exception_priority(SV_CALL, 0);
    in_handler = svc_inside;
    TRY(undefined, 0);
    check("B1.5.14", "SVC in a handler of its priority: HardFault", seen.ipsr, HARD_FAULT);
}

/* Bad returns from an SVC handler. Nothing is unstacked, so the frame is still there. */
__attribute__((used)) volatile uint32_t bad_exc_return;

NAKED static void return_badly(void)
{
    __asm__ volatile(
        "ldr r0, =bad_exc_return\n\t"
        "ldr lr, [r0]\n\t"
        "bx lr\n\t"
        ".ltorg\n\t");
}

NAKED static void invalid_return_handler(void)
{
    __asm__ volatile(
        "mrs r0, msp\n\t"
        "mov r1, lr\n\t"
        "mvn lr, #6\n\t" /* 0xFFFFFFF9: to Thread mode and MSP, basic frame */
        "b on_fault\n\t");
}

static void invalid_returns(void)
{
    static const uint32_t values[] = {0xFFFFFFF5u, 0xFFFFFFFBu, 0xFFFFFFF1u};

    install(SV_CALL, return_badly);
    install(USAGE_FAULT, invalid_return_handler);
    for (unsigned row = 0; row < 3; ++row) {
        bad_exc_return = values[row];
        WRITE_SPECIAL(control, 0);
        TRY(service, 0);
        expect("an invalid EXC_RETURN", USAGE_FAULT, 0x00040000u, AT(service) + 2);
        check("B1.5.8", "an invalid EXC_RETURN: it is in lr", seen.exc_return, values[row]);
    }
    install(USAGE_FAULT, fault_handler);
}

/* The vector of interrupt 40 is beyond the end of ITCM: its read fails. */
#ifdef STM32F746
#define ITCM_END 0x00004000u
#else
#define ITCM_END 0x00010000u
#endif

static void forget_interrupt(void)
{
    NVIC_ICPR(1) = 1u << 8;
    NVIC_ICER(1) = 1u << 8;
    SCB_VTOR = (uint32_t)ram_vectors;
    BARRIER();
}

NAKED static void pend_40(uint32_t address)
{
    __asm__ volatile(
        "mov r1, #0x100\n\t"
        "str r1, [r0]\n\t"
        "dsb\n\t"
        "isb\n\t"
        ".global pend_40_resume\n"
        "pend_40_resume:\n\t"
        "bx lr\n\t");
}
extern char pend_40_resume[];

static void vector_read(void)
{
    volatile handler *table = (volatile handler *)(ITCM_END - 0x80);

    for (unsigned row = 0; row < 32; ++row)
        table[row] = ram_vectors[row];
    irq_priority(40, 8);
    irq_enable(40);
    BARRIER();
    in_handler = forget_interrupt;
    SCB_VTOR = ITCM_END - 0x80;
    BARRIER();
    TRY(pend_40, 0xE000E204u);
    check("B1.5.14", "a vector that cannot be read: one exception", seen.count, 1);
    check("B1.5.14", "a vector that cannot be read: HardFault", seen.ipsr, HARD_FAULT);
    check("B3.2 HFSR", "a vector that cannot be read: HFSR.VECTTBL", seen.hfsr, HFSR_VECTTBL);
    check("B3.2 CFSR", "a vector that cannot be read: no cause in CFSR", seen.cfsr, 0);
}

int main(void)
{
    vectors_to_ram();
    for (unsigned exception = HARD_FAULT; exception <= USAGE_FAULT; ++exception)
        install(exception, fault_handler);
    SCB_SHCSR |= FAULTS_ENABLED;
    SCB_CCR &= ~CCR_DIV_0_TRP;
    BARRIER();

    undefined_instructions();
    floating_point_off();
    calls();
    alignment();
    division();
    bus_errors();
    escalation();
    invalid_returns();
    vector_read();
    return checks_done();
}
