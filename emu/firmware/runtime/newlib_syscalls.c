/* What newlib asks of a system: console output, a heap, an end. Only linked with GCC. */
#include "semihosting.h"

#include <errno.h>
#include <malloc.h>
#include <sys/stat.h>

#undef errno
extern int errno;

extern char __heap_start[], __heap_limit[];

int _write(int file, const char *text, int size_bytes)
{
    emu_console_write(file == 2 ? 2 : 1, text, (size_t)size_bytes);
    return size_bytes;
}

void *_sbrk(ptrdiff_t increment_bytes)
{
    static char *end = __heap_start;
    char *previous = end;

    if (increment_bytes > __heap_limit - end || increment_bytes < __heap_start - end) {
        errno = ENOMEM;
        return (void *)-1;
    }
    end += increment_bytes;
    return previous;
}

/* newlib's aligned_alloc calls this and does not have it. */
int posix_memalign(void **payload, size_t alignment, size_t size_bytes)
{
    *payload = memalign(alignment, size_bytes);
    return *payload ? 0 : ENOMEM;
}

int _read(int file, char *text, int size_bytes)
{
    (void)file, (void)text, (void)size_bytes;
    return 0; /* end of file */
}

int _close(int file)
{
    (void)file;
    return -1;
}

int _fstat(int file, struct stat *status)
{
    (void)file;
    status->st_mode = S_IFCHR; /* a terminal: newlib flushes at each line */
    return 0;
}

int _isatty(int file)
{
    (void)file;
    return 1;
}

int _lseek(int file, int offset, int whence)
{
    (void)file, (void)offset, (void)whence;
    return 0;
}

int _kill(int process, int signal)
{
    (void)process;
    _exit(128 + signal); /* as a shell reports a signal; abort() comes here with SIGABRT, 6 */
}

int _getpid(void)
{
    return 1;
}

/* Constructors and destructors of crti.o, which is not linked: start-up code runs .init_array. */
void _init(void)
{
}

void _fini(void)
{
}
