"""ELF files: what is read from good ones, what is said about bad ones."""

from __future__ import annotations

import random
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from emu.errors import ImageError
from emu.firmware.elf_image import load_elf, parse_elf
from emu.firmware.image import Image, Symbol

pytestmark = pytest.mark.needs_compiler

SOURCE = """\
int counts[100];
const int weights[4] = {1, 2, 3, 4};
static int state = 7;

__attribute__((noinline)) int dot(int n) {
    int sum = 0;
    for (int i = 0; i < n; i++)
        sum += counts[i] * weights[i & 3];
    return sum;
}

int main(void) {
    state++;
    return dot(100) + state;
}

__attribute__((alias("main"))) int also_main(void);
__asm__(".text\\n.thumb_func\\n.type tick,%function\\n.global tick\\ntick: nop\\nbx lr\\n");
void _start(void) { main(); for (;;); }
"""
LINKER_SCRIPT = """\
ENTRY(_start)
MEMORY {
  FLASH (rx) : ORIGIN = 0x08000000, LENGTH = 1M
  RAM (rwx) : ORIGIN = 0x20000000, LENGTH = 128K
}
SECTIONS {
  .text : { *(.text*) } > FLASH
  .rodata : { *(.rodata*) } > FLASH
  /DISCARD/ : { *(.ARM.ex*) }
  .data : { *(.data*) } > RAM AT > FLASH
  .bss (NOLOAD) : { *(.bss*) *(COMMON) } > RAM
  _stack_top = 0x20020000;
}
"""
ZIG = (
    *(sys.executable, "-m", "ziglang", "cc", "-target", "thumb-freestanding-eabihf"),
    *("-mcpu=cortex_m7+fp_armv8d16", "-nostdlib", "-O1", "-ffunction-sections"),
)
GCC = ("arm-none-eabi-gcc", "-mcpu=cortex-m7", "-mthumb", "-nostdlib", "-O1", "-ffunction-sections")
needs_gcc = pytest.mark.needs_gcc


