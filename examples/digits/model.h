/* An int8 convolutional network that reads a handwritten digit of 8x8 pixels.
 *
 *   input      8 x 8 x  1   scale 1/255, zero point -128: white is -128, full ink 127
 *   conv 3x3   8 x 8 x 16   ReLU
 *   dwconv 3x3 4 x 4 x 16   stride 2, ReLU
 *   conv 1x1   4 x 4 x 32   ReLU
 *   avgpool    2 x 2 x 32
 *   fc         10           logits
 *
 * Weights and quantisation are in weights.c; reference.py computes the same bit for bit. */
#ifndef DIGITS_MODEL_H
#define DIGITS_MODEL_H

#include <stdint.h>

#include "weights.h"

#define MODEL_INPUT_SIDE 8

/* Read one image.
 *
 * image: MODEL_INPUT_SIDE rows of as many pixels, int8. logits: CLASSES_COUNT values, written.
 * Neither may overlap the other. Returns the digit, 0 .. 9 (the lowest of equal logits).
 * Activations live in one static arena, so calls must not be nested or concurrent. */
int32_t model_invoke(const int8_t *image, int8_t *logits);

#endif
