/* cbrt, hypot and their float forms.
 *
 * cbrt: the exponent divided by three in the number's bits gives a start within 6 %; Halley's
 * iteration triples the digits; a last Newton step uses the residual r^3 - x computed exactly by
 * fused multiply-adds. Within 1 ulp.
 * hypot: the square root of a fused sum of squares, scaled by a power of two where a square would
 * overflow or vanish. Within 1.5 ulp.
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

/* Two thirds of the exponent bias, in the place of the exponent: the bits of a number divided by
 * three, plus this, are near the bits of its cube root. The fraction centres the error. */
#define THIRD_OF_BITS (UINT64_C(0x2A9F789300000000))
#define THIRD_OF_FLOAT_BITS UINT32_C(0x2A510556)

double cbrt(double x)
{
    union double_bits guess = {fabs(x)};
    double scale = 1;

    if (x == 0 || !isfinite(x))
        return x + x;
    if (guess.value < 0x1p-1022) { /* subnormal */
        guess.value *= 0x1p54;
        scale = 0x1p-18;
    }
    const double size = guess.value;
    guess.bits = guess.bits / 3 + THIRD_OF_BITS;
    double root = guess.value;
    for (int step = 0; step < 3; ++step) {
        const double cube = root * root * root;
        root *= (cube + 2 * size) / (2 * cube + size);
    }
    const double square = root * root, square_low = fma(root, root, -square);
    const double cube = square * root, cube_low = fma(square, root, -cube);
    root -= ((cube - size) + (cube_low + square_low * root)) / (3 * square);
    return copysign(root * scale, x);
}

float cbrtf(float x)
{
    union float_bits guess = {fabsf(x)};
    float scale = 1;

    if (x == 0 || !isfinite(x))
        return x + x;
    if (guess.value < 0x1p-126f) {
        guess.value *= 0x1p24f;
        scale = 0x1p-8f;
    }
    const float size = guess.value;
    guess.bits = guess.bits / 3 + THIRD_OF_FLOAT_BITS;
    float root = guess.value;
    for (int step = 0; step < 2; ++step) {
        const float cube = root * root * root;
        root *= (cube + 2 * size) / (2 * cube + size);
    }
    const float square = root * root, square_low = fmaf(root, root, -square);
    const float cube = square * root, cube_low = fmaf(square, root, -cube);
    root -= ((cube - size) + (cube_low + square_low * root)) / (3 * square);
    return copysignf(root * scale, x);
}

double hypot(double x, double y)
{
    const double a = fmax(fabs(x), fabs(y)), b = fmin(fabs(x), fabs(y));
    double scale = 1;

    if (isinf(x) || isinf(y))
        return HUGE_VAL;
    if (isnan(x) || isnan(y))
        return x + y;
    if (a > 0x1p510)
        scale = 0x1p-600;
    else if (b < 0x1p-450)
        scale = 0x1p600;
    if (a * 0x1p-54 >= b)
        return a + b;
    const double p = a * scale, q = b * scale;
    return sqrt(fma(p, p, q * q)) / scale;
}

float hypotf(float x, float y)
{
    const float a = fmaxf(fabsf(x), fabsf(y)), b = fminf(fabsf(x), fabsf(y));
    float scale = 1;

    if (isinf(x) || isinf(y))
        return HUGE_VALF;
    if (isnan(x) || isnan(y))
        return x + y;
    if (a > 0x1p62f)
        scale = 0x1p-80f;
    else if (b < 0x1p-40f)
        scale = 0x1p80f;
    if (a * 0x1p-25f >= b)
        return a + b;
    const float p = a * scale, q = b * scale;
    return sqrtf(fmaf(p, p, q * q)) / scale;
}
