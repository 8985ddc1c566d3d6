/* Priorities: who preempts whom, in which order the pending ones come, and what masks them.
 *
 * Interrupts 40 to 43 are pended by software; both parts have them, and no program here uses what
 * is wired to them. Sections are of the Armv7-M Architecture Reference Manual (DDI 0403E).
 */
#include "check.h"
#include "vectors.h"

#include <string.h>

enum { A = 40, B = 41, C = 42, D = 43 };

/* What happened, in order: a capital for the entry into a handler, its small letter at its end. */
static volatile char story[64];
static volatile unsigned story_length;

static void tell(char what)
{
    if (story_length + 1 < sizeof story)
        story[story_length++] = what;
}

static void expect(const char *section, const char *what, const char *wanted)
{
    char told[sizeof story];

    for (unsigned at = 0; at < sizeof story; ++at)
        told[at] = at < story_length ? story[at] : 0;
    story_length = 0;
    if (strcmp(told, wanted) != 0)
        printf("story is '%s', not '%s'\n", told, wanted);
    check(section, what, strcmp(told, wanted) == 0, 1);
}

static void (*volatile in_a)(void);
static void (*volatile in_b)(void);

static void run(void (*volatile *action)(void))
{
    void (*chosen)(void) = *action;

    *action = 0;
    if (chosen)
        chosen();
}

static void handler_a(void) { tell('A'); run(&in_a); tell('a'); }
static void handler_b(void) { tell('B'); run(&in_b); tell('b'); }
static void handler_c(void) { tell('C'); tell('c'); }
static void handler_d(void) { tell('D'); tell('d'); }
static void handler_nmi(void) { tell('N'); tell('n'); }
static void handler_pendsv(void) { tell('P'); tell('p'); }
static void handler_svc(void) { tell('S'); tell('s'); }

static void priorities(unsigned a, unsigned b, unsigned c, unsigned d)
{
    irq_priority(A, a);
    irq_priority(B, b);
    irq_priority(C, c);
    irq_priority(D, d);
    BARRIER();
}

static void pend_a(void) { irq_pend(A); }
static void pend_b(void) { irq_pend(B); }
static void pend_nmi(void) { SCB_ICSR = ICSR_NMIPENDSET; BARRIER(); }

static void pend_several(void)
{
    NVIC_ISPR(1) = 1u << (D - 32) | 1u << (C - 32) | 1u << (B - 32);
    BARRIER();
}

static void preemption(void)
{
    priorities(8, 4, 8, 12);
    in_a = pend_b;
    irq_pend(A);
    expect("B1.5.4", "a higher priority preempts", "ABba");

    in_b = pend_a;
    irq_pend(B);
    expect("B1.5.4", "a lower priority waits for the end", "BbAa");

    priorities(8, 8, 8, 8);
    in_a = pend_b;
    irq_pend(A);
    expect("B1.5.4", "an equal priority waits for the end", "AaBb");

    in_a = pend_several;
    irq_pend(A);
    expect("B1.5.4", "of equal priorities the lowest number comes first", "AaBbCcDd");

    priorities(8, 12, 11, 10);
    in_a = pend_several;
    irq_pend(A);
    expect("B1.5.4", "of pending ones the highest priority comes first", "AaDdCcBb");

    priorities(8, 8, 8, 8);
    in_a = pend_a;
    irq_pend(A);
    expect("B3.4 NVIC", "an interrupt pended in its own handler comes again", "AaAa");

    in_a = pend_nmi;
    irq_pend(A);
    expect("B1.5.4", "NMI preempts every interrupt", "ANna");
}

