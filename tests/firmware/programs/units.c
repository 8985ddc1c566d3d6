/* Peripherals that HAL polls: random numbers, CRC, real-time clock, memory-to-memory DMA, EXTI by
 * software, and programming the flash.
 *
 * Sources: RM0385 and RM0433, the chapters that the checks name.
 */
#include "check.h"
#include "clocks.h"
#include "vectors.h"

#include <string.h>

/* Endless when it never holds: the run's bound ends it, and the report names the register. */
#define WAIT_FOR(condition) \
    while (!(condition))    \
        ;

static void enable_clocks(void)
{
#ifdef STM32F746
    RCC_AHB1ENR |= 1u << 12 | 1u << 22; /* CRC, DMA2 */
    RCC_AHB2ENR |= 1u << 6;             /* RNG */
    RCC_APB1ENR |= 1u << 28;            /* PWR */
    RCC_APB2ENR |= 1u << 14;            /* SYSCFG */
    (void)RCC_APB2ENR;
#else
    RCC_AHB4ENR |= 1u << 19; /* CRC */
    RCC_AHB1ENR |= 1u << 0;  /* DMA1 */
    RCC_AHB2ENR |= 1u << 6;  /* RNG */
    RCC_APB4ENR |= 1u << 1 | 1u << 16; /* SYSCFG, RTC */
    (void)RCC_APB4ENR;
    /* RNG's kernel clock is HSI48 after reset. */
    RCC_CR |= 1u << 12;
    WAIT_FOR(RCC_CR & 1u << 13)
#endif
}

static void random_numbers(void)
{
    uint32_t seen[8], repeats = 0;

    RNG_CR(RNG_UNIT) |= 1u << 2;
    for (int row = 0; row < 8; ++row) {
        WAIT_FOR(RNG_SR(RNG_UNIT) & 1)
        seen[row] = RNG_DR(RNG_UNIT);
        for (int other = 0; other < row; ++other)
            repeats += seen[other] == seen[row];
    }
    check("RM RNG", "eight numbers, none twice", repeats, 0);
    check("RM RNG", "no error of clock or seed", RNG_SR(RNG_UNIT) & 0x66u, 0);
}

static void checksums(void)
{
    CRC_CR(CRC_UNIT) = 1;
    CRC_DR(CRC_UNIT) = 0x00000000u;
    check("RM CRC", "CRC-32 of one zero word, not reversed", CRC_DR(CRC_UNIT), 0xC704DD7Bu);
    CRC_CR(CRC_UNIT) = 1;
    CRC_DR(CRC_UNIT) = 0x12345678u;
    check("RM CRC", "CRC-32 of 0x12345678", CRC_DR(CRC_UNIT), 0xDF8A8A2Bu);
    /* Bytes, reversed in and out: what zlib calls CRC-32, of "123456789". */
    CRC_INIT(CRC_UNIT) = 0xFFFFFFFFu;
    CRC_CR(CRC_UNIT) = 1u << 7 | 1u << 5 | 1u;
    for (const char *at = "123456789"; *at; ++at)
        REG8(CRC_UNIT) = (uint8_t)*at;
    check("RM CRC", "the reversed CRC-32 of \"123456789\"", ~CRC_DR(CRC_UNIT), 0xCBF43926u);
    CRC_CR(CRC_UNIT) = 1;
}

