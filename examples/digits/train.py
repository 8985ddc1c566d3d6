"""Train the digits network and write `weights.h`, `weights.c`, `test_images.h`, `test_images.c`.

    python -m examples.digits.train            (from the root of the repository, under a minute)

Data: the 1797 handwritten digits of 8x8 pixels that come with scikit-learn [SKLEARN-DIGITS], split
four to one. Training is a small NumPy back-propagation (Adam, cross-entropy); the float network is
then quantised as TensorFlow Lite does: weights symmetric with one scale an output
channel, activations asymmetric over the range seen on the training images [TFLITE-QUANT].

The seed is fixed, so one machine gives one result; another BLAS may round a float differently. The
committed C arrays are what everything else reads, and they are only ever written by this script.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from examples.digits import reference
from examples.digits.reference import HERE, LAYER_NAMES, Int8, Layer, Network

Float = npt.NDArray[np.float32]

SEED = 1797
EPOCHS_COUNT = 120
BATCH_COUNT = 32
LEARNING_RATE = 3e-3
CONV_CHANNELS = 16
POINTWISE_CHANNELS = 32
CLASSES_COUNT = 10
INPUT_ZERO_POINT = -128  # pixel 0 is int8 -128, pixel 16 is 127

_GENERATED = "Written by train.py; do not edit."


@dataclass
class FloatLayer:
    """A float layer in training: weights shaped as in `reference.Layer`, and bias `[O]`."""

    weights: Float
    bias: Float


@dataclass(frozen=True)
class ActivationRange:
    """What a tensor's values span on the training images; zero is always inside."""

    low: float
    high: float

    @property
    def scale(self) -> float:
        return (self.high - self.low) / 255.0

    @property
    def zero_point(self) -> int:
        return int(np.clip(round(-128 - self.low / self.scale), -128, 127))


def load_split() -> tuple[Float, Int8, Float, Int8]:
    """`(train images, train labels, test images, test labels)`; images `[N, 8, 8, 1]`, 0 .. 1."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    images = (digits.images[..., np.newaxis] / 16.0).astype(np.float32)
    train_x, test_x, train_y, test_y = train_test_split(
        images,
        digits.target.astype(np.int8),
        test_size=0.2,
        random_state=SEED,
        stratify=digits.target,
    )
    return train_x, train_y, test_x, test_y


def quantize_images(images: Float) -> Int8:
    """Pixels 0 .. 1 as int8 with scale 1/255 and zero point -128."""
    pixels: Int8 = (np.rint(images * 255.0) + INPUT_ZERO_POINT).astype(np.int8)
    return pixels


# --- float network -------------------------------------------------------------------------------


def _pad(images: Float, before: int, after: int) -> Float:
    return np.pad(images, ((0, 0), (before, after), (before, after), (0, 0)))


def _windows(padded: Float, stride: int) -> Float:
    views = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    return np.moveaxis(views[:, ::stride, ::stride], 3, -1)


def _scatter(windows: Float, padded_shape: tuple[int, ...], stride: int) -> Float:
    """Transpose of `_windows`: add each window's gradient back to the pixels it came from."""
    gradient = np.zeros(padded_shape, dtype=np.float32)
    _, out_height, out_width = windows.shape[:3]
    for i in range(3):
        for j in range(3):
            rows = slice(i, i + stride * out_height, stride)
            columns = slice(j, j + stride * out_width, stride)
            gradient[:, rows, columns] += windows[:, :, :, i, j]
    return gradient


@dataclass(frozen=True)
class Forward:
    """Activations of one batch, as back-propagation and calibration need them."""

    conv_windows: Float
    conv: Float
    depthwise_windows: Float
    depthwise: Float
    pointwise: Float
    pooled: Float
    logits: Float


def forward(images: Float, layers: dict[str, FloatLayer]) -> Forward:
    """The float network; every hidden layer ends in a ReLU."""
    conv_windows = _windows(_pad(images, 1, 1), 1)
    conv = np.einsum("nyxijc,oijc->nyxo", conv_windows, layers["conv"].weights, optimize=True)
    conv = np.maximum(conv + layers["conv"].bias, 0)
    depthwise_windows = _windows(_pad(conv, 0, 1), 2)
    depthwise = np.einsum("nyxijc,ijc->nyxc", depthwise_windows, layers["depthwise"].weights)
    depthwise = np.maximum(depthwise + layers["depthwise"].bias, 0)
    pointwise = depthwise @ layers["pointwise"].weights[:, 0, 0].T
    pointwise = np.maximum(pointwise + layers["pointwise"].bias, 0)
    count, _, _, channels = pointwise.shape
    pooled = pointwise.reshape(count, 2, 2, 2, 2, channels).mean(axis=(2, 4)).reshape(count, -1)
    logits = pooled @ layers["classifier"].weights.T + layers["classifier"].bias
    return Forward(conv_windows, conv, depthwise_windows, depthwise, pointwise, pooled, logits)


