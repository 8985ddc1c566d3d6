/* A small kernel: tasks with their own stacks, a switch in PendSV, time slices by SysTick, mutexes
 * and counting semaphores made of LDREX and STREX, the first task started by SVC.
 *
 * Tasks use the FPU, so that the switch meets lazy stacking: it saves s16-s31 only of a task whose
 * EXC_RETURN says that it has floating-point state, as FreeRTOS and mbed do.
 */
#include "check.h"
#include "vectors.h"

#define TASKS 4
#define STACK_WORDS 256
#define SLICE_CYCLES 5000

struct task {
    uint32_t *stack; /* first: the switch takes it from offset 0 */
    uint32_t wake_at;
};

static struct task tasks[TASKS];
static uint32_t stacks[TASKS][STACK_WORDS] __attribute__((aligned(8)));

__attribute__((used)) static struct task *volatile current;
static volatile uint32_t ticks, switches;

/* Round robin over the tasks that do not sleep; the last one is the idle task, which never does. */
__attribute__((used)) static void choose_next(void)
{
    unsigned now = (unsigned)(current - tasks);

    ++switches;
    for (unsigned step = 1; step <= TASKS; ++step) {
        struct task *next = &tasks[(now + step) % TASKS];
        if (next == &tasks[TASKS - 1] && step < TASKS)
            continue;
        if ((int32_t)(ticks - next->wake_at) >= 0) {
            current = next;
            return;
        }
    }
    current = &tasks[TASKS - 1];
}

NAKED static void pendsv_handler(void)
{
    __asm__ volatile(
        "mrs r0, psp\n\t"
        "isb\n\t"
        "ldr r3, =current\n\t"
        "ldr r2, [r3]\n\t"
        "tst lr, #0x10\n\t"
        "it eq\n\t"
        "vstmdbeq r0!, {s16-s31}\n\t"
        "stmdb r0!, {r4-r11, lr}\n\t"
        "str r0, [r2]\n\t"
        "push {r3, r4}\n\t"
        "mov r0, #0x10\n\t"
        "msr basepri, r0\n\t"
        "dsb\n\t"
        "isb\n\t"
        "bl choose_next\n\t"
        "mov r0, #0\n\t"
        "msr basepri, r0\n\t"
        "pop {r3, r4}\n\t"
        "ldr r1, [r3]\n\t"
        "ldr r0, [r1]\n\t"
        "ldmia r0!, {r4-r11, lr}\n\t"
        "tst lr, #0x10\n\t"
        "it eq\n\t"
        "vldmiaeq r0!, {s16-s31}\n\t"
        "msr psp, r0\n\t"
        "isb\n\t"
        "bx lr\n\t"
        ".ltorg\n\t");
}

NAKED static void svc_handler(void) /* the first task */
{
    __asm__ volatile(
        "ldr r3, =current\n\t"
        "ldr r1, [r3]\n\t"
        "ldr r0, [r1]\n\t"
        "ldmia r0!, {r4-r11, lr}\n\t"
        "msr psp, r0\n\t"
        "isb\n\t"
        "mov r0, #0\n\t"
        "msr basepri, r0\n\t"
        "bx lr\n\t"
        ".ltorg\n\t");
}

static void systick_handler(void)
{
    ++ticks;
    SCB_ICSR = ICSR_PENDSVSET;
}

static void yield(void)
{
    SCB_ICSR = ICSR_PENDSVSET;
    BARRIER();
}

static void sleep_ticks(uint32_t count)
{
    current->wake_at = ticks + count;
    yield();
}

/* Take one from a count, waiting while it is zero. */
static void take(volatile uint32_t *count)
{
    for (;;) {
        uint32_t value, failed;

        __asm__ volatile("ldrex %0, [%1]" : "=r"(value) : "r"(count) : "memory");
        if (value == 0) {
            __asm__ volatile("clrex" ::: "memory");
            yield();
            continue;
        }
        __asm__ volatile("strex %0, %2, [%1]"
                         : "=&r"(failed)
                         : "r"(count), "r"(value - 1)
                         : "memory");
        if (!failed) {
            __asm__ volatile("dmb" ::: "memory");
            return;
        }
    }
}

static volatile uint32_t strex_retries;

static void give(volatile uint32_t *count)
{
    uint32_t value, failed;

    __asm__ volatile("dmb" ::: "memory");
    do {
        __asm__ volatile("ldrex %0, [%1]" : "=r"(value) : "r"(count) : "memory");
        __asm__ volatile("strex %0, %2, [%1]"
                         : "=&r"(failed)
                         : "r"(count), "r"(value + 1)
                         : "memory");
        strex_retries += failed;
    } while (failed);
}