def compile_elf(folder: Path, command: tuple[str, ...], *flags: str) -> Path:
    (folder / "model.c").write_text(SOURCE)
    (folder / "link.ld").write_text(LINKER_SCRIPT)
    elf = folder / "model.elf"
    done = subprocess.run(
        [
            *command,
            *flags,
            "-Wl,-T,link.ld",
            "-Wl,--gc-sections,-u,tick,-u,also_main",
            "model.c",
            "-o",
            elf,
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return elf


@pytest.fixture(
    params=[
        pytest.param((ZIG, "-gdwarf-5"), id="zig_dwarf5"),
        pytest.param((ZIG, "-gdwarf-4"), id="zig_dwarf4"),
        pytest.param((GCC, "-gdwarf-5"), id="gcc_dwarf5", marks=needs_gcc),
        pytest.param((GCC, "-gdwarf-4"), id="gcc_dwarf4", marks=needs_gcc),
    ],
    scope="module",
)
def image(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Image:
    command, flags = request.param
    if command is GCC and shutil.which(GCC[0]) is None:
        pytest.skip("arm-none-eabi-gcc is not on PATH")
    return load_elf(compile_elf(tmp_path_factory.mktemp("elf"), command, flags))


@pytest.fixture(scope="module")
def elf(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return compile_elf(tmp_path_factory.mktemp("elf"), ZIG, "-g").read_bytes()


def function(image: Image, name: str) -> Symbol:
    symbol = image.symbol(name)
    assert symbol is not None
    assert symbol.kind == "function"
    return symbol


def test_segments_lie_at_their_load_addresses(image: Image) -> None:
    assert all(0x08000000 <= segment.address < 0x08100000 for segment in image.segments)
    data = next(section for section in image.sections if section.name == ".data")
    assert data.address == 0x20000000
    holder = next(
        segment
        for segment in image.segments
        if segment.address <= data.load_address < segment.address + len(segment.data)
    )
    at = data.load_address - holder.address
    assert holder.data[at : at + 4] == struct.pack("<I", 7)


def test_sections_are_told_apart(image: Image) -> None:
    kinds = {section.name: section.kind for section in image.sections}
    assert kinds[".text"] == "code"
    assert kinds[".rodata"] == "constants"
    assert kinds[".data"] == "data"
    assert kinds[".bss"] == "bss"


def test_symbols_have_no_thumb_bit_and_no_mapping_symbols(image: Image) -> None:
    assert image.entry & 1
    assert function(image, "_start").address == image.entry & ~1
    assert all(not symbol.address & 1 for symbol in image.functions)
    assert not [symbol for symbol in image.symbols if symbol.name.startswith("$")]
    assert list(image.symbols) == sorted(
        image.symbols, key=lambda symbol: (symbol.address, -symbol.size_bytes)
    )


def test_every_address_of_a_function_finds_it(image: Image) -> None:
    for symbol in image.functions:
        for address in range(symbol.address, symbol.end):
            assert image.function_at(address) == symbol
    last = max(image.functions, key=lambda symbol: symbol.end)
    assert image.function_at(last.end) is None
    assert image.function_at(0) is None
    assert image.function_at(0x20000000) is None


def test_an_alias_goes_by_one_name(image: Image) -> None:
    assert function(image, "also_main").address == function(image, "main").address
    found = image.function_at(function(image, "main").address)
    assert found is not None
    assert found.name == "also_main"  # both are global: the first in the alphabet


def test_a_function_without_size_reaches_to_the_next_symbol(image: Image) -> None:
    tick = function(image, "tick")
    assert tick.size_bytes >= 4
    assert image.function_at(tick.address + 2) == tick


def test_objects_are_found_by_address(image: Image) -> None:
    counts = image.symbol("counts")
    assert counts is not None
    assert (counts.kind, counts.size_bytes) == ("object", 400)
    assert image.object_at(counts.address + 399) == counts
    assert image.object_at(counts.address + 400) != counts


def test_lines_are_those_of_the_source(image: Image) -> None:
    dot = image.declared_at(function(image, "dot"))
    assert dot is not None
    assert Path(dot.file).name == "model.c"
    assert dot.line in (5, 7)  # GCC: its declaration; clang: its first statement with code
    lines = {
        line.line
        for address in range(function(image, "dot").address, function(image, "dot").end, 2)
        if (line := image.line_at(address))
    }
    assert {7, 8} <= lines
    assert lines <= set(range(5, 11))
    assert Path(dot.file).is_absolute()


def test_vector_lookups_agree_with_single_ones(image: Image) -> None:
    import numpy as np

    addresses = np.arange(0x07FFFFF0, 0x08000200, 2, dtype=np.uint32)
    owners = image.function_indices(addresses)
    rows = image.line_table.rows_at(addresses)
    for address, owner, row in zip(addresses.tolist(), owners, rows, strict=True):
        assert image.function_at(address) == (image.functions[owner] if owner >= 0 else None)
        line = image.line_at(address)
        assert (line.line if line else None) == (image.line_table.lines[row] if row >= 0 else None)


def test_discarded_functions_leave_no_lines(tmp_path: Path) -> None:
    image = load_elf(compile_elf(tmp_path, ZIG, "-g", "-DUNUSED"))
    first = min(section.address for section in image.sections if section.kind == "code")
    assert image.line_table.addresses.min() >= first


def test_without_symbols_and_lines_the_bytes_are_still_there(tmp_path: Path) -> None:
    image = load_elf(compile_elf(tmp_path, ZIG, "-s"))
    assert image.segments
    assert image.symbols == ()
    assert image.function_at(image.entry) is None
    assert image.line_at(image.entry) is None
    assert image.line_table.error == "the file has no debug information"


def test_lookups_are_fast_enough_for_a_profile(elf: bytes) -> None:
    image = parse_elf(elf, Path("model.elf"))
    start = time.perf_counter()
    for _ in range(20):
        for address in range(0x08000000, 0x08000100, 2):
            image.function_at(address)
            image.line_at(address)
    assert time.perf_counter() - start < 1.0


def patched(elf: bytes, offset: int, value: bytes) -> bytes:
    return elf[:offset] + value + elf[offset + len(value) :]


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        pytest.param(lambda _: b"", "is empty", id="empty"),
        pytest.param(lambda _: b"int main;" * 10, "is not an ELF file", id="text"),
        pytest.param(lambda elf: elf[:40], "is cut short", id="header cut"),
        pytest.param(lambda elf: patched(elf, 4, b"\2"), "is a 64-bit ELF", id="64 bits"),
        pytest.param(lambda elf: patched(elf, 5, b"\2"), "is a big-endian ELF", id="big endian"),
        pytest.param(lambda elf: patched(elf, 18, b"\3\0"), "is for x86, not for Arm", id="x86"),
        pytest.param(lambda elf: patched(elf, 16, b"\1\0"), "is an object file", id="object"),
        pytest.param(lambda elf: patched(elf, 16, b"\3\0"), "is not an executable", id="shared"),
        pytest.param(lambda elf: elf[: len(elf) // 2], "model.elf", id="half"),
        pytest.param(
            lambda elf: patched(elf, 44, b"\xff\xff"), "claims 65535 headers", id="headers"
        ),
        pytest.param(
            lambda elf: patched(elf, 44, b"\0\0"), "holds nothing to load", id="no headers"
        ),
    ],
)
def test_a_bad_file_gets_one_sentence(
    elf: bytes, damage: Callable[[bytes], bytes], sentence: str
) -> None:
    with pytest.raises(ImageError) as refusal:
        parse_elf(damage(elf), Path("model.elf"))
    assert sentence in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_missing_file_gets_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"Cannot read .*no.elf: No such file"):
        load_elf(tmp_path / "no.elf")


@pytest.mark.parametrize("seed", range(4))
def test_random_damage_never_gives_anything_but_a_sentence(elf: bytes, seed: int) -> None:
    chance = random.Random(seed)
    headers = list(range(64)) + list(range(len(elf) - 19 * 40, len(elf)))
    start = time.perf_counter()
    survivors = 0
    sentences = set()
    for _ in range(150):
        damaged = bytearray(elf)
        for _ in range(chance.choice((1, 2, 8, 64))):
            place = chance.choice(headers) if chance.random() < 0.6 else chance.randrange(len(elf))
            damaged[place] = chance.randrange(256)
        if chance.random() < 0.2:
            del damaged[chance.randrange(len(elf)) :]
        try:
            image = parse_elf(bytes(damaged), Path("fuzzed.elf"))
        except ImageError as refusal:
            sentences.add(str(refusal))
            continue
        survivors += 1
        for symbol in image.functions[:20]:
            image.line_at(symbol.address)
            image.function_at(symbol.address)
        assert sum(len(segment.data) for segment in image.segments) <= 64 * 1024**2
    assert survivors
    assert not [sentence for sentence in sentences if "\n" in sentence]
    assert time.perf_counter() - start < 60
