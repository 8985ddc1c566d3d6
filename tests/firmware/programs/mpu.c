/* The memory protection unit: rights, priorities of regions, faults of stacking, attributes.
 *
 * Sections are of the Armv7-M Architecture Reference Manual (DDI 0403E).
 */
#include "check.h"
#include "part.h"
#include "vectors.h"

#define NO_ACCESS 0u
#define PRIVILEGED_ONLY 1u
#define UNPRIVILEGED_READS 2u
#define FULL_ACCESS 3u
#define READ_ONLY 6u

/* RASR: memory types by TEX, C and B (B3.5.9). */
#define NORMAL_WRITE_BACK (1u << 19 | 1u << 17 | 1u << 16)
#define NORMAL_NOT_CACHEABLE (1u << 19)
#define EXECUTE_NEVER (1u << 28)

static volatile struct {
    uint32_t count, ipsr, cfsr, mmfar, pc;
} seen;

static volatile uint32_t resume_at;

__attribute__((used)) static void on_fault(struct frame *frame)
{
    seen.count++;
    seen.ipsr = READ_SPECIAL(ipsr);
    seen.cfsr = SCB_CFSR;
    seen.mmfar = SCB_MMFAR;
    seen.pc = frame->pc;
    SCB_CFSR = 0xFFFFFFFFu;
    frame->pc = resume_at;
    frame->xpsr = (frame->xpsr & ~XPSR_IT) | XPSR_THUMB;
    WRITE_SPECIAL(control, READ_SPECIAL(control) & ~1u);
    BARRIER();
}

NAKED static void fault_handler(void)
{
    __asm__ volatile(
        "tst lr, #4\n\t"
        "ite eq\n\t"
        "mrseq r0, msp\n\t"
        "mrsne r0, psp\n\t"
        "b on_fault\n\t");
}

NAKED static uint32_t load(const volatile void *from)
{
    __asm__ volatile(
        ".global load_at\n"
        "load_at:\n\t"
        "ldr r0, [r0]\n\t"
        "bx lr\n"
        ".global load_resume\n"
        "load_resume:\n\t"
        "bx lr\n\t");
}

NAKED static void store(volatile void *to)
{
    __asm__ volatile(
        ".global store_at\n"
        "store_at:\n\t"
        "str r0, [r0]\n\t"
        "dsb\n\t"
        "bx lr\n"
        ".global store_resume\n"
        "store_resume:\n\t"
        "bx lr\n\t");
}

NAKED static void call(uint32_t address)
{
    __asm__ volatile(
        "push {r4, lr}\n\t"
        "blx r0\n"
        ".global call_resume\n"
        "call_resume:\n\t"
        "pop {r4, pc}\n\t");
}

extern char load_at[], load_resume[], store_at[], store_resume[], call_resume[];

/* Region `number`: 2 to the `size_power` bytes at `start`. */
static void region(unsigned number, const volatile void *start, unsigned size_power,
                   uint32_t access, uint32_t attributes)
{
    MPU_RNR = number;
    MPU_RBAR = (uint32_t)start;
    MPU_RASR = access << 24 | attributes | (size_power - 1) << 1 | 1u;
    BARRIER();
}

static void no_region(unsigned number)
{
    MPU_RNR = number;
    MPU_RASR = 0;
    BARRIER();
}

static uint32_t loads(const volatile void *from)
{
    seen.count = seen.cfsr = 0;
    resume_at = (uint32_t)load_resume & ~1u;
    load(from);
    return seen.count;
}

static uint32_t stores(volatile void *to)
{
    seen.count = seen.cfsr = 0;
    resume_at = (uint32_t)store_resume & ~1u;
    store(to);
    return seen.count;
}

static uint32_t calls(uint32_t address)
{
    seen.count = seen.cfsr = 0;
    resume_at = (uint32_t)call_resume & ~1u;
    call(address);
    return seen.count;
}

static uint32_t block[256] __attribute__((aligned(1024)));

static void privileged_again(void)
{
    WRITE_SPECIAL(control, 0);
}

static uint32_t unprivileged_loads(const volatile void *from)
{
    uint32_t faults;

    WRITE_SPECIAL(control, 1);
    faults = loads(from);
    __asm__ volatile("svc #0" ::: "memory");
    return faults;
}

static uint32_t unprivileged_stores(volatile void *to)
{
    uint32_t faults;

    WRITE_SPECIAL(control, 1);
    faults = stores(to);
    __asm__ volatile("svc #0" ::: "memory");
    return faults;
}

