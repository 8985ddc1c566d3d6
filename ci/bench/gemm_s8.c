/* The inner product of an int8 convolution as fast kernels write it: 2 channels x 2 pixels a step,
 * weights int8 [N][K], activations int16 [2][K], SMLAD on pairs. Long unrolled blocks, many loads. */
#include <arm_acle.h>
#include <stdint.h>
#include <string.h>

enum { K = 64, N = 32, ROUNDS = 60000 };

int8_t weights[N * K];
int16_t activations[2 * K];
int8_t output[2 * N];

static uint32_t word(const void *from) {
    uint32_t value;
    memcpy(&value, from, sizeof value);
    return value;
}

__attribute__((noinline)) static void gemm(void) {
    const int16_t *first = activations, *second = activations + K;
    for (int n = 0; n < N; n += 2) {
        int32_t sum00 = 0, sum01 = 0, sum10 = 0, sum11 = 0;
        const int8_t *even = weights + n * K, *odd = even + K;
        for (int k = 0; k < K; k += 4) {
            uint32_t p = word(even + k), q = word(odd + k);
            int32_t p0 = __sxtb16(p), p1 = __sxtb16(__ror(p, 8));
            int32_t q0 = __sxtb16(q), q1 = __sxtb16(__ror(q, 8));
            uint32_t u0 = word(first + k), u1 = word(first + k + 2);
            uint32_t v0 = word(second + k), v1 = word(second + k + 2);
            sum00 = __smlad(u1, p1, __smlad(u0, p0, sum00));
            sum01 = __smlad(v1, p1, __smlad(v0, p0, sum01));
            sum10 = __smlad(u1, q1, __smlad(u0, q0, sum10));
            sum11 = __smlad(v1, q1, __smlad(v0, q0, sum11));
        }
        output[n] = (int8_t)__ssat(sum00 >> 8, 8);
        output[n + 1] = (int8_t)__ssat(sum10 >> 8, 8);
        output[N + n] = (int8_t)__ssat(sum01 >> 8, 8);
        output[N + n + 1] = (int8_t)__ssat(sum11 >> 8, 8);
    }
}

int main(void) {
    for (int i = 0; i < N * K; i++) weights[i] = (int8_t)(i * 7);
    for (int i = 0; i < 2 * K; i++) activations[i] = (int16_t)(i * 5);
    for (int round = 0; round < ROUNDS; round++) {
        activations[round & 63] = (int16_t)round;
        gemm();
        __asm volatile("" ::: "memory");
    }
    return 0;
}
