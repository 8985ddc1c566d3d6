/* A random walk of malloc, realloc and free with checked contents; then limits. */
#include "checks.h"

#define SLOTS 40
int main(void) {
    unsigned char *slot[SLOTS] = {0};
    size_t size[SLOTS] = {0};
    unsigned state = 1;
    for (int step = 0; step < 4000; ++step) {
        state = state * 1664525u + 1013904223u;
        unsigned i = (state >> 8) % SLOTS, want = (state >> 16) % 700;
        for (size_t k = 0; k < size[i]; ++k) CHECK(slot[i][k] == (unsigned char)(i + 1));
        if (state >> 31) {
            free(slot[i]);
            slot[i] = malloc(want);
        } else {
            unsigned char *moved = realloc(slot[i], want ? want : 1);
            want = want ? want : 1;
            CHECK(moved != NULL);
            for (size_t k = 0; k < (size[i] < want ? size[i] : want); ++k)
                CHECK(moved[k] == (unsigned char)(i + 1));
            slot[i] = moved;
        }
        CHECK(slot[i] != NULL && ((uintptr_t)slot[i] & 7) == 0);
        size[i] = want;
        memset(slot[i], (int)i + 1, want);
    }
    for (int i = 0; i < SLOTS; ++i) free(slot[i]);
    free(NULL);
#ifdef __clang__ /* newlib's heap keeps its pieces apart */
    char *all = malloc(31000); /* of 32 KiB: freed neighbours were joined */
    CHECK(all != NULL);
    CHECK(malloc(4000) == NULL);
    free(all);
#endif
    CHECK(malloc(1u << 30) == NULL && malloc((size_t)-1) == NULL && calloc(0x10000, 0x10001) == NULL);
    char *cleared = calloc(10, 10);
    int sum = 0;
    for (int i = 0; i < 100; ++i) sum |= cleared[i];
    CHECK(sum == 0);
    for (size_t align = 8; align <= 1024; align *= 2) {
        void *block = aligned_alloc(align, 100);
        CHECK(block != NULL && ((uintptr_t)block & (align - 1)) == 0);
        free(block);
    }
    return 0;
}
