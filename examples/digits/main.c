/* Run the digits network over its test images.
 *
 * Prints the predicted digits in the order of the images, a CRC-32 over all logits (the one of
 * zlib, so that reference.py can be compared in one number), and how many were right. */
#include <stdint.h>
#include <stdio.h>

#include "model.h"
#include "test_images.h"

#define DIGITS_PER_LINE 60

/* CRC-32 with the reflected polynomial 0xEDB88320, one bit at a time. Start with crc = 0. */
static uint32_t crc32(uint32_t crc, const int8_t *data, int32_t size_bytes) {
    crc = ~crc;
    for (int32_t i = 0; i < size_bytes; i++) {
        crc ^= (uint8_t)data[i];
        for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (0xEDB88320u & (0u - (crc & 1u)));
    }
    return ~crc;
}

int main(void) {
    char line[DIGITS_PER_LINE + 1];
    int8_t logits[CLASSES_COUNT];
    uint32_t crc = 0;
    int right_count = 0;
    int column = 0;

    for (int i = 0; i < TEST_IMAGES_COUNT; i++) {
        const int32_t digit = model_invoke(test_images + i * TEST_IMAGE_BYTES, logits);
        crc = crc32(crc, logits, CLASSES_COUNT);
        right_count += digit == test_labels[i];
        line[column++] = (char)('0' + digit);
        if (column == DIGITS_PER_LINE || i == TEST_IMAGES_COUNT - 1) {
            line[column] = '\0';
            puts(line);
            column = 0;
        }
    }

    const int permille = (right_count * 1000 + TEST_IMAGES_COUNT / 2) / TEST_IMAGES_COUNT;
    printf("logits crc32 %08lx\n", (unsigned long)crc);
    printf("accuracy %d of %d, %d.%d %%\n", right_count, TEST_IMAGES_COUNT, permille / 10,
           permille % 10);
    return 0;
}
