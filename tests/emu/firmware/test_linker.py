"""The linker script: every section in every region, single symbols, and what does not fit."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from emu.board import Board
from emu.boardfile import load_board
from emu.errors import BuildError, UsageError
from emu.firmware.build import Build, BuildOptions, build
from emu.firmware.toolchain import ToolchainName
from tests.emu.firmware.conftest import WriteSources
from tests.emu.firmware.machine import run_firmware

pytestmark = pytest.mark.needs_compiler

TOOLCHAINS = ["zig", pytest.param("gcc", marks=pytest.mark.needs_gcc)]

# Every kind of section, each checked at run time; the status says which one is wrong.
PROGRAM = """
#include <stdlib.h>
#include <string.h>
const int weights[64] = {1, 2, 3};
const int *volatile seen = weights; /* read through memory, not folded */
volatile int numbers[64] = {4, 5, 6};
volatile int scratch[64];
__attribute__((noinline)) int work(int n)
{
    int sum = 0;
    for (int i = 0; i < n; ++i)
        sum += seen[i] * numbers[i] + scratch[i];
    return sum;
}
int main(void)
{
    for (int i = 0; i < 64; ++i)
        if (scratch[i] != 0) return 1;
    if (work(3) != 32) return 2;
    char *block = malloc(100);
    if (!block) return 3;
    memset(block, 1, 100);
    numbers[0] = 7;
    if (work(1) != 7) return 4;
    free(block);
    return 0;
}
"""


def symbols_of(elf: Path) -> dict[str, int]:
    with elf.open("rb") as file:
        table = ELFFile(file).get_section_by_name(".symtab")
        assert isinstance(table, SymbolTableSection)
        return {symbol.name: symbol["st_value"] & ~1 for symbol in table.iter_symbols()}


def region_of(board: Board, address: int) -> str:
    region = board.chip.region_at(address)
    return region.name if region is not None else "nowhere"


def place(board: Board, **regions: str) -> Board:
    """A board with sections in other regions; `a+b` is a run of regions."""
    runs = {section: tuple(names.split("+")) for section, names in regions.items()}
    return replace(board, placement=replace(board.placement, **runs))  # type: ignore[arg-type]  # test input


def place_symbols(board: Board, *pairs: tuple[str, str]) -> Board:
    return replace(board, placement=replace(board.placement, symbols=pairs))


def build_program(
    write: WriteSources, board: Board, toolchain: ToolchainName = "zig", text: str = PROGRAM
) -> Build:
    return build([write(**{"placed.c": text}) / "placed.c"], board, BuildOptions(toolchain))


MARKER = {
    "code": "work",
    "weights": "weights",
    "data": "numbers",
    "heap": "__heap_start",
    "stack": "__stack_limit",
}
H743_RAM = ("itcm", "dtcm", "axi", "sram1", "sram2", "sram3", "sram4")
F746_RAM = ("itcm", "dtcm", "sram1", "sram2")
CASES = [
    ("h743", section, region)
    for section in ("code", "weights", "data", "heap", "stack")
    for region in (*H743_RAM, *(("flash",) if section in ("code", "weights") else ()))
] + [
    ("f746", section, region)
    for section in ("code", "weights", "data", "heap", "stack")
    for region in (*F746_RAM, *(("flash", "flash_itcm") if section in ("code", "weights") else ()))
]


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
@pytest.mark.parametrize(("name", "section", "region"), CASES)
def test_each_section_runs_from_each_region(
    name: str, section: str, region: str, toolchain: ToolchainName, write: WriteSources
) -> None:
    board = load_board(name)
    small = replace(board, placement=replace(board.placement, stack_bytes=2048, heap_bytes=2048))
    board = place(small, **{section: region})
    made = build_program(write, board, toolchain)
    found = symbols_of(made.elf)
    assert region_of(board, found[MARKER[section]]) == region
    if section == "data":
        assert region_of(board, found["scratch"]) == region
    assert run_firmware(made.elf, board).status == 0


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
def test_everything_in_one_region_does_not_overlap(
    toolchain: ToolchainName, write: WriteSources
) -> None:
    board = place(
        load_board("h743"), code="axi", weights="axi", data="axi", heap="axi", stack="axi"
    )
    made = build_program(write, board, toolchain)
    assert run_firmware(made.elf, board).status == 0
    with made.elf.open("rb") as file:
        ranges = sorted(
            (section["sh_addr"], section["sh_addr"] + section["sh_size"])
            for section in ELFFile(file).iter_sections()
            if section["sh_flags"] & 2 and section["sh_size"]
        )
    assert len(ranges) == 7
    assert all(before[1] <= after[0] for before, after in pairwise(ranges))


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
def test_adjacent_regions_are_used_as_one(toolchain: ToolchainName, write: WriteSources) -> None:
    board = place(load_board("f746"), data="dtcm+sram1+sram2", heap="dtcm+sram1+sram2")
    text = PROGRAM.replace("volatile int scratch[64]", "volatile int scratch[60000]")
    made = build_program(write, board, toolchain, text)
    found = symbols_of(made.elf)
    assert region_of(board, found["scratch"]) == "dtcm"
    assert region_of(board, found["scratch"] + 4 * 60000) == "sram1"
    assert found["__stack_top"] <= found["scratch"]  # the stack may use DTCM alone: it comes first
    assert run_firmware(made.elf, board).status == 0


def test_code_in_the_flash_alias_lies_in_flash_once(write: WriteSources) -> None:
    board = place(load_board("f746"), code="flash_itcm")
    made = build_program(write, board)
    found = symbols_of(made.elf)
    assert region_of(board, found["main"]) == "flash_itcm"
    assert region_of(board, found["weights"]) == "flash"
    with made.elf.open("rb") as file:
        image = ELFFile(file)
        text = image.get_section_by_name(".text")
        boot = image.get_section_by_name(".boot")
        assert text is not None
        assert boot is not None
        loads = [s for s in image.iter_segments("PT_LOAD") if s["p_vaddr"] == text["sh_addr"]]
        assert loads[0]["p_paddr"] - 0x08000000 == text["sh_addr"] - 0x00200000
        tables = boot.data()
    assert text["sh_addr"].to_bytes(4, "little") not in tables  # nothing to copy


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
def test_symbols_are_placed_by_name(toolchain: ToolchainName, write: WriteSources) -> None:
    board = place_symbols(
        load_board("h743"),
        ("work", "itcm"), ("weights", "dtcm"), ("numbers", "sram4"), ("scratch", "sram1"),
    )  # fmt: skip
    made = build_program(write, board, toolchain)
    found = symbols_of(made.elf)
    regions = {name: region_of(board, found[name]) for name in ("work", "weights", "main")}
    assert regions == {"work": "itcm", "weights": "dtcm", "main": "flash"}
    assert region_of(board, found["numbers"]) == "sram4"
    assert region_of(board, found["scratch"]) == "sram1"
    assert found["work"] != 0  # a function at address 0 would equal NULL
    assert run_firmware(made.elf, board).status == 0


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
def test_static_objects_are_placed_too(toolchain: ToolchainName, write: WriteSources) -> None:
    text = (
        "static volatile int hidden[8];\n"
        "int main(void) { static volatile char inner[64]; inner[1] = 2; hidden[3] = 1;\n"
        "return hidden[3] + inner[1]; }\n"
    )
    board = place_symbols(load_board("h743"), ("hidden", "dtcm"), ("inner", "sram2"))
    made = build_program(write, board, toolchain, text)
    found = symbols_of(made.elf)
    assert region_of(board, found["hidden"]) == "dtcm"
    inner = next(address for name, address in found.items() if "inner" in name)
    assert region_of(board, inner) == "sram2"
    assert run_firmware(made.elf, board).status == 3


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
def test_a_section_named_after_a_region_goes_there(
    toolchain: ToolchainName, write: WriteSources
) -> None:
    text = """
    __attribute__((section(".dtcm.bss"))) volatile int fast[16];
    __attribute__((section(".my_tables"))) const int table[4] = {1, 2, 3, 4};
    const int *volatile view = table;
    __attribute__((section(".my_state"))) volatile int state[2] = {5, 6};
    __attribute__((section(".itcm"), noinline)) int quick(int n) { return fast[n] + view[n]; }
    int main(void) { fast[1] = 10; return quick(1) + state[1]; }
    """
    board = load_board("h743")
    made = build_program(write, board, toolchain, text)
    found = symbols_of(made.elf)
    assert region_of(board, found["fast"]) == "dtcm"
    assert region_of(board, found["quick"]) == "itcm"
    assert region_of(board, found["table"]) == "flash"
    assert region_of(board, found["state"]) == "axi"
    assert run_firmware(made.elf, board).status == 18


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
def test_large_alignments_are_kept(
    toolchain: ToolchainName, board: Board, write: WriteSources
) -> None:
    text = """
    #include <stdint.h>
    volatile int zero;
    __attribute__((aligned(4096))) volatile char arena[5000];
    __attribute__((aligned(256))) volatile int numbers[3] = {1, 2, 3};
    __attribute__((aligned(1024))) const int weights[3] = {4, 5, 6};
    const int *volatile view = weights;
    int main(void)
    {
        return (uintptr_t)(arena + zero) % 4096 || (uintptr_t)(numbers + zero) % 256 ||
               (uintptr_t)view % 1024 || numbers[1] != 2 || view[2] != 6;
    }
    """
    assert run_firmware(build_program(write, board, toolchain, text).elf, board).status == 0


def test_stack_and_heap_have_the_sizes_that_were_asked_for(write: WriteSources) -> None:
    board = load_board("h743")
    board = replace(board, placement=replace(board.placement, stack_bytes=3000, heap_bytes=0))
    found = symbols_of(build_program(write, board, text="int main(void) { return 0; }").elf)
    assert found["__stack_top"] - found["__stack_limit"] == 3000
    assert found["__heap_limit"] == found["__heap_start"]
    assert found["__stack_limit"] == 0x20000000  # lowest: an overflow leaves the memory
    for name in ("_sdata", "_edata", "_sbss", "_ebss", "__vectors", "Reset_Handler"):
        assert name in found


def refusal(write: WriteSources, board: Board, text: str, toolchain: ToolchainName = "zig") -> str:
    with pytest.raises((BuildError, UsageError)) as caught:
        build_program(write, board, toolchain, text)
    return str(caught.value)


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
def test_ram_overflow_says_how_much_by_whom_and_what_helps(
    toolchain: ToolchainName, write: WriteSources
) -> None:
    text = "volatile char arena[700 * 1024]; int main(void) { return arena[5]; }"
    message = refusal(write, load_board("h743"), text, toolchain)
    assert message.startswith("The program does not fit h743: axi has 512 KiB, and ")
    assert re.search(r"and (188|19\d|2\d\d)(\.\d+)? KiB too many", message)
    assert "arena 700 KiB" in message
    assert "no other region of this board is large enough" in message


def test_ram_overflow_names_a_region_that_is_large_enough(write: WriteSources) -> None:
    text = "volatile char arena[200 * 1024]; int main(void) { return arena[5]; }"
    message = refusal(write, place(load_board("h743"), data="dtcm"), text)
    assert "dtcm has 128 KiB" in message
    assert "--place data=axi" in message


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
def test_flash_overflow_is_told(toolchain: ToolchainName, write: WriteSources) -> None:
    text = (
        "const char big[3 << 20] = {1}; const char *volatile p = big;"
        "int main(void) { return p[5]; }"
    )
    message = refusal(write, load_board("h743"), text, toolchain)
    assert "flash has 2 MiB" in message
    assert "big 3 MiB" in message


def test_a_heap_that_is_too_large_says_which_setting_helps(write: WriteSources) -> None:
    board = load_board("h743")
    wide = replace(board, placement=replace(board.placement, heap_bytes=600 * 1024))
    message = refusal(write, wide, "int main(void) { return 0; }")
    assert "--set heap_bytes=N" in message


def test_images_of_copied_sections_count_in_flash(write: WriteSources) -> None:
    text = (
        "const char a[960 * 1024] = {1}; volatile char b[100 * 1024] = {2};"
        "const char *volatile p = a; int main(void) { return p[1] + b[1]; }"
    )
    message = refusal(write, load_board("f746"), text)
    assert "flash" in message
    assert "copied to RAM" in message


@pytest.mark.parametrize(
    ("symbol", "sentence"),
    [
        ("nothing", "There is no function or object 'nothing' to place in dtcm"),
        ("scrach", "Did you mean scratch"),
    ],
)
def test_unknown_symbols_are_refused(symbol: str, sentence: str, write: WriteSources) -> None:
    board = place_symbols(load_board("h743"), (symbol, "dtcm"))
    assert sentence in refusal(write, board, PROGRAM)


def test_a_symbol_without_a_section_of_its_own_is_refused(write: WriteSources) -> None:
    board = place_symbols(load_board("h743"), ("work", "itcm"))
    root = write(**{"placed.c": PROGRAM})
    with pytest.raises(UsageError, match=r"together with others.*-fno-function-sections"):
        build([root / "placed.c"], board, BuildOptions(cflags=("-fno-function-sections",)))


def test_written_data_in_flash_and_regions_apart_are_refused(write: WriteSources) -> None:
    board = load_board("h743")
    assert "cannot be placed in flash" in refusal(write, place(board, data="flash"), PROGRAM)
    assert "The stack cannot be placed" in refusal(write, place(board, stack="flash"), PROGRAM)
    message = refusal(write, place(board, data="dtcm+axi"), PROGRAM)
    assert "dtcm and axi do not adjoin" in message
    placed = place_symbols(board, ("scratch", "flash"))
    assert "cannot be placed in flash" in refusal(write, placed, PROGRAM)
    assert "no memory region 'ddr'" in refusal(
        write, place_symbols(board, ("scratch", "ddr")), PROGRAM
    )
