"""Programs whose data accesses differ in kind, for comparing ways of running."""

from __future__ import annotations

BRANCHY = """
static uint8_t text[4096];
NOINLINE uint32_t count(const uint8_t *p, int n) {
    uint32_t words = 0, lines = 0, state = 0;
    for (int i = 0; i < n; i++) {
        if (p[i] == 32) { words += state; state = 0; }
        else if (p[i] < 16) { lines++; state = 0; }
        else if (p[i] & 1) state = 1;
        else if (p[i] > 200) words ^= 3;
    }
    return words * 100 + lines;
}
int main(void) {
    uint32_t seed = 1;
    for (int i = 0; i < 4096; i++) { seed = seed * 1664525 + 1013904223; text[i] = seed >> 24; }
    uint32_t sum = 0;
    for (int i = 0; i < 20; i++) sum += count(text, 4096 - i);
    sink = sum;
    return 0;
}
"""

POINTER_CHASING = """
struct node { struct node *next; uint32_t value[7]; };
static struct node nodes[1024];
NOINLINE uint32_t walk(const struct node *n, int steps) {
    uint32_t sum = 0;
    while (steps--) { sum += n->value[steps & 3]; n = n->next; }
    return sum;
}
int main(void) {
    for (uint32_t i = 0; i < 1024; i++) {
        nodes[i].next = &nodes[(i * 389 + 7) & 1023];
        nodes[i].value[i & 3] = i;
    }
    sink = walk(nodes, 60000);
    return 0;
}
"""

INT8_GEMM = """
static int8_t a[64 * 128], b[64 * 128];
static int32_t c[64 * 64];
NOINLINE void gemm(void) {
    for (int i = 0; i < 64; i++)
        for (int j = 0; j < 64; j++) {
            int32_t sum = 0;
            const int8_t *p = a + 128 * i, *q = b + 128 * j;
            #pragma clang loop unroll_count(16)
            for (int k = 0; k < 128; k++) sum += p[k] * q[k];
            c[64 * i + j] = sum;
        }
}
int main(void) {
    for (int i = 0; i < 64 * 128; i++) { a[i] = i * 7; b[i] = i * 5 - 3; }
    gemm();
    sink = c[77];
    return 0;
}
"""

COPYING = """
static uint8_t from[20000], to[20000];
int main(void) {
    for (int i = 0; i < 60; i++) {
        memcpy(to + (i & 3), from + (i & 7), 16000 + 13 * i);
        memset(from + i, i, 3000);
    }
    sink = to[5];
    return 0;
}
"""

CONDITIONAL = """
static int16_t data[3000];
NOINLINE int32_t clip(const int16_t *p, int n, int16_t *out) {
    int32_t best = -32768;
    for (int i = 0; i < n; i++) {
        int v = p[i];
        v = v < -100 ? -100 : v;
        v = v > 900 ? 900 : v;
        if (v > best) best = v;
        if (v & 4) out[i] = v;
    }
    return best;
}
static int16_t out[3000];
int main(void) {
    for (int i = 0; i < 3000; i++) data[i] = (int16_t)(i * 7919);
    int32_t sum = 0;
    for (int i = 0; i < 30; i++) sum += clip(data, 3000 - i, out);
    sink = sum;
    return 0;
}
"""

FLOATING = """
static float x[1000], y[1000];
static double z[100];
int main(void) {
    for (int i = 0; i < 1000; i++) { x[i] = i * 0.5f; y[i] = 3.0f; }
    for (int r = 0; r < 20; r++)
        for (int i = 0; i < 1000; i++) y[i] = y[i] * 0.99f + x[i] / (1.0f + y[i]);
    for (int i = 0; i < 100; i++) z[i] = (double)y[i] * 1.5;
    sink = (uint32_t)z[5];
    return 0;
}
"""

PROGRAMS = {
    "branchy": BRANCHY,
    "pointer_chasing": POINTER_CHASING,
    "int8_gemm": INT8_GEMM,
    "copying": COPYING,
    "conditional": CONDITIONAL,
    "floating": FLOATING,
}