/* PRIGROUP 5: the top two bits of a priority preempt, the next two only order. */
static void groups(void)
{
    SCB_AIRCR = AIRCR_VECTKEY | 5u << 8;
    BARRIER();
    check("B3.2 AIRCR", "PRIGROUP reads back and the key reads as 0xFA05",
          SCB_AIRCR & 0xFFFF0700u, 0xFA050500u);
    priorities(7, 4, 5, 6);
    in_a = pend_several;
    irq_pend(A);
    expect("B1.5.4", "a higher subpriority does not preempt, it orders", "AaBbCcDd");
    priorities(7, 6, 5, 3);
    in_a = pend_several;
    irq_pend(A);
    expect("B1.5.4", "a higher group preempts", "ADdaCcBb");
    SCB_AIRCR = 5u << 8 | 0x1234u << 16;
    check("B3.2 AIRCR", "a write without the key is ignored", SCB_AIRCR & 0x700u, 5u << 8);
    SCB_AIRCR = AIRCR_VECTKEY;
    BARRIER();
}

static uint32_t active, icsr;

static void look_a(void)
{
    active = NVIC_IABR(1);
    icsr = SCB_ICSR;
    irq_pend(B);
}

static void look_b(void)
{
    active = NVIC_IABR(1);
    icsr = SCB_ICSR;
}

static void state_bits(void)
{
    priorities(8, 4, 8, 8);
    in_a = look_a;
    in_b = look_b;
    irq_pend(A);
    story_length = 0;
    check("B3.4 NVIC_IABR", "both are active while one preempts the other",
          active & (3u << (A - 32)), 3u << (A - 32));
    check("B3.2 ICSR", "VECTACTIVE is the running exception", icsr & 0x1FFu, IRQ_0 + B);
    check("B3.2 ICSR", "RETTOBASE is clear with another one active", icsr & ICSR_RETTOBASE, 0);
    check("B3.4 NVIC_IABR", "none is active in Thread mode", NVIC_IABR(1), 0);
    check("B3.2 ICSR", "VECTACTIVE is zero in Thread mode", SCB_ICSR & 0x1FFu, 0);


    priorities(8, 8, 8, 8);
    in_a = look_a;
    in_b = look_b;
    irq_pend(A);
    expect("B1.5.12", "tail-chaining: one after the other", "AaBb");
    check("B3.2 ICSR", "RETTOBASE is set with no other one active", icsr & ICSR_RETTOBASE,
          ICSR_RETTOBASE);

    DISABLE_INTERRUPTS();
    irq_pend(C);
    check("B3.2 ICSR", "VECTPENDING is the highest pending exception", SCB_ICSR >> 12 & 0x1FFu,
          IRQ_0 + C);
    check("B3.2 ICSR", "ISRPENDING is set", SCB_ICSR & ICSR_ISRPENDING, ICSR_ISRPENDING);
    check("B3.4 NVIC_ISPR", "the pending bit reads as one", NVIC_ISPR(1), 1u << (C - 32));
    NVIC_ICPR(1) = 1u << (C - 32);
    BARRIER();
    check("B3.4 NVIC_ICPR", "and as zero when it was cleared", NVIC_ISPR(1), 0);
    ENABLE_INTERRUPTS();
    expect("B3.4 NVIC_ICPR", "a cleared interrupt does not come", "");

    irq_disable(D);
    irq_pend(D);
    check("B3.4 NVIC_ISPR", "a disabled interrupt becomes pending", NVIC_ISPR(1), 1u << (D - 32));
    expect("B3.4 NVIC_ICER", "a disabled interrupt does not come", "");
    irq_enable(D);
    expect("B3.4 NVIC_ISER", "it comes when it is enabled", "Dd");
    check("B3.4 NVIC_ISER", "enable bits read back", NVIC_ISER(1) >> (A - 32) & 0xFu, 0xFu);

    NVIC_STIR = C;
    BARRIER();
    expect("B3.2 STIR", "STIR pends an interrupt", "Cc");

    NVIC_IPR(A) = 0xFF;
    check("B1.5.4", "four bits of a priority are implemented", NVIC_IPR(A), 0xF0);
    exception_priority(PEND_SV, 15);
    SCB_SHPR(SYS_TICK) = 0xFF;
    check("B1.5.4", "and of a system exception's", SCB_SHPR(SYS_TICK), 0xF0);
}

