/* Reset, the vector table and the handlers that a program did not write. A program's function named
 * as CMSIS has it (SysTick_Handler, USART1_IRQHandler) takes the place of the one here.
 *
 * Reset_Handler -> emu_boot: FPU on, caches on as the board says, sections copied and cleared as
 * the linker script's tables say, constructors, then exit(emu_entry()). `emu_entry` is a name that
 * the link gives to main, or to the function of --entry.
 *
 * Nothing here calls memcpy or touches an FPU register before the FPU is on, and all of it lies in
 * .emu_boot, which stays in flash when code is placed elsewhere.
 *
 * Sources: system control registers, reset values and fault bits: Armv7-M Architecture Reference
 * Manual (ARM DDI 0403E) B3.2; cache maintenance: B2.2.7 and B3.2 of the same.
 */
#include <stdint.h>
#include <stdlib.h>

#define BOOT __attribute__((section(".emu_boot"), used))
#define REGISTER(address) (*(volatile uint32_t *)(address))

#define SCB_VTOR REGISTER(0xE000ED08u)
#define SCB_CCR REGISTER(0xE000ED14u)
#define SCB_SHCSR REGISTER(0xE000ED24u)
#define SCB_CSSELR REGISTER(0xE000ED84u)
#define SCB_ICIALLU REGISTER(0xE000EF50u)
#define SCB_DCISW REGISTER(0xE000EF60u)

#define CCR_DIV_0_TRP (1u << 4)
#define CCR_STKALIGN (1u << 9)
#define CCR_DC (1u << 16)
#define CCR_IC (1u << 17)
#define SHCSR_FAULTS_ENABLED (7u << 16) /* memory management, bus and usage faults */

typedef void (*handler)(void);

struct copy_row {
    const uint32_t *from;
    uint32_t *to;
    uint32_t size_bytes;
};

struct zero_row {
    uint32_t *to;
    uint32_t size_bytes;
};

/* Made by the linker script. */
extern uint32_t __stack_top[];
extern const struct copy_row __copy_table_start[], __copy_table_end[];
extern const struct zero_row __zero_table_start[], __zero_table_end[];
extern const handler __init_array_start[], __init_array_end[];
/* Made by the link's command line. `emu_entry_kind` is 1 when the entry is main, whose result is
 * the exit status; another function's is not looked at, as it may return nothing. */
extern int emu_entry(int argc, char **argv);
extern char emu_entry_kind[];

/* Always inline: a call would land in .text, which may not have been copied yet. */
__attribute__((always_inline)) static inline void barrier(void)
{
    __asm__ volatile("dsb\n\tisb" ::: "memory");
}

#if EMU_DCACHE_ENABLED
/* Set/way operand of DCISW: way in the top bits, set above the bits of a line. */
BOOT static void invalidate_dcache(void)
{
    const uint32_t way_shift = (uint32_t)__builtin_clz(EMU_DCACHE_WAYS - 1);
    const uint32_t set_shift = (uint32_t)__builtin_ctz(EMU_DCACHE_LINE_BYTES);

    SCB_CSSELR = 0; /* level 1, data */
    barrier();
    for (uint32_t set = 0; set < EMU_DCACHE_SETS; ++set)
        for (uint32_t way = 0; way < EMU_DCACHE_WAYS; ++way)
            SCB_DCISW = (way << way_shift) | (set << set_shift);
    barrier();
}
#endif

BOOT static void enable_icache(void)
{
#if EMU_ICACHE_ENABLED
    barrier();
    SCB_ICIALLU = 0;
    barrier();
    SCB_CCR |= CCR_IC;
    barrier();
#endif
}

BOOT static void fill_memory(void)
{
    for (const struct copy_row *row = __copy_table_start; row != __copy_table_end; ++row)
        for (uint32_t word = 0; word < row->size_bytes / 4; ++word)
            row->to[word] = row->from[word];
    for (const struct zero_row *row = __zero_table_start; row != __zero_table_end; ++row)
        for (uint32_t word = 0; word < row->size_bytes / 4; ++word)
            row->to[word] = 0;
    barrier();
}

extern const handler __vectors[];

BOOT void emu_boot(void)
{
    SCB_VTOR = (uint32_t)__vectors;
    SCB_CCR |= CCR_DIV_0_TRP | CCR_STKALIGN;
    SCB_SHCSR |= SHCSR_FAULTS_ENABLED;

    /* The data cache comes on after the copies: code copied to RAM would otherwise sit in dirty
     * lines that instruction fetches do not see. */
    enable_icache();
    fill_memory();
#if EMU_DCACHE_ENABLED
    invalidate_dcache();
    SCB_CCR |= CCR_DC;
    barrier();
#endif

    for (const handler *constructor = __init_array_start; constructor != __init_array_end;
         ++constructor)
        (*constructor)();

    static char *no_arguments[] = {0};
    int status = emu_entry(0, no_arguments);
    exit((uintptr_t)emu_entry_kind == 1 ? status : 0);
}

BOOT __attribute__((naked, noreturn)) void Reset_Handler(void)
{
    __asm__ volatile(
        "ldr r0, =__stack_top\n\t"
        "mov sp, r0\n\t"
#if EMU_HAS_FPU
        "ldr r0, =0xE000ED88\n\t" /* CPACR: full access to CP10 and CP11 */
        "ldr r1, [r0]\n\t"
        "orr r1, r1, #(0xF << 20)\n\t"
        "str r1, [r0]\n\t"
        "dsb\n\t"
        "isb\n\t"
#endif
        "b emu_boot\n\t"
        ".ltorg\n\t");
}

/* Each handler is a place of its own, so a debugger or an emulator shows which exception came. The
 * breakpoint's number is the exception's. */
#define TRAP(name, number)                                        \
    BOOT __attribute__((naked, noreturn)) void name(void)         \
    {                                                             \
        __asm__ volatile("bkpt #" #number "\n1:\n\tb 1b\n\t");    \
    }

TRAP(NMI_Handler, 2)
TRAP(HardFault_Handler, 3)
TRAP(MemManage_Handler, 4)
TRAP(BusFault_Handler, 5)
TRAP(UsageFault_Handler, 6)
TRAP(SVC_Handler, 11)
TRAP(DebugMon_Handler, 12)
TRAP(PendSV_Handler, 14)
TRAP(SysTick_Handler, 15)
TRAP(Default_Handler, 16)

/* Of every external interrupt that the board names: its CMSIS name stands for Default_Handler until
 * the program defines a function of that name. */
#define DECLARE(line, name) void name(void) __attribute__((weak, alias("Default_Handler")));
#define NOTHING(line)
#define VECTOR(line, name) [16 + line] = name,
#define DEFAULT_VECTOR(line) [16 + line] = Default_Handler,

EMU_INTERRUPTS(DECLARE, NOTHING)

__attribute__((section(".emu_vectors"), used)) const handler __vectors[] = {
    (handler)__stack_top,
    Reset_Handler,
    NMI_Handler,
    HardFault_Handler,
    MemManage_Handler,
    BusFault_Handler,
    UsageFault_Handler,
    0,
    0,
    0,
    0,
    SVC_Handler,
    DebugMon_Handler,
    0,
    PendSV_Handler,
    SysTick_Handler,
    EMU_INTERRUPTS(VECTOR, DEFAULT_VECTOR)
};
