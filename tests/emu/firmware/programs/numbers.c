/* stdlib.h: numbers from text, sorting, searching. */
#include "checks.h"

static int compare(const void *a, const void *b) {
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}
int main(void) {
    char *end;
    CHECK(strtol("  -123abc", &end, 10) == -123 && strcmp(end, "abc") == 0);
    CHECK(strtol("0x7fz", &end, 0) == 127 && *end == 'z' && strtol("077", NULL, 0) == 63);
    CHECK(strtol("0x", &end, 16) == 0 && strcmp(end, "x") == 0);
    CHECK(strtol("zz", NULL, 36) == 35 * 37 && strtol("", &end, 10) == 0);
    errno = 0;
    CHECK(strtol("99999999999", NULL, 10) == LONG_MAX && errno == ERANGE);
    CHECK(strtol("-99999999999", NULL, 10) == LONG_MIN && strtol("-2147483648", NULL, 10) == LONG_MIN);
    CHECK(strtoul("4294967295", NULL, 10) == ULONG_MAX && strtoul("-1", NULL, 10) == ULONG_MAX);
    CHECK(strtoull("18446744073709551615", NULL, 10) == ULLONG_MAX);
    CHECK(strtoll("-9223372036854775808", NULL, 10) == LLONG_MIN);
    CHECK(atoi("42x") == 42 && atol("-7") == -7);
    CHECK(strtod("0.1", NULL) == 0.1 && strtod("-2.5e-3xyz", &end) == -2.5e-3 && *end == 'x');
    CHECK(strtod("1e308", NULL) == 1e308 && isinf(strtod("1e309", NULL)) && strtod("5e-324", NULL) > 0);
    CHECK(strtod("2.2250738585072011e-308", NULL) == 2.2250738585072011e-308);
    CHECK(strtof("16777217", NULL) == 16777216.0f && strtod("0x1.8p3", NULL) == 12.0);
    CHECK(atof("3.25") == 3.25 && isnan(strtod("nan", NULL)) && isinf(strtod("-inf", NULL)));
    CHECK(abs(-3) == 3 && labs(-4L) == 4 && div(7, 2).quot == 3 && div(-7, 2).rem == -1);
    int items[101];
    for (int n = 0; n <= 101; ++n) {
        unsigned state = 12345u + (unsigned)n;
        long sum = 0;
        for (int i = 0; i < n; ++i) {
            state = state * 1664525u + 1013904223u;
            sum += items[i] = (int)(state >> 20) % 50;
        }
        qsort(items, (size_t)n, sizeof items[0], compare);
        for (int i = 0; i < n; ++i) sum -= items[i];
        CHECK(sum == 0);
        for (int i = 1; i < n; ++i) CHECK(items[i - 1] <= items[i]);
        int wanted = n ? items[n / 2] : 0;
        int *found = bsearch(&wanted, items, (size_t)n, sizeof items[0], compare);
        CHECK(n ? found && *found == wanted : !found);
        wanted = 1000;
        CHECK(!bsearch(&wanted, items, (size_t)n, sizeof items[0], compare));
    }
    srand(3);
    int first = rand();
    srand(3);
    CHECK(rand() == first && first >= 0);
    return 0;
}
