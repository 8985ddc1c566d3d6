"""The digits example's kernels, each against its NumPy reference, bit for bit, between guards."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from emu.measure.pytest_plugin import Emu
from examples.digits import reference
from tests.kernels.cases import SUITES, check_console, render

HARNESS = Path(__file__).parent / "harness"
DIGITS = reference.HERE


@pytest.mark.needs_compiler
def test_kernels_on_the_host_without_undefined_behaviour(tmp_path: Path) -> None:
    cases = [case for suite in SUITES.values() for case in suite]
    (tmp_path / "cases.c").write_text(render(cases))
    program = tmp_path / "cases"
    command = [
        sys.executable,
        "-m",
        "ziglang",
        "cc",
        "-std=c11",
        "-O1",
        "-Wall",
        "-Wextra",
        "-Werror",
    ]
    command += ["-fsanitize=undefined", "-fno-sanitize-recover=all", f"-I{HARNESS}", f"-I{DIGITS}"]
    command += [str(tmp_path / "cases.c"), str(HARNESS / "main.c"), str(DIGITS / "kernels.c")]
    subprocess.run([*command, "-o", str(program)], check=True)
    result = subprocess.run([program], check=True, capture_output=True, text=True)
    check_console(result.stdout, cases)


@pytest.mark.needs_compiler
@pytest.mark.board("h743", "f746")
@pytest.mark.parametrize("kernel", SUITES)
def test_kernel_on_the_board(emu: Emu, board: str, kernel: str, tmp_path: Path) -> None:
    # One folder, so that names inside the image do not carry where this test ran.
    program = tmp_path / kernel
    shutil.copytree(HARNESS, program)
    for name in ("kernels.c", "kernels.h"):
        shutil.copy(DIGITS / name, program)
    (program / "cases.c").write_text(render(SUITES[kernel]))

    report = emu.run(program, measure=[case.name for case in SUITES[kernel]])

    assert report.error is None
    check_console(report.console, SUITES[kernel])
    # Only what the kernel's calls cost: the harness and the C library around it may change.
    costs = {}
    for case in SUITES[kernel]:
        call = report.call(case.name)
        costs[f"{case.name}_cycles"] = call.cold_cycles
        costs[f"{case.name}_instructions"] = call.cold_instructions_count
        costs[f"{case.name}_stack_bytes"] = call.stack_peak_bytes
    emu.check(costs, f"{kernel}.{board}")


def rounding_doubling_high_multiply(a: int, b: int) -> int:
    """As TensorFlow Lite defines it: the nudge carries the sign, the division truncates."""
    product = a * b
    nudge = 2**30 if product >= 0 else 1 - 2**30
    quotient = abs(product + nudge) // 2**31
    return quotient if product + nudge >= 0 else -quotient


def rounding_divide_by_power_of_two(x: int, exponent: int) -> int:
    """As TensorFlow Lite defines it: floor, and one more when the remainder is over half a step."""
    mask = (1 << exponent) - 1
    remainder = x & mask
    threshold = (mask >> 1) + (x < 0)
    return (x >> exponent) + (remainder > threshold)


@pytest.mark.parametrize("shift", [0, -1, -2, -8, -17, -31])
def test_reference_requantize_is_tensorflow_lites_two_roundings(shift: int) -> None:
    rng = np.random.default_rng(-shift)
    sums = np.concatenate([rng.integers(-(2**30) + 1, 2**30, 300), np.arange(-300, 300)])
    multipliers = np.concatenate([rng.integers(2**30, 2**31, 300), np.full(600, 2**30)])
    expected = [
        rounding_divide_by_power_of_two(rounding_doubling_high_multiply(int(a), int(b)), -shift)
        for a, b in zip(sums, multipliers, strict=True)
    ]
    shifts = np.full(len(sums), shift, dtype=np.int64)
    assert reference.requantize(sums, multipliers, shifts).tolist() == expected
