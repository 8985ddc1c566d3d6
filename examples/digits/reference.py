"""NumPy reference of the int8 digits network, bit for bit, and the reader of its C arrays.

The numbers live once, in `weights.c` and `test_images.c`; this module reads them from there, so the
firmware and the reference cannot drift apart. Arithmetic is that of TensorFlow Lite's reference
kernels: int8 weights with one scale an output channel, int32 bias, and requantisation by a 31-bit
multiplier and a shift, each of the two rounded by itself [TFLITE-QUANT].

Activations are `[N, H, W, C]` int8 throughout; accumulators are int32 values held in int64.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Int8 = npt.NDArray[np.int8]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]

HERE = Path(__file__).resolve().parent
LAYER_NAMES = ("conv", "depthwise", "pointwise", "classifier")

_ARRAY = re.compile(
    r"^/\* (\w+) \[([\d, ]+)\] \*/\n(?:static )?const \w+ \w+\[\d+\] = \{([^}]*)\};", re.MULTILINE
)
_LAYER = re.compile(r"^const quantized_layer (\w+)_layer = \{([^}]*)\};", re.MULTILINE)
_FIELD = re.compile(r"\.(\w+) = (-?\d+),")


@dataclass(frozen=True, eq=False)
class Layer:
    """One quantised layer: everything between its int8 input and its int8 output.

    Attributes:
        weights: `[O, KH, KW, I]`; depthwise `[KH, KW, C]`; fully connected `[O, I]`; -127..127.
        bias: `[O]`, in units of input scale times weight scale.
        multiplier: `[O]`, 2^30 .. 2^31 - 1, a factor in 31 fractional bits.
        shift: `[O]`, power of two after the multiplier, -31 .. 0 (negative: to the right).
        input_zero_point: the int8 value that means zero at the input.
        output_zero_point: the same at the output.
        activation_min: lower clamp of the output; the zero point where a ReLU is fused.
    """

    weights: Int8
    bias: Int32
    multiplier: Int32
    shift: Int8
    input_zero_point: int
    output_zero_point: int
    activation_min: int


@dataclass(frozen=True, eq=False)
class Network:
    """The four layers with weights, in order of execution (pooling has none)."""

    conv: Layer
    depthwise: Layer
    pointwise: Layer
    classifier: Layer


def read_arrays(text: str) -> dict[str, Int64]:
    """Every array of a C text that a comment `name [shape]` introduces, in that shape."""
    arrays = {}
    for name, sizes, body in _ARRAY.findall(text):
        values = [int(value) for value in body.split(",") if value.strip()]
        shape = tuple(int(size) for size in sizes.split(","))
        arrays[name] = np.array(values, dtype=np.int64).reshape(shape)
    return arrays


def read_network(folder: Path = HERE) -> Network:
    """Read the quantised network from `weights.c`."""
    text = (folder / "weights.c").read_text()
    arrays = read_arrays(text)
    layers = {}
    for name, body in _LAYER.findall(text):
        fields = dict(_FIELD.findall(body))
        layers[name] = Layer(
            weights=arrays[f"{name}_weights"].astype(np.int8),
            bias=arrays[f"{name}_bias"].astype(np.int32),
            multiplier=arrays[f"{name}_multiplier"].astype(np.int32),
            shift=arrays[f"{name}_shift"].astype(np.int8),
            input_zero_point=int(fields["input_zero_point"]),
            output_zero_point=int(fields["output_zero_point"]),
            activation_min=int(fields["activation_min"]),
        )
    return Network(*(layers[name] for name in LAYER_NAMES))


def read_test_images(folder: Path = HERE) -> tuple[Int8, Int8]:
    """Read `([N, 8, 8, 1] images, [N] labels)` from `test_images.c`."""
    arrays = read_arrays((folder / "test_images.c").read_text())
    images = arrays["test_images"].astype(np.int8)
    return images.reshape(-1, 8, 8, 1), arrays["test_labels"].astype(np.int8)


def requantize(accumulator: Int64, multiplier: Int32 | Int64, shift: Int8 | Int64) -> Int64:
    """`accumulator * multiplier / 2^31 * 2^shift`, rounded twice as TensorFlow Lite does.

    The product rounds half up; the shift to the right rounds half away from zero. Shapes broadcast.
    `|accumulator| < 2^30`, multiplier positive, shift -31 .. 0.
    """
    product = accumulator.astype(np.int64) * multiplier
    high = (product + (1 << 30)) >> 31
    right = -shift.astype(np.int64)
    half = (np.int64(1) << right) >> 1
    return (high + half - ((high < 0) & (right > 0))) >> right


def _finish(accumulator: Int64, layer: Layer) -> Int8:
    scaled = requantize(accumulator, layer.multiplier, layer.shift) + layer.output_zero_point
    return np.clip(scaled, layer.activation_min, 127).astype(np.int8)


def _windows(images: Int8, stride: int, zero_point: int) -> Int64:
    """3x3 windows with SAME padding, `[N, OH, OW, 3, 3, C]`, zero point subtracted.

    As in TensorFlow Lite an odd total of padding puts the extra row and column at the end.
    """
    _, height, width, _ = images.shape
    out_height, out_width = -(-height // stride), -(-width // stride)
    pad_y = max((out_height - 1) * stride + 3 - height, 0)
    pad_x = max((out_width - 1) * stride + 3 - width, 0)
    values = images.astype(np.int64) - zero_point
    border = (
        (0, 0),
        (pad_y // 2, pad_y - pad_y // 2),
        (pad_x // 2, pad_x - pad_x // 2),
        (0, 0),
    )
    padded = np.pad(values, border)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    return np.moveaxis(windows[:, ::stride, ::stride], 3, -1)


def conv_k3x3(images: Int8, layer: Layer, stride: int = 1) -> Int8:
    """Convolution 3x3, SAME padding: `[N, H, W, I]` to `[N, ceil(H/stride), ceil(W/stride), O]`."""
    windows = _windows(images, stride, layer.input_zero_point)
    accumulator = np.einsum("nyxijc,oijc->nyxo", windows, layer.weights.astype(np.int64))
    return _finish(accumulator + layer.bias, layer)


def dwconv_k3x3(images: Int8, layer: Layer, stride: int = 1) -> Int8:
    """Depthwise convolution 3x3, SAME padding, one filter a channel."""
    windows = _windows(images, stride, layer.input_zero_point)
    accumulator = np.einsum("nyxijc,ijc->nyxc", windows, layer.weights.astype(np.int64))
    return _finish(accumulator + layer.bias, layer)


def conv_k1x1(images: Int8, layer: Layer) -> Int8:
    """Pointwise convolution: `[N, H, W, I]` to `[N, H, W, O]`, weights `[O, 1, 1, I]`."""
    values = images.astype(np.int64) - layer.input_zero_point
    weights = layer.weights.astype(np.int64).reshape(layer.weights.shape[0], -1)
    return _finish(values @ weights.T + layer.bias, layer)


def avgpool_k2x2(images: Int8) -> Int8:
    """Average pooling 2x2, stride 2, even sizes; quotients round half away from zero."""
    count, height, width, channels = images.shape
    cells = images.astype(np.int64).reshape(count, height // 2, 2, width // 2, 2, channels)
    total = cells.sum(axis=(2, 4))
    averages: Int8 = (np.sign(total) * ((np.abs(total) + 2) // 4)).astype(np.int8)
    return averages


def fully_connected(vectors: Int8, layer: Layer) -> Int8:
    """Fully connected: `[N, I]` to `[N, O]`, weights `[O, I]`."""
    values = vectors.astype(np.int64) - layer.input_zero_point
    return _finish(values @ layer.weights.astype(np.int64).T + layer.bias, layer)


def invoke(images: Int8, network: Network) -> tuple[Int8, Int8]:
    """Run the network: `([N, 10] logits, [N] classes)`, the lowest class winning a tie."""
    hidden = conv_k3x3(images, network.conv)
    hidden = dwconv_k3x3(hidden, network.depthwise, stride=2)
    hidden = conv_k1x1(hidden, network.pointwise)
    hidden = avgpool_k2x2(hidden)
    logits = fully_connected(hidden.reshape(len(images), -1), network.classifier)
    return logits, logits.argmax(axis=1).astype(np.int8)
