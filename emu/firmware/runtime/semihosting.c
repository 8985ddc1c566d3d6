/* Semihosting calls: BKPT 0xAB with the operation in r0 and its argument in r1.
 *
 * Source: Arm, Semihosting for AArch32 and AArch64, 2.2 (2024Q3): operation numbers, parameter
 * blocks, and the special file name ":tt", which opens the console for reading (mode 0), output
 * (mode 4) or error (mode 8).
 */
#include "semihosting.h"

#include <stdint.h>

enum {
    SYS_OPEN = 0x01,
    SYS_WRITE = 0x05,
    SYS_EXIT = 0x18,
    SYS_EXIT_EXTENDED = 0x20,
};

#define APPLICATION_EXIT 0x20026u

static intptr_t semihost(uintptr_t operation, const void *argument)
{
    register uintptr_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;

    __asm__ volatile("bkpt #0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return (intptr_t)r0;
}

void emu_console_write(int stream, const char *text, size_t size_bytes)
{
    static intptr_t handles[2] = {-1, -1};
    const int index = stream == 2;

    if (handles[index] < 0) {
        static const char console[] = ":tt";
        const uintptr_t block[3] = {(uintptr_t)console, index ? 8 : 4, sizeof console - 1};
        handles[index] = semihost(SYS_OPEN, block);
    }
    const uintptr_t block[3] = {(uintptr_t)handles[index], (uintptr_t)text, size_bytes};
    semihost(SYS_WRITE, block);
}

_Noreturn void _exit(int status)
{
    const uintptr_t block[2] = {APPLICATION_EXIT, (uintptr_t)status};

    semihost(SYS_EXIT_EXTENDED, block);
    /* A debugger without the extended call: it learns that the program ended, not how. */
    semihost(SYS_EXIT, (const void *)APPLICATION_EXIT);
    for (;;)
        __asm__ volatile("wfi");
}
