"""math.h of the default toolchain: each function against NumPy, in units in the last place.

The bounds are what the sources state (`emu/firmware/runtime/math`), and what compiler-rt and musl
were measured to keep; a reference in long double is used where the host has more than 64 bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from emu.board import Board
from emu.firmware.build import build
from tests.emu.firmware.machine import run_firmware

pytestmark = pytest.mark.needs_compiler

Reference = Callable[..., npt.NDArray[np.floating]]
SAMPLES = 256
WIDE = np.longdouble if np.finfo(np.longdouble).nmant > 60 else np.float64


@dataclass(frozen=True)
class Case:
    """One function: where it is sampled and how far off it may be."""

    name: str
    reference: Reference
    low: float
    high: float
    ulp: float
    second: tuple[float, float] | None = None
    logarithmic: bool = False


def _round_half_away(x: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    rounded: npt.NDArray[np.floating] = np.copysign(np.floor(np.abs(x) + 0.5), x)
    return rounded


def _erf(x: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    return np.array([math.erf(float(value)) for value in x], dtype=x.dtype)


def _gamma(x: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    return np.array([math.gamma(float(value)) for value in x], dtype=x.dtype)


CASES = (
    Case("exp", np.exp, -80, 80, 1),
    Case("exp2", np.exp2, -120, 120, 1),
    Case("expm1", np.expm1, -5, 20, 1),
    Case("log", np.log, 1e-30, 1e30, 1, logarithmic=True),
    Case("log2", np.log2, 1e-30, 1e30, 1.5, logarithmic=True),
    Case("log10", np.log10, 1e-30, 1e30, 2, logarithmic=True),
    Case("log1p", np.log1p, 1e-9, 1e9, 2, logarithmic=True),
    Case("sqrt", np.sqrt, 1e-30, 1e30, 0.5, logarithmic=True),
    Case("cbrt", np.cbrt, -1e20, 1e20, 1),
    Case("sin", np.sin, -30, 30, 1),
    Case("cos", np.cos, -30, 30, 1),
    Case("tan", np.tan, -1.5, 1.5, 1),
    Case("asin", np.arcsin, -1, 1, 2),
    Case("acos", np.arccos, -1, 1, 2),
    Case("atan", np.arctan, -20, 20, 1),
    Case("sinh", np.sinh, -20, 20, 2),
    Case("cosh", np.cosh, -20, 20, 2),
    Case("tanh", np.tanh, -8, 8, 2),
    Case("asinh", np.arcsinh, -50, 50, 2),
    Case("acosh", np.arccosh, 1, 50, 3),
    Case("atanh", np.arctanh, -0.99, 0.99, 2),
    Case("erf", _erf, -3, 3, 1),
    Case("tgamma", _gamma, 0.5, 10, 12),
    Case("fabs", np.abs, -9, 9, 0),
    Case("floor", np.floor, -9, 9, 0),
    Case("ceil", np.ceil, -9, 9, 0),
    Case("trunc", np.trunc, -9, 9, 0),
    Case("round", _round_half_away, -9, 9, 0),
    Case("rint", np.rint, -9, 9, 0),
    Case("nearbyint", np.rint, -9, 9, 0),
    Case("pow", np.power, 0.1, 30, 1, second=(-15, 15)),
    Case("atan2", np.arctan2, -5, 5, 1.5, second=(-5, 5)),
    Case("hypot", np.hypot, -5, 5, 1.5, second=(-5, 5)),
    Case("fmod", np.fmod, -50, 50, 0, second=(0.5, 7)),
    Case("remainder", np.remainder, 1, 50, 0, second=(0.5, 7)),
    Case("fdim", lambda x, y: np.maximum(x - y, 0), -5, 5, 0.5, second=(-5, 5)),
    Case("fmin", np.minimum, -5, 5, 0, second=(-5, 5)),
    Case("fmax", np.maximum, -5, 5, 0, second=(-5, 5)),
    Case("copysign", np.copysign, -5, 5, 0, second=(-5, 5)),
)


def _ieee_remainder(
    x: npt.NDArray[np.floating], y: npt.NDArray[np.floating]
) -> npt.NDArray[np.floating]:
    return np.array(
        [math.remainder(float(a), float(b)) for a, b in zip(x, y, strict=True)], dtype=x.dtype
    )


def _samples(case: Case, dtype: type[np.floating], seed: int) -> list[npt.NDArray[np.floating]]:
    random = np.random.default_rng(seed)
    if case.logarithmic:
        first = np.exp(random.uniform(np.log(case.low), np.log(case.high), SAMPLES))
        if case.name != "sqrt":
            first[: SAMPLES // 4] = random.uniform(0.9, 1.1, SAMPLES // 4)  # where log is small
    else:
        first = random.uniform(case.low, case.high, SAMPLES)
        if case.low <= 0 <= case.high:
            tiny = SAMPLES // 8
            first[:tiny] = random.uniform(-1, 1, tiny) * 10.0 ** random.uniform(-6, 0, tiny)
            first[tiny : 2 * tiny] = np.clip(
                np.arange(tiny) / 2 - tiny / 4, case.low, case.high
            )  # halves and whole numbers
    columns = [first.astype(dtype)]
    if case.second is not None:
        columns.append(random.uniform(*case.second, SAMPLES).astype(dtype))
    return columns


def _array(name: str, ctype: str, values: npt.NDArray[np.floating]) -> str:
    suffix = "f" if ctype == "float" else ""
    body = ",".join(f"{float(value).hex()}{suffix}" for value in values)
    return f"static const {ctype} {name}[N] = {{{body}}};"


def _program(dtype: type[np.floating]) -> str:
    ctype, suffix = ("float", "f") if dtype is np.float32 else ("double", "")
    lines = ["#include <math.h>", f"#define N {SAMPLES}", f"{ctype} results[{len(CASES)}][N];"]
    calls = []
    for index, case in enumerate(CASES):
        columns = _samples(case, dtype, index)
        arguments = []
        for position, column in enumerate(columns):
            lines.append(_array(f"in{position}_{case.name}", ctype, column))
            arguments.append(f"in{position}_{case.name}[i]")
        calls.append(f"results[{index}][i] = {case.name}{suffix}({', '.join(arguments)});")
    lines.append("int main(void) { for (int i = 0; i < N; ++i) {" + "\n".join(calls) + "} }")
    return "\n".join(lines)


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float", "double"])
def test_functions_keep_their_stated_error(
    dtype: type[np.floating], board: Board, tmp_path: Path
) -> None:
    source = tmp_path / "libm.c"
    source.write_text(_program(dtype))
    done = run_firmware(build([source], board).elf, board, read=("results",))
    assert done.status == 0, done
    results = np.frombuffer(done.objects[0], dtype=dtype).reshape(len(CASES), SAMPLES)
    wide = np.float64 if dtype is np.float32 else WIDE
    slack = 0.5 if wide is np.float64 and dtype is np.float64 else 0.01  # of the reference itself
    failures = []
    for index, case in enumerate(CASES):
        columns: list[npt.NDArray[np.floating]] = [
            column.astype(wide) for column in _samples(case, dtype, index)
        ]
        reference = _ieee_remainder if case.name == "remainder" else case.reference
        expected = reference(*columns)
        unit = np.spacing(np.abs(expected).astype(dtype)).astype(wide)
        error = np.abs(results[index].astype(wide) - expected) / unit
        worst = int(np.argmax(error))
        if case.name in ("erf", "tgamma") and dtype is np.float64:
            error = error - 1  # the reference is the host's double function
        if not error.max() <= case.ulp + slack:
            at = [float(column[worst]).hex() for column in columns]
            failures.append(f"{case.name}: {error.max():.2f} ulp at {at}, bound {case.ulp}")
    assert not failures, "\n".join(failures)


def test_special_values_follow_annex_f(board: Board) -> None:
    source = Path(__file__).parent / "programs" / "special_values.c"
    done = run_firmware(build([source], board).elf, board)
    assert (done.status, done.output) == (0, "")


def test_square_root_and_rounding_are_single_instructions(h743: Board, tmp_path: Path) -> None:
    """A model's sqrtf must cost what the FPU costs, not a call."""
    from capstone import CS_ARCH_ARM, CS_MODE_MCLASS, CS_MODE_THUMB, CS_MODE_V8, Cs

    from emu.firmware.elf_image import load_elf

    source = tmp_path / "fpu.c"
    source.write_text(
        "#include <math.h>\nvolatile float x = 2; __attribute__((noinline)) float f(float a)"
        "{ return sqrtf(a) + floorf(a) + fabsf(a) + roundf(a) + rintf(a) + fmaf(a, a, a); }\n"
        "int main(void) { return (int)f(x); }\n"
    )
    image = load_elf(build([source], h743).elf)
    function = image.symbol("f")
    assert function is not None
    segment = next(
        s for s in image.segments if s.address <= function.address < s.address + len(s.data)
    )
    code = segment.data[function.address - segment.address :][: function.size_bytes]
    disassembler = Cs(CS_ARCH_ARM, CS_MODE_THUMB | CS_MODE_MCLASS | CS_MODE_V8)
    mnemonics = [i.mnemonic for i in disassembler.disasm(code, function.address)]
    assert "bl" not in mnemonics
    wanted = {"vsqrt.f32", "vrintm.f32", "vabs.f32", "vrinta.f32", "vrintx.f32", "vfma.f32"}
    assert wanted <= set(mnemonics)
