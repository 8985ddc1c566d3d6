/* exp10 and exp10f. Compiled with -fno-builtin, as the compiler turns pow(10, x) into exp10(x). */
#include <math.h>

double exp10(double x) { return pow(10.0, x); }
float exp10f(float x) { return powf(10.0f, x); }
