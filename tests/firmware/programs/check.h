/* Checks that a program makes of the machine it runs on, each with the section that asks for it.
 *
 * A line a check on the console, and a summary; the exit status says whether all of them held. The
 * programs run on silicon too, under a debugger with semihosting.
 */
#ifndef CHECK_H
#define CHECK_H

#include <stdint.h>
#include <stdio.h>

static unsigned checks_count, failed_count;

/* `section` names the document: B1.5.6 is the Armv7-M Architecture Reference Manual (DDI 0403E);
 * RM is the part's reference manual. */
__attribute__((noinline, unused)) static void check(const char *section, const char *what,
                                                    uint32_t got, uint32_t want)
{
    ++checks_count;
    if (got == want) {
        printf("ok   [%s] %s\n", section, what);
        return;
    }
    ++failed_count;
    printf("FAIL [%s] %s: got 0x%08lx, want 0x%08lx\n", section, what, (unsigned long)got,
           (unsigned long)want);
}

/* `low` and `high` inclusive. */
__attribute__((noinline, unused)) static void check_between(const char *section, const char *what,
                                                            uint32_t got, uint32_t low,
                                                            uint32_t high)
{
    ++checks_count;
    if (low <= got && got <= high) {
        printf("ok   [%s] %s\n", section, what);
        return;
    }
    ++failed_count;
    printf("FAIL [%s] %s: got %lu, want %lu to %lu\n", section, what, (unsigned long)got,
           (unsigned long)low, (unsigned long)high);
}

/* The exit status of a program. */
__attribute__((unused)) static int checks_done(void)
{
    printf("%u checks, %u failed\n", checks_count, failed_count);
    return failed_count != 0;
}

#endif
