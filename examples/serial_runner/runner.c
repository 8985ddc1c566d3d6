#include "runner.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../digits/model.h"
#include "board.h"
#include "serial.h"

#define INPUT_BYTES (MODEL_INPUT_SIDE * MODEL_INPUT_SIDE)
#define DELIMITER " "

/* RM0385 and RM0433, chapter general-purpose timers. */
#define TIM2_CR1 (TIM2_BASE + 0x00u)
#define TIM2_EGR (TIM2_BASE + 0x14u)
#define TIM2_CNT (TIM2_BASE + 0x24u)
#define TIM2_PSC (TIM2_BASE + 0x28u)

static uint8_t loaded[INPUT_BYTES];
static uint32_t wanted_bytes, loaded_bytes;
static int8_t logits[CLASSES_COUNT];

static void timestamp(void) {
    serial_printf("m-lap-us-%lu\r\n", (unsigned long)REGISTER(TIM2_CNT));
}

/* The value of a hexadecimal digit, or -1. */
static int digit_value(char digit) {
    const char *const digits = "0123456789abcdef";
    const char *const found = strchr(digits, digit | 0x20);

    return found && *found ? (int)(found - digits) : -1;
}

static void load_bytes(const char *hex) {
    if (strlen(hex) % 2) {
        serial_printf("e-[Two hex digits a byte]\r\n");
        return;
    }
    for (; *hex && loaded_bytes < wanted_bytes; hex += 2) {
        const int high = digit_value(hex[0]);
        const int low = digit_value(hex[1]);
        if (high < 0 || low < 0) {
            serial_printf("e-[Invalid hex digits '%c%c']\r\n", hex[0], hex[1]);
            return;
        }
        loaded[loaded_bytes++] = (uint8_t)(high << 4 | low);
        if (loaded_bytes == wanted_bytes) serial_printf("m-load-done\r\n");
    }
}

static void buffer_command(void) {
    const char *const word = strtok(NULL, DELIMITER);

    if (!word) {
        serial_printf("e-[db wants load or bytes]\r\n");
    } else if (strcmp(word, "load") == 0) {
        const char *const size = strtok(NULL, DELIMITER);
        const int bytes_count = size ? atoi(size) : 0;
        if (bytes_count < 1 || bytes_count > INPUT_BYTES) {
            serial_printf("e-[db load takes 1 to %d bytes]\r\n", INPUT_BYTES);
            return;
        }
        wanted_bytes = (uint32_t)bytes_count;
        loaded_bytes = 0;
        serial_printf("m-[Expecting %d bytes]\r\n", bytes_count);
    } else {
        load_bytes(word);
    }
}

static void results(void) {
    serial_printf("m-results-[");
    for (int i = 0; i < CLASSES_COUNT; i++) {
        serial_printf("%s%d", i ? "," : "", logits[i]);
    }
    serial_printf("]\r\n");
}

static void infer_command(void) {
    const char *const count = strtok(NULL, DELIMITER);
    const char *const warmup = count ? strtok(NULL, DELIMITER) : NULL;
    const int inferences_count = count ? atoi(count) : 1;
    const int warmup_count = warmup ? atoi(warmup) : 10;
    const int8_t *const image = (const int8_t *)loaded;

    if (inferences_count < 1 || warmup_count < 0) {
        serial_printf("e-[infer takes N > 0 and W >= 0]\r\n");
        return;
    }
    serial_printf("m-warmup-start-%d\r\n", warmup_count);
    for (int i = 0; i < warmup_count; i++) model_invoke(image, logits);
    serial_printf("m-warmup-done\r\n");
    serial_printf("m-infer-start-%d\r\n", inferences_count);
    timestamp();
    for (int i = 0; i < inferences_count; i++) model_invoke(image, logits);
    timestamp();
    serial_printf("m-infer-done\r\n");
    results();
}

void runner_command(char *command) {
    const char *const word = strtok(command, DELIMITER);

    if (!word) {
        serial_printf("e-[Empty command]\r\n");
    } else if (strcmp(word, "name") == 0) {
        serial_printf("m-name-dut-[%s]\r\n", BOARD_NAME);
    } else if (strcmp(word, "profile") == 0) {
        serial_printf("m-profile-[serial runner of tinyml-emu]\r\n");
        serial_printf("m-model-[digits]\r\n");
    } else if (strcmp(word, "timestamp") == 0) {
        timestamp();
    } else if (strcmp(word, "db") == 0) {
        buffer_command();
    } else if (strcmp(word, "infer") == 0) {
        infer_command();
    } else if (strcmp(word, "results") == 0) {
        results();
    } else {
        serial_printf("e-[Unknown command: %s]\r\n", word);
    }
    serial_printf("m-ready\r\n");
}

void runner_start(void) {
    REGISTER(TIM2_PSC) = TIMER_CLOCK_HZ / 1000000u - 1; /* microseconds */
    REGISTER(TIM2_EGR) = 1u;                            /* take the prescaler over now */
    REGISTER(TIM2_CR1) = 1u;
    serial_printf("m-timestamp-mode-performance\r\n");
    serial_printf("m-init-done\r\n");
    serial_printf("m-ready\r\n");
}