static void pend_pendsv_and_a(void)
{
    SCB_ICSR = ICSR_PENDSVSET;
    BARRIER();
}

static void system_exceptions(void)
{
    priorities(8, 8, 8, 8);
    exception_priority(PEND_SV, 15);
    exception_priority(SV_CALL, 0);
    in_a = pend_pendsv_and_a;
    irq_pend(A);
    expect("B1.5.4", "PendSV of lowest priority comes last", "AaPp");
    exception_priority(PEND_SV, 8);
    DISABLE_INTERRUPTS();
    SCB_ICSR = ICSR_PENDSVSET;
    irq_pend(A);
    ENABLE_INTERRUPTS();
    expect("B1.5.4", "of equal priorities PendSV has the lowest number", "PpAa");

    SCB_ICSR = ICSR_PENDSVCLR;
    BARRIER();
    story_length = 0;
    DISABLE_INTERRUPTS();
    SCB_ICSR = ICSR_PENDSVSET;
    BARRIER();
    check("B3.2 ICSR", "PENDSVSET reads as one while it waits", SCB_ICSR & ICSR_PENDSVSET,
          ICSR_PENDSVSET);
    SCB_ICSR = ICSR_PENDSVCLR;
    BARRIER();
    check("B3.2 ICSR", "PENDSVCLR takes it back", SCB_ICSR & ICSR_PENDSVSET, 0);
    ENABLE_INTERRUPTS();
    expect("B3.2 ICSR", "a PendSV that was taken back does not come", "");
}

static void masks(void)
{
    priorities(8, 4, 8, 12);

    DISABLE_INTERRUPTS();
    irq_pend(A);
    tell('-');
    check("B1.4.3", "PRIMASK reads as one", READ_SPECIAL(primask), 1);
    ENABLE_INTERRUPTS();
    expect("B1.4.3", "PRIMASK holds interrupts back", "-Aa");

    DISABLE_INTERRUPTS();
    pend_nmi();
    tell('-');
    ENABLE_INTERRUPTS();
    expect("B1.4.3", "PRIMASK does not hold NMI back", "Nn-");

    WRITE_SPECIAL(basepri, 8u << 4);
    pend_several(); /* B 4, C 8, D 12 */
    tell('-');
    WRITE_SPECIAL(basepri, 0);
    expect("B1.4.3", "BASEPRI holds its own and lower priorities back", "Bb-CcDd");

    WRITE_SPECIAL(basepri, 4u << 4);
    WRITE_SPECIAL(basepri_max, 8u << 4);
    check("B1.4.3", "BASEPRI_MAX does not lower the boosted priority", READ_SPECIAL(basepri), 0x40);
    WRITE_SPECIAL(basepri_max, 2u << 4);
    check("B1.4.3", "BASEPRI_MAX raises it", READ_SPECIAL(basepri), 0x20);
    WRITE_SPECIAL(basepri_max, 0);
    check("B1.4.3", "BASEPRI_MAX ignores zero", READ_SPECIAL(basepri), 0x20);
    WRITE_SPECIAL(basepri, 0);

    __asm__ volatile("cpsid f" ::: "memory");
    irq_pend(B);
    tell('-');
    check("B1.4.3", "FAULTMASK reads as one", READ_SPECIAL(faultmask), 1);
    __asm__ volatile("cpsie f\n\tisb" ::: "memory");
    expect("B1.4.3", "FAULTMASK holds interrupts back", "-Bb");
    __asm__ volatile("cpsid f" ::: "memory");
    pend_nmi();
    tell('-');
    __asm__ volatile("cpsie f\n\tisb" ::: "memory");
    expect("B1.4.3", "FAULTMASK does not hold NMI back", "Nn-");
}

