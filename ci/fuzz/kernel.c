/* A seed of the image fuzzer: what a model's layers do, in few cycles, so that broken code is
 * reached: integer and floating-point arithmetic, tables of branches, calls through pointers,
 * recursion, the heap and the console. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOINLINE __attribute__((noinline))

static int8_t weights[48] = {1, -2, 3, -4, 5, -6, 7, -8, 9};
static const int16_t steps[4] = {1, 3, 5, 7};
static volatile double scale = 1.5;

NOINLINE static int32_t dot(const int8_t *a, const int8_t *b, int32_t count)
{
    int32_t sum = 0;
    for (int32_t i = 0; i < count; i++)
        sum += a[i] * b[i];
    return sum;
}

NOINLINE static int branch(int which, int value)
{
    switch (which & 7) {
    case 0: return value + 1;
    case 1: return value / (which + 1);
    case 2: return value << 3;
    case 3: return -value;
    case 4: return value * value;
    case 5: return value ^ 0x55;
    case 6: return value % 7;
    default: return value;
    }
}

NOINLINE static int twice(int value) { return 2 * value; }
NOINLINE static int thrice(int value) { return 3 * value; }
static int (*volatile chosen[2])(int) = {twice, thrice};

NOINLINE static int depth(int n) { return n <= 0 ? 0 : 1 + depth(n - 1); }

int main(void)
{
    int32_t sum = dot(weights, weights, 48);
    for (int i = 0; i < 8; i++)
        sum += branch(i, chosen[i & 1](steps[i & 3]));
    float root = sqrtf((float)sum) * (float)scale;
    int8_t *copy = malloc(sizeof weights);
    if (copy == NULL)
        return 1;
    memcpy(copy, weights, sizeof weights);
    sum += copy[3] + depth(5) + (int)root + (int)(scale * 3.0);
    uint64_t wide = (uint64_t)(uint32_t)sum * 0x123456789ull / 7u;
    free(copy);
    puts(wide & 1 ? "odd" : "even");
    return 0;
}