static volatile uint32_t mutex = 1, filled, room = 4, finished;
static volatile uint32_t guarded, inside, overlaps;
static uint32_t queue[4], queue_in, queue_out;
static float sums[2];
static uint32_t received_sum, received_count;

/* Add up 1/n, with every callee-saved FP register alive across time slices. */
__attribute__((noinline)) static float harmonic(unsigned terms, float start)
{
    float sum = start;

    for (unsigned n = 1; n <= terms; ++n) {
        float part;


        __asm__ volatile(
            "vmov s16, %1\n\t"
            "vcvt.f32.u32 s16, s16\n\t"
            "vmov.f32 s17, #1.0\n\t"
            "vdiv.f32 s18, s17, s16\n\t"
            "vmov.f32 %0, s18\n\t"
            : "=t"(part)
            : "r"(n)
            : "s16", "s17", "s18");
        sum += part;
    }
    return sum;
}

static void count_guarded(unsigned times)
{
    for (unsigned turn = 0; turn < times; ++turn) {
        take(&mutex);
        if (inside++)
            ++overlaps;
        uint32_t value = guarded;
        for (volatile int wait = 0; wait < 20; ++wait)
            ;
        guarded = value + 1;
        --inside;
        give(&mutex);
    }
}

static void end_task(void)
{
    give(&finished);
    for (;;)
        sleep_ticks(1000000);
}

static void producer(void)
{
    for (uint32_t item = 1; item <= 50; ++item) {
        take(&room);
        queue[queue_in++ % 4] = item * item;
        give(&filled);
        if (item % 10 == 0)
            sleep_ticks(2);
    }
    sums[0] = harmonic(4000, 0.0f);
    count_guarded(200);
    end_task();
}

static void consumer(void)
{
    for (int item = 0; item < 50; ++item) {
        take(&filled);
        received_sum += queue[queue_out++ % 4];
        ++received_count;
        give(&room);
    }
    count_guarded(200);
    end_task();
}

static void calculator(void)
{
    sums[1] = harmonic(6000, 1.0f);
    count_guarded(200);
    end_task();
}

static void idle(void)
{
    while (finished < 3)
        __asm__ volatile("wfi");
    SYST_CSR = 0;
    check("kernel", "all items arrived", received_count, 50);
    check("kernel", "in order and whole", received_sum, 50u * 51u * 101u / 6u);
    check("kernel", "no update of the guarded count was lost", guarded, 600);
    check("kernel", "the mutex kept its promise", overlaps, 0);

    union {
        float value;
        uint32_t bits;
    } got[2] = {{sums[0]}, {sums[1]}}, want[2] = {{harmonic(4000, 0.0f)}, {harmonic(6000, 1.0f)}};
    check("B1.5.6", "the producer's sum survived its preemptions", got[0].bits, want[0].bits);
    check("B1.5.6", "the calculator's sum survived its preemptions", got[1].bits, want[1].bits);
    check_between("kernel", "there were many switches", switches, 50, 100000);
    check_between("kernel", "and time slices", ticks, 30, 100000);
    printf("%lu ticks, %lu switches, %lu retries of STREX\n", (unsigned long)ticks,
           (unsigned long)switches, (unsigned long)strex_retries);
    int status = checks_done();
    extern void exit(int);
    exit(status);
}

static void make_task(unsigned number, void (*entry)(void))
{
    uint32_t *top = stacks[number] + STACK_WORDS;
    struct frame *frame = (struct frame *)(top - 8);

    *frame = (struct frame){.pc = (uint32_t)entry & ~1u, .lr = 0xFFFFFFFFu, .xpsr = XPSR_THUMB};
    top -= 8 + 9;
    for (int row = 0; row < 8; ++row)
        top[row] = 0;
    top[8] = 0xFFFFFFFDu;
    tasks[number].stack = top;
}

int main(void)
{
    vectors_to_ram();
    install(SV_CALL, svc_handler);
    install(PEND_SV, pendsv_handler);
    install(SYS_TICK, systick_handler);
    exception_priority(PEND_SV, 15);
    exception_priority(SYS_TICK, 14);
    make_task(0, producer);
    make_task(1, consumer);
    make_task(2, calculator);
    make_task(3, idle);
    current = &tasks[0];
    SYST_RVR = SLICE_CYCLES - 1;
    SYST_CVR = 0;
    SYST_CSR = SYST_CSR_ENABLE | SYST_CSR_TICKINT | SYST_CSR_CLKSOURCE;
    __asm__ volatile("svc #0" ::: "memory");
    return 1; /* not reached */
}
