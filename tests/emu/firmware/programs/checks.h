/* What the library checks share. A failed check prints its line; a good program prints nothing. */
#define _GNU_SOURCE
#include <assert.h>
#include <complex.h>
#include <ctype.h>
#include <errno.h>
#include <fenv.h>
#include <float.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <arm_acle.h>
#define CHECK(...) do { if (!(__VA_ARGS__)) printf("line %d: %s\n", __LINE__, #__VA_ARGS__); } while (0)
/* Keeps the compiler from working an answer out. */
volatile int zero = 0;
