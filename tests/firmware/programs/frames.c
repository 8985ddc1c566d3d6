/* Entry to and return from exceptions: what is stacked where, and what comes back.
 *
 * Sections are of the Armv7-M Architecture Reference Manual (DDI 0403E).
 */
#include "check.h"
#include "vectors.h"

/* What the last handler saw. */
static volatile struct {
    struct frame frame;
    uint32_t frame_address, exc_return, ipsr, control, epsr, calls_count;
    uint32_t scratch;
} seen;


static void (*in_handler)(struct frame *frame);

__attribute__((used)) static void capture(struct frame *frame, uint32_t exc_return)
{
    seen.frame = *frame;
    seen.frame_address = (uint32_t)frame;
    seen.exc_return = exc_return;
    seen.ipsr = READ_SPECIAL(ipsr);
    seen.epsr = READ_SPECIAL(epsr);
    seen.control = READ_SPECIAL(control);
    ++seen.calls_count;
    if (in_handler)
        in_handler(frame);
}

NAKED static void handler_of_frames(void)
{
    __asm__ volatile(
        "tst lr, #4\n\t"
        "ite eq\n\t"
        "mrseq r0, msp\n\t"
        "mrsne r0, psp\n\t"
        "mov r1, lr\n\t"
        "b capture\n\t");
}

/* svc 42 with known registers; `out` gets r0-r3, r12, lr and APSR after it, and its address. */
NAKED static void svc_with_known_registers(uint32_t *out)
{
    __asm__ volatile(
        "push {r4-r11, lr}\n\t"
        "mov r4, r0\n\t"
        "mov r0, #0\n\t"
        "msr control, r0\n\t" /* no floating-point context: a basic frame */
        "ldr r0, =0xA5000000\n\t"
        "msr apsr_nzcvq, r0\n\t" /* N C set, Z V clear */
        "ldr r0, =0x10101010\n\t"
        "ldr r1, =0x11111111\n\t"
        "ldr r2, =0x12121212\n\t"
        "ldr r3, =0x13131313\n\t"
        "ldr r12, =0x1C1C1C1C\n\t"
        "ldr lr, =0x1E1E1E1F\n\t"
        "ldr r5, =0x15151515\n\t"
        "ldr r11, =0x1B1B1B1B\n\t"
        "svc #42\n"
        ".global after_svc\n"
        "after_svc:\n\t"
        "stmia r4!, {r0-r3, r12, lr}\n\t"
        "mrs r0, apsr\n\t"
        "str r0, [r4], #4\n\t"
        "str r5, [r4], #4\n\t"
        "str r11, [r4], #4\n\t"
        "pop {r4-r11, pc}\n\t"
        ".ltorg\n\t");
}
extern char after_svc[];

static void change_the_frame(struct frame *frame)
{
    frame->r0 = 0xCAFE0001u;
    frame->r12 = 0xCAFE000Cu;
    frame->xpsr ^= 0xF0000000u;
}

static void registers_of_a_frame(void)
{
    uint32_t out[9];

    in_handler = 0;
    svc_with_known_registers(out);
    check("B1.5.6", "r0 is stacked first", seen.frame.r0, 0x10101010u);
    check("B1.5.6", "r1 is stacked", seen.frame.r1, 0x11111111u);
    check("B1.5.6", "r2 is stacked", seen.frame.r2, 0x12121212u);
    check("B1.5.6", "r3 is stacked", seen.frame.r3, 0x13131313u);
    check("B1.5.6", "r12 is stacked", seen.frame.r12, 0x1C1C1C1Cu);
    check("B1.5.6", "lr is stacked", seen.frame.lr, 0x1E1E1E1Fu);
    check("B1.5.6", "SVC returns to the next instruction", seen.frame.pc,
          (uint32_t)after_svc & ~1u);
    check("B1.5.6", "the instruction before the return address is SVC 42",
          REG16(seen.frame.pc - 2), 0xDF2Au);
    check("B1.5.6", "stacked flags are the interrupted ones", seen.frame.xpsr & 0xF8000000u,
          0xA0000000u);
    check("B1.4.2", "stacked T is set and the exception number is Thread mode's",
          seen.frame.xpsr & (XPSR_THUMB | XPSR_IT | 0x1FFu), XPSR_THUMB);
    check("B1.4.2", "IPSR in the handler is 11", seen.ipsr, 11);
    check("B1.4.2", "EPSR reads as zero", seen.epsr, 0);
    check("B1.5.8", "EXC_RETURN to Thread mode and MSP, basic frame", seen.exc_return,
          0xFFFFFFF9u);
    check("B1.5.6", "a frame lies on eight bytes (CCR.STKALIGN)", seen.frame_address % 8, 0);
    check("B1.5.8", "r0 comes back", out[0], 0x10101010u);
    check("B1.5.8", "lr comes back", out[5], 0x1E1E1E1Fu);
    check("B1.5.8", "flags come back", out[6] & 0xF8000000u, 0xA0000000u);
    check("B1.5.6", "r5 is the handler's to save", out[7], 0x15151515u);
    check("B1.5.6", "r11 is the handler's to save", out[8], 0x1B1B1B1Bu);

    in_handler = change_the_frame;
    svc_with_known_registers(out);
    check("B1.5.8", "r0 comes back as the handler left it", out[0], 0xCAFE0001u);
    check("B1.5.8", "r12 comes back as the handler left it", out[4], 0xCAFE000Cu);
    check("B1.5.8", "flags come back as the handler left them", out[6] & 0xF0000000u, 0x50000000u);
    in_handler = 0;
}

