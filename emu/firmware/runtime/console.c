/* stdout and stderr on the console, in the form that musl's stdio sources expect of a stream.
 *
 * stdout is buffered and written at a newline, when the buffer is full, at fflush and at exit;
 * stderr is not buffered. There are no files and there is no input.
 */
#include "semihosting.h"

#include <stdio.h>
#include <string.h>

#define BUFFER_BYTES 256
#define UNGET_BYTES 8 /* musl's sources keep this much room before a buffer */

/* The members that musl's stdio sources use, at the places where its stdio_impl.h has them. */
struct _IO_FILE {
    unsigned flags;
    unsigned char *rpos, *rend;
    int (*close)(FILE *);
    unsigned char *wend, *wpos;
    unsigned char *mustbezero_1;
    unsigned char *wbase;
    size_t (*read)(FILE *, unsigned char *, size_t);
    size_t (*write)(FILE *, const unsigned char *, size_t);
    off_t (*seek)(FILE *, off_t, int);
    unsigned char *buf;
    size_t buf_size;
    FILE *prev, *next;
    int fd;
    int pipe_pid;
    long lockcount;
    int mode;
    volatile int lock;
    int lbf;
    void *cookie;
    off_t off;
    char *getln_buf;
    void *mustbezero_2;
    unsigned char *shend;
    off_t shlim, shcnt;
    FILE *prev_locked, *next_locked;
    void *locale;
};

#define FLAG_NO_READING 4

static size_t write_to_console(FILE *stream, const unsigned char *text, size_t size_bytes)
{
    if (stream->wpos != stream->wbase)
        emu_console_write(stream->fd, (const char *)stream->wbase,
                          (size_t)(stream->wpos - stream->wbase));
    if (size_bytes)
        emu_console_write(stream->fd, (const char *)text, size_bytes);
    stream->wend = stream->buf + stream->buf_size;
    stream->wpos = stream->wbase = stream->buf;
    return size_bytes;
}

static unsigned char stdout_buffer[UNGET_BYTES + BUFFER_BYTES];
static unsigned char stderr_buffer[UNGET_BYTES];

/* The names that musl's own sources use. */
FILE __stdout_FILE = {
    .flags = FLAG_NO_READING,
    .write = write_to_console,
    .buf = stdout_buffer + UNGET_BYTES,
    .buf_size = BUFFER_BYTES,
    .fd = 1,
    .lock = -1, /* one thread */
    .lbf = '\n',
};
FILE __stderr_FILE = {
    .flags = FLAG_NO_READING,
    .write = write_to_console,
    .buf = stderr_buffer + UNGET_BYTES,
    .buf_size = 0,
    .fd = 2,
    .lock = -1,
    .lbf = -1,
};
FILE *const stdout = &__stdout_FILE;
FILE *const stderr = &__stderr_FILE;

void emu_console_flush(void)
{
    if (__stdout_FILE.wpos != __stdout_FILE.wbase)
        __stdout_FILE.write(&__stdout_FILE, NULL, 0);
}

int fflush(FILE *stream)
{
    if (!stream)
        stream = stdout;
    if (stream->wpos != stream->wbase)
        stream->write(stream, NULL, 0);
    return 0;
}

int fputc(int character, FILE *stream)
{
    const unsigned char byte = (unsigned char)character;

    return fwrite(&byte, 1, 1, stream) == 1 ? byte : EOF;
}

int putc(int character, FILE *stream)
{
    return fputc(character, stream);
}

int putchar(int character)
{
    return fputc(character, stdout);
}

int fputs(const char *text, FILE *stream)
{
    size_t size_bytes = strlen(text);

    return fwrite(text, 1, size_bytes, stream) == size_bytes ? 0 : EOF;
}

int puts(const char *text)
{
    return fputs(text, stdout) < 0 || putchar('\n') < 0 ? EOF : 0;
}

void perror(const char *text)
{
    if (text && *text) {
        fputs(text, stderr);
        fputs(": ", stderr);
    }
    fputs("error\n", stderr);
}

int ferror(FILE *stream)
{
    return (stream->flags & 32) != 0;
}

/* Buffering is fixed; a program that asks for less gets what it wants at its next newline. */
int setvbuf(FILE *stream, char *buffer, int mode, size_t size_bytes)
{
    (void)stream, (void)buffer, (void)mode, (void)size_bytes;
    return 0;
}

void setbuf(FILE *stream, char *buffer)
{
    (void)stream, (void)buffer;
}

/* musl's stdio sources name these; with `lock` -1 and no files they have nothing to do. */
int __lockfile(FILE *stream)
{
    (void)stream;
    return 0;
}

void __unlockfile(FILE *stream)
{
    (void)stream;
}

void __stdio_exit(void)
{
}

void __stdio_exit_needed(void)
{
}
