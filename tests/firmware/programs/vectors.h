/* A vector table in RAM, which VTOR points to; rows are put in one at a time. */
#ifndef VECTORS_H
#define VECTORS_H

#include "core.h"

typedef void (*handler)(void);

enum {
    NMI = 2,
    HARD_FAULT = 3,
    MEM_MANAGE = 4,
    BUS_FAULT = 5,
    USAGE_FAULT = 6,
    SV_CALL = 11,
    PEND_SV = 14,
    SYS_TICK = 15,
    IRQ_0 = 16,
};

#define VECTORS (16 + 150) /* STM32H743 has the most interrupts: 150 */

/* Aligned to the next power of two of its size (B3.2 VTOR). */
static handler ram_vectors[VECTORS] __attribute__((aligned(1024)));

/* Copy the table of the runtime and use it from now on. */
static inline void vectors_to_ram(void)
{
    const handler *old = (const handler *)SCB_VTOR;

    for (unsigned row = 0; row < VECTORS; ++row)
        ram_vectors[row] = old[row];
    BARRIER();
    SCB_VTOR = (uint32_t)ram_vectors;
    BARRIER();
}

/* `exception` is an exception number; interrupt n is IRQ_0 + n. */
static inline void install(unsigned exception, handler function)
{
    ((volatile handler *)ram_vectors)[exception] = function;
    BARRIER();
}

#endif
