/* setjmp, DSP intrinsics, complex numbers, rounding modes, atomics, 64-bit and float helpers. */
#include "checks.h"

static jmp_buf target;
static int depth(int n) { if (n == 0) longjmp(target, 7); return depth(n - 1) + 1; }
static void at_end(void) { puts("at exit"); }
int main(void) {
    volatile int steps = 0;
    double kept = 2.5 + zero;
    int came = setjmp(target);
    if (came == 0) { steps = 1; depth(5); }
    CHECK(came == 7 && steps == 1 && kept == 2.5);
    CHECK(__smlad(0x00020003, 0x00040005, 10) == 2 * 4 + 3 * 5 + 10 && __ssat(300, 8) == 127);
    float complex z = 3.0f + (float)zero + 4.0f * I;
    CHECK(cabsf(z) == 5.0f && crealf(z) == 3 && cabs(cexp(I * M_PI) + 1) < 1e-12);
#ifdef FE_UPWARD /* newlib has none for this core */
    CHECK(fegetround() == FE_TONEAREST && fesetround(FE_UPWARD) == 0);
    CHECK(rintf(0.25f + (float)zero) == 1 && fesetround(FE_TONEAREST) == 0);
    CHECK(rintf(0.25f + (float)zero) == 0);
#endif
    atomic_int counter = 0;
    atomic_fetch_add(&counter, 3);
    CHECK(counter == 3 && sizeof(long double) == 8 && DBL_MAX > 1e308 && CHAR_BIT == 8);
    CHECK((int64_t)7000000000LL / (zero + 7) == 1000000000 && (uint64_t)1 << (zero + 40) == 1099511627776u);
    CHECK(7 % (zero + 4) == 3 && (float)(zero + 3) / 2 == 1.5f && (double)(zero + 1) / 4 == 0.25);
    assert(came == 7);
    atexit(at_end);
    return 0;
}
