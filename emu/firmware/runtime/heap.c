/* malloc, free, calloc, realloc and their aligned kin over [__heap_start, __heap_limit).
 *
 * One list of blocks in address order, found first fit; each block is led by 8 bytes and its
 * payload is 8-byte aligned. Freed neighbours are joined at the next search that passes them, so
 * free takes constant time. No locks: one thread, and not for use in interrupt handlers.
 *
 * The public functions never call one another, so that whoever watches them from outside sees each
 * request once.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

extern char __heap_start[], __heap_limit[];

/* Size of the block with its header in bytes, a multiple of 8, and in bit 0 whether it is used. */
struct block {
    size_t size_and_used;
    size_t check; /* ~size_and_used: tells a wild or double free from a true one */
};

#define HEADER_BYTES sizeof(struct block)
#define ALIGN_BYTES 8u
#define MIN_SPLIT_BYTES (HEADER_BYTES + ALIGN_BYTES)

static int is_set_up;

static size_t size_of(const struct block *block)
{
    return block->size_and_used & ~(size_t)7;
}

static int is_used(const struct block *block)
{
    return (int)(block->size_and_used & 1);
}

static void mark(struct block *block, size_t size_bytes, int used)
{
    block->size_and_used = size_bytes | (size_t)used;
    block->check = ~block->size_and_used;
}

static struct block *next_of(struct block *block)
{
    return (struct block *)((char *)block + size_of(block));
}

static struct block *limit(void)
{
    return (struct block *)((uintptr_t)__heap_limit & ~(uintptr_t)7);
}

static struct block *first(void)
{
    struct block *block = (struct block *)(((uintptr_t)__heap_start + 7) & ~(uintptr_t)7);

    if (!is_set_up) {
        is_set_up = 1;
        if ((char *)limit() - (char *)block >= (ptrdiff_t)MIN_SPLIT_BYTES)
            mark(block, (size_t)((char *)limit() - (char *)block), 0);
    }
    return block;
}

/* Join the free blocks that follow a free block. */
static void join(struct block *block)
{
    for (struct block *next = next_of(block); next < limit() && !is_used(next);
         next = next_of(block))
        mark(block, size_of(block) + size_of(next), 0);
}

/* Take `size_bytes` from a block that is large enough; the rest becomes a free block. */
static void *occupy(struct block *block, size_t size_bytes)
{
    size_t whole = size_of(block);

    if (whole - size_bytes >= MIN_SPLIT_BYTES) {
        mark(block, size_bytes, 1);
        mark(next_of(block), whole - size_bytes, 0);
    } else {
        mark(block, whole, 1);
    }
    return (char *)block + HEADER_BYTES;
}

/* `alignment` is a power of two. */
static void *take(size_t payload_bytes, size_t alignment)
{
    if (payload_bytes > (size_t)PTRDIFF_MAX - HEADER_BYTES - ALIGN_BYTES) {
        errno = ENOMEM;
        return NULL;
    }
    size_t rounded = (payload_bytes + 7) & ~(size_t)7;
    size_t wanted = HEADER_BYTES + (rounded ? rounded : ALIGN_BYTES);

    for (struct block *block = first(); block < limit(); block = next_of(block)) {
        if (is_used(block))
            continue;
        join(block);
        /* Where the payload would start, and the free block that must be left before it. */
        uintptr_t payload = (uintptr_t)block + HEADER_BYTES;
        uintptr_t aligned = (payload + alignment - 1) & ~(uintptr_t)(alignment - 1);
        while (aligned != payload && aligned - payload < MIN_SPLIT_BYTES)
            aligned += alignment;
        size_t before = aligned - payload;
        if (before > size_of(block) || size_of(block) - before < wanted)
            continue;
        if (before) {
            size_t whole = size_of(block);
            mark(block, before, 0);
            block = next_of(block);
            mark(block, whole - before, 0);
        }
        return occupy(block, wanted);
    }
    errno = ENOMEM;
    return NULL;
}

static struct block *block_of(void *payload)
{
    struct block *block = (struct block *)((char *)payload - HEADER_BYTES);

    if (block->check != ~block->size_and_used || !is_used(block))
        abort(); /* freed twice, never allocated, or its header was overwritten */
    return block;
}

static void release(void *payload)
{
    struct block *block = block_of(payload);

    mark(block, size_of(block), 0);
}

static size_t payload_bytes_of(const struct block *block)
{
    return size_of(block) - HEADER_BYTES;
}

__attribute__((weak)) void *malloc(size_t size_bytes)
{
    return take(size_bytes, ALIGN_BYTES);
}

__attribute__((weak)) void free(void *payload)
{
    if (payload)
        release(payload);
}

__attribute__((weak)) void *calloc(size_t count, size_t size_bytes)
{
    size_t total;

    if (__builtin_mul_overflow(count, size_bytes, &total)) {
        errno = ENOMEM;
        return NULL;
    }
    void *payload = take(total, ALIGN_BYTES);
    return payload ? memset(payload, 0, total) : NULL;
}

__attribute__((weak)) void *realloc(void *payload, size_t size_bytes)
{
    if (!payload)
        return take(size_bytes, ALIGN_BYTES);
    struct block *block = block_of(payload);
    size_t had = payload_bytes_of(block);
    size_t rounded = (size_bytes + 7) & ~(size_t)7;
    size_t wanted = HEADER_BYTES + (rounded ? rounded : ALIGN_BYTES);

    if (size_bytes > (size_t)PTRDIFF_MAX - HEADER_BYTES - ALIGN_BYTES) {
        errno = ENOMEM;
        return NULL;
    }
    /* In place when it shrinks, or when free space follows. */
    struct block *next = next_of(block);
    if (wanted > size_of(block) && next < limit() && !is_used(next)) {
        join(next);
        if (size_of(block) + size_of(next) >= wanted)
            mark(block, size_of(block) + size_of(next), 1);
    }
    if (wanted <= size_of(block))
        return occupy(block, wanted);

    void *moved = take(size_bytes, ALIGN_BYTES);
    if (moved) {
        memcpy(moved, payload, had < size_bytes ? had : size_bytes);
        release(payload);
    }
    return moved;
}

__attribute__((weak)) void *aligned_alloc(size_t alignment, size_t size_bytes)
{
    if (alignment == 0 || (alignment & (alignment - 1))) {
        errno = EINVAL;
        return NULL;
    }
    return take(size_bytes, alignment < ALIGN_BYTES ? ALIGN_BYTES : alignment);
}

__attribute__((weak)) void *memalign(size_t alignment, size_t size_bytes)
{
    if (alignment == 0 || (alignment & (alignment - 1)))
        return NULL;
    return take(size_bytes, alignment < ALIGN_BYTES ? ALIGN_BYTES : alignment);
}

__attribute__((weak)) int posix_memalign(void **payload, size_t alignment, size_t size_bytes)
{
    if (alignment < sizeof(void *) || (alignment & (alignment - 1)))
        return EINVAL;
    *payload = take(size_bytes, alignment < ALIGN_BYTES ? ALIGN_BYTES : alignment);
    return *payload ? 0 : ENOMEM;
}
