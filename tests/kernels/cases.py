"""Kernel cases: random layers and shapes as C, and what the NumPy reference says of them.

A case is one call of one kernel. `render` turns cases into a C file for `harness/main.c`, which
prints each output between guard bytes; `read_outputs` checks the guards and gives the outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from examples.digits import reference
from examples.digits.reference import Int8, Layer

GUARD = b"\xa5" * 32


@dataclass(frozen=True, eq=False)
class Case:
    """One call of a kernel.

    Attributes:
        name: kernel and shape, e.g. `conv3x3_h5_w7_i3_o4_s2`; its C function is called so.
        declarations: C definitions of what the call reads; `@` stands for the case's name.
        call: C statement that writes its result to `output`, `@` as above.
        expected: the bytes the kernel must write.
    """

    name: str
    declarations: str
    call: str
    expected: bytes


def random_layer(rng: np.random.Generator, shape: tuple[int, ...], channel_axis: int) -> Layer:
    """A layer whose outputs fill the int8 range and now and then clamp, on both sides."""
    channels_count = shape[channel_axis]
    inputs_count = int(np.prod(shape)) // channels_count
    spread = 74 * 74 * np.sqrt(inputs_count)  # of a sum of products of uniform int8 values
    factor = rng.uniform(20, 90, channels_count) / spread
    fraction, exponent = np.frexp(factor)
    output_zero_point = int(rng.integers(-128, 128))
    return Layer(
        weights=rng.integers(-127, 128, shape).astype(np.int8),
        bias=rng.integers(-int(spread), int(spread), channels_count).astype(np.int32),
        multiplier=np.floor(fraction * 2**31).astype(np.int32),
        shift=exponent.astype(np.int8),
        input_zero_point=int(rng.integers(-128, 128)),
        output_zero_point=output_zero_point,
        activation_min=output_zero_point if rng.random() < 0.5 else -128,
    )


def random_image(rng: np.random.Generator, height: int, width: int, channels: int) -> Int8:
    """One image `[1, H, W, C]` over the whole int8 range."""
    return rng.integers(-128, 128, (1, height, width, channels)).astype(np.int8)


def _c_array(c_type: str, name: str, values: npt.NDArray[np.integer]) -> str:
    body = ", ".join(str(int(value)) for value in values.reshape(-1))
    return f"static const {c_type} {name}[] = {{{body}}};\n"


def _c_layer(layer: Layer) -> str:
    return (
        _c_array("int8_t", "weights_@", layer.weights)
        + _c_array("int32_t", "bias_@", layer.bias)
        + _c_array("int32_t", "multiplier_@", layer.multiplier)
        + _c_array("int8_t", "shift_@", layer.shift)
        + "static const quantized_layer layer_@ = {weights_@, bias_@, multiplier_@, shift_@, "
        + f"{layer.input_zero_point}, {layer.output_zero_point}, {layer.activation_min}}};\n"
    )


def conv_k3x3(
    rng: np.random.Generator, height: int, width: int, inputs: int, outputs: int, stride: int
) -> Case:
    image = random_image(rng, height, width, inputs)
    layer = random_layer(rng, (outputs, 3, 3, inputs), 0)
    return Case(
        f"conv3x3_h{height}_w{width}_i{inputs}_o{outputs}_s{stride}",
        _c_array("int8_t", "input_@", image)
        + _c_layer(layer)
        + f"static int16_t scratch_@[9 * {inputs}];\n",
        f"conv_s8_k3x3_hwc__c(input_@, (hwc_shape){{{height}, {width}, {inputs}}}, {stride}, "
        f"&layer_@, {outputs}, scratch_@, output);",
        reference.conv_k3x3(image, layer, stride).tobytes(),
    )


def dwconv_k3x3(
    rng: np.random.Generator, height: int, width: int, channels: int, stride: int
) -> Case:
    image = random_image(rng, height, width, channels)
    layer = random_layer(rng, (3, 3, channels), 2)
    return Case(
        f"dwconv3x3_h{height}_w{width}_c{channels}_s{stride}",
        _c_array("int8_t", "input_@", image) + _c_layer(layer),
        f"dwconv_s8_k3x3_hwc__c(input_@, (hwc_shape){{{height}, {width}, {channels}}}, {stride}, "
        "&layer_@, output);",
        reference.dwconv_k3x3(image, layer, stride).tobytes(),
    )


def conv_k1x1(rng: np.random.Generator, height: int, width: int, inputs: int, outputs: int) -> Case:
    image = random_image(rng, height, width, inputs)
    layer = random_layer(rng, (outputs, 1, 1, inputs), 0)
    return Case(
        f"conv1x1_h{height}_w{width}_i{inputs}_o{outputs}",
        _c_array("int8_t", "input_@", image) + _c_layer(layer),
        f"conv_s8_k1x1_hwc__c(input_@, (hwc_shape){{{height}, {width}, {inputs}}}, &layer_@, "
        f"{outputs}, output);",
        reference.conv_k1x1(image, layer).tobytes(),
    )


def avgpool_k2x2(rng: np.random.Generator, height: int, width: int, channels: int) -> Case:
    image = random_image(rng, height, width, channels)
    return Case(
        f"avgpool2x2_h{height}_w{width}_c{channels}",
        _c_array("int8_t", "input_@", image),
        f"avgpool_s8_k2x2_hwc__c(input_@, (hwc_shape){{{height}, {width}, {channels}}}, output);",
        reference.avgpool_k2x2(image).tobytes(),
    )


def fully_connected(rng: np.random.Generator, inputs: int, outputs: int) -> Case:
    vector = rng.integers(-128, 128, (1, inputs)).astype(np.int8)
    layer = random_layer(rng, (outputs, inputs), 0)
    return Case(
        f"fc_i{inputs}_o{outputs}",
        _c_array("int8_t", "input_@", vector) + _c_layer(layer),
        f"fc_s8__c(input_@, {inputs}, &layer_@, {outputs}, output);",
        reference.fully_connected(vector, layer).tobytes(),
    )


def argmax(values: Sequence[int]) -> Case:
    array = np.array(values, dtype=np.int8)
    return Case(
        f"argmax_n{len(values)}",
        _c_array("int8_t", "input_@", array),
        f"output[0] = (int8_t)argmax_s8__c(input_@, {len(values)});",
        bytes([int(array.argmax())]),
    )


def requantize(name: str, sums: npt.ArrayLike, multipliers: npt.ArrayLike, shift: int) -> Case:
    """Every sum with its multiplier, as little-endian int32 results."""
    sum_values, multiplier_values = np.broadcast_arrays(
        np.asarray(sums, dtype=np.int64), np.asarray(multipliers, dtype=np.int64)
    )
    expected = reference.requantize(
        sum_values, multiplier_values, np.full(sum_values.shape, shift, dtype=np.int64)
    )
    return Case(
        f"requantize_{name}",
        _c_array("int32_t", "sum_@", sum_values) + _c_array("int32_t", "mult_@", multiplier_values),
        f"for (int i = 0; i < {sum_values.size}; i++) {{\n"
        f"        const int32_t result = requantize(sum_@[i], mult_@[i], {shift});\n"
        "        memcpy(output + 4 * i, &result, 4);\n    }",
        expected.astype("<i4").tobytes(),
    )


def render(cases: Sequence[Case]) -> str:
    """The C file that the harness links: each case, its output 0 .. 3 bytes off a word."""
    parts = ['#include <string.h>\n#include "kernel_cases.h"\n#include "kernels.h"\n']
    for case in cases:
        text = f"\n{case.declarations}static void @(int8_t *output) {{\n    {case.call}\n}}\n"
        parts.append(text.replace("@", case.name))
    rows = "".join(
        f"    {{{case.name}, {len(case.expected)}, {number % 4}}},\n"
        for number, case in enumerate(cases)
    )
    parts.append(f"\nconst kernel_case kernel_cases[] = {{\n{rows}}};\n")
    parts.append(f"const int32_t kernel_cases_count = {len(cases)};\n")
    return "".join(parts)


def check_console(console: str, cases: Sequence[Case]) -> None:
    """Assert that each line of the harness is guard, expected output, guard."""
    lines = console.split()
    assert len(lines) == len(cases), f"{len(lines)} lines for {len(cases)} cases"
    for line, case in zip(lines, cases, strict=True):
        shown = bytes.fromhex(line)
        before, output, after = shown[:32], shown[32:-32], shown[-32:]
        assert before == GUARD, f"{case.name}: wrote before its output"
        assert after == GUARD, f"{case.name}: wrote behind its output"
        assert output == case.expected, f"{case.name}: output differs from the reference"


def _suite(seed: int, make: Callable[[np.random.Generator], list[Case]]) -> list[Case]:
    return make(np.random.default_rng(seed))


# One entry a kernel: edges of its shape by name, channels of 1, off four and a multiple of four.
SUITES: dict[str, list[Case]] = {
    "conv_s8_k3x3_hwc__c": _suite(
        1,
        lambda rng: [
            conv_k3x3(rng, *shape)
            for shape in (
                (1, 1, 1, 1, 1),
                (1, 5, 2, 3, 1),
                (5, 1, 2, 3, 2),
                (2, 2, 3, 4, 2),
                (5, 7, 3, 5, 1),
                (6, 4, 4, 8, 1),
                (6, 4, 4, 8, 2),
                (7, 5, 3, 8, 2),
                (8, 8, 1, 16, 1),
            )
        ],
    ),
    "dwconv_s8_k3x3_hwc__c": _suite(
        2,
        lambda rng: [
            dwconv_k3x3(rng, *shape)
            for shape in (
                (1, 1, 1, 1),
                (1, 6, 3, 1),
                (6, 1, 3, 2),
                (2, 2, 4, 2),
                (5, 7, 5, 1),
                (7, 5, 5, 2),
                (6, 8, 4, 2),
                (8, 8, 16, 2),
                (8, 8, 16, 1),
            )
        ],
    ),
    "conv_s8_k1x1_hwc__c": _suite(
        3,
        lambda rng: [
            conv_k1x1(rng, *shape)
            for shape in ((1, 1, 1, 1), (3, 2, 5, 3), (2, 3, 4, 4), (3, 3, 7, 9), (4, 4, 16, 32))
        ],
    ),
    "avgpool_s8_k2x2_hwc__c": _suite(
        4,
        lambda rng: [
            avgpool_k2x2(rng, *shape) for shape in ((2, 2, 1), (2, 6, 3), (6, 2, 5), (4, 4, 32))
        ],
    ),
    "fc_s8__c": _suite(
        5,
        lambda rng: [
            fully_connected(rng, *shape)
            for shape in ((1, 1), (3, 2), (4, 1), (17, 5), (128, 10), (255, 3))
        ],
    ),
    "argmax_s8__c": [argmax([-128]), argmax([3, 7, 7, -1]), argmax([-5, -9, -4]), argmax([0] * 10)],
    "requantize": _suite(
        6,
        lambda rng: (
            [
                requantize(
                    f"random_shift{-shift}",
                    rng.integers(-(2**30) + 1, 2**30, 64),
                    rng.integers(2**30, 2**31, 64),
                    shift,
                )
                for shift in (0, -1, -8, -30, -31)
            ]
            + [
                # 2^30 as multiplier halves: odd sums are ties of the first rounding, and multiples
                # of 2^8 with half a step more are ties of the second.
                requantize("ties_of_the_product", np.arange(-9, 10), 2**30, 0),
                requantize("ties_of_the_shift", np.arange(-9, 10) * 2**8, 2**30, -8),
                requantize("ties_of_both", np.arange(-9, 10) * 2**8 - 1, 2**30, -8),
                requantize("largest_sums", [2**30 - 1, -(2**30) + 1], 2**31 - 1, 0),
            ]
        ),
    ),
}