def backward(
    images_count: int, seen: Forward, logits_gradient: Float, layers: dict[str, FloatLayer]
) -> dict[str, FloatLayer]:
    """Gradients of the loss by layer, given its gradient by the logits."""
    gradients = {
        "classifier": FloatLayer(logits_gradient.T @ seen.pooled, logits_gradient.sum(axis=0))
    }
    pooled = (logits_gradient @ layers["classifier"].weights).reshape(images_count, 2, 2, -1)
    pointwise = pooled.repeat(2, axis=1).repeat(2, axis=2) / 4 * (seen.pointwise > 0)
    weights = np.einsum("nyxo,nyxc->oc", pointwise, seen.depthwise, optimize=True)
    gradients["pointwise"] = FloatLayer(
        weights[:, np.newaxis, np.newaxis], pointwise.sum(axis=(0, 1, 2))
    )
    depthwise = (pointwise @ layers["pointwise"].weights[:, 0, 0]) * (seen.depthwise > 0)
    gradients["depthwise"] = FloatLayer(
        np.einsum("nyxijc,nyxc->ijc", seen.depthwise_windows, depthwise, optimize=True),
        depthwise.sum(axis=(0, 1, 2)),
    )
    windows = np.einsum("nyxc,ijc->nyxijc", depthwise, layers["depthwise"].weights)
    conv = _scatter(windows, (images_count, 9, 9, CONV_CHANNELS), 2)[:, :8, :8] * (seen.conv > 0)
    gradients["conv"] = FloatLayer(
        np.einsum("nyxijc,nyxo->oijc", seen.conv_windows, conv, optimize=True),
        conv.sum(axis=(0, 1, 2)),
    )
    return gradients


def initial_layers(rng: np.random.Generator) -> dict[str, FloatLayer]:
    """He initialisation: variance 2 over the inputs of an output."""
    shapes = {
        "conv": (CONV_CHANNELS, 3, 3, 1),
        "depthwise": (3, 3, CONV_CHANNELS),
        "pointwise": (POINTWISE_CHANNELS, 1, 1, CONV_CHANNELS),
        "classifier": (CLASSES_COUNT, 4 * POINTWISE_CHANNELS),
    }
    inputs_count = {
        "conv": 9,
        "depthwise": 9,
        "pointwise": CONV_CHANNELS,
        "classifier": 4 * POINTWISE_CHANNELS,
    }
    layers = {}
    for name, shape in shapes.items():
        weights = rng.normal(0, np.sqrt(2 / inputs_count[name]), shape).astype(np.float32)
        outputs_count = shape[-1] if name == "depthwise" else shape[0]
        layers[name] = FloatLayer(weights, np.zeros(outputs_count, dtype=np.float32))
    return layers


def _shifted(images: Float, rng: np.random.Generator) -> Float:
    """Each image moved by -1, 0 or 1 pixel both ways, zeros coming in: a digit stays a digit."""
    padded = _pad(images, 1, 1)
    moved = np.empty_like(images)
    for index, (dy, dx) in enumerate(rng.choice(3, size=(len(images), 2), p=(0.15, 0.7, 0.15))):
        moved[index] = padded[index, dy : dy + 8, dx : dx + 8]
    return moved


