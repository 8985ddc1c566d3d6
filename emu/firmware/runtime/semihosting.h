/* Console and exit through a debugger's or an emulator's semihosting. */
#ifndef EMU_SEMIHOSTING_H
#define EMU_SEMIHOSTING_H

#include <stddef.h>

/* Write to the console. `stream` is 1 (output) or 2 (error). */
void emu_console_write(int stream, const char *text, size_t size_bytes);

/* End the program. */
_Noreturn void _exit(int status);

#endif
