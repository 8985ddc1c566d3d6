/* cosh, tanh, their float forms, and acoshf.
 *
 * Method: cosh x = 1 + t^2 / (2 (1 + t)) with t = expm1 |x| while that is small, (e + 1/e) / 2 above;
 * tanh x = t / (t + 2) with t = expm1 2|x|, and 1 - 2 / (t + 2) where the result nears 1.
 * acoshf x = log(x + sqrt(x^2 - 1)), written near 1 with t = x - 1 as log1p(t + sqrt(2t + t^2)).
 * Within 2 ulp (acoshf 3). expm1 is musl's, as is __expo2, which is e^x / 2 * 2^0 where e^x would overflow.
 */
#include <math.h>

double __expo2(double x, double sign);
float __expo2f(float x, float sign);

/* Above these, tanh rounds to 1; e^x overflows above the logarithms of the largest numbers. */
#define TANH_IS_ONE 22.0
#define TANHF_IS_ONE 10.0f
#define LOG_MAX 709.782712893384
#define LOGF_MAX 88.72283f

double cosh(double x)
{
    x = fabs(x);
    if (x < 0.3) {
        const double t = expm1(x);
        return 1 + t * t / (2 * (1 + t));
    }
    if (x < LOG_MAX) {
        const double e = exp(x);
        return 0.5 * (e + 1 / e);
    }
    return __expo2(x, 1.0);
}

float coshf(float x)
{
    x = fabsf(x);
    if (x < 0.3f) {
        const float t = expm1f(x);
        return 1 + t * t / (2 * (1 + t));
    }
    if (x < LOGF_MAX) {
        const float e = expf(x);
        return 0.5f * (e + 1 / e);
    }
    return __expo2f(x, 1.0f);
}

double tanh(double x)
{
    const double size = fabs(x);
    double result;

    if (isnan(x))
        return x;
    if (size > TANH_IS_ONE) {
        result = 1;
    } else if (size > 0.55) {
        result = 1 - 2 / (expm1(2 * size) + 2);
    } else {
        const double t = expm1(2 * size);
        result = t / (t + 2);
    }
    return copysign(result, x);
}

float tanhf(float x)
{
    const float size = fabsf(x);
    float result;

    if (isnan(x))
        return x;
    if (size > TANHF_IS_ONE) {
        result = 1;
    } else if (size > 0.55f) {
        result = 1 - 2 / (expm1f(2 * size) + 2);
    } else {
        const float t = expm1f(2 * size);
        result = t / (t + 2);
    }
    return copysignf(result, x);
}

float acoshf(float x)
{
    if (x < 2) {
        const float t = x - 1;
        return log1pf(t + sqrtf(2 * t + t * t));
    }
    if (x < 0x1p12f)
        return logf(2 * x - 1 / (x + sqrtf(x * x - 1)));
    return logf(x) + (float)M_LN2;
}