/* svc with the stack pointer on eight bytes (0) or on four (4); returns it after the return, less
 * what it was before. `seen.scratch` gets the stack pointer at the svc. */
NAKED static uint32_t svc_on_stack(uint32_t offset)
{
    __asm__ volatile(
        "push {r4, r5, r6, lr}\n\t"
        "mov r1, #0\n\t"
        "msr control, r1\n\t"
        "mov r4, sp\n\t"
        "bic r5, r4, #7\n\t"
        "sub r5, r5, r0\n\t"
        "mov sp, r5\n\t"
        "svc #1\n\t"
        "mov r6, sp\n\t"
        "mov sp, r4\n\t"
        "mov r1, r5\n\t"
        "subs r0, r6, r5\n\t"
        "b remember_stack\n\t");
}

__attribute__((used)) static uint32_t remember_stack_pointer;
NAKED static void remember_stack(void)
{
    __asm__ volatile(
        "ldr r2, =remember_stack_pointer\n\t"
        "str r1, [r2]\n\t"
        "pop {r4, r5, r6, pc}\n\t"
        ".ltorg\n\t");
}

static void alignment_of_frames(void)
{
    uint32_t moved = svc_on_stack(0);

    check("B3.2 CCR", "CCR.STKALIGN is set", SCB_CCR & CCR_STKALIGN, CCR_STKALIGN);
    check("B1.5.6", "an aligned stack: the frame is 32 bytes below", seen.frame_address,
          remember_stack_pointer - 32);
    check("B1.5.6", "an aligned stack: stacked xPSR bit 9 is clear",
          seen.frame.xpsr & XPSR_ALIGNED, 0);
    check("B1.5.8", "an aligned stack: SP comes back", moved, 0);
    moved = svc_on_stack(4);
    check("B1.5.6", "a stack on four bytes: the frame is 36 bytes below", seen.frame_address,
          remember_stack_pointer - 36);
    check("B1.5.6", "a stack on four bytes: stacked xPSR bit 9 is set",
          seen.frame.xpsr & XPSR_ALIGNED, XPSR_ALIGNED);
    check("B1.5.8", "a stack on four bytes: SP comes back", moved, 0);
}

static uint32_t nested_exc_return, nested_xpsr;

static void pend_inside(struct frame *frame)
{
    (void)frame;
    if (READ_SPECIAL(ipsr) == PEND_SV) {
        in_handler = 0;
        __asm__ volatile("svc #7" ::: "memory");
        nested_exc_return = seen.exc_return;
        nested_xpsr = seen.frame.xpsr;
    }
}

static uint32_t process_stack[128] __attribute__((aligned(8)));

static void stacks_and_modes(void)
{
    exception_priority(PEND_SV, 15);
    exception_priority(SV_CALL, 1);
    in_handler = pend_inside;
    WRITE_SPECIAL(control, 0);
    SCB_ICSR = ICSR_PENDSVSET;
    BARRIER();
    check("B1.5.8", "EXC_RETURN to Handler mode", nested_exc_return, 0xFFFFFFF1u);
    check("B1.5.6", "the interrupted handler's number is stacked", nested_xpsr & 0x1FFu, PEND_SV);
    in_handler = 0;

    WRITE_SPECIAL(psp, (uint32_t)(process_stack + 128));
    WRITE_SPECIAL(control, 2);
    __asm__ volatile("svc #2" ::: "memory");
    uint32_t control = READ_SPECIAL(control);
    uint32_t psp = READ_SPECIAL(psp);
    WRITE_SPECIAL(control, 0);
    check("B1.5.8", "EXC_RETURN to Thread mode and PSP", seen.exc_return, 0xFFFFFFFDu);
    check("B1.5.6", "the frame is on the process stack", seen.frame_address,
          (uint32_t)(process_stack + 128) - 32);
    check("B1.4.1", "a handler runs on MSP: CONTROL.SPSEL reads 0", seen.control & 2, 0);
    check("B1.5.8", "CONTROL.SPSEL comes back", control & 2, 2);
    check("B1.5.8", "PSP comes back", psp, (uint32_t)(process_stack + 128));
}

