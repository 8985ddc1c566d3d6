/* Int8 kernels in portable C. Formats, ranges and aliasing: kernels.h. */
#include "kernels.h"

/* Rows or columns of padding before the image, SAME rule: (total padding) / 2. */
static int32_t padding_before(int32_t size, int32_t stride) {
    const int32_t outputs_count = (size + stride - 1) / stride;
    const int32_t total = (outputs_count - 1) * stride + 3 - size;
    return total > 0 ? total / 2 : 0;
}

static int is_inside(int32_t position, int32_t size) {
    return (uint32_t)position < (uint32_t)size; /* a negative position becomes a large one */
}

static int8_t finish(int32_t sum, const quantized_layer *layer, int32_t channel) {
    int32_t value = requantize(sum, layer->multiplier[channel], layer->shift[channel]);
    value += layer->output_zero_point;
    if (value < layer->activation_min) value = layer->activation_min;
    if (value > INT8_MAX) value = INT8_MAX;
    return (int8_t)value;
}

/* Write the 3x3 window whose first tap is at (row, column) with its zero point subtracted; taps in
 * the padding are 0. */
static void gather_window(const int8_t *restrict input, hwc_shape shape, int32_t row,
                          int32_t column, int32_t zero_point, int16_t *restrict window) {
    for (int32_t i = 0; i < 3; i++) {
        for (int32_t j = 0; j < 3; j++) {
            const int32_t y = row + i;
            const int32_t x = column + j;
            if (is_inside(y, shape.height) && is_inside(x, shape.width)) {
                const int8_t *const pixel = input + (y * shape.width + x) * shape.channels;
                for (int32_t c = 0; c < shape.channels; c++) {
                    *window++ = (int16_t)(pixel[c] - zero_point);
                }
            } else {
                for (int32_t c = 0; c < shape.channels; c++) *window++ = 0;
            }
        }
    }
}

void conv_s8_k3x3_hwc__c(const int8_t *restrict input, hwc_shape shape, int32_t stride,
                         const quantized_layer *layer, int32_t output_channels,
                         int16_t *restrict scratch, int8_t *restrict output) {
    const int32_t taps_count = 9 * shape.channels;
    const int32_t padding_y = padding_before(shape.height, stride);
    const int32_t padding_x = padding_before(shape.width, stride);

    for (int32_t row = -padding_y; row < shape.height - padding_y; row += stride) {
        for (int32_t column = -padding_x; column < shape.width - padding_x; column += stride) {
            gather_window(input, shape, row, column, layer->input_zero_point, scratch);
            const int8_t *weights = layer->weights;
            for (int32_t o = 0; o < output_channels; o++) {
                int32_t sum = layer->bias[o];
                for (int32_t t = 0; t < taps_count; t++) sum += scratch[t] * *weights++;
                *output++ = finish(sum, layer, o);
            }
        }
    }
}

void dwconv_s8_k3x3_hwc__c(const int8_t *restrict input, hwc_shape shape, int32_t stride,
                           const quantized_layer *layer, int8_t *restrict output) {
    const int32_t channels = shape.channels;
    const int32_t padding_y = padding_before(shape.height, stride);
    const int32_t padding_x = padding_before(shape.width, stride);

    for (int32_t row = -padding_y; row < shape.height - padding_y; row += stride) {
        for (int32_t column = -padding_x; column < shape.width - padding_x; column += stride) {
            /* Channel 0 of each tap inside the image: the same for all channels. */
            const int8_t *tap_inputs[9];
            const int8_t *tap_weights[9];
            int32_t taps_count = 0;
            for (int32_t i = 0; i < 3; i++) {
                for (int32_t j = 0; j < 3; j++) {
                    const int32_t y = row + i;
                    const int32_t x = column + j;
                    if (!is_inside(y, shape.height) || !is_inside(x, shape.width)) continue;
                    tap_inputs[taps_count] = input + (y * shape.width + x) * channels;
                    tap_weights[taps_count] = layer->weights + (i * 3 + j) * channels;
                    taps_count++;
                }
            }
            for (int32_t c = 0; c < channels; c++) {
                int32_t sum = layer->bias[c];
                for (int32_t t = 0; t < taps_count; t++) {
                    sum += (tap_inputs[t][c] - layer->input_zero_point) * tap_weights[t][c];
                }
                *output++ = finish(sum, layer, c);
            }
        }
    }
}

void conv_s8_k1x1_hwc__c(const int8_t *restrict input, hwc_shape shape,
                         const quantized_layer *layer, int32_t output_channels,
                         int8_t *restrict output) {
    const int32_t pixels_count = shape.height * shape.width;
    /* A 1x1 convolution is a fully connected layer applied to every pixel. */
    for (int32_t pixel = 0; pixel < pixels_count; pixel++) {
        fc_s8__c(input + pixel * shape.channels, shape.channels, layer, output_channels,
                 output + pixel * output_channels);
    }
}

void avgpool_s8_k2x2_hwc__c(const int8_t *restrict input, hwc_shape shape,
                            int8_t *restrict output) {
    const int32_t channels = shape.channels;
    const int32_t row = shape.width * channels;

    for (int32_t y = 0; y < shape.height; y += 2) {
        for (int32_t x = 0; x < shape.width; x += 2) {
            const int8_t *corner = input + y * row + x * channels;
            for (int32_t c = 0; c < channels; c++) {
                const int32_t sum =
                    corner[c] + corner[channels + c] + corner[row + c] + corner[row + channels + c];
                *output++ = (int8_t)((sum < 0 ? sum - 2 : sum + 2) / 4);
            }
        }
    }
}

void fc_s8__c(const int8_t *restrict input, int32_t inputs_count, const quantized_layer *layer,
              int32_t outputs_count, int8_t *restrict output) {
    const int8_t *weights = layer->weights;
    for (int32_t o = 0; o < outputs_count; o++) {
        int32_t sum = layer->bias[o];
        for (int32_t i = 0; i < inputs_count; i++) {
            sum += (input[i] - layer->input_zero_point) * *weights++;
        }
        output[o] = finish(sum, layer, o);
    }
}

int32_t argmax_s8__c(const int8_t *values, int32_t count) {
    int32_t best = 0;
    for (int32_t i = 1; i < count; i++) {
        if (values[i] > values[best]) best = i;
    }
    return best;
}
