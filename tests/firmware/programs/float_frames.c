/* Exceptions and the floating-point registers: extended frames, lazy stacking, what comes back.
 *
 * Sections are of the Armv7-M Architecture Reference Manual (DDI 0403E).
 */
#include "check.h"
#include "vectors.h"

/* The extended frame after the basic one (B1.5.6). */
struct float_frame {
    struct frame basic;
    uint32_t s[16];
    uint32_t fpscr, reserved;
};

static volatile struct {
    uint32_t exc_return, frame_address, control, fpccr, fpcar;
    uint32_t s0_before, s15_before, fpscr_before; /* in memory, before the handler uses the FPU */
    uint32_t fpccr_after, control_after;
} seen;

static volatile int uses_fpu;

__attribute__((used)) static void capture(struct float_frame *frame, uint32_t exc_return)
{
    volatile struct float_frame *memory = frame;

    seen.exc_return = exc_return;
    seen.frame_address = (uint32_t)frame;
    seen.control = READ_SPECIAL(control);
    seen.fpccr = FPCCR;
    seen.fpcar = FPCAR;
    if (exc_return & 0x10)
        return;
    seen.s0_before = memory->s[0];
    seen.s15_before = memory->s[15];
    seen.fpscr_before = memory->fpscr;
    if (uses_fpu) {
        __asm__ volatile(
            "vmov.f32 s0, #1.0\n\t"
            "vmov.f32 s15, #2.0\n\t"
            "vmov.f32 s7, #3.0\n\t"
            "mov r0, #0\n\t"
            "vmsr fpscr, r0\n\t" ::: "r0", "s0", "s7", "s15", "memory");
        seen.fpccr_after = FPCCR;
        seen.control_after = READ_SPECIAL(control);
    }
}

NAKED static void svc_handler(void)
{
    __asm__ volatile(
        "tst lr, #4\n\t"
        "ite eq\n\t"
        "mrseq r0, msp\n\t"
        "mrsne r0, psp\n\t"
        "mov r1, lr\n\t"
        "b capture\n\t");
}

/* All 32 registers and FPSCR known, the memory under the stack filled, svc; then all of them out.
 * out: 32 registers, FPSCR, the stack pointer at the svc, then what the frame held after it. */
NAKED static void svc_with_known_floats(const uint32_t *in, uint32_t *out)
{
    __asm__ volatile(
        "push {r4, r5, r6, lr}\n\t"
        "vpush {d8-d15}\n\t"
        "mov r4, r1\n\t"
        "vldmia r0!, {s0-s31}\n\t"
        "ldr r2, [r0]\n\t"
        "vmsr fpscr, r2\n\t"
        "mov r5, sp\n\t"
        "ldr r2, =0xDEADDEAD\n\t"
        "mov r3, #26\n\t"
        "1:\n\t"
        "str r2, [r5, #-4]!\n\t"
        "subs r3, #1\n\t"
        "bne 1b\n\t"
        "dsb\n\t"
        "svc #0\n\t"
        "vstmia r4!, {s0-s31}\n\t"
        "vmrs r2, fpscr\n\t"
        "str r2, [r4]\n\t"
        "mov r2, sp\n\t"
        "str r2, [r4, #4]\n\t"
        "ldr r2, [sp, #-72]\n\t" /* S0, S15 and FPSCR of the frame that was */
        "str r2, [r4, #8]\n\t"
        "ldr r2, [sp, #-12]\n\t"
        "str r2, [r4, #12]\n\t"
        "ldr r2, [sp, #-8]\n\t"
        "str r2, [r4, #16]\n\t"
        "mov r2, #0\n\t"
        "vmsr fpscr, r2\n\t"
        "vpop {d8-d15}\n\t"
        "pop {r4, r5, r6, pc}\n\t"
        ".ltorg\n\t");
}

static uint32_t in[33], out[37];

static uint32_t wrong_count(void)
{
    uint32_t wrong = 0;

    for (int row = 0; row < 33; ++row)
        wrong += in[row] != out[row];
    return wrong;
}

static void no_float_context(void)
{
    WRITE_SPECIAL(control, 0);
    __asm__ volatile("svc #0" ::: "memory");
    check("B1.5.6", "no FP context: EXC_RETURN bit 4 is set", seen.exc_return, 0xFFFFFFF9u);
    __asm__ volatile("vmov.f32 s0, #1.0" ::: "s0");
    check("B1.4.4", "an FP instruction sets CONTROL.FPCA", READ_SPECIAL(control) & 4, 4);
}

static void lazy_and_unused(void)
{
    uses_fpu = 0;
    svc_with_known_floats(in, out);
    check("B1.5.8", "an FP context: EXC_RETURN bit 4 is clear", seen.exc_return, 0xFFFFFFE9u);
    check("B1.5.6", "an extended frame takes 104 bytes", seen.frame_address, out[33] - 104);
    check("B1.5.6", "FPCCR.LSPACT is set in the handler", seen.fpccr & FPCCR_LSPACT, FPCCR_LSPACT);
    check("B3.2 FPCCR", "FPCCR.THREAD is set: Thread mode was interrupted",
          seen.fpccr & FPCCR_THREAD, FPCCR_THREAD);
    check("B3.2 FPCAR", "FPCAR is where S0 would go", seen.fpcar, seen.frame_address + 32);
    check("B1.5.6", "CONTROL.FPCA is clear in the handler", seen.control & 4, 0);
    check("B1.5.6", "nothing was stacked at entry", seen.s0_before, 0xDEADDEADu);
    check("B1.5.6", "nor later", out[34], 0xDEADDEADu);
    check("B1.5.6", "FP registers come back", wrong_count(), 0);
    check("B1.5.8", "FPCCR.LSPACT is clear after the return", FPCCR & FPCCR_LSPACT, 0);
}

