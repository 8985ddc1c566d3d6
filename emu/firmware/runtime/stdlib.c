/* stdlib.h: integers from text, sorting, searching, pseudo-random numbers. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

/* Read an integer as C11 7.22.1.4 says. `limit` is the largest magnitude for the sign found; the
 * result is that magnitude, saturated. */
static uint64_t parse(const char *restrict text, char **restrict end, int base, uint64_t max_plus,
                      uint64_t max_minus, int *negative)
{
    const char *at = text;
    const char *digits;
    uint64_t value = 0;
    int overflow = 0;

    if (base < 0 || base == 1 || base > 36) {
        errno = EINVAL;
        if (end)
            *end = (char *)text;
        *negative = 0;
        return 0;
    }
    while (isspace((unsigned char)*at))
        ++at;
    *negative = *at == '-';
    if (*at == '-' || *at == '+')
        ++at;
    if ((base == 0 || base == 16) && at[0] == '0' && (at[1] | 32) == 'x' &&
        isxdigit((unsigned char)at[2])) {
        at += 2;
        base = 16;
    } else if (base == 0) {
        base = *at == '0' ? 8 : 10;
    }
    const uint64_t limit = *negative ? max_minus : max_plus;
    for (digits = at;; ++at) {
        int digit = *at;

        if (isdigit((unsigned char)digit))
            digit -= '0';
        else if (isalpha((unsigned char)digit))
            digit = (digit | 32) - 'a' + 10;
        else
            break;
        if (digit >= base)
            break;
        if (__builtin_mul_overflow(value, (uint64_t)base, &value) ||
            __builtin_add_overflow(value, (uint64_t)digit, &value) || value > limit)
            overflow = 1;
        if (overflow)
            value = limit;
    }
    if (end)
        *end = (char *)(at == digits ? text : at);
    if (overflow)
        errno = ERANGE;
    return value;
}

static int64_t parse_signed(const char *text, char **end, int base, int64_t max)
{
    int negative;
    uint64_t value = parse(text, end, base, (uint64_t)max, (uint64_t)max + 1, &negative);

    return (int64_t)(negative ? 0 - value : value);
}

static uint64_t parse_unsigned(const char *text, char **end, int base, uint64_t max)
{
    int negative;
    uint64_t value = parse(text, end, base, max, max, &negative);

    /* A minus sign negates in the type of the result, but an overflow stays the largest value. */
    return negative && value != max ? 0 - value : value;
}

long strtol(const char *restrict text, char **restrict end, int base)
{
    return (long)parse_signed(text, end, base, LONG_MAX);
}

long long strtoll(const char *restrict text, char **restrict end, int base)
{
    return parse_signed(text, end, base, LLONG_MAX);
}

unsigned long strtoul(const char *restrict text, char **restrict end, int base)
{
    return (unsigned long)parse_unsigned(text, end, base, ULONG_MAX);
}

unsigned long long strtoull(const char *restrict text, char **restrict end, int base)
{
    return parse_unsigned(text, end, base, ULLONG_MAX);
}

intmax_t strtoimax(const char *restrict text, char **restrict end, int base)
{
    return parse_signed(text, end, base, INTMAX_MAX);
}

uintmax_t strtoumax(const char *restrict text, char **restrict end, int base)
{
    return parse_unsigned(text, end, base, UINTMAX_MAX);
}

int atoi(const char *text) { return (int)strtol(text, NULL, 10); }
long atol(const char *text) { return strtol(text, NULL, 10); }
long long atoll(const char *text) { return strtoll(text, NULL, 10); }

int abs(int value) { return value < 0 ? -value : value; }
long labs(long value) { return value < 0 ? -value : value; }
long long llabs(long long value) { return value < 0 ? -value : value; }
intmax_t imaxabs(intmax_t value) { return value < 0 ? -value : value; }

div_t div(int a, int b) { return (div_t){a / b, a % b}; }
ldiv_t ldiv(long a, long b) { return (ldiv_t){a / b, a % b}; }
lldiv_t lldiv(long long a, long long b) { return (lldiv_t){a / b, a % b}; }
imaxdiv_t imaxdiv(intmax_t a, intmax_t b) { return (imaxdiv_t){a / b, a % b}; }

static void swap(char *a, char *b, size_t size_bytes)
{
    for (; size_bytes; --size_bytes, ++a, ++b) {
        char kept = *a;
        *a = *b;
        *b = kept;
    }
}

/* Heapsort: no recursion, no heap, n log n at worst, and the same order on every run. */
void qsort(void *base, size_t count, size_t size_bytes, int (*compare)(const void *, const void *))
{
    char *items = base;

    if (count < 2 || size_bytes == 0)
        return;
    for (size_t root = count / 2, end = count; end > 1;) {
        if (root > 0)
            --root;
        else
            swap(items, items + --end * size_bytes, size_bytes);
        for (size_t parent = root, child; (child = 2 * parent + 1) < end; parent = child) {
            char *larger = items + child * size_bytes;

            if (child + 1 < end && compare(larger, larger + size_bytes) < 0)
                ++child, larger += size_bytes;
            if (compare(items + parent * size_bytes, larger) >= 0)
                break;
            swap(items + parent * size_bytes, larger, size_bytes);
        }
    }
}

void *bsearch(const void *key, const void *base, size_t count, size_t size_bytes,
              int (*compare)(const void *, const void *))
{
    const char *items = base;

    while (count) {
        const char *middle = items + count / 2 * size_bytes;
        int order = compare(key, middle);

        if (order == 0)
            return (void *)middle;
        if (order > 0) {
            items = middle + size_bytes;
            count -= count / 2 + 1;
        } else {
            count /= 2;
        }
    }
    return NULL;
}

/* SplitMix64: Steele, Lea, Flood, Fast Splittable Pseudorandom Number Generators, OOPSLA 2014. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t mixed = *state += 0x9E3779B97F4A7C15u;

    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBu;
    return mixed ^ (mixed >> 31);
}

static uint64_t random_state = 1;

void srand(unsigned seed)
{
    random_state = seed;
}

int rand(void)
{
    return (int)(next_random(&random_state) >> 33); /* 31 bits: RAND_MAX is INT_MAX */
}

int rand_r(unsigned *seed)
{
    uint64_t state = *seed;
    uint64_t value = next_random(&state);

    *seed = (unsigned)state;
    return (int)(value >> 33);
}

void srandom(unsigned seed) { srand(seed); }
long random(void) { return rand(); }

char *getenv(const char *name)
{
    (void)name;
    return NULL;
}

/* Wide characters, for %lc and %ls: one byte each, as in the "C" locale. */
size_t mbrtowc(wchar_t *restrict to, const char *restrict text, size_t size_bytes,
               mbstate_t *restrict state)
{
    (void)state;
    if (!text || !size_bytes)
        return text ? (size_t)-2 : 0;
    if ((unsigned char)*text > 0x7F) {
        errno = EILSEQ;
        return (size_t)-1;
    }
    if (to)
        *to = (wchar_t)*text;
    return *text != 0;
}

int mbsinit(const mbstate_t *state)
{
    (void)state;
    return 1;
}

int wctomb(char *text, wchar_t character)
{
    if (!text)
        return 0;
    if ((unsigned)character > 0x7F) {
        errno = EILSEQ;
        return -1;
    }
    *text = (char)character;
    return 1;
}
