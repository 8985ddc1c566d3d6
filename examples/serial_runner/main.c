/* Firmware that is driven over its serial line, as the EEMBC runner drives MLPerf Tiny's.
 *
 *   emu run examples/serial_runner --uart-in examples/serial_runner/runner.uart
 *
 * It sets its clocks, talks by interrupt, sleeps whenever it waits and never returns: the script ends
 * the run. */
#include <stddef.h>

#include "board.h"
#include "runner.h"
#include "serial.h"

#define COMMAND_BYTES 80
#define TERMINATOR '%'

int main(void) {
    char command[COMMAND_BYTES + 1];
    size_t length = 0;

    board_start_clocks();
    board_connect_usart();
    serial_start();
    runner_start();
    for (;;) {
        const char byte = serial_read();
        if (byte == TERMINATOR) {
            command[length] = '\0';
            length = 0;
            runner_command(command);
        } else if (length < COMMAND_BYTES) {
            command[length++] = byte;
        }
    }
}
