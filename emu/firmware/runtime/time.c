/* time.h, as far as there is a clock: DWT's cycle counter, which clock() turns on. */
#include <stdint.h>
#include <time.h>

/* Armv7-M Architecture Reference Manual (ARM DDI 0403E) C1.6.5 (DEMCR), C1.8 (DWT). */
#define DEMCR (*(volatile uint32_t *)0xE000EDFCu)
#define DEMCR_TRCENA (1u << 24)
#define DWT_CTRL (*(volatile uint32_t *)0xE0001000u)
#define DWT_CTRL_CYCCNTENA 1u
#define DWT_CYCCNT (*(volatile uint32_t *)0xE0001004u)
#define DWT_LAR (*(volatile uint32_t *)0xE0001FB0u)
#define LAR_KEY 0xC5ACCE55u /* unlocks the DWT's registers on Cortex-M7 */

/* Processor time in CLOCKS_PER_SEC (a million a second), at the clock of the board that the
 * firmware was built for. The counter has 32 bits: differences are right over 2^32 cycles. */
clock_t clock(void)
{
    if (!(DWT_CTRL & DWT_CTRL_CYCCNTENA)) {
        DEMCR |= DEMCR_TRCENA;
        DWT_LAR = LAR_KEY;
        DWT_CYCCNT = 0;
        DWT_CTRL |= DWT_CTRL_CYCCNTENA;
    }
    return (clock_t)((uint64_t)DWT_CYCCNT * CLOCKS_PER_SEC / EMU_CLOCK_HZ);
}

/* There is no calendar. */
time_t time(time_t *seconds)
{
    if (seconds)
        *seconds = (time_t)-1;
    return (time_t)-1;
}
