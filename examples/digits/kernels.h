/* Int8 kernels in portable C, for any core: the plain versions that faster ones are compared with.
 *
 * Arithmetic is that of TensorFlow Lite's int8 reference kernels [TFLITE-QUANT]:
 *   real = scale * (value - zero_point); weights have zero point 0 and one scale an output channel;
 *   sum = bias + sum of (input - input_zero_point) * weight;
 *   output = clamp(requantize(sum) + output_zero_point).
 *
 * Tensors are one image, height x width x channels (HWC), channels innermost. No kernel allocates,
 * or needs int8 data aligned. Input, output and scratch must not overlap. Sums must stay
 * inside +-2^30: 255 * 127 * (inputs of one output) + |bias| < 2^30.
 *
 * Names: <operator>_<type>_k<height>x<width>_<layout>__<instruction set>. */
#ifndef DIGITS_KERNELS_H
#define DIGITS_KERNELS_H

#include <stdint.h>

/* What a layer computes with; arrays have one entry an output channel unless said otherwise.
 *
 * weights: int8, -127 .. 127. Convolution: [output channel][row][column][input channel];
 *   depthwise: [row][column][channel]; fully connected: [output][input].
 * bias: int32, scale = input scale * weight scale.
 * multiplier, shift: what one unit of the sum is worth at the output, multiplier / 2^31 * 2^shift,
 *   multiplier 2^30 .. 2^31 - 1, shift -31 .. 0 (negative: to the right).
 * activation_min: lower clamp of the output; a fused ReLU puts the output zero point here. */
typedef struct {
    const int8_t *weights;
    const int32_t *bias;
    const int32_t *multiplier;
    const int8_t *shift;
    int32_t input_zero_point;
    int32_t output_zero_point;
    int32_t activation_min;
} quantized_layer;

typedef struct {
    int32_t height;
    int32_t width;
    int32_t channels;
} hwc_shape;

/* sum * multiplier / 2^31 * 2^shift with TensorFlow Lite's two roundings: the product half up, the
 * shift half away from zero. |sum| < 2^30, multiplier and shift as in quantized_layer.
 * The result fits in 31 bits, so that adding half a step below cannot overflow. */
static inline int32_t requantize(int32_t sum, int32_t multiplier, int32_t shift) {
    const int64_t product = (int64_t)sum * multiplier;
    const int32_t high = (int32_t)((product + (INT64_C(1) << 30)) >> 31);
    const int32_t half = (int32_t)((UINT32_C(1) << -shift) >> 1);
    return (high + half - (high < 0 && shift < 0)) >> -shift;
}

/* Convolution 3x3 with SAME padding: out is ceil(height / stride) x ceil(width / stride) x
 * output_channels. Where the padding is odd, the extra row and column are the last ones.
 * Stride 1 or 2. Scratch: 9 * channels values, one window. */
void conv_s8_k3x3_hwc__c(const int8_t *restrict input, hwc_shape shape, int32_t stride,
                         const quantized_layer *layer, int32_t output_channels,
                         int16_t *restrict scratch, int8_t *restrict output);

/* Depthwise convolution 3x3 with SAME padding as above: one filter a channel, as many channels out
 * as in. Stride 1 or 2. */
void dwconv_s8_k3x3_hwc__c(const int8_t *restrict input, hwc_shape shape, int32_t stride,
                           const quantized_layer *layer, int8_t *restrict output);

/* Pointwise convolution 1x1, stride 1: height x width x output_channels out. */
void conv_s8_k1x1_hwc__c(const int8_t *restrict input, hwc_shape shape,
                         const quantized_layer *layer, int32_t output_channels,
                         int8_t *restrict output);

/* Average pooling 2x2, stride 2, for even height and width: (height / 2) x (width / 2) x channels
 * out, on the input's scale and zero point. Quotients round half away from zero. */
void avgpool_s8_k2x2_hwc__c(const int8_t *restrict input, hwc_shape shape,
                            int8_t *restrict output);

/* Fully connected: inputs_count values in, outputs_count out. */
void fc_s8__c(const int8_t *restrict input, int32_t inputs_count, const quantized_layer *layer,
              int32_t outputs_count, int8_t *restrict output);

/* Index of the largest value, the lowest index of a tie. count is 1 or more. */
int32_t argmax_s8__c(const int8_t *values, int32_t count);

#endif
