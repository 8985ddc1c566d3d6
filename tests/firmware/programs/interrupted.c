/* Work that is interrupted at every point must come to the same result: IT blocks, load and store
 * multiples, flags, FP registers, divisions. SysTick fires with a period that walks through all
 * phases of the work, and its handler destroys whatever the hardware should have saved.
 *
 * Sections are of the Armv7-M Architecture Reference Manual (DDI 0403E).
 */
#include "check.h"
#include "vectors.h"

static volatile uint32_t interrupts, next_period = 40;

/* The caller-saved registers and flags are the hardware's to restore, FPSCR and s0-s15 too. */
__attribute__((used)) static void rearm(void)
{
    ++interrupts;
    next_period = next_period >= 190 ? 40 : next_period + 1;
    SYST_RVR = next_period;
    SYST_CVR = 0;
}

NAKED static void destroy(void)
{
    __asm__ volatile(
        "push {r4, lr}\n\t"
        "bl rearm\n\t"
        "mov r0, #0xDEAD\n\t"
        "vmov s0, r0\n\t"
        "vmov s1, r0\n\t"
        "vmov s7, r0\n\t"
        "vmov s14, r0\n\t"
        "vmov s15, r0\n\t"
        "mov r1, #0xF0000000\n\t"
        "vmsr fpscr, r1\n\t"
        "clrex\n\t"
        "mvn r1, r0\n\t"
        "mov r2, r1\n\t"
        "mov r3, r1\n\t"
        "mov r12, r1\n\t"
        "msr apsr_nzcvq, r1\n\t"
        "pop {r4, pc}\n\t");
}

static uint32_t table[64];

/* Each round depends on the one before; everything an interrupt could break is in it. */
NAKED static uint32_t work(uint32_t rounds, uint32_t *memory)
{
    __asm__ volatile(
        "push {r4-r11, lr}\n\t"
        "vpush {d8-d9}\n\t"
        "ldr r2, =0x12345678\n\t"
        "ldr r3, =0x9E3779B9\n\t"
        "mov r4, #4\n\t"
        "mov r5, #5\n\t"
        "mov r6, #6\n\t"
        "mov r7, #7\n\t"
        "mov r8, #8\n\t"
        "mov r9, #9\n\t"
        "mov r12, #12\n\t"
        "vmov.f32 s0, #1.0\n\t"
        "vmov.f32 s1, #0.5\n\t"
        "vmov.f32 s2, #0.25\n\t"
        "vmov.f32 s3, #0.75\n\t"
        "vmov.f32 s16, #1.5\n\t"
        "1:\n\t"
        "adds r2, r2, r3\n\t"
        "adc r4, r2, r3, ror #7\n\t"
        "cmp r2, r4\n\t"
        "itett cs\n\t"
        "eorcs r2, r2, r4\n\t"
        "addcc r2, r2, #17\n\t"
        "addcs r3, r3, #1\n\t"
        "rorcs r4, r4, #3\n\t"
        "tst r4, #1\n\t"
        "ittee eq\n\t"
        "addeq r2, r2, #3\n\t"
        "streq r2, [r1, #4]\n\t"
        "subne r2, r2, #5\n\t"
        "ldrne r5, [r1, #4]\n\t"
        "stmia r1, {r2-r9}\n\t"
        "ldmia r1, {r6-r11}\n\t"
        "add r2, r2, r6, lsr #5\n\t"
        "push {r2, r3, r4, r12}\n\t"
        "pop {r5, r6, r7, r12}\n\t"
        "eor r2, r2, r7\n\t"
        "orr r12, r3, #1\n\t"
        "udiv r8, r2, r12\n\t"
        "add r2, r2, r8\n\t"
        "smull r8, r9, r2, r3\n\t"
        "eor r2, r2, r9\n\t"
        "ssat r10, #12, r2\n\t"
        "vmov s2, r10\n\t"
        "vcvt.f32.s32 s2, s2\n\t"
        "vmla.f32 s0, s2, s1\n\t"
        "vadd.f32 s16, s16, s1\n\t"
        "vcmp.f32 s0, s16\n\t"
        "vmrs apsr_nzcv, fpscr\n\t"
        "ite gt\n\t"
        "vmovgt.f32 s15, s1\n\t"
        "vmovle.f32 s15, s16\n\t"
        "vmul.f32 s14, s15, s1\n\t"
        "vmov r11, s14\n\t"
        "eor r2, r2, r11\n\t"
        "vpush {s0-s3}\n\t"
        "vpop {s4-s7}\n\t"
        "vmov r11, s4\n\t"
        "add r3, r3, r11, lsr #9\n\t"
        "movs r5, #4\n\t"
        "2:\n\t"
        "uadd8 r6, r2, r3\n\t" /* sets GE */
        "sel r2, r3, r2\n\t"
        "add r2, r2, r6\n\t"
        "subs r5, #1\n\t"
        "bne 2b\n\t"
        "subs r0, #1\n\t"
        "bne 1b\n\t"
        "eor r0, r2, r3\n\t"
        "vmov r1, s16\n\t"
        "eor r0, r0, r1\n\t"
        "vpop {d8-d9}\n\t"
        "pop {r4-r11, pc}\n\t"
        ".ltorg\n\t");
}

/* A count that only LDREX and STREX protect, shared with the handler below. */
static volatile uint32_t shared;

static void add_shared(void)
{
    rearm();
    ++shared;
}

static void add_exclusively(uint32_t times)
{
    while (times--) {
        uint32_t value, failed;

        do {
            __asm__ volatile(
                "ldrex %0, [%2]\n\t"
                "add %0, #1\n\t"
                "strex %1, %0, [%2]\n\t"
                : "=&r"(value), "=&r"(failed)
                : "r"(&shared)
                : "memory");
        } while (failed);
    }
}

static void tick(handler function, uint32_t period)
{
    install(SYS_TICK, function);
    interrupts = 0;
    SYST_RVR = period;
    SYST_CVR = 0;
    SYST_CSR = SYST_CSR_ENABLE | SYST_CSR_TICKINT | SYST_CSR_CLKSOURCE;
}

int main(void)
{
    vectors_to_ram();
    for (int row = 0; row < 64; ++row)
        table[row] = 0;
    uint32_t alone = work(3000, table);

    tick(destroy, 100);
    for (int row = 0; row < 64; ++row)
        table[row] = 0;
    uint32_t among_others = work(3000, table);
    SYST_CSR = 0;
    check("B1.5.6", "work comes to the same result under interrupts", among_others, alone);
    check_between("B1.5.6", "there were interrupts", interrupts, 1000, 1000000);
    printf("%lu interrupts of the work\n", (unsigned long)interrupts);

    shared = 0;
    tick(add_shared, 60);
    add_exclusively(5000);
    SYST_CSR = 0;
    BARRIER();
    check("A3.4.1", "no addition between LDREX and STREX is lost", shared, 5000 + interrupts);
    check_between("A3.4.1", "there were interrupts of these too", interrupts, 200, 1000000);
    return checks_done();
}
