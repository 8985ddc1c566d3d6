/* The digits network, layer by layer. What it computes: model.h. */
#include "model.h"

#define CONV_SIDE MODEL_INPUT_SIDE
#define DEPTHWISE_SIDE (CONV_SIDE / 2)
#define POOLED_SIDE (DEPTHWISE_SIDE / 2)

#define CONV_BYTES (CONV_SIDE * CONV_SIDE * CONV_CHANNELS)
#define DEPTHWISE_BYTES (DEPTHWISE_SIDE * DEPTHWISE_SIDE * CONV_CHANNELS)
#define POINTWISE_BYTES (DEPTHWISE_SIDE * DEPTHWISE_SIDE * POINTWISE_CHANNELS)
#define POOLED_BYTES (POOLED_SIDE * POOLED_SIDE * POINTWISE_CHANNELS)

/* A layer reads one end of the arena and writes the other. The widest pair, conv beside depthwise,
 * sets its size; the others fit into the same two places. */
static int8_t arena[CONV_BYTES + DEPTHWISE_BYTES];
static int16_t conv_scratch[9]; /* one window of the image, which has one channel */

_Static_assert(POINTWISE_BYTES <= CONV_BYTES, "pointwise takes conv's place");
_Static_assert(POOLED_BYTES <= DEPTHWISE_BYTES, "pooled takes depthwise's place");

int32_t model_invoke(const int8_t *image, int8_t *logits) {
    int8_t *const conv = arena;
    int8_t *const depthwise = arena + CONV_BYTES;
    int8_t *const pointwise = conv;
    int8_t *const pooled = depthwise;

    const hwc_shape image_shape = {MODEL_INPUT_SIDE, MODEL_INPUT_SIDE, 1};
    const hwc_shape conv_shape = {CONV_SIDE, CONV_SIDE, CONV_CHANNELS};
    const hwc_shape depthwise_shape = {DEPTHWISE_SIDE, DEPTHWISE_SIDE, CONV_CHANNELS};
    const hwc_shape pointwise_shape = {DEPTHWISE_SIDE, DEPTHWISE_SIDE, POINTWISE_CHANNELS};

    conv_s8_k3x3_hwc__c(image, image_shape, 1, &conv_layer, CONV_CHANNELS, conv_scratch, conv);
    dwconv_s8_k3x3_hwc__c(conv, conv_shape, 2, &depthwise_layer, depthwise);
    conv_s8_k1x1_hwc__c(depthwise, depthwise_shape, &pointwise_layer, POINTWISE_CHANNELS,
                        pointwise);
    avgpool_s8_k2x2_hwc__c(pointwise, pointwise_shape, pooled);
    fc_s8__c(pooled, POOLED_BYTES, &classifier_layer, CLASSES_COUNT, logits);
    return argmax_s8__c(logits, CLASSES_COUNT);
}