static void real_time_clock(void)
{
    PWR_CR1 |= 1u << 8; /* DBP */
    WAIT_FOR(PWR_CR1 & 1u << 8)
    RCC_CSR |= 1; /* LSI */
    WAIT_FOR(RCC_CSR & 2)
    RCC_BDCR |= 1u << 16; /* BDRST */
    RCC_BDCR &= ~(1u << 16);
    RCC_BDCR |= 2u << 8; /* RTC from LSI */
    RCC_BDCR |= 1u << 15;

    RTC_WPR(RTC_UNIT) = 0xCA;
    RTC_WPR(RTC_UNIT) = 0x53;
    RTC_ISR(RTC_UNIT) |= 1u << 7; /* INIT */
    WAIT_FOR(RTC_ISR(RTC_UNIT) & 1u << 6)
    RTC_PRER(RTC_UNIT) = 3;            /* LSI is slow: 32 counts make a second pass at once */
    RTC_PRER(RTC_UNIT) = 3u << 16 | 7; /* 4 times 8 */
    RTC_TR(RTC_UNIT) = 0x00235958u;
    RTC_DR(RTC_UNIT) = 0x00252114u;
    RTC_ISR(RTC_UNIT) &= ~(1u << 7);
    WAIT_FOR(RTC_ISR(RTC_UNIT) & 1u << 5)
    RTC_WPR(RTC_UNIT) = 0xFF;
    uint32_t second = RTC_TR(RTC_UNIT) & 0x7Fu;
    (void)RTC_DR(RTC_UNIT); /* unlocks the shadow registers */
    do
        (void)RTC_DR(RTC_UNIT);
    while ((RTC_TR(RTC_UNIT) & 0x7Fu) == second);
    check("RM RTC", "seconds go on", RTC_TR(RTC_UNIT) & 0x7Fu, second + 1);
}

static uint32_t source[64] __attribute__((aligned(32)));
static uint32_t target[64] __attribute__((aligned(32)));
static volatile unsigned copied;

static void copy_handler(void)
{
    if (DMA_LISR(DMA) & 1u << 5) {
        DMA_LIFCR(DMA) = 0x3Du;
        ++copied;
    }
}

static void memory_to_memory(void)
{
    for (unsigned word = 0; word < 64; ++word) {
        source[word] = word * 0x01010101u;
        target[word] = 0;
    }
    __asm__ volatile("dsb" ::: "memory");
    for (unsigned byte = 0; byte < sizeof source; byte += 32) {
        DCCIMVAC = (uint32_t)source + byte;
        DCCIMVAC = (uint32_t)target + byte;
    }
    BARRIER();
    install(IRQ_0 + COPY_STREAM_IRQ, copy_handler);
    irq_enable(COPY_STREAM_IRQ);
    DMA_CR(DMA, COPY_STREAM) =
        DMA_CR_MEMORY_TO_MEMORY | DMA_CR_PINC | DMA_CR_MINC | DMA_CR_WORDS | DMA_CR_TCIE;
    DMA_FCR(DMA, COPY_STREAM) = DMA_FCR_DMDIS | 3;
    DMA_NDTR(DMA, COPY_STREAM) = 64;
    DMA_PAR(DMA, COPY_STREAM) = (uint32_t)source;
    DMA_M0AR(DMA, COPY_STREAM) = (uint32_t)target;
    DMA_CR(DMA, COPY_STREAM) |= DMA_CR_EN;
    WAIT_FOR(copied)
    check("RM DMA", "the copy is whole", memcmp(source, target, sizeof source), 0);
    check("RM DMA", "the stream is off", DMA_CR(DMA, COPY_STREAM) & DMA_CR_EN, 0);
}

static volatile unsigned edges;

static void edge_handler(void)
{
    EXTI_PR = 1u << 0;
    ++edges;
    BARRIER();
}

static void edge_10_handler(void)
{
    if (EXTI_PR & 1u << 13) {
        EXTI_PR = 1u << 13;
        edges += 100;
    }
    BARRIER();
}

static void external_interrupts(void)
{
    install(IRQ_0 + 6, edge_handler);     /* EXTI0 */
    install(IRQ_0 + 40, edge_10_handler); /* EXTI15_10 */
    irq_enable(6);
    irq_enable(40);
    EXTI_IMR |= 1u << 0 | 1u << 13;
    EXTI_RTSR |= 1u << 0 | 1u << 13;
    BARRIER();
    EXTI_SWIER = 1u << 0;
    BARRIER();
    check("RM EXTI", "SWIER makes an interrupt", edges, 1);
    check("RM EXTI", "clearing PR clears SWIER", EXTI_SWIER & 1, 0);
    EXTI_SWIER = 1u << 13;
    BARRIER();
    check("RM EXTI", "line 13 comes on the line of 10 to 15", edges, 101);
    EXTI_IMR &= ~1u;
    BARRIER();
    EXTI_SWIER = 1u << 0;
    BARRIER();
    check("RM EXTI", "a masked line makes none", edges, 101);
}