/* In ITTE EQ with Z set: svc, then an addition that is done and one that is not. */
NAKED static uint32_t svc_in_it_block(void)
{
    __asm__ volatile(
        "push {r4, lr}\n\t"
        "movs r4, #0\n\t" /* sets Z */
        "itte eq\n\t"
        "svceq #3\n\t"
        "addeq r4, r4, #1\n\t"
        "addne r4, r4, #16\n\t"
        "itee ne\n\t" /* not taken: no exception */
        "svcne #4\n\t"
        "addeq r4, r4, #2\n\t"
        "addeq r4, r4, #4\n\t"
        "mov r0, r4\n\t"
        "pop {r4, pc}\n\t");
}

static void it_state(void)
{
    uint32_t calls_before = seen.calls_count;
    uint32_t result = svc_in_it_block();

    check("B1.5.6", "the stacked IT state is that of the return address",
          seen.frame.xpsr & XPSR_IT, 0x0C00u);
    check("A7.3.2", "the IT block goes on after the return", result, 7);
    check("A7.3.2", "an SVC whose condition fails is no exception", seen.calls_count - calls_before,
          1);
}

static uint32_t strex_result(void)
{
    static volatile uint32_t word;
    uint32_t value, failed;

    __asm__ volatile(
        "ldrex %0, [%2]\n\t"
        "svc #5\n\t"
        "strex %1, %0, [%2]\n\t"
        : "=&r"(value), "=&r"(failed)
        : "r"(&word)
        : "memory");
    return failed;
}

static uint32_t strex_without_exception(void)
{
    static volatile uint32_t word;
    uint32_t value, failed;

    __asm__ volatile(
        "ldrex %0, [%2]\n\t"
        "strex %1, %0, [%2]\n\t"
        : "=&r"(value), "=&r"(failed)
        : "r"(&word)
        : "memory");
    return failed;
}

static uint32_t strex_after_clrex(void)
{
    static volatile uint32_t word;
    uint32_t value, failed;

    __asm__ volatile(
        "ldrex %0, [%2]\n\t"
        "clrex\n\t"
        "strex %1, %0, [%2]\n\t"
        : "=&r"(value), "=&r"(failed)
        : "r"(&word)
        : "memory");
    return failed;
}

static void exclusive_monitor(void)
{
    check("A3.4.1", "STREX after LDREX succeeds", strex_without_exception(), 0);
    check("A3.4.1", "STREX after CLREX fails", strex_after_clrex(), 1);
    check("B1.5.8", "STREX after an exception fails", strex_result(), 1);
}

/* Instruction and number of a SVC, as a kernel decodes it, and a result in r0. */
static void add_as_kernel(struct frame *frame)
{
    seen.scratch = REG8(frame->pc - 2);
    frame->r0 = frame->r0 + frame->r1 + frame->r2 + frame->r3;
}

static uint32_t svc_add(uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    register uint32_t r0 __asm__("r0") = a;
    register uint32_t r1 __asm__("r1") = b;
    register uint32_t r2 __asm__("r2") = c;
    register uint32_t r3 __asm__("r3") = d;

    __asm__ volatile("svc #200" : "+r"(r0) : "r"(r1), "r"(r2), "r"(r3) : "memory");
    return r0;
}

static void svc_arguments(void)
{
    in_handler = add_as_kernel;
    check("A7.7 SVC", "a service adds its four arguments", svc_add(1, 20, 300, 4000), 4321);
    check("A7.7 SVC", "the number of the service is in the instruction", seen.scratch, 200);
    in_handler = 0;
}

int main(void)
{
    vectors_to_ram();
    install(SV_CALL, handler_of_frames);
    install(PEND_SV, handler_of_frames);

    WRITE_SPECIAL(control, 0); /* no floating-point context so far */
    registers_of_a_frame();
    alignment_of_frames();
    stacks_and_modes();
    it_state();
    exclusive_monitor();
    svc_arguments();
    return checks_done();
}
