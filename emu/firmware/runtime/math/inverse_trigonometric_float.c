/* Inverse trigonometric functions: atanf, acosf.
 *
 * Method: for x up to 7/32 the Taylor series of atan. Above, the nearest c = k/16 and
 * atan x = atan c + atan t with t = (x - c) / (1 + c x), |t| <= 1/32, where a few terms do and atan c
 * comes from a table as a sum of two numbers. Above 1, atan x = pi/2 - atan 1/x.
 *
 * acosf x = 2 atanf(sqrtf((1 - x) / (1 + x))). Within 1 ulp (atanf) and 2 ulp (acosf); no double
 * arithmetic, which is slow on a single-precision FPU. asinf is musl's.
 */
#include <math.h>

static const float atan_of_sixteenths[13][2] = {
    {0x1.f5b76p-3f, -0x1.b4dfc8p-29f}, /* atan(4/16) */
    {0x1.362774p-2f, -0x1.1f0286p-27f}, /* atan(5/16) */
    {0x1.6f6194p-2f, 0x1.e4defp-30f}, /* atan(6/16) */
    {0x1.a64eecp-2f, 0x1.e611fep-29f}, /* atan(7/16) */
    {0x1.dac67p-2f, 0x1.586ed4p-28f}, /* atan(8/16) */
    {0x1.0657eap-1f, -0x1.6499e6p-26f}, /* atan(9/16) */
    {0x1.1e00bap-1f, 0x1.7bdfd6p-26f}, /* atan(10/16) */
    {0x1.345f02p-1f, -0x1.98e422p-28f}, /* atan(11/16) */
    {0x1.4978fap-1f, 0x1.934f7p-28f}, /* atan(12/16) */
    {0x1.5d5898p-1f, 0x1.c5a6c6p-27f}, /* atan(13/16) */
    {0x1.700a7cp-1f, 0x1.5e118cp-27f}, /* atan(14/16) */
    {0x1.819d0cp-1f, -0x1.1d4eb6p-26f}, /* atan(15/16) */
    {0x1.921fb6p-1f, -0x1.777a5cp-26f}, /* atan(16/16) */
};

/* pi/2 as a sum. */
#define HALF_PI_HIGH 0x1.921fb6p+0f
#define HALF_PI_LOW -0x1.777a5cp-25f

/* atan t - t for |t| <= 7/32. */
static float tail_of_small(float t)
{
    static const float terms[] = {-1.0f / 11, 1.0f / 9, -1.0f / 7, 1.0f / 5, -1.0f / 3};
    const float square = t * t;
    float sum = 0;

    for (unsigned term = 0; term < sizeof terms / sizeof terms[0]; ++term)
        sum = sum * square + terms[term];
    return t * square * sum;
}

/* atan t - t for |t| <= 1/32. */
static float tail_of_tiny(float t)
{
    static const float terms[] = {1.0f / 5, -1.0f / 3};
    const float square = t * t;
    float sum = 0;

    for (unsigned term = 0; term < sizeof terms / sizeof terms[0]; ++term)
        sum = sum * square + terms[term];
    return t * square * sum;
}

/* atan of 0 <= x <= 1 as a sum of two numbers. */
static float atan_of_fraction(float x, float *low)
{
    if (x < 0.21875f) {
        *low = tail_of_small(x);
        return x;
    }
    const int k = (int)(x * 16 + 0.5f);
    const float c = (float)k / 16;
    const float t = (x - c) / (1 + c * x);

    *low = t + (tail_of_tiny(t) + atan_of_sixteenths[k - 4][1]);
    return atan_of_sixteenths[k - 4][0];
}

float atanf(float x)
{
    const float size = fabsf(x);
    float low, high, angle;

    if (isnan(x))
        return x;
    if (size <= 1) {
        high = atan_of_fraction(size, &low);
        angle = high + low;
    } else {
        high = atan_of_fraction(1 / size, &low);
        angle = HALF_PI_HIGH - (high + (low - HALF_PI_LOW));
    }
    return copysignf(angle, x);
}

float acosf(float x)
{
    if (!(fabsf(x) <= 1))
        return (x - x) / (x - x);
    if (x == -1)
        return 2 * HALF_PI_HIGH;
    return 2 * atanf(sqrtf((1 - x) / (1 + x)));
}