/* The last sector, which no program here reaches: F746 sector 7, H743 sector 7 of bank 2. */
#ifdef STM32F746
#define SECTOR 0x080C0000u
#else
#define SECTOR 0x081E0000u
#endif

static void forget_lines(uint32_t start, uint32_t size_bytes)
{
    BARRIER();
    for (uint32_t at = start; at < start + size_bytes; at += 32)
        DCCIMVAC = at;
    BARRIER();
}

static void program_flash(void)
{
    volatile uint32_t *words = (volatile uint32_t *)SECTOR;
#ifdef STM32F746
    check("RM FLASH", "locked after reset", FLASH_CR >> 31, 1);
    FLASH_KEYR = 0x45670123u;
    FLASH_KEYR = 0xCDEF89ABu;
    check("RM FLASH", "the keys unlock it", FLASH_CR >> 31, 0);
    FLASH_CR = 2u << 8 | 7u << 3 | 1u << 1; /* 32 bits at a time, sector 7, erase */
    FLASH_CR |= 1u << 16;
    WAIT_FOR(!(FLASH_SR & 1u << 16))
    FLASH_CR &= ~(0xFu << 3 | 1u << 1);
    forget_lines(SECTOR, 64);
    check("RM FLASH", "an erased word is all ones", words[0], 0xFFFFFFFFu);
    FLASH_CR |= 1; /* PG */
    words[0] = 0xCAFEF00Du;
    words[1] = 0x01234567u;
    __asm__ volatile("dsb" ::: "memory");
    WAIT_FOR(!(FLASH_SR & 1u << 16))
    FLASH_CR &= ~1u;
    check("RM FLASH", "no error", FLASH_SR & 0xF2u, 0);
    FLASH_CR |= 1u << 31;
    check("RM FLASH", "locked again", FLASH_CR >> 31, 1);
    FLASH_KEYR = 0x11111111u;
#else
    check("RM FLASH", "locked after reset", FLASH_CR2 & 1, 1);
    FLASH_KEYR2 = 0x45670123u;
    FLASH_KEYR2 = 0xCDEF89ABu;
    check("RM FLASH", "the keys unlock it", FLASH_CR2 & 1, 0);
    FLASH_CR2 = 3u << 4 | 7u << 8 | 1u << 2; /* 64 bits at a time, sector 7, erase */
    FLASH_CR2 |= 1u << 7;
    WAIT_FOR(!(FLASH_SR2 & 5u))
    FLASH_CCR2 = 1u << 16;
    FLASH_CR2 &= ~(7u << 8 | 1u << 2);
    forget_lines(SECTOR, 64);
    check("RM FLASH", "an erased word is all ones", words[0], 0xFFFFFFFFu);
    FLASH_CR2 |= 1u << 1; /* PG */
    BARRIER();
    words[0] = 0xCAFEF00Du; /* eight words: one flash word of 256 bits */
    words[1] = 0x01234567u;
    for (unsigned word = 2; word < 8; ++word)
        words[word] = word;
    BARRIER();
    WAIT_FOR(!(FLASH_SR2 & 5u))
    FLASH_CCR2 = 1u << 16;
    FLASH_CR2 &= ~(1u << 1);
    check("RM FLASH", "no error", FLASH_SR2 & 0x07EE0000u, 0);
    FLASH_CR2 |= 1;
    check("RM FLASH", "locked again", FLASH_CR2 & 1, 1);
#endif
    forget_lines(SECTOR, 64);
    check("RM FLASH", "the first word is what was programmed", words[0], 0xCAFEF00Du);
    check("RM FLASH", "and the second", words[1], 0x01234567u);
}

int main(void)
{
    clocks_to_top();
    vectors_to_ram();
    enable_clocks();
    random_numbers();
    checksums();
    real_time_clock();
    memory_to_memory();
    external_interrupts();
    program_flash();
    return checks_done();
}
