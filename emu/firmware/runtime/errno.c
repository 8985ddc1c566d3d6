/* errno as the headers see it: one object, as there is one thread. */
#include <errno.h>

int *__errno_location(void)
{
    static int value;

    return &value;
}

/* The name that musl's own sources use. */
int *___errno_location(void) __attribute__((alias("__errno_location")));
