/* Inverse trigonometric functions: atan, asin, acos.
 *
 * Method: for x up to 7/32 the Taylor series of atan. Above, the nearest c = k/16 and
 * atan x = atan c + atan t with t = (x - c) / (1 + c x), |t| <= 1/32, where a few terms do and atan c
 * comes from a table as a sum of two numbers. Above 1, atan x = pi/2 - atan 1/x.
 *
 * asin x = atan(x / sqrt(1 - x^2)), acos x = 2 atan(sqrt((1 - x) / (1 + x))), whose arguments are
 * rounded a few times: atan is within 1 ulp, asin and acos within 2 ulp.
 */
#include <math.h>

static const double atan_of_sixteenths[13][2] = {
    {0x1.f5b75f92c80ddp-3, 0x1.8ab6e3cf7afbdp-57}, /* atan(4/16) */
    {0x1.362773707ebccp-2, -0x1.963a544b672d8p-57}, /* atan(5/16) */
    {0x1.6f61941e4def1p-2, -0x1.c63aae6f6e918p-56}, /* atan(6/16) */
    {0x1.a64eec3cc23fdp-2, -0x1.24dec1b50b7ffp-56}, /* atan(7/16) */
    {0x1.dac670561bb4fp-2, 0x1.a2b7f222f65e2p-56}, /* atan(8/16) */
    {0x1.0657e94db30d0p-1, -0x1.d5b495f6349e6p-56}, /* atan(9/16) */
    {0x1.1e00babdefeb4p-1, -0x1.928df287a668fp-58}, /* atan(10/16) */
    {0x1.345f01cce37bbp-1, 0x1.1021137c71102p-55}, /* atan(11/16) */
    {0x1.4978fa3269ee1p-1, 0x1.2419a87f2a458p-56}, /* atan(12/16) */
    {0x1.5d58987169b18p-1, 0x1.0028e4bc5e7cap-57}, /* atan(13/16) */
    {0x1.700a7c5784634p-1, -0x1.8c34d25aadef6p-56}, /* atan(14/16) */
    {0x1.819d0b7158a4dp-1, -0x1.bf76229d3b917p-56}, /* atan(15/16) */
    {0x1.921fb54442d18p-1, 0x1.1a62633145c07p-55}, /* atan(16/16) */
};

/* pi/2 as a sum. */
#define HALF_PI_HIGH 0x1.921fb54442d18p+0
#define HALF_PI_LOW 0x1.1a62633145c07p-54

/* atan t - t for |t| <= 7/32. */
static double tail_of_small(double t)
{
    static const double terms[] = {
        1.0 / 25, -1.0 / 23, 1.0 / 21, -1.0 / 19, 1.0 / 17, -1.0 / 15, 1.0 / 13, -1.0 / 11,
        1.0 / 9, -1.0 / 7, 1.0 / 5, -1.0 / 3
    };
    const double square = t * t;
    double sum = 0;

    for (unsigned term = 0; term < sizeof terms / sizeof terms[0]; ++term)
        sum = sum * square + terms[term];
    return t * square * sum;
}

/* atan t - t for |t| <= 1/32. */
static double tail_of_tiny(double t)
{
    static const double terms[] = {-1.0 / 11, 1.0 / 9, -1.0 / 7, 1.0 / 5, -1.0 / 3};
    const double square = t * t;
    double sum = 0;

    for (unsigned term = 0; term < sizeof terms / sizeof terms[0]; ++term)
        sum = sum * square + terms[term];
    return t * square * sum;
}

/* atan of 0 <= x <= 1 as a sum of two numbers. */
static double atan_of_fraction(double x, double *low)
{
    if (x < 0.21875) {
        *low = tail_of_small(x);
        return x;
    }
    const int k = (int)(x * 16 + 0.5);
    const double c = (double)k / 16;
    const double t = (x - c) / (1 + c * x);

    *low = t + (tail_of_tiny(t) + atan_of_sixteenths[k - 4][1]);
    return atan_of_sixteenths[k - 4][0];
}

double atan(double x)
{
    const double size = fabs(x);
    double low, high, angle;

    if (isnan(x))
        return x;
    if (size <= 1) {
        high = atan_of_fraction(size, &low);
        angle = high + low;
    } else {
        high = atan_of_fraction(1 / size, &low);
        angle = HALF_PI_HIGH - (high + (low - HALF_PI_LOW));
    }
    return copysign(angle, x);
}

double asin(double x)
{
    if (!(fabs(x) <= 1))
        return (x - x) / (x - x);
    if (fabs(x) == 1)
        return copysign(HALF_PI_HIGH, x);
    return atan(x / sqrt((1 - x) * (1 + x)));
}

double acos(double x)
{
    if (!(fabs(x) <= 1))
        return (x - x) / (x - x);
    if (x == -1)
        return 2 * HALF_PI_HIGH;
    return 2 * atan(sqrt((1 - x) / (1 + x)));
}