static void set_faultmask_and_pend(void)
{
    __asm__ volatile("cpsid f" ::: "memory");
    irq_pend(B);
    tell('-');
}

static void set_primask_and_pend(void)
{
    DISABLE_INTERRUPTS();
    irq_pend(B);
    tell('-');
}

static void masks_across_returns(void)
{
    priorities(8, 4, 8, 12);
    in_a = set_faultmask_and_pend;
    irq_pend(A);
    expect("B1.5.8", "the return from a handler clears FAULTMASK", "A-aBb");
    check("B1.5.8", "FAULTMASK is clear afterwards", READ_SPECIAL(faultmask), 0);
    in_a = set_primask_and_pend;
    irq_pend(A);
    tell('=');
    check("B1.4.3", "PRIMASK stays set after the return", READ_SPECIAL(primask), 1);
    ENABLE_INTERRUPTS();
    expect("B1.4.3", "and holds back what is pending", "A-a=Bb");
}

/* Unprivileged Thread mode: masks and CONTROL cannot be written; SVC leads back. */
static void back_to_privileged(void)
{
    WRITE_SPECIAL(control, 0);
}

static void unprivileged(void)
{
    uint32_t primask, ipsr;

    install(SV_CALL, back_to_privileged);
    WRITE_SPECIAL(control, 1);
    __asm__ volatile("cpsid i\n\tmsr basepri, %0\n\tmsr faultmask, %1" ::"r"(0x40), "r"(1)
                     : "memory");
    primask = READ_SPECIAL(primask);
    WRITE_SPECIAL(control, 0); /* ignored */
    ipsr = READ_SPECIAL(control);
    __asm__ volatile("svc #0" ::: "memory");
    check("B1.4.4", "unprivileged code cannot write CONTROL.nPRIV", ipsr & 1, 1);
    check("B5.2 MRS", "unprivileged code reads PRIMASK as zero", primask, 0);
    check("B5.2 MSR", "unprivileged code cannot write PRIMASK", READ_SPECIAL(primask), 0);
    check("B5.2 MSR", "nor BASEPRI", READ_SPECIAL(basepri), 0);
    check("B5.2 MSR", "nor FAULTMASK", READ_SPECIAL(faultmask), 0);
    check("B1.4.4", "a handler may write CONTROL.nPRIV", READ_SPECIAL(control) & 1, 0);
    install(SV_CALL, handler_svc);
}

/* A second table: VTOR says where, its low seven bits are zero on this core. */
static handler other_vectors[VECTORS] __attribute__((aligned(1024)));

static void other_a(void) { tell('1'); }

static void relocation(void)
{
    for (unsigned row = 0; row < VECTORS; ++row)
        other_vectors[row] = ram_vectors[row];
    ((volatile handler *)other_vectors)[IRQ_0 + A] = other_a;
    BARRIER();
    SCB_VTOR = (uint32_t)other_vectors;
    BARRIER();
    check("B3.2 VTOR", "VTOR reads back", SCB_VTOR, (uint32_t)other_vectors);
    irq_pend(A);
    SCB_VTOR = (uint32_t)ram_vectors;
    BARRIER();
    irq_pend(A);
    expect("B3.2 VTOR", "vectors come from where VTOR points", "1Aa");
}

/* SysTick comes at every cycle around the entry to a handler of lower priority: before it, while its
 * frame is being stored (late arrival: SysTick first, on that frame), in it, or after it. */
static volatile uint32_t a_began, a_ended, came_first, came_within, came_after;

static void handler_systick(void)
{
    SYST_CSR = 0;
    SCB_ICSR = ICSR_PENDSTCLR; /* a short period has passed again by now */
    if (!a_began)
        ++came_first;
    else if (!a_ended)
        ++came_within;
    else
        ++came_after;
}

