/* Int8 kernels in portable C. Formats, ranges and aliasing: kernels.h. */
#include "kernels.h"

/* The part of a 3-wide window that lies inside the image along one axis. */
typedef struct {
    int32_t first; /* position of the window's tap 0 in the image; negative in the padding */
    int32_t begin; /* first tap inside, inclusive */
    int32_t end;   /* last tap inside, exclusive */
} window_span;

/* Rows or columns of padding before the image, SAME rule: (total padding) / 2. */
static int32_t padding_before(int32_t size, int32_t stride) {
    const int32_t outputs_count = (size + stride - 1) / stride;
    const int32_t total = (outputs_count - 1) * stride + 3 - size;
    return total > 0 ? total / 2 : 0;
}

static window_span span_at(int32_t output_index, int32_t size, int32_t stride, int32_t padding) {
    window_span span;
    span.first = output_index * stride - padding;
    span.begin = span.first < 0 ? -span.first : 0;
    span.end = size - span.first < 3 ? size - span.first : 3;
    return span;
}

static int8_t finish(int32_t sum, const quantized_layer *layer, int32_t channel) {
    int32_t value = requantize(sum, layer->multiplier[channel], layer->shift[channel]);
    value += layer->output_zero_point;
    if (value < layer->activation_min) value = layer->activation_min;
    if (value > INT8_MAX) value = INT8_MAX;
    return (int8_t)value;
}

/* Sum of (input - zero_point) * weight over count neighbours. */
static int32_t dot(const int8_t *restrict input, const int8_t *restrict weights, int32_t count,
                   int32_t zero_point) {
    int32_t sum = 0;
    for (int32_t i = 0; i < count; i++) sum += (input[i] - zero_point) * weights[i];
    return sum;
}

void conv_s8_k3x3_hwc__c(const int8_t *restrict input, hwc_shape shape, int32_t stride,
                         const quantized_layer *layer, int32_t output_channels,
                         int8_t *restrict output) {
    const int32_t channels = shape.channels;
    const int32_t padding_y = padding_before(shape.height, stride);
    const int32_t padding_x = padding_before(shape.width, stride);
    const int32_t output_height = (shape.height + stride - 1) / stride;
    const int32_t output_width = (shape.width + stride - 1) / stride;

    for (int32_t y = 0; y < output_height; y++) {
        const window_span rows = span_at(y, shape.height, stride, padding_y);
        for (int32_t x = 0; x < output_width; x++) {
            const window_span columns = span_at(x, shape.width, stride, padding_x);
            /* A row of the window is one run of memory in image and weights alike. */
            const int32_t run = (columns.end - columns.begin) * channels;
            for (int32_t o = 0; o < output_channels; o++) {
                int32_t sum = layer->bias[o];
                for (int32_t i = rows.begin; i < rows.end; i++) {
                    const int32_t pixel =
                        (rows.first + i) * shape.width + columns.first + columns.begin;
                    const int32_t tap = (o * 3 + i) * 3 + columns.begin;
                    sum += dot(input + pixel * channels, layer->weights + tap * channels, run,
                               layer->input_zero_point);
                }
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
    const int32_t output_height = (shape.height + stride - 1) / stride;
    const int32_t output_width = (shape.width + stride - 1) / stride;

    for (int32_t y = 0; y < output_height; y++) {
        const window_span rows = span_at(y, shape.height, stride, padding_y);
        for (int32_t x = 0; x < output_width; x++) {
            const window_span columns = span_at(x, shape.width, stride, padding_x);
            for (int32_t c = 0; c < channels; c++) {
                int32_t sum = layer->bias[c];
                for (int32_t i = rows.begin; i < rows.end; i++) {
                    for (int32_t j = columns.begin; j < columns.end; j++) {
                        const int32_t pixel = (rows.first + i) * shape.width + columns.first + j;
                        sum += (input[pixel * channels + c] - layer->input_zero_point) *
                               layer->weights[(i * 3 + j) * channels + c];
                    }
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
    for (int32_t o = 0; o < outputs_count; o++) {
        const int32_t sum = layer->bias[o] + dot(input, layer->weights + o * inputs_count,
                                                 inputs_count, layer->input_zero_point);
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
