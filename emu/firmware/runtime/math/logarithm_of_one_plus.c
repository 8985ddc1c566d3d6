/* log1p and log1pf: log(u) with u = 1 + x rounded, and the first-order correction c / u for what the
 * rounding lost, c = 1 + x - u, which is exact. Within 2 ulp.
 */
#include <math.h>

double log1p(double x)
{
    const double u = 1 + x;

    if (u == 1 || isinf(x))
        return x < 0 && isinf(x) ? NAN : x;
    if (!(u > 0))
        return u == 0 ? -HUGE_VAL : (x - x) / (x - x);
    const double lost = x < 1 ? x - (u - 1) : 1 - (u - x);
    return log(u) + lost / u;
}

float log1pf(float x)
{
    const float u = 1 + x;

    if (u == 1 || isinf(x))
        return x < 0 && isinf(x) ? NAN : x;
    if (!(u > 0))
        return u == 0 ? -HUGE_VALF : (x - x) / (x - x);
    const float lost = x < 1 ? x - (u - 1) : 1 - (u - x);
    return logf(u) + lost / u;
}