static void lazy_and_used(void)
{
    uses_fpu = 1;
    svc_with_known_floats(in, out);
    check("B1.5.6", "nothing was stacked at entry (used later)", seen.s0_before, 0xDEADDEADu);
    check("B1.5.6", "a handler that uses the FPU has stacked S0", out[34], in[0]);
    check("B1.5.6", "and S15", out[35], in[15]);
    check("B1.5.6", "and FPSCR", out[36], in[32]);
    check("B1.5.6", "FPCCR.LSPACT is clear then", seen.fpccr_after & FPCCR_LSPACT, 0);
    check("B1.5.6", "CONTROL.FPCA is set then", seen.control_after & 4, 4);
    check("B1.5.8", "FP registers and FPSCR come back from the frame", wrong_count(), 0);
}

static void eager(void)
{
    FPCCR &= ~FPCCR_LSPEN;
    BARRIER();
    uses_fpu = 0;
    svc_with_known_floats(in, out);
    check("B1.5.6", "LSPEN clear: EXC_RETURN bit 4 is clear", seen.exc_return, 0xFFFFFFE9u);
    check("B1.5.6", "LSPEN clear: S0 is stacked at entry", seen.s0_before, in[0]);
    check("B1.5.6", "LSPEN clear: S15 is stacked at entry", seen.s15_before, in[15]);
    check("B1.5.6", "LSPEN clear: FPSCR is stacked at entry", seen.fpscr_before, in[32]);
    check("B1.5.6", "LSPEN clear: LSPACT is clear", seen.fpccr & FPCCR_LSPACT, 0);
    uses_fpu = 1;
    svc_with_known_floats(in, out);
    check("B1.5.8", "LSPEN clear: FP registers come back", wrong_count(), 0);
    FPCCR |= FPCCR_LSPEN;
    BARRIER();
}

static void not_automatic(void)
{
    FPCCR &= ~FPCCR_ASPEN;
    BARRIER();
    WRITE_SPECIAL(control, 0);
    uses_fpu = 0;
    __asm__ volatile("vmov.f32 s0, #1.0\n\tsvc #0" ::: "s0", "memory");
    check("B1.5.6", "ASPEN clear: the frame is a basic one", seen.exc_return, 0xFFFFFFF9u);
    FPCCR |= FPCCR_ASPEN;
    BARRIER();
}

/* A handler with lazy state pending is preempted by one that uses the FPU. */
static volatile uint32_t outer_fpcar, outer_s0;

static void low_handler(void)
{
    outer_fpcar = FPCAR;
    irq_pend(41);
    outer_s0 = REG(outer_fpcar);
}

static void high_handler(void)
{
    __asm__ volatile(
        "vmov.f32 s0, #5.0\n\t"
        "vmov.f32 s15, #6.0\n\t" ::: "s0", "s15", "memory");
}

NAKED static void pend_with_known_floats(const uint32_t *from, uint32_t *to)
{
    __asm__ volatile(
        "push {r4, lr}\n\t"
        "vpush {d8-d15}\n\t"
        "mov r4, r1\n\t"
        "vldmia r0!, {s0-s31}\n\t"
        "ldr r2, [r0]\n\t"
        "vmsr fpscr, r2\n\t"
        "ldr r2, =0xE000E204\n\t" /* NVIC_ISPR1: interrupt 40 */
        "mov r3, #0x100\n\t"
        "str r3, [r2]\n\t"
        "dsb\n\t"
        "isb\n\t"
        "vstmia r4!, {s0-s31}\n\t"
        "vmrs r2, fpscr\n\t"
        "str r2, [r4]\n\t"
        "mov r2, #0\n\t"
        "vmsr fpscr, r2\n\t"
        "vpop {d8-d15}\n\t"
        "pop {r4, pc}\n\t"
        ".ltorg\n\t");
}

static void nested(void)
{
    install(IRQ_0 + 40, low_handler);
    install(IRQ_0 + 41, high_handler);
    irq_priority(40, 8);
    irq_priority(41, 4);
    irq_enable(40);
    irq_enable(41);
    pend_with_known_floats(in, out);
    check("B1.5.6", "the inner handler's FP use fills the outer frame", outer_s0, in[0]);
    check("B1.5.6", "FP registers survive two levels", wrong_count(), 0);
}

int main(void)
{
    vectors_to_ram();
    install(SV_CALL, svc_handler);
    for (uint32_t row = 0; row < 32; ++row)
        in[row] = 0x40000000u + row * 0x01010101u;
    in[32] = 0x90000010u; /* N, V and a cumulative IXC */

    check("B3.2 FPCCR", "FPCCR resets to automatic and lazy", FPCCR & 0xC0000000u, 0xC0000000u);
    no_float_context();
    lazy_and_unused();
    lazy_and_used();
    eager();
    not_automatic();
    nested();
    return checks_done();
}
