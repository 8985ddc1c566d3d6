/* math.h at its edges (C11 Annex F). */
#include "checks.h"

volatile double nought = 0, one = 1, huge = 1e308;
int main(void) {
    int exponent;
    double whole;
    const double zero = nought, inf = one / nought, none = nought / nought;
    CHECK(isinf(inf) && isnan(none) && inf == INFINITY && isnan((double)NAN));
    CHECK(isnan(sqrt(-one)) && isnan(log(-one)) && log(zero) == -inf && isnan(acos(2 * one)));
    CHECK(isnan(asin(2 * one)) && isnan(log1p(-2 * one)) && log1p(-one) == -inf);
    CHECK(exp(1000 * one) == inf && exp(-1000 * one) == 0 && exp(-inf) == 0);
    CHECK(pow(zero, zero) == 1 && pow(2 * one, 10 * one) == 1024 && pow(-2 * one, 3 * one) == -8);
    CHECK(isnan(pow(-one, 0.5 * one)) && pow(zero, -one) == inf && pow(none, zero) == 1);
    CHECK(atan(inf) == M_PI_2 && atan2(zero, -one) == M_PI && signbit(atan(-zero)));
    CHECK(tanh(inf) == 1 && tanh(-inf) == -1 && isnan(tanh(none)) && signbit(tanh(-zero)));
    CHECK(cosh(1000 * one) == inf && cosh(710 * one) > 1e308 && cosh(zero) == 1);
    CHECK(cbrt(-27 * one) == -3 && cbrt(inf) == inf && cbrt(0x1p-1074 * one) > 0);
    CHECK(hypot(3 * one, 4 * one) == 5 && hypot(1.5 * huge, 1.5 * huge) == inf && hypot(inf, none) == inf);
    CHECK(hypot(0x3p600 * one, 0x4p600 * one) == 0x5p600);
    CHECK(hypot(0x3p-700 * one, 0x4p-700 * one) == 0x5p-700);
    CHECK(frexp(12 * one, &exponent) == 0.75 && exponent == 4);
    CHECK(frexp(0x1p-1074 * one, &exponent) == 0.5 && exponent == -1073);
    CHECK(ldexp(0.75 * one, 4) == 12 && scalbn(one, -3) == 0.125 && ilogb(12 * one) == 3);
    CHECK(modf(-3.25 * one, &whole) == -0.25 && whole == -3 && modf(inf, &whole) == 0);
    CHECK(lround(2.5 * one) == 3 && lround(-2.5 * one) == -3 && lrint(2.5 * one) == 2);
    CHECK(lrintf(3.5f * (float)one) == 4 && llround(1e12 * one + 0.5) == 1000000000001);
    CHECK(rint(-0.25 * one) == 0 && signbit(rint(-0.25 * one)) && rint(1e300 * one) == 1e300);
    CHECK(nextafter(one, 2 * one) == 1 + 0x1p-52 && logb(8 * one) == 3);
    CHECK(fmin(one, none) == 1 && fmax(none, one) == 1 && fdim(one, 3 * one) == 0);
    CHECK(fpclassify(zero) == FP_ZERO && fpclassify(0x1p-1074 * one) == FP_SUBNORMAL);
    CHECK(isfinite(one) && !isfinite(inf) && isnormal(one) && signbit(-zero));
    CHECK(fma(one + 0x1p-52, one + 0x1p-52, -one - 0x1p-51) == 0x1p-104);
    CHECK(fabsf(-2.0f * (float)one) == 2 && copysignf(2, -(float)one) == -2);
    CHECK(acosf((float)one) == 0 && acosf(-(float)one) == (float)M_PI && atanf(-0.0f) == 0);
    CHECK(lgamma(3 * one) > 0.693 && tgamma(5 * one) == 24 && erfc(zero) == 1);
    CHECK(exp10(2 * one) == 100 && isunordered(one, none) && isless(zero, one));
    return 0;
}
