/* The device's side of the EEMBC runner protocol, as MLPerf Tiny uses it.
 *
 * Commands end in '%', answers are lines that begin with m- (or e- for errors), and m-ready follows
 * every command:
 *
 *   name%           m-name-dut-[...]
 *   profile%        m-profile-[...] and m-model-[...]
 *   timestamp%      m-lap-us-N, microseconds
 *   db load N%      m-[Expecting N bytes]
 *   db 0102ff%      the next bytes of the input, in hexadecimal; m-load-done after the last
 *   infer N W%      W inferences to warm up, then N between two lines of m-lap-us
 *   results%        m-results-[...]
 *
 * Source of the facts: mlcommons/tiny, benchmark/api. */
#ifndef SERIAL_RUNNER_RUNNER_H
#define SERIAL_RUNNER_RUNNER_H

/* Carry out one command, without its '%'. The text is changed. */
void runner_command(char *command);

/* Say that the device is there. */
void runner_start(void);

#endif
