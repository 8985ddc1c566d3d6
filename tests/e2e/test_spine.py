"""From C to cycles and memory, as the first issue asks: one program, all of its promises."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import emu
from emu.measure.report import Report

pytestmark = pytest.mark.needs_compiler

SOURCE = """\
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const int8_t weights[2048] = {1, 2, 3, 4, 5, 6, 7};
static int8_t activations[4096];
int32_t bias[16] = {1, 2, 3};
static volatile int32_t calls; /* or the compiler would call infer once for all */

__attribute__((noinline)) int32_t conv(const int8_t *in, const int8_t *w, int n) {
    int32_t sum = 0;
    for (int i = 0; i < n; i++) sum += in[i] * w[i & 2047];
    return sum;
}

__attribute__((noinline)) int32_t infer(void) {
    int32_t scratch[64];
    calls++;
    memset(scratch, 0, sizeof scratch);
    for (int i = 0; i < 16; i++) scratch[i] = conv(activations + i * 8, weights, 1024) + bias[i];
    int32_t best = 0;
    for (int i = 0; i < 64; i++) if (scratch[i] > best) best = scratch[i];
    return best;
}

int main(void) {
    int8_t *image = malloc(3000);
    if (image == NULL) return 1;
    memset(image, 3, 3000);
    for (int i = 0; i < 4096; i++) activations[i] = image[i % 3000];
    int32_t best = 0;
    for (int i = 0; i < 5; i++) best = infer();
    free(image);
    printf("best %ld\\n", (long)best);
    return best == 0;
}
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("spine") / "model.c"
    path.write_text(SOURCE)
    return path


@pytest.fixture(scope="module")
def report(source: Path) -> Report:
    return emu.run(source, measure="infer")


def test_the_program_says_what_it_says_on_a_host(report: Report, tmp_path: Path) -> None:
    (tmp_path / "model.c").write_text(SOURCE)
    program = tmp_path / "model"
    compiler = [sys.executable, "-m", "ziglang", "cc", "-O1", str(tmp_path / "model.c")]
    subprocess.run([*compiler, "-o", str(program)], check=True)
    expected = subprocess.run([program], capture_output=True, text=True, check=True).stdout
    assert report.console == expected
    assert report.exit_code == 0
    assert report.error is None


def test_every_part_adds_up(report: Report) -> None:
    assert report.latency_cycles == report.elapsed_cycles
    assert report.cycles_by_cause is not None
    assert report.cycles_by_cause.total_cycles == report.latency_cycles
    for table in (report.functions, report.lines):
        assert sum(row.self_cycles or 0 for row in table) == report.latency_cycles
        assert sum(row.instructions_count for row in table) == report.instructions_count
    assert not [note for note in report.notes if "misses" in note]


def test_the_cold_call_is_told_from_warm_ones(report: Report) -> None:
    call = report.call("infer")
    assert (call.calls_count, call.warm_calls_count) == (5, 4)
    assert call.cold_cycles is not None
    assert call.warm_mean_cycles is not None
    assert call.cold_cycles > call.warm_mean_cycles > 16 * 1024
    assert call.stack_peak_bytes is not None
    assert 256 <= call.stack_peak_bytes < 512


def test_memory_is_what_the_program_takes(report: Report) -> None:
    assert report.heap_peak_bytes is not None
    assert report.stack_peak_bytes is not None
    assert 3000 <= report.heap_peak_bytes < 3200
    assert report.stack_peak_bytes >= 256
    assert report.memory.heap_allocations_count == 1
    assert report.memory.heap_live_at_exit_bytes == 0
    static = {symbol.name: symbol for symbol in report.memory.static_symbols}
    flash = {symbol.name: symbol for symbol in report.memory.flash_symbols}
    assert static["activations"].size_bytes == 4096
    assert flash["weights"].size_bytes == 2048
    assert [frame.function for frame in report.memory.stack_call_path].count("main") == 1


def test_the_hot_line_is_the_hot_line(report: Report) -> None:
    hot = report.lines[0]
    assert hot.file is not None
    assert Path(hot.file).name == "model.c"
    assert SOURCE.splitlines()[hot.line - 1 if hot.line else 0].lstrip().startswith("for (int i")
    assert hot.function == "conv"


def test_two_runs_are_equal(source: Path, report: Report) -> None:
    again = emu.run(source, measure="infer")
    assert _without_time(again.to_json()) == _without_time(report.to_json())


def test_another_process_gives_the_same(source: Path, report: Report) -> None:
    code = f"import emu, sys; sys.stdout.write(emu.run({str(source)!r}, measure='infer').to_json())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert _without_time(done.stdout) == _without_time(report.to_json())


def test_hooked_accesses_agree_with_reconstructed_ones(source: Path, report: Report) -> None:
    hooked = emu.run(source, accesses="hook")
    assert hooked.accesses.hooked_count > 0
    assert hooked.accesses.reconstructed_count == 0
    assert report.latency_cycles is not None
    assert hooked.latency_cycles == pytest.approx(report.latency_cycles, rel=0.005)
    assert hooked.instructions_count == report.instructions_count


def test_both_boards_run_the_same_instructions_at_other_cost(source: Path, report: Report) -> None:
    other = emu.run(source, board="f746")
    assert other.console == report.console
    assert other.latency_ms is not None
    assert report.latency_ms is not None
    assert other.latency_ms > report.latency_ms


def test_what_if_changes_a_run_without_a_file(source: Path, report: Report) -> None:
    slower = emu.run(source, set_={"clock_hz": "240M"})
    assert slower.latency_ms is not None
    assert report.latency_ms is not None
    assert slower.latency_ms > 1.7 * report.latency_ms
    moved = emu.run(source, place={"weights": "dtcm"})
    dtcm = next(region for region in moved.memory.regions if region.name == "dtcm")
    assert dtcm.static_bytes >= 2048
    assert moved.static_sram_bytes is not None
    assert report.static_sram_bytes is not None
    assert moved.static_sram_bytes >= report.static_sram_bytes + 2048


def test_one_function_can_be_the_program(source: Path) -> None:
    alone = emu.run(source, entry="infer", max_cycles=10_000_000)
    assert alone.console == ""
    assert alone.provenance.entry == "infer"
    assert [row for row in alone.functions if row.name == "conv"]
    assert not [row for row in alone.functions if row.name == "main"]


def test_an_elf_of_ours_gives_the_same_as_its_source(source: Path, report: Report) -> None:
    from emu.boardfile import load_board
    from emu.firmware.build import build

    elf = build([source], load_board("h743")).elf
    again = emu.run(elf, measure="infer")
    assert again.latency_cycles == report.latency_cycles
    assert again.provenance.compiler is None
    assert again.provenance.image_sha256 == report.provenance.image_sha256


@pytest.mark.needs_gcc
def test_the_other_compiler_agrees_on_the_answer(source: Path, report: Report) -> None:
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("arm-none-eabi-gcc is not on PATH")
    other = emu.run(source, toolchain="gcc", measure="infer")
    assert other.console == report.console
    assert other.provenance.compiler is not None
    assert other.provenance.compiler.name == "gcc"
    assert other.call("infer").calls_count == 5


def _without_time(text: str) -> str:
    value = json.loads(text)
    del value["host_s"]
    return json.dumps(value)
