/* Code without a hot loop: a linked list, a small matrix, a state machine over text and a bitwise
 * checksum, as control code is. Blocks of four instructions, many branches, calls in between. */
#include <stdint.h>
#include <stdio.h>

enum { NODES = 64, SIDE = 9, ROUNDS = 100000 };

struct node {
    struct node *next;
    int16_t key, value;
};

static struct node pool[NODES];
static int16_t left[SIDE * SIDE], right[SIDE * SIDE];
static int32_t product[SIDE * SIDE];
static const char text[] = "123,4.5e6,-12,abc,+3.4,999,.5,,1e9,77,x1,2,3,4.4,5,-.25e-3,0x1F,12a,";

__attribute__((noinline)) static uint16_t checksum(uint32_t data, uint16_t crc) {
    for (int bit = 0; bit < 8; bit++) {
        uint32_t odd = (data ^ crc) & 1;
        data >>= 1;
        crc >>= 1;
        __asm volatile("" : "+r"(odd));
        if (odd) crc ^= 0xA001;
    }
    return crc;
}

__attribute__((noinline)) static struct node *reverse(struct node *list) {
    struct node *done = 0;
    while (list) {
        struct node *next = list->next;
        list->next = done;
        done = list;
        list = next;
    }
    return done;
}

__attribute__((noinline)) static struct node *find(struct node *list, int key) {
    while (list && list->key != key) list = list->next;
    return list;
}

__attribute__((noinline)) static int32_t multiply(void) {
    int32_t sum = 0;
    for (int i = 0; i < SIDE; i++) {
        for (int j = 0; j < SIDE; j++) {
            int32_t dot = 0;
            for (int k = 0; k < SIDE; k++) dot += left[i * SIDE + k] * right[k * SIDE + j];
            product[i * SIDE + j] = dot;
            sum += dot > 100 ? 1 : dot & 7;
        }
    }
    return sum;
}

enum state { START, INTEGER, FRACTION, EXPONENT, WORD };

__attribute__((noinline)) static int scan(const char *at, int counts[5]) {
    enum state state = START;
    int commas = 0;
    for (; *at; at++) {
        if (*at == ',') {
            counts[state]++;
            state = START;
            commas++;
            continue;
        }
        switch (state) {
        case START:
            if (*at >= '0' && *at <= '9') state = INTEGER;
            else if (*at == '.') state = FRACTION;
            else if (*at != '-' && *at != '+') state = WORD;
            break;
        case INTEGER:
            if (*at == '.') state = FRACTION;
            else if (*at == 'e') state = EXPONENT;
            else if (*at < '0' || *at > '9') state = WORD;
            break;
        case FRACTION:
            if (*at == 'e') state = EXPONENT;
            else if (*at < '0' || *at > '9') state = WORD;
            break;
        case EXPONENT:
            if ((*at < '0' || *at > '9') && *at != '-' && *at != '+') state = WORD;
            break;
        case WORD:
            break;
        }
    }
    return commas;
}

int main(void) {
    for (int i = 0; i < NODES; i++) {
        pool[i].key = (int16_t)((i * 37) & 63);
        pool[i].next = i + 1 < NODES ? &pool[i + 1] : 0;
    }
    for (int i = 0; i < SIDE * SIDE; i++) {
        left[i] = (int16_t)(i % 11);
        right[i] = (int16_t)(i % 7 - 3);
    }
    struct node *list = pool;
    int counts[5] = {0};
    uint16_t crc = 0;
    for (int round = 0; round < ROUNDS; round++) {
        list = reverse(list);
        struct node *found = find(list, round & 63);
        if (found) found->value++;
        crc = checksum((uint32_t)multiply(), crc);
        crc = checksum((uint32_t)scan(text, counts), crc);
        left[round % (SIDE * SIDE)] ^= (int16_t)(crc & 15);
    }
    printf("%u %d %d\n", crc, counts[INTEGER], counts[WORD]);
    return 0;
}
