/* memcpy, memmove, memset, memcmp, memchr and the run-time ABI's names for them.
 *
 * Copies go by words through the four-word loops that LDM and STM are made for once the destination
 * is aligned; this core reads unaligned words in hardware, so the source need not be. Source of the
 * __aeabi names and argument orders: Run-time ABI for the Arm Architecture (AAELF), 4.3.4.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A word at any address, and through any type. */
typedef struct {
    uint32_t value;
} __attribute__((packed, may_alias)) loose_word;
typedef uint32_t __attribute__((may_alias)) word;

#define SMALL_BYTES 16

static void copy_up(unsigned char *to, const unsigned char *from, size_t size_bytes)
{
    if (size_bytes >= SMALL_BYTES) {
        for (; (uintptr_t)to & 3; --size_bytes)
            *to++ = *from++;
        if ((uintptr_t)from & 3) {
            for (; size_bytes >= 16; size_bytes -= 16, to += 16, from += 16) {
                const loose_word *source = (const loose_word *)from;
                word a = source[0].value, b = source[1].value;
                word c = source[2].value, d = source[3].value;
                word *target = (word *)to;
                target[0] = a, target[1] = b, target[2] = c, target[3] = d;
            }
        } else {
            for (; size_bytes >= 32; size_bytes -= 32, to += 32, from += 32) {
                const word *source = (const word *)from;
                word *target = (word *)to;
                word a = source[0], b = source[1], c = source[2], d = source[3];
                target[0] = a, target[1] = b, target[2] = c, target[3] = d;
                a = source[4], b = source[5], c = source[6], d = source[7];
                target[4] = a, target[5] = b, target[6] = c, target[7] = d;
            }
        }
        for (; size_bytes >= 4; size_bytes -= 4, to += 4, from += 4)
            *(word *)to = ((const loose_word *)from)->value;
    }
    while (size_bytes--)
        *to++ = *from++;
}

static void copy_down(unsigned char *to, const unsigned char *from, size_t size_bytes)
{
    to += size_bytes;
    from += size_bytes;
    if (size_bytes >= SMALL_BYTES) {
        for (; (uintptr_t)to & 3; --size_bytes)
            *--to = *--from;
        for (; size_bytes >= 4; size_bytes -= 4) {
            to -= 4;
            from -= 4;
            *(word *)to = ((const loose_word *)from)->value;
        }
    }
    while (size_bytes--)
        *--to = *--from;
}

static void fill(unsigned char *to, unsigned char value, size_t size_bytes)
{
    if (size_bytes >= SMALL_BYTES) {
        const word four = value * 0x01010101u;

        for (; (uintptr_t)to & 3; --size_bytes)
            *to++ = value;
        for (; size_bytes >= 16; size_bytes -= 16, to += 16) {
            word *target = (word *)to;
            target[0] = four, target[1] = four, target[2] = four, target[3] = four;
        }
        for (; size_bytes >= 4; size_bytes -= 4, to += 4)
            *(word *)to = four;
    }
    while (size_bytes--)
        *to++ = value;
}

static void move(void *to, const void *from, size_t size_bytes)
{
    /* One comparison tells an overlap that copying upwards would spoil. */
    if ((uintptr_t)to - (uintptr_t)from >= size_bytes)
        copy_up(to, from, size_bytes);
    else
        copy_down(to, from, size_bytes);
}

void *memcpy(void *restrict to, const void *restrict from, size_t size_bytes)
{
    copy_up(to, from, size_bytes);
    return to;
}

void *memmove(void *to, const void *from, size_t size_bytes)
{
    move(to, from, size_bytes);
    return to;
}

void *memset(void *to, int value, size_t size_bytes)
{
    fill(to, (unsigned char)value, size_bytes);
    return to;
}

void *mempcpy(void *restrict to, const void *restrict from, size_t size_bytes)
{
    copy_up(to, from, size_bytes);
    return (char *)to + size_bytes;
}

int memcmp(const void *left, const void *right, size_t size_bytes)
{
    const unsigned char *a = left, *b = right;

    for (; size_bytes >= 4; size_bytes -= 4, a += 4, b += 4)
        if (((const loose_word *)a)->value != ((const loose_word *)b)->value)
            break;
    for (; size_bytes; --size_bytes, ++a, ++b)
        if (*a != *b)
            return *a - *b;
    return 0;
}

int bcmp(const void *left, const void *right, size_t size_bytes)
{
    return memcmp(left, right, size_bytes);
}

void *memchr(const void *text, int value, size_t size_bytes)
{
    const unsigned char *at = text;

    for (; size_bytes; --size_bytes, ++at)
        if (*at == (unsigned char)value)
            return (void *)at;
    return NULL;
}

void *memrchr(const void *text, int value, size_t size_bytes)
{
    const unsigned char *at = (const unsigned char *)text + size_bytes;

    while (size_bytes--)
        if (*--at == (unsigned char)value)
            return (void *)at;
    return NULL;
}

void *memccpy(void *restrict to, const void *restrict from, int value, size_t size_bytes)
{
    unsigned char *target = to;
    const unsigned char *source = from;

    for (; size_bytes; --size_bytes)
        if ((*target++ = *source++) == (unsigned char)value)
            return target;
    return NULL;
}

#define COPY_NAMES(name, work)                                        \
    void name(void *to, const void *from, size_t size_bytes)          \
    {                                                                 \
        work(to, from, size_bytes);                                   \
    }
#define FILL_NAMES(suffix)                                                        \
    void __aeabi_memset##suffix(void *to, size_t size_bytes, int value)           \
    {                                                                             \
        fill(to, (unsigned char)value, size_bytes);                               \
    }                                                                             \
    void __aeabi_memclr##suffix(void *to, size_t size_bytes)                      \
    {                                                                             \
        fill(to, 0, size_bytes);                                                  \
    }

COPY_NAMES(__aeabi_memcpy, copy_up)
COPY_NAMES(__aeabi_memcpy4, copy_up)
COPY_NAMES(__aeabi_memcpy8, copy_up)
COPY_NAMES(__aeabi_memmove, move)
COPY_NAMES(__aeabi_memmove4, move)
COPY_NAMES(__aeabi_memmove8, move)
FILL_NAMES()
FILL_NAMES(4)
FILL_NAMES(8)
