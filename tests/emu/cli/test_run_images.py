"""`emu run` with programs that were linked elsewhere: formats, bases, stripped code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from emu.boardfile import load_board
from emu.cli.main import run_command
from emu.firmware.build import build
from emu.firmware.elf_image import load_elf
from tests.emu.firmware.program_files import intel_hex

pytestmark = [pytest.mark.needs_compiler, pytest.mark.usefixtures("folder")]

SOURCE = """\
#include <stdio.h>
__attribute__((noinline)) int triple(int n) { return n * 3; }
int main(void) {
    volatile int sum = 0;
    for (int i = 0; i < 10; i++) sum += triple(i);
    printf("sum %d\\n", sum);
    return 0;
}
"""

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def elf(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    source = tmp_path_factory.mktemp("source") / "model.c"
    source.write_text(SOURCE)
    return build([source], load_board("f746")).elf.read_bytes()


@pytest.fixture
def blocks(elf: bytes, folder: Path) -> list[tuple[int, bytes]]:
    """What the program loads, with its address."""
    (folder / "model.elf").write_bytes(elf)
    image = load_elf(folder / "model.elf")
    return [(segment.address, segment.data) for segment in image.segments]


def flat(blocks: list[tuple[int, bytes]]) -> bytes:
    start = blocks[0][0]
    content = bytearray(b"\xff" * (max(at + len(data) for at, data in blocks) - start))
    for at, data in blocks:
        content[at - start : at - start + len(data)] = data
    return bytes(content)


def report_of(name: str, *options: str) -> dict[str, Any]:
    assert run_command(["run", name, "-b", "f746", "--json", "r.json", "-q", *options]) == 0
    report: dict[str, Any] = json.loads(Path("r.json").read_text())
    return report


def test_every_format_runs_the_same_program(blocks: list[tuple[int, bytes]]) -> None:
    Path("model.hex").write_text(intel_hex(blocks))
    Path("model.bin").write_bytes(flat(blocks))
    elf, hex_, raw = (
        report_of(name, "--clock", "board") for name in ("model.elf", "model.hex", "model.bin")
    )
    assert elf["console"] == hex_["console"] == raw["console"] == "sum 135\n"
    assert elf["elapsed_cycles"] == hex_["elapsed_cycles"] == raw["elapsed_cycles"]
    assert elf["flash_bytes"] <= raw["flash_bytes"]
    assert raw["static_sram_bytes"] is raw["peak_sram_bytes"] is None


def test_a_raw_image_behind_a_boot_loader_is_given_its_base(
    blocks: list[tuple[int, bytes]], capsys: Captured
) -> None:
    Path("app.bin").write_bytes(flat(blocks)[0x400:])
    assert run_command(["run", "app.bin", "-b", "f746", "--base", "0x08000400"]) == 2
    assert "the vector table at 0x08000400" in capsys.readouterr().err
    boot = b"\xff" * 0x400 + flat(blocks)[0x400:]
    Path("whole.bin").write_bytes(boot)
    assert run_command(["run", "whole.bin", "-b", "f746"]) == 2
    assert "the vector table at 0x08000000 is empty" in capsys.readouterr().err


def test_flash_may_be_given_at_its_other_address(blocks: list[tuple[int, bytes]]) -> None:
    Path("model.bin").write_bytes(flat(blocks))
    assert report_of("model.bin", "--base", "0x00200000")["console"] == "sum 135\n"


def test_code_without_symbols_goes_by_addresses(blocks: list[tuple[int, bytes]]) -> None:
    Path("model.bin").write_bytes(flat(blocks))
    triple = load_elf(Path("model.elf")).symbol("triple")
    assert triple is not None
    report = report_of("model.bin", "--measure", f"{triple.address:#010x}")
    rows = {row["name"]: row for row in report["functions"]}
    assert rows[f"sub_{triple.address:08x}"]["calls_count"] == 10
    assert report["calls"][0]["calls_count"] == 10
    assert any("sub_08001234" in note for note in report["notes"])


def test_a_name_is_no_use_without_symbols(
    blocks: list[tuple[int, bytes]], capsys: Captured
) -> None:
    Path("model.bin").write_bytes(flat(blocks))
    assert run_command(["run", "model.bin", "-b", "f746", "--measure", "triple"]) == 2
    assert "has no symbols. Give an address" in capsys.readouterr().err


@pytest.mark.usefixtures("blocks")
def test_a_program_is_run_alone(capsys: Captured) -> None:
    Path("more.c").write_text(SOURCE)
    assert run_command(["run", "more.c", "model.elf"]) == 2
    assert "model.elf is a whole program" in capsys.readouterr().err