static void rights(void)
{
    region(2, block, 8, NO_ACCESS, NORMAL_WRITE_BACK);
    check("B3.5.9", "no access: a load faults", loads(block + 1), 1);
    check("B1.5.2", "with MemManage", seen.ipsr, MEM_MANAGE);
    check("B3.2 CFSR", "DACCVIOL and MMARVALID", seen.cfsr, 0x82);
    check("B3.2 MMFAR", "its address", seen.mmfar, (uint32_t)(block + 1));
    check("B1.5.6", "the stacked address is the load's", seen.pc, (uint32_t)load_at & ~1u);
    check("B3.5.9", "no access: a store faults", stores(block + 2), 1);
    check("B3.2 CFSR", "DACCVIOL and MMARVALID of a store", seen.cfsr, 0x82);
    check("B3.2 MMFAR", "its address too", seen.mmfar, (uint32_t)(block + 2));
    check("B1.5.6", "the stacked address is the store's", seen.pc, (uint32_t)store_at & ~1u);
    check("B3.5.9", "a word after the region is free", loads(block + 64), 0);

    region(2, block, 8, READ_ONLY, NORMAL_WRITE_BACK);
    check("B3.5.9", "read-only: a load is fine", loads(block), 0);
    check("B3.5.9", "read-only: a store faults", stores(block), 1);

    region(2, block, 8, PRIVILEGED_ONLY, NORMAL_WRITE_BACK);
    check("B3.5.9", "privileged only: a privileged load is fine", loads(block), 0);
    check("B3.5.9", "privileged only: an unprivileged load faults", unprivileged_loads(block), 1);
    region(2, block, 8, UNPRIVILEGED_READS, NORMAL_WRITE_BACK);
    check("B3.5.9", "unprivileged reads: they are fine", unprivileged_loads(block), 0);
    check("B3.5.9", "unprivileged reads: an unprivileged store faults",
          unprivileged_stores(block), 1);
    check("B3.5.9", "unprivileged reads: a privileged store is fine", stores(block), 0);

    region(2, block, 8, FULL_ACCESS, NORMAL_WRITE_BACK | EXECUTE_NEVER);
    ((volatile uint32_t *)block)[0] = 0xBF004770u; /* bx lr; nop */
    BARRIER();
    check("B3.5.9", "execute never: a call faults", calls((uint32_t)block | 1), 1);
    check("B3.2 CFSR", "IACCVIOL without an address", seen.cfsr, 0x01);
    check("B1.5.6", "the stacked address is the target's", seen.pc, (uint32_t)block);
}

static void several_regions(void)
{
    region(2, block, 10, NO_ACCESS, NORMAL_WRITE_BACK);
    region(5, block, 8, FULL_ACCESS, NORMAL_WRITE_BACK);
    check("B3.5.1", "the region with the higher number wins", loads(block), 0);
    check("B3.5.1", "beyond it the other one holds", loads(block + 64), 1);
    no_region(5);
    check("B3.5.1", "without it the other one holds everywhere", loads(block), 1);

    /* 1024 bytes are eight subregions of 128: the second is left out. */
    region(2, block, 10, NO_ACCESS, NORMAL_WRITE_BACK | 1u << 9);
    check("B3.5.9", "a disabled subregion is not the region's", loads(block + 32), 0);
    check("B3.5.9", "its neighbours are", loads(block + 31) + loads(block + 64), 2);
    no_region(2);

    MPU_CTRL = 0;
    BARRIER();
    region(2, block, 10, NO_ACCESS, NORMAL_WRITE_BACK);
    check("B3.5.5", "nothing is protected while the MPU is off", loads(block), 0);
    MPU_CTRL = MPU_CTRL_ENABLE | MPU_CTRL_PRIVDEFENA;
    BARRIER();
    __asm__ volatile("cpsid f" ::: "memory");
    check("B3.5.5", "nor in FAULTMASK while HFNMIENA is clear", loads(block), 0);
    __asm__ volatile("cpsie f\n\tisb" ::: "memory");
    no_region(2);
}

/* Stacking into a region without access. The frame is not there: MemManage makes a new one. */
static uint32_t good_stack[64] __attribute__((aligned(8)));
static volatile uint32_t services;

__attribute__((used)) static void *make_frame(uint32_t exc_return)
{
    struct frame *frame = (struct frame *)(good_stack + 64) - 1;

    (void)exc_return;
    seen.count++;
    seen.ipsr = READ_SPECIAL(ipsr);
    seen.cfsr = SCB_CFSR;
    SCB_CFSR = 0xFFFFFFFFu;
    *frame = (struct frame){.pc = resume_at, .xpsr = XPSR_THUMB};
    WRITE_SPECIAL(psp, (uint32_t)frame);
    return frame;
}

