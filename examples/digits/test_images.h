/* Handwritten digits of scikit-learn, none seen in training. Written by train.py; do not edit.
 *
 * test_images: image after image, 8 rows of 8 pixels; white is -128, full ink is 127.
 * test_labels: the digit, 0 .. 9. */
#ifndef DIGITS_TEST_IMAGES_H
#define DIGITS_TEST_IMAGES_H

#include <stdint.h>

#define TEST_IMAGES_COUNT 360
#define TEST_IMAGE_BYTES 64

extern const int8_t test_images[TEST_IMAGES_COUNT * TEST_IMAGE_BYTES];
extern const int8_t test_labels[TEST_IMAGES_COUNT];

#endif
