/* memcpy, memmove, memset: exactly their bytes, at every alignment and small size. */
#include "checks.h"

static unsigned char a[200], b[200], model[200];
static void reset(void) {
    for (int i = 0; i < 200; ++i) a[i] = model[i] = (unsigned char)(i * 7 + 3), b[i] = 0xEE;
}
int main(void) {
    for (int size = 0; size < 70; ++size)
        for (int to = 0; to < 5; ++to)
            for (int from = 0; from < 5; ++from) {
                reset();
                CHECK(memcpy(b + 8 + to, a + from, (size_t)size) == b + 8 + to);
                int good = 1;
                for (int i = 0; i < 200; ++i) {
                    int inside = i >= 8 + to && i < 8 + to + size;
                    good &= b[i] == (inside ? model[i - 8 - to + from] : 0xEE);
                }
                CHECK(good);
                reset();
                memmove(a + 20 + to, a + 18 + from, (size_t)size);
                for (int i = 0; i < size; ++i) good &= a[20 + to + i] == model[18 + from + i];
                for (int i = 0; i < 20 + to; ++i) good &= a[i] == model[i];
                for (int i = 20 + to + size; i < 200; ++i) good &= a[i] == model[i];
                CHECK(good);
            }
    for (int size = 0; size < 70; ++size)
        for (int to = 0; to < 5; ++to) {
            reset();
            memset(b + to, 0x1A5, (size_t)size);
            int good = 1;
            for (int i = 0; i < 200; ++i) good &= b[i] == (i >= to && i < to + size ? 0xA5 : 0xEE);
            CHECK(good);
        }
    CHECK(memcmp("abcdefgh", "abcdefgi", 8) < 0 && memcmp("abcdefgh", "abcdefgi", 7) == 0);
    CHECK(memcmp("\xff", "\x01", 1) > 0 && memcmp("abcd\x80", "abcd\x7f", 5) > 0);
    CHECK(memchr("hello", 'l', 5) != NULL && memchr("hello", 'z', 5) == NULL);
    return 0;
}
