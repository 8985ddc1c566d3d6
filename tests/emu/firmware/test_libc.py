"""string.h, stdlib.h, ctype.h, setjmp.h, assert.h, complex.h, time.h: what the headers promise.

Each check is a line of C; a failure shows the line.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from emu.board import Board
from emu.boardfile import load_board
from emu.firmware.build import BuildOptions, build
from emu.firmware.toolchain import ToolchainName
from tests.emu.firmware.machine import run_firmware

pytestmark = pytest.mark.needs_compiler

TOOLCHAINS = ["zig", pytest.param("gcc", marks=pytest.mark.needs_gcc)]

HEADERS = """
#define _GNU_SOURCE
#include <assert.h>
#include <complex.h>
#include <ctype.h>
#include <errno.h>
#include <fenv.h>
#include <float.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <arm_acle.h>
#define CHECK(...) do { if (!(__VA_ARGS__)) printf("line %d: %s\\n", __LINE__, #__VA_ARGS__); } while (0)
volatile int zero = 0;
"""


def _failures(body: str, board: Board, folder: Path, toolchain: ToolchainName = "zig") -> str:
    source = folder / "checks.c"
    source.write_text(HEADERS + body)
    # The compiler must call the library, not work the answers out.
    options = BuildOptions(toolchain=toolchain, cflags=("-fno-builtin",))
    done = run_firmware(build([source], board, options).elf, board)
    assert (done.status, done.error) == (0, ""), done
    return done.output


MEMORY = """
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
    CHECK(memcmp("\\xff", "\\x01", 1) > 0 && memcmp("abcd\\x80", "abcd\\x7f", 5) > 0);
    CHECK(memchr("hello", 'l', 5) != NULL && memchr("hello", 'z', 5) == NULL);
    return 0;
}
"""


def test_memory_functions_touch_exactly_their_bytes_at_every_alignment(
    board: Board, tmp_path: Path
) -> None:
    assert _failures(MEMORY, board, tmp_path) == ""


TEXT = """
int main(void) {
    char t[40], *rest;
    CHECK(strlen("") == 0 && strlen("abc") == 3 && strnlen("abcdef", 4) == 4);
    CHECK(strcmp("a", "b") < 0 && strcmp("b", "a") > 0 && strcmp("ab", "ab") == 0);
    CHECK(strcmp("a", "ab") < 0 && strncmp("abx", "aby", 2) == 0 && strncmp("abx", "aby", 3) < 0);
    CHECK(strcmp("\\x80", "\\x01") > 0);
    CHECK(strcasecmp("HeLLo", "hEllO") == 0 && strncasecmp("ABc", "abD", 2) == 0);
    CHECK(strcmp(strcpy(t, "one"), "one") == 0 && strcmp(strcat(t, "two"), "onetwo") == 0);
    CHECK(strcmp(strncat(t, "three", 2), "onetwoth") == 0);
    memset(t, 'x', 10);
    CHECK(strncpy(t, "ab", 5) == t && t[2] == 0 && t[4] == 0 && t[5] == 'x');
    strncpy(t, "abcdef", 3);
    CHECK(t[2] == 'c' && t[3] == 0);
    CHECK(strchr("abc", 'b')[0] == 'b' && strchr("abc", 'z') == NULL && *strchr("abc", 0) == 0);
    CHECK(strcmp(strrchr("a/b/c", '/'), "/c") == 0);
    CHECK(strcmp(strstr("one two", "two"), "two") == 0 && strstr("abc", "abd") == NULL);
    CHECK(strcmp(strstr("abc", ""), "abc") == 0 && strcmp(strstr("aaab", "aab"), "aab") == 0);
    CHECK(strspn("aabbc", "ab") == 4 && strcspn("abc,d", ",") == 3 && *strpbrk("abc,d", ";,") == ',');
    strcpy(t, "  a, b ,,c");
    CHECK(strcmp(strtok_r(t, " ,", &rest), "a") == 0 && strcmp(strtok_r(NULL, " ,", &rest), "b") == 0);
    CHECK(strcmp(strtok_r(NULL, " ,", &rest), "c") == 0 && strtok_r(NULL, " ,", &rest) == NULL);
    char *copy = strdup("copied");
    CHECK(copy && strcmp(copy, "copied") == 0);
    free(copy);
    for (int c = 0; c < 128; ++c) {
        int upper = c >= 'A' && c <= 'Z', lower = c >= 'a' && c <= 'z', digit = c >= '0' && c <= '9';
        CHECK(!!isupper(c) == upper && !!islower(c) == lower && !!isdigit(c) == digit);
        CHECK(!!isalnum(c) == (upper | lower | digit) && !!isprint(c) == (c >= 32 && c < 127));
        CHECK(!!isspace(c) == (c == ' ' || (c >= 9 && c <= 13)) && !!iscntrl(c) == (c < 32 || c == 127));
        CHECK(!!ispunct(c) == (c > 32 && c < 127 && !(upper | lower | digit)));
        CHECK(toupper(c) == (lower ? c - 32 : c) && tolower(c) == (upper ? c + 32 : c));
    }
    return 0;
}
"""

NUMBERS = """
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
"""

HEAP = """
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
"""

REST = """
static jmp_buf target;
static int depth(int n) { if (n == 0) longjmp(target, 7); return depth(n - 1) + 1; }
static void at_end(void) { puts("at exit"); }
int main(void) {
    volatile int steps = 0;
    double kept = 2.5 + zero;
    int came = setjmp(target);
    if (came == 0) { steps = 1; depth(5); }
    CHECK(came == 7 && steps == 1 && kept == 2.5);
    CHECK(__smlad(0x00020003, 0x00040005, 10) == 2 * 4 + 3 * 5 + 10 && __ssat(300, 8) == 127);
    float complex z = 3.0f + (float)zero + 4.0f * I;
    CHECK(cabsf(z) == 5.0f && crealf(z) == 3 && cabs(cexp(I * M_PI) + 1) < 1e-12);
#ifdef FE_UPWARD /* newlib has none for this core */
    CHECK(fegetround() == FE_TONEAREST && fesetround(FE_UPWARD) == 0);
    CHECK(rintf(0.25f + (float)zero) == 1 && fesetround(FE_TONEAREST) == 0);
    CHECK(rintf(0.25f + (float)zero) == 0);
#endif
    atomic_int counter = 0;
    atomic_fetch_add(&counter, 3);
    CHECK(counter == 3 && sizeof(long double) == 8 && DBL_MAX > 1e308 && CHAR_BIT == 8);
    CHECK((int64_t)7000000000LL / (zero + 7) == 1000000000 && (uint64_t)1 << (zero + 40) == 1099511627776u);
    CHECK(7 % (zero + 4) == 3 && (float)(zero + 3) / 2 == 1.5f && (double)(zero + 1) / 4 == 0.25);
    assert(came == 7);
    atexit(at_end);
    return 0;
}
"""


@pytest.mark.parametrize("body", [TEXT, NUMBERS], ids=["text", "numbers"])
def test_text_and_number_functions(body: str, board: Board, tmp_path: Path) -> None:
    assert _failures(body, board, tmp_path) == ""


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
def test_the_heap_keeps_contents_joins_free_blocks_and_refuses_what_it_cannot_hold(
    toolchain: ToolchainName, board: Board, tmp_path: Path
) -> None:
    assert _failures(HEAP, board, tmp_path, toolchain) == ""


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
def test_jumps_intrinsics_complex_atomics_and_the_abi_helpers(
    toolchain: ToolchainName, board: Board, tmp_path: Path
) -> None:
    assert _failures(REST, board, tmp_path, toolchain) == "at exit\n"


def test_a_failed_assertion_names_its_place_and_ends_as_abort(h743: Board, tmp_path: Path) -> None:
    source = tmp_path / "assertion.c"
    source.write_text(
        "#include <assert.h>\nint main(void) { int three = 3; assert(three == 4); }\n"
    )
    done = run_firmware(build([source], h743).elf, h743)
    assert done.status == 134
    assert done.error == "assertion.c:2: main: assertion failed: three == 4\n"


def test_a_double_free_ends_the_program(h743: Board, tmp_path: Path) -> None:
    source = tmp_path / "twice.c"
    source.write_text(
        "#include <stdlib.h>\n"
        "int main(void) { char *volatile p = malloc(8); free(p); free(p); return 0; }\n"
    )
    done = run_firmware(build([source], h743).elf, h743)
    assert done.status == 134


def test_a_program_may_bring_its_own_library_functions(tmp_path: Path) -> None:
    board = load_board("h743")
    source = tmp_path / "own.c"
    source.write_text(
        "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n"
        "static char pool[64];\n"
        "void *malloc(size_t size) { (void)size; return pool; }\n"
        "void free(void *p) { (void)p; }\n"
        "size_t strlen(const char *t) { size_t n = 0; while (t[n]) ++n; return n + 100; }\n"
        'int main(int argc, char **argv) { (void)argv; printf("%d %d\\n", argc, '
        '(int)(strlen("ab") + (malloc(8) == pool))); return strchr("abc", 98) == NULL; }\n'
    )
    options = BuildOptions(cflags=("-fno-builtin",))
    done = run_firmware(build([source], board, options).elf, board)
    assert (done.status, done.output) == (0, "0 103\n")
