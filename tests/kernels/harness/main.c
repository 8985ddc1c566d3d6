/* Run every generated case on a buffer full of guard bytes and print the whole buffer.
 *
 * One line a case: GUARD_BYTES before the output, the output, GUARD_BYTES after it, in hex. The test
 * compares the output with its reference and sees from the guards that nothing beside was written. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "kernel_cases.h"

#define GUARD_BYTES 32
#define GUARD_VALUE 0xA5
#define OUTPUT_BYTES_MAX 4096

static _Alignas(8) uint8_t buffer[GUARD_BYTES + OUTPUT_BYTES_MAX + GUARD_BYTES + 4];
static char line[2 * sizeof buffer + 1];

int main(void) {
    for (int32_t k = 0; k < kernel_cases_count; k++) {
        const kernel_case *const the_case = &kernel_cases[k];
        if (the_case->output_bytes > OUTPUT_BYTES_MAX) return 1;

        memset(buffer, GUARD_VALUE, sizeof buffer);
        uint8_t *const shown = buffer + the_case->misalignment;
        the_case->run((int8_t *)shown + GUARD_BYTES);

        const int32_t shown_bytes = GUARD_BYTES + the_case->output_bytes + GUARD_BYTES;
        for (int32_t i = 0; i < shown_bytes; i++) {
            line[2 * i] = "0123456789abcdef"[shown[i] >> 4];
            line[2 * i + 1] = "0123456789abcdef"[shown[i] & 15];
        }
        line[2 * shown_bytes] = '\0';
        puts(line);
    }
    return 0;
}