NAKED static void stacking_handler(void)
{
    __asm__ volatile(
        "push {r4, lr}\n\t"
        "mov r0, lr\n\t"
        "bl make_frame\n\t"
        "pop {r4, lr}\n\t"
        "bx lr\n\t");
}

static void serve(void)
{
    ++services;
}

static uint32_t *bad_psp;

static void serve_and_break_stack(void)
{
    ++services;
    WRITE_SPECIAL(psp, (uint32_t)bad_psp);
}

NAKED static void service_on_process_stack(uint32_t psp)
{
    __asm__ volatile(
        "push {r4-r11, lr}\n\t"
        "msr psp, r0\n\t"
        "mov r0, #2\n\t"
        "msr control, r0\n\t"
        "isb\n\t"
        "svc #0\n"
        ".global stacking_resume\n"
        "stacking_resume:\n\t"
        "mov r0, #0\n\t"
        "msr control, r0\n\t"
        "isb\n\t"
        "pop {r4-r11, pc}\n\t");
}
extern char stacking_resume[];

static void stacking(void)
{
    install(MEM_MANAGE, stacking_handler);
    exception_priority(SV_CALL, 4);
    install(SV_CALL, serve);
    region(2, block, 10, NO_ACCESS, NORMAL_WRITE_BACK);
    resume_at = (uint32_t)stacking_resume & ~1u;
    seen.count = seen.cfsr = 0;
    services = 0;
    service_on_process_stack((uint32_t)(block + 128));
    check("B1.5.11", "a stack without access: MemManage at entry", seen.count, 1);
    check("B3.2 CFSR", "MSTKERR without an address", seen.cfsr, 0x10);
    check("B1.5.11", "the exception that was entered comes afterwards", services, 1);

    bad_psp = block + 128;
    install(SV_CALL, serve_and_break_stack);
    seen.count = seen.cfsr = 0;
    services = 0;
    service_on_process_stack((uint32_t)(good_stack + 40));
    check("B1.5.12", "a stack without access: MemManage at return", seen.count, 1);
    check("B3.2 CFSR", "MUNSTKERR without an address", seen.cfsr, 0x08);
    check("B1.5.12", "the exception is not entered again", services, 1);
    no_region(2);
    install(MEM_MANAGE, fault_handler);
    install(SV_CALL, privileged_again);
}

static uint32_t buffer[1024] __attribute__((aligned(4096)));

__attribute__((noinline)) static uint32_t read_all(void)
{
    uint32_t sum = 0;
    uint32_t before = DWT_CYCCNT;

    for (unsigned word = 0; word < 512; ++word)
        sum += ((volatile uint32_t *)buffer)[word];
    uint32_t took = DWT_CYCCNT - before;
    __asm__ volatile("" ::"r"(sum));
    return took;
}

static void attributes(void)
{
    read_all();
    uint32_t cached = read_all();

    region(3, buffer, 12, FULL_ACCESS, NORMAL_NOT_CACHEABLE | EXECUTE_NEVER);
    read_all();
    uint32_t uncached = read_all();
    no_region(3);
    read_all();
    uint32_t cached_again = read_all();
    printf("512 words: %lu cycles cached, %lu not cacheable\n", (unsigned long)cached,
           (unsigned long)uncached);
    check("B3.5.9", "a region that is not cacheable costs at least two cycles a word more",
          uncached > cached + 2 * 512, 1);
    check_between("B3.5.9", "and is as fast as before when it is cacheable again", cached_again,
                  cached - cached / 8, cached + cached / 8);
}

int main(void)
{
    cycle_counter_start();
    vectors_to_ram();
    install(MEM_MANAGE, fault_handler);
    install(SV_CALL, privileged_again);
    SCB_SHCSR |= SHCSR_MEMFAULTENA;
    /* RM: F746 has 8 regions, H743 16 (AN4838). */
#ifdef STM32F746
    check("B3.5.4", "8 regions, no separate ones for code", MPU_TYPE, 8u << 8);
#else
    check("B3.5.4", "16 regions, no separate ones for code", MPU_TYPE, 16u << 8);
#endif
    MPU_CTRL = MPU_CTRL_ENABLE | MPU_CTRL_PRIVDEFENA;
    BARRIER();
    /* Unprivileged code has no default memory map: code and RAM, below the regions of the tests. */
    region(0, (void *)0x00000000, 29, FULL_ACCESS, NORMAL_WRITE_BACK);
    region(1, (void *)0x20000000, 29, FULL_ACCESS, NORMAL_WRITE_BACK);
    rights();
    several_regions();
    stacking();
    attributes();
    return checks_done();
}
