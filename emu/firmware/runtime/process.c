/* How a program ends: exit, atexit, abort, assert. */
#include "semihosting.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_AT_EXIT 32 /* the number that C11 7.22.4.2 asks for */

static void (*at_exit[MAX_AT_EXIT])(void);
static int at_exit_count;

/* Defined when the program uses stdio. */
__attribute__((weak)) void emu_console_flush(void);

int atexit(void (*function)(void))
{
    if (at_exit_count == MAX_AT_EXIT)
        return -1;
    at_exit[at_exit_count++] = function;
    return 0;
}

_Noreturn void exit(int status)
{
    while (at_exit_count)
        at_exit[--at_exit_count]();
    if (emu_console_flush)
        emu_console_flush();
    _exit(status);
}

_Noreturn void _Exit(int status)
{
    _exit(status);
}

_Noreturn void abort(void)
{
    if (emu_console_flush)
        emu_console_flush();
    _exit(134); /* 128 + SIGABRT, as a shell reports it */
}

_Noreturn void __assert_fail(const char *expression, const char *file, int line,
                             const char *function)
{
    /* By hand, so that an assertion does not bring all of printf. */
    char digits[12];
    char *digit = digits + sizeof digits;
    const char *parts[8];

    *--digit = '\0';
    do
        *--digit = (char)('0' + line % 10);
    while ((line /= 10) != 0);
    parts[0] = file;
    parts[1] = ":";
    parts[2] = digit;
    parts[3] = ": ";
    parts[4] = function;
    parts[5] = ": assertion failed: ";
    parts[6] = expression;
    parts[7] = "\n";
    if (emu_console_flush)
        emu_console_flush();
    for (unsigned part = 0; part < sizeof parts / sizeof parts[0]; ++part)
        emu_console_write(2, parts[part], strlen(parts[part]));
    abort();
}
