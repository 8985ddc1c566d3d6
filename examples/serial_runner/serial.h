/* The serial line, by interrupt in both directions: received into a ring, sent a line at a time. */
#ifndef SERIAL_RUNNER_SERIAL_H
#define SERIAL_RUNNER_SERIAL_H

#define SERIAL_BAUD 115200u

void serial_start(void);

/* Sleep until a byte was received, and take it. */
char serial_read(void);

/* Print, and sleep until the last bit has left the chip: what is measured after a line of output
 * begins when that line has ended for whoever reads it. At most 159 characters. */
void serial_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