static void handler_a_slowly(void)
{
    a_began = 1;
    for (volatile int wait = 0; wait < 2; ++wait)
        ;
    a_ended = 1;
}

static void arrivals(void)
{
    const uint32_t stack = READ_SPECIAL(msp);
    uint32_t moved = 0;

    priorities(8, 8, 8, 8);
    exception_priority(SYS_TICK, 4);
    install(SYS_TICK, handler_systick);
    install(IRQ_0 + A, handler_a_slowly);
    for (unsigned delay = 8; delay < 120; ++delay) {
        a_began = a_ended = 0;
        uint32_t came = came_first + came_within + came_after;
        SYST_RVR = delay;
        SYST_CVR = 0;
        SYST_CSR = SYST_CSR_ENABLE | SYST_CSR_TICKINT | SYST_CSR_CLKSOURCE;
        NVIC_ISPR(1) = 1u << (A - 32);
        while (!a_ended || came_first + came_within + came_after == came)
            ;
        moved += stack != READ_SPECIAL(msp);
    }
    install(IRQ_0 + A, handler_a);
    check("B1.5.4", "SysTick comes once each time", came_first + came_within + came_after, 120 - 8);
    check("B1.5.8", "the stack is where it was", moved, 0);
    check("B1.5.4", "it comes first when it is early", came_first > 0, 1);
    check("B1.5.4", "it preempts when it is later", came_within > 0, 1);
    check("B1.5.4", "it waits for nobody when it is late", came_after > 0, 1);
    printf("SysTick %lu times first, %lu within, %lu after\n", (unsigned long)came_first,
           (unsigned long)came_within, (unsigned long)came_after);
}

/* Entry and tail-chain in cycles: the architecture does not fix them, so they are printed. What
 * must hold is that chaining is the cheaper one. */
static volatile uint32_t entered_at, chained_at, left_at, pended_at;

static void timed_a(void)
{
    entered_at = DWT_CYCCNT;
    irq_pend(B);
    left_at = DWT_CYCCNT;
}

static void timed_b(void)
{
    chained_at = DWT_CYCCNT;
}

static void cycles(void)
{
    uint32_t entry = 0, chain = 0;

    cycle_counter_start();
    install(IRQ_0 + A, timed_a);
    install(IRQ_0 + B, timed_b);
    priorities(8, 8, 8, 8);
    for (int turn = 0; turn < 3; ++turn) { /* the last one with warm caches */
        uint32_t before = DWT_CYCCNT;
        NVIC_ISPR(1) = 1u << (A - 32);
        BARRIER();
        entry = entered_at - before;
        chain = chained_at - left_at;
    }
    printf("entry takes about %lu cycles, a tail-chain about %lu\n", (unsigned long)entry,
           (unsigned long)chain);
    check_between("TRM-M7", "an interrupt's handler is reached within 40 cycles", entry, 12, 40);
    check("B1.5.12", "chaining takes fewer cycles than entering", chain < entry, 1);
}

int main(void)
{
    vectors_to_ram();
    install(NMI, handler_nmi);
    install(SV_CALL, handler_svc);
    install(PEND_SV, handler_pendsv);
    install(IRQ_0 + A, handler_a);
    install(IRQ_0 + B, handler_b);
    install(IRQ_0 + C, handler_c);
    install(IRQ_0 + D, handler_d);
    for (unsigned irq = A; irq <= D; ++irq)
        irq_enable(irq);
    /* The lines of a part in groups of 32, less one (B3.4 ICTR): RM, NVIC features. */
#ifdef STM32F746
    check("B3.4 ICTR", "98 interrupts", ICTR & 0xFu, 3);
#else
    check("B3.4 ICTR", "150 interrupts", ICTR & 0xFu, 4);
#endif
    preemption();
    groups();
    state_bits();
    system_exceptions();
    masks();
    masks_across_returns();
    unprivileged();
    relocation();
    arrivals();
    cycles();
    return checks_done();
}