def train(images: Float, labels: Int8, log: Callable[[str], None]) -> dict[str, FloatLayer]:
    """Adam with a cosine learning rate over `EPOCHS_COUNT` epochs."""
    rng = np.random.default_rng(SEED)
    layers = initial_layers(rng)
    parameters = [p for name in LAYER_NAMES for p in (layers[name].weights, layers[name].bias)]
    means = [np.zeros_like(p) for p in parameters]
    squares = [np.zeros_like(p) for p in parameters]
    steps_count = EPOCHS_COUNT * -(-len(images) // BATCH_COUNT)
    step = 0
    for epoch in range(EPOCHS_COUNT):
        order = rng.permutation(len(images))
        loss = 0.0
        for start in range(0, len(order), BATCH_COUNT):
            picked = order[start : start + BATCH_COUNT]
            count = len(picked)
            seen = forward(_shifted(images[picked], rng), layers)
            shifted = seen.logits - seen.logits.max(axis=1, keepdims=True)
            probability = np.exp(shifted)
            probability /= probability.sum(axis=1, keepdims=True)
            loss -= float(np.log(probability[np.arange(count), labels[picked]] + 1e-9).sum())
            probability[np.arange(count), labels[picked]] -= 1
            gradients = backward(count, seen, probability / count, layers)
            step += 1
            rate = LEARNING_RATE * 0.5 * (1 + np.cos(np.pi * step / steps_count))
            flat = [
                g for name in LAYER_NAMES for g in (gradients[name].weights, gradients[name].bias)
            ]
            for parameter, gradient, mean, square in zip(
                parameters, flat, means, squares, strict=True
            ):
                mean += 0.1 * (gradient - mean)
                square += 0.001 * (gradient * gradient - square)
                corrected = mean / (1 - 0.9**step)
                spread = np.sqrt(square / (1 - 0.999**step)) + 1e-8
                parameter -= rate * (corrected / spread + 1e-4 * parameter)
        if (epoch + 1) % 20 == 0:
            log(f"epoch {epoch + 1:3}: mean loss {loss / len(images):.4f}")
    return layers


# --- quantisation --------------------------------------------------------------------------------


def _range(values: Float) -> ActivationRange:
    return ActivationRange(min(0.0, float(values.min())), max(0.0, float(values.max())))


def quantize_layer(
    layer: FloatLayer,
    channel_axis: int,
    input_scale: float,
    input_zero_point: int,
    output: ActivationRange,
    relu: bool,
) -> Layer:
    """One float layer as int8 weights, int32 bias, and a multiplier and shift an output channel."""
    other_axes = tuple(axis for axis in range(layer.weights.ndim) if axis != channel_axis)
    largest = np.abs(layer.weights).max(axis=other_axes).astype(np.float64)
    weight_scale = np.maximum(largest, 1e-6) / 127.0
    along_channel = [1] * layer.weights.ndim
    along_channel[channel_axis] = -1
    quantized = np.rint(layer.weights / weight_scale.reshape(along_channel))
    accumulator_scale = input_scale * weight_scale
    fraction, exponent = np.frexp(accumulator_scale / output.scale)
    multiplier = np.rint(fraction * 2**31).astype(np.int64)
    carried = multiplier == 2**31
    multiplier[carried] //= 2
    exponent[carried] += 1
    if exponent.max() > 0 or exponent.min() < -31:
        raise ValueError(f"shifts {exponent.min()} .. {exponent.max()} are outside -31 .. 0")
    return Layer(
        weights=quantized.astype(np.int8),
        bias=np.rint(layer.bias / accumulator_scale).astype(np.int32),
        multiplier=multiplier.astype(np.int32),
        shift=exponent.astype(np.int8),
        input_zero_point=input_zero_point,
        output_zero_point=output.zero_point,
        activation_min=output.zero_point if relu else -128,
    )


def quantize(layers: dict[str, FloatLayer], images: Float) -> Network:
    """Quantise after training, with activation ranges from `images`."""
    seen = forward(images, layers)
    conv, depthwise, pointwise = _range(seen.conv), _range(seen.depthwise), _range(seen.pointwise)
    logits = _range(seen.logits)
    return Network(
        conv=quantize_layer(layers["conv"], 0, 1 / 255, INPUT_ZERO_POINT, conv, relu=True),
        depthwise=quantize_layer(
            layers["depthwise"], 2, conv.scale, conv.zero_point, depthwise, relu=True
        ),
        pointwise=quantize_layer(
            layers["pointwise"], 0, depthwise.scale, depthwise.zero_point, pointwise, relu=True
        ),
        # Average pooling keeps scale and zero point, so the classifier reads pointwise's.
        classifier=quantize_layer(
            layers["classifier"], 0, pointwise.scale, pointwise.zero_point, logits, relu=False
        ),
    )


# --- C text --------------------------------------------------------------------------------------


def _array(c_type: str, name: str, values: npt.NDArray[np.integer]) -> str:
    body = textwrap.fill(
        ", ".join(str(int(value)) for value in values.reshape(-1)) + ",",
        width=100,
        initial_indent="    ",
        subsequent_indent="    ",
        break_on_hyphens=False,
    )
    shape = ", ".join(str(size) for size in values.shape)
    return f"/* {name} [{shape}] */\n{c_type} {name}[{values.size}] = {{\n{body}\n}};\n"


_FIELDS = (
    ("weights", "int8_t"),
    ("bias", "int32_t"),
    ("multiplier", "int32_t"),
    ("shift", "int8_t"),
)


def render_weights_c(network: Network) -> str:
    """The text of `weights.c`."""
    parts = [f'/* {_GENERATED} Formats: weights.h. */\n#include "weights.h"\n']
    for name in LAYER_NAMES:
        layer: Layer = getattr(network, name)
        parts.extend(
            _array(f"static const {c_type}", f"{name}_{field}", getattr(layer, field))
            for field, c_type in _FIELDS
        )
        parts.append(
            f"const quantized_layer {name}_layer = {{\n"
            + "".join(f"    .{field} = {name}_{field},\n" for field, _ in _FIELDS)
            + f"    .input_zero_point = {layer.input_zero_point},\n"
            + f"    .output_zero_point = {layer.output_zero_point},\n"
            + f"    .activation_min = {layer.activation_min},\n"
            + "};\n"
        )
    return "\n".join(parts)


def render_weights_h(network: Network) -> str:
    """The text of `weights.h`: sizes, and the layers that `weights.c` defines."""
    sizes = {
        "CONV_CHANNELS": network.conv.weights.shape[0],
        "POINTWISE_CHANNELS": network.pointwise.weights.shape[0],
        "CLASSES_COUNT": network.classifier.weights.shape[0],
    }
    return (
        f"/* The quantised network, for model.c. {_GENERATED} */\n"
        "#ifndef DIGITS_WEIGHTS_H\n#define DIGITS_WEIGHTS_H\n\n"
        '#include "kernels.h"\n\n'
        + "".join(f"#define {name} {size}\n" for name, size in sizes.items())
        + "\n"
        + "".join(f"extern const quantized_layer {name}_layer;\n" for name in LAYER_NAMES)
        + "\n#endif\n"
    )


def render_test_images_c(images: Int8, labels: Int8) -> str:
    """The text of `test_images.c`."""
    flat = images.reshape(len(images), -1)
    return (
        f'/* {_GENERATED} Formats: test_images.h. */\n#include "test_images.h"\n\n'
        + _array("const int8_t", "test_images", flat)
        + "\n"
        + _array("const int8_t", "test_labels", labels)
    )


def render_test_images_h(images: Int8) -> str:
    """The text of `test_images.h`."""
    return f"""\
/* Handwritten digits of scikit-learn, none seen in training. {_GENERATED}
 *
 * test_images: image after image, 8 rows of 8 pixels; white is {INPUT_ZERO_POINT}, full ink is 127.
 * test_labels: the digit, 0 .. 9. */
#ifndef DIGITS_TEST_IMAGES_H
#define DIGITS_TEST_IMAGES_H

#include <stdint.h>

#define TEST_IMAGES_COUNT {len(images)}
#define TEST_IMAGE_BYTES {images[0].size}

extern const int8_t test_images[TEST_IMAGES_COUNT * TEST_IMAGE_BYTES];
extern const int8_t test_labels[TEST_IMAGES_COUNT];

#endif
"""


def write_files(network: Network, images: Int8, labels: Int8, folder: Path = HERE) -> None:
    """Write the four generated C files."""
    (folder / "weights.c").write_text(render_weights_c(network))
    (folder / "weights.h").write_text(render_weights_h(network))
    (folder / "test_images.c").write_text(render_test_images_c(images, labels))
    (folder / "test_images.h").write_text(render_test_images_h(images))


def main() -> None:
    train_x, train_y, test_x, test_y = load_split()
    layers = train(train_x, train_y, log=print)
    network = quantize(layers, train_x)
    images = quantize_images(test_x)
    _, predicted = reference.invoke(images, network)
    float_correct = int((forward(test_x, layers).logits.argmax(axis=1) == test_y).sum())
    int8_correct = int((predicted == test_y).sum())
    print(f"float: {float_correct} of {len(test_y)} test images right")
    print(f"int8:  {int8_correct} of {len(test_y)} test images right")
    write_files(network, images, test_y)


if __name__ == "__main__":
    main()
