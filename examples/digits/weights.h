/* The quantised network, for model.c. Written by train.py; do not edit. */
#ifndef DIGITS_WEIGHTS_H
#define DIGITS_WEIGHTS_H

#include "kernels.h"

#define CONV_CHANNELS 16
#define POINTWISE_CHANNELS 32
#define CLASSES_COUNT 10

extern const quantized_layer conv_layer;
extern const quantized_layer depthwise_layer;
extern const quantized_layer pointwise_layer;
extern const quantized_layer classifier_layer;

#endif
