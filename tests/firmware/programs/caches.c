/* The caches as CMSIS turns them on and maintains them: identification, set and way, by address.
 *
 * Data is read from cacheable memory; cycles tell whether it came from the cache. Sections are of
 * the Armv7-M Architecture Reference Manual (DDI 0403E).
 */
#include "check.h"
#include "part.h"

#define LINE_BYTES 32u

static uint32_t data_sets, data_ways;

/* A CCSIDR as it is: line size, then ways less one, then sets less one (B4.8.5). */
static void geometry(void)
{
    SCB_CSSELR = 0;
    BARRIER();
    uint32_t data = SCB_CCSIDR;
    SCB_CSSELR = 1;
    BARRIER();
    uint32_t code = SCB_CCSIDR;
    SCB_CSSELR = 0;
    BARRIER();
    check("B4.8", "CLIDR: separate caches of one level", SCB_CLIDR & 0x3Fu, 3);
#ifdef STM32F746
    check("TRM-M7", "4 KB of D-cache, four ways", data, 0xF003E019u);
    check("TRM-M7", "4 KB of I-cache, two ways", code, 0xF007E009u);
#else
    check("TRM-M7", "16 KB of D-cache, four ways", data, 0xF00FE019u);
    check("TRM-M7", "16 KB of I-cache, two ways", code, 0xF01FE009u);
#endif
    data_sets = (data >> 13 & 0x7FFFu) + 1;
    data_ways = (data >> 3 & 0x3FFu) + 1;
    check("B4.8", "lines of 32 bytes", 16u << (data & 7u), LINE_BYTES);
}

static void by_set_and_way(volatile uint32_t *operation)
{
    const unsigned way_shift = (unsigned)__builtin_clz(data_ways - 1);

    BARRIER();
    for (uint32_t set = 0; set < data_sets; ++set)
        for (uint32_t way = 0; way < data_ways; ++way)
            *operation = set << 5 | way << way_shift;
    BARRIER();
}

static void by_address(volatile uint32_t *operation, const void *start, uint32_t size_bytes)
{
    uint32_t address = (uint32_t)start & ~(LINE_BYTES - 1);
    const uint32_t end = (uint32_t)start + size_bytes;

    BARRIER();
    for (; address < end; address += LINE_BYTES)
        *operation = address;
    BARRIER();
}

static void data_cache_off(void)
{
    SCB_CSSELR = 0;
    BARRIER();
    SCB_CCR &= ~CCR_DC;
    BARRIER();
    by_set_and_way(&DCCISW);
}

static void data_cache_on(void)
{
    by_set_and_way(&DCISW);
    SCB_CCR |= CCR_DC;
    BARRIER();
}

/* A quarter of the smaller cache, so that replacement does not matter. */
#define LINES 32

static uint32_t block[LINES * LINE_BYTES / 4] __attribute__((aligned(1024)));

/* Read a word of each line; cycles. */
__attribute__((noinline)) static uint32_t read_block(void)
{
    uint32_t sum = 0;
    uint32_t before = DWT_CYCCNT;

    for (unsigned word = 0; word < sizeof block / 4; word += LINE_BYTES / 4)
        sum += ((volatile uint32_t *)block)[word];
    uint32_t took = DWT_CYCCNT - before;
    __asm__ volatile("" ::"r"(sum));
    return took;
}

__attribute__((noinline)) static void write_block(void)
{
    for (unsigned word = 0; word < sizeof block / 4; word += LINE_BYTES / 4)
        ((volatile uint32_t *)block)[word] = word;
}

static uint32_t warm_cycles;

/* What a read takes now and right afterwards. */
static void expect_misses(const char *section, const char *what)
{
    uint32_t first = read_block(), second = read_block();

    /* Three cycles a line at the least. */
    check(section, what, first > warm_cycles + LINES * 3, 1);
    check_between(section, "and hit again", second, warm_cycles - 8, warm_cycles + 8);
}

static void expect_hits(const char *section, const char *what)
{
    uint32_t took = read_block();

    check_between(section, what, took, warm_cycles - 8, warm_cycles + 8);
}

static void data_cache(void)
{
    read_block();
    read_block();
    warm_cycles = read_block();

    by_address(&DCCIMVAC, block, sizeof block);
    expect_misses("B2.2.7", "clean and invalidate by address: reads miss");
    by_address(&DCIMVAC, block, sizeof block);
    expect_misses("B2.2.7", "invalidate by address: reads miss");
    read_block();
    by_address(&DCCMVAC, block, sizeof block);
    expect_hits("B2.2.7", "clean by address: reads hit");
    by_set_and_way(&DCCISW);
    expect_misses("B2.2.7", "clean and invalidate by set and way: reads miss");
    read_block();
    by_set_and_way(&DCCSW);
    expect_hits("B2.2.7", "clean by set and way: reads hit");

    write_block();
    by_address(&DCCIMVAC, block, sizeof block);
    uint32_t wrong = 0;
    for (unsigned word = 0; word < sizeof block / 4; word += LINE_BYTES / 4)
        wrong += block[word] != word;
    check("B2.2.7", "what was written and cleaned is there", wrong, 0);

    data_cache_off();
    check("B3.2 CCR", "CCR.DC reads as zero", SCB_CCR & CCR_DC, 0);
    read_block();
    uint32_t uncached = read_block();
    check("B3.2 CCR", "D-cache off: every read takes the bus", uncached > warm_cycles + LINES * 3,
          1);
    data_cache_on();
    check("B3.2 CCR", "CCR.DC reads as one", SCB_CCR & CCR_DC, CCR_DC);
    read_block();
    expect_hits("B3.2 CCR", "D-cache on: reads hit");
}

__attribute__((noinline, aligned(32))) static uint32_t long_code(uint32_t value)
{
    uint32_t before = DWT_CYCCNT;

    __asm__ volatile(
        ".rept 256\n\t"
        "add.w %0, %0, #1\n\t"
        ".endr\n\t"
        : "+r"(value));
    return DWT_CYCCNT - before;
}

static void code_cache(void)
{
    long_code(0);
    long_code(0);
    const uint32_t warm = long_code(0);

    BARRIER();
    ICIALLU = 0;
    BARRIER();
    uint32_t first = long_code(0), second = long_code(0);
    check("B2.2.7", "invalidate all code: 32 lines are fetched again", first > warm + 32 * 3, 1);
    check_between("B2.2.7", "code hits again", second, warm - 8, warm + 8);
    BARRIER();
    SCB_CCR &= ~CCR_IC;
    ICIALLU = 0;
    BARRIER();
    long_code(0);
    first = long_code(0);
    ICIALLU = 0;
    BARRIER();
    SCB_CCR |= CCR_IC;
    BARRIER();
    long_code(0);
    second = long_code(0);
    check("B3.2 CCR", "I-cache off: code comes from flash", first > warm + 32 * 3, 1);
    check_between("B3.2 CCR", "I-cache on: code hits", second, warm - 8, warm + 8);
}

int main(void)
{
    cycle_counter_start();
    geometry();
    data_cache();
    code_cache();
    return checks_done();
}
