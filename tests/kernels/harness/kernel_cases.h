/* What a generated cases.c gives to the harness. */
#ifndef KERNEL_CASES_H
#define KERNEL_CASES_H

#include <stdint.h>

/* run: calls the kernel under test once and lets it write output_bytes bytes at output.
 * misalignment: bytes that output lies off a word boundary, 0 .. 3. */
typedef struct {
    void (*run)(int8_t *output);
    int32_t output_bytes;
    int32_t misalignment;
} kernel_case;

extern const kernel_case kernel_cases[];
extern const int32_t kernel_cases_count;

#endif
