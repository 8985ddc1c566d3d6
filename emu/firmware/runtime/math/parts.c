/* Exact functions of a number's parts: frexp, modf, copysign, fdim, nan, rounding to integers.
 *
 * Rounding to nearest adds and subtracts 2^52 (2^23), which leaves no room for a fraction and rounds
 * in the current mode. The compiler replaces most calls of these by one instruction where the FPU
 * has it, so what is here serves function pointers and double precision on a single-precision FPU.
 */
#include <math.h>
#include <stdint.h>

union double_bits {
    double value;
    uint64_t bits;
};
union float_bits {
    float value;
    uint32_t bits;
};

#define DOUBLE_SIGN (UINT64_C(1) << 63)
#define FLOAT_SIGN (UINT32_C(1) << 31)

double copysign(double size, double sign)
{
    union double_bits a = {size}, b = {sign};

    a.bits = (a.bits & ~DOUBLE_SIGN) | (b.bits & DOUBLE_SIGN);
    return a.value;
}

float copysignf(float size, float sign)
{
    union float_bits a = {size}, b = {sign};

    a.bits = (a.bits & ~FLOAT_SIGN) | (b.bits & FLOAT_SIGN);
    return a.value;
}

double frexp(double x, int *exponent)
{
    union double_bits parts = {x};
    int biased = (int)(parts.bits >> 52 & 0x7FF);

    if (x == 0 || biased == 0x7FF) {
        *exponent = 0;
        return x;
    }
    if (biased == 0) { /* subnormal */
        parts.value *= 0x1p54;
        biased = (int)(parts.bits >> 52 & 0x7FF) - 54;
    }
    *exponent = biased - 1022;
    parts.bits = (parts.bits & ~(UINT64_C(0x7FF) << 52)) | UINT64_C(1022) << 52;
    return parts.value;
}

float frexpf(float x, int *exponent)
{
    union float_bits parts = {x};
    int biased = (int)(parts.bits >> 23 & 0xFF);

    if (x == 0 || biased == 0xFF) {
        *exponent = 0;
        return x;
    }
    if (biased == 0) {
        parts.value *= 0x1p25f;
        biased = (int)(parts.bits >> 23 & 0xFF) - 25;
    }
    *exponent = biased - 126;
    parts.bits = (parts.bits & ~(UINT32_C(0xFF) << 23)) | UINT32_C(126) << 23;
    return parts.value;
}

double modf(double x, double *whole)
{
    *whole = trunc(x);
    return copysign(isinf(x) ? 0 : x - *whole, x);
}

float modff(float x, float *whole)
{
    *whole = truncf(x);
    return copysignf(isinf(x) ? 0 : x - *whole, x);
}

double fdim(double x, double y)
{
    if (isnan(x) || isnan(y))
        return x + y;
    return x > y ? x - y : 0;
}

float fdimf(float x, float y)
{
    if (isnan(x) || isnan(y))
        return x + y;
    return x > y ? x - y : 0;
}

double nan(const char *payload)
{
    (void)payload;
    return NAN;
}

float nanf(const char *payload)
{
    (void)payload;
    return NAN;
}

double rint(double x)
{
    const double big = copysign(0x1p52, x);

    if (!(fabs(x) < 0x1p52))
        return x;
    volatile double sum = x + big; /* volatile: the sum must be rounded before the difference */
    return copysign(sum - big, x);
}

float rintf(float x)
{
    const float big = copysignf(0x1p23f, x);

    if (!(fabsf(x) < 0x1p23f))
        return x;
    volatile float sum = x + big;
    return copysignf(sum - big, x);
}

/* As rint; that rint may report an inexact result makes no difference without floating-point traps. */
double nearbyint(double x) { return rint(x); }
float nearbyintf(float x) { return rintf(x); }

long lrint(double x) { return (long)rint(x); }
long lrintf(float x) { return (long)rintf(x); }
long long llrint(double x) { return (long long)rint(x); }
long long llrintf(float x) { return (long long)rintf(x); }
long lround(double x) { return (long)round(x); }
long lroundf(float x) { return (long)roundf(x); }
long long llround(double x) { return (long long)round(x); }
long long llroundf(float x) { return (long long)roundf(x); }

/* long double is double on this core. */
long double copysignl(long double size, long double sign) { return copysign(size, sign); }
long double frexpl(long double x, int *exponent) { return frexp(x, exponent); }
long double modfl(long double x, long double *whole)
{
    double part;
    const double fraction = modf(x, &part);

    *whole = part;
    return fraction;
}
long double fdiml(long double x, long double y) { return fdim(x, y); }
long double nanl(const char *payload) { return nan(payload); }
long double rintl(long double x) { return rint(x); }
long double nearbyintl(long double x) { return rint(x); }
long lrintl(long double x) { return lrint(x); }
long long llrintl(long double x) { return llrint(x); }
long lroundl(long double x) { return lround(x); }
long long llroundl(long double x) { return llround(x); }
long double atanl(long double x) { return atan(x); }
long double hypotl(long double x, long double y) { return hypot(x, y); }
