"""Every refusal of a board file: one sentence with file and line. The base is small_board.yaml."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from emu.boardfile import load_board
from emu.errors import BoardError

WriteBoard = Callable[[str], str]

SOURCE_HELP = (
    "a document key and where in it (RM0433 2.4), or measured:, fitted: or assumed: and why"
)


@dataclass(frozen=True)
class Case:
    """`old` of the small board replaced by `new` is refused with `sentence`."""

    id: str
    old: str
    new: str
    sentence: str


CASES = (
    Case(
        "unknown_key_suggests",
        "      size_bytes: 64K",
        "      szie_bytes: 64K",
        "b.yaml:15: 'szie_bytes' is not a key of a region; did you mean 'size_bytes'?",
    ),
    Case(
        "unknown_key_lists",
        "  tcm: {byte",
        "  tcm: {qqq: 1, byte",
        "b.yaml:61: 'qqq' is not a key of the TCM's properties; known are source, "
        "byte_store_read_modify_write.",
    ),
    Case(
        "missing_key",
        "      size_bytes: 64K\n",
        "",
        "b.yaml:13: chip.regions.flash has no 'size_bytes'; add it.",
    ),
    Case(
        "missing_top_key",
        "title: A board for tests\n",
        "",
        "b.yaml:1: a board has no 'title'; add it.",
    ),
    Case(
        "missing_source",
        '      executable: false\n      source: "assumed: test"\n',
        "      executable: false\n",
        "b.yaml:38: chip.regions.sram.start has no source; add 'source:' beside it: "
        f"{SOURCE_HELP}.\n"
        f"b.yaml:39: chip.regions.sram.size_bytes has no source; add 'source:' beside it: "
        f"{SOURCE_HELP}.",
    ),
    Case(
        "source_names_nothing",
        'clock_hz: {value: 100M, source: "assumed: test"}',
        "clock_hz: {value: 100M, source: datasheet}",
        f"b.yaml:3: the source 'datasheet' names none; write {SOURCE_HELP}.",
    ),
    Case(
        "assumed_without_why",
        'clock_hz: {value: 100M, source: "assumed: test"}',
        'clock_hz: {value: 100M, source: "assumed:"}',
        f"b.yaml:3: the source 'assumed:' names none; write {SOURCE_HELP}.",
    ),
    Case(
        "value_without_source",
        'clock_hz: {value: 100M, source: "assumed: test"}',
        "clock_hz: {value: 100M}",
        "b.yaml:3: clock_hz: give one number, or {value: NUMBER, source: WHERE FROM}.",
    ),
    Case(
        "number_is_a_list",
        "  heap_bytes: 8K",
        "  heap_bytes: [8K]",
        "b.yaml:69: placement.heap_bytes: give one number, or {value: NUMBER, source: WHERE FROM}.",
    ),
    Case(
        "not_a_size",
        "size_bytes: 64K",
        "size_bytes: 64Q",
        "b.yaml:15: chip.regions.flash.size_bytes: '64Q' is not a size. Write bytes, or K or M: "
        "512, 320K, 1M, 0x4000.",
    ),
    Case(
        "size_zero",
        "size_bytes: 64K",
        "size_bytes: 0",
        "b.yaml:15: chip.regions.flash.size_bytes: 0 is not a size of 1 byte to 4 GiB.",
    ),
    Case(
        "size_negative",
        "size_bytes: 64K",
        "size_bytes: -64K",
        "b.yaml:15: chip.regions.flash.size_bytes: '-64K' is not a size. Write bytes, or K or M: "
        "512, 320K, 1M, 0x4000.",
    ),
    Case(
        "size_endless",
        "size_bytes: 64K",
        "size_bytes: " + "9" * 400,
        "b.yaml:15: chip.regions.flash.size_bytes: '999999999999...' is too long for a number.",
    ),
    Case(
        "not_an_address",
        "start: 0x0800_0000",
        "start: here",
        "b.yaml:14: chip.regions.flash.start: 'here' is not an address; write it as 0x2000_0000.",
    ),
    Case(
        "address_beyond_32_bits",
        "start: 0x0800_0000",
        "start: 0x1_0000_0000",
        "b.yaml:14: chip.regions.flash.start: 0x1_0000_0000 lies outside the 32-bit address space.",
    ),
    Case(
        "region_ends_beyond_32_bits",
        "start: 0x2000_8000",
        "start: 0xFFFF_C000",
        "b.yaml:39: region 'sram' ends at 0x100004000, outside the 32-bit address space; move or "
        "shrink it.",
    ),
    Case(
        "region_in_core_registers",
        "start: 0x2000_8000",
        "start: 0xE000_0000",
        "b.yaml:39: region 'sram' reaches into the core's own registers at 0xE000_0000; move or "
        "shrink it.",
    ),
    Case(
        "region_not_whole_lines",
        "start: 0x2000_8000",
        "start: 0x2000_8004",
        "b.yaml:38: region 'sram' must start at and span whole 32-byte lines.",
    ),
    Case(
        "regions_overlap",
        "start: 0x2000_8000",
        "start: 0x2000_7FE0",
        "b.yaml:37: region 'sram' (0x20007fe0 to 0x2000ffdf) overlaps 'dtcm' (0x20000000 to "
        "0x20007fff); move or shrink one.",
    ),
    Case(
        "region_name",
        "    dtcm:",
        "    DTCM:",
        "b.yaml:29: 'DTCM' is no region name; use lower-case letters, digits and '_'.\n"
        "b.yaml:67: stack is placed in 'dtcm', which is no region of SMALL; known are flash, DTCM, "
        "sram.",
    ),
    Case(
        "region_name_taken",
        "    sram:\n      start: 0x2000_8000",
        "    tcm:\n      start: 0x2000_8000",
        "b.yaml:37: 'tcm' is taken; use lower-case letters, digits and '_'.\n"
        "b.yaml:65: data is placed in 'sram', which is no region of SMALL; known are flash, dtcm, "
        "tcm.\n"
        "b.yaml:66: heap is placed in 'sram', which is no region of SMALL; known are flash, dtcm, "
        "tcm.",
    ),
    Case(
        "region_given_twice",
        "    sram:",
        "    dtcm:",
        "b.yaml:37: 'dtcm' is given twice, first in line 29.",
    ),
    Case(
        "region_is_no_mapping",
        "  regions:\n",
        "  regions:\n    itcm: 64K\n",
        "b.yaml:13: chip.regions.itcm must be a mapping of keys, not '64K'.",
    ),
    Case(
        "kind_not_known",
        "kind: flash",
        "kind: eeprom",
        "b.yaml:16: chip.regions.flash.kind is 'eeprom'; it must be flash, ram or device.",
    ),
    Case(
        "flag_neither",
        "cacheable: true",
        "cacheable: maybe",
        "b.yaml:18: chip.regions.flash.cacheable: 'maybe' is neither true nor false.",
    ),
    Case(
        "tcm_is_not_cached",
        "cacheable: false",
        "cacheable: true",
        "b.yaml:34: region 'dtcm' is on the dtcm bus, which passes the caches by; cacheable must "
        "be false.",
    ),
    Case(
        "art_without_art",
        "      kind: flash",
        "      kind: flash\n      art: true",
        "b.yaml:17: region 'flash' is read through ART, and the chip describes none; add 'art:' to "
        "the chip.",
    ),
    Case(
        "alias_of_unknown",
        "      kind: flash",
        "      kind: flash\n      alias_of: srom",
        "b.yaml:17: region 'flash' is an alias of 'srom', which is no other region; did you mean "
        "'sram'?",
    ),
    Case(
        "alias_of_itself",
        "      kind: flash",
        "      kind: flash\n      alias_of: flash",
        "b.yaml:17: region 'flash' is an alias of 'flash', which is no other region; known are "
        "dtcm, sram.",
    ),
    Case(
        "alias_of_another_size",
        "      kind: flash",
        "      kind: flash\n      alias_of: sram",
        "b.yaml:15: region 'flash' (flash, 64 KiB) is an alias of 'sram' (ram, 32 KiB); kind and "
        "size must agree.",
    ),
    Case(
        "alias_of_alias",
        '      source: "assumed: test"\n    sram:\n',
        '      source: "assumed: test"\n      alias_of: flash\n    sram:\n      alias_of: dtcm\n',
        "b.yaml:31: region 'dtcm' (ram, 32 KiB) is an alias of 'flash' (flash, 64 KiB); kind and "
        "size must agree.\n"
        "b.yaml:39: region 'sram' is an alias of 'dtcm', itself an alias; name 'flash'.",
    ),
    Case(
        "no_wait_states",
        "        wait_states: 0\n",
        "",
        "b.yaml:45: region 'sram' has no timing.wait_states; only flash takes it from the clocks "
        "table.",
    ),
    Case(
        "cost_is_negative",
        "line_fill_overhead_cycles: 6",
        "line_fill_overhead_cycles: -6",
        "b.yaml:47: chip.regions.sram.timing.line_fill_overhead_cycles: '-6' is not a number from "
        "0 to 10000.",
    ),
    Case(
        "cost_is_not_a_number",
        "line_fill_overhead_cycles: 6",
        "line_fill_overhead_cycles: nan",
        "b.yaml:47: chip.regions.sram.timing.line_fill_overhead_cycles: 'nan' is not a number from "
        "0 to 10000.",
    ),
    Case(
        "cache_size",
        "dcache: *cache",
        'dcache: {size_bytes: 6K, ways: 4, line_bytes: 32, replacement: lru, source: "assumed: t"}',
        "b.yaml:60: dcache: 6 KiB is not 4 ways x 32 bytes x a power of two of sets.",
    ),
    Case(
        "cache_line",
        "dcache: *cache",
        'dcache: {size_bytes: 6K, ways: 4, line_bytes: 24, replacement: lru, source: "assumed: t"}',
        "b.yaml:60: dcache: a line of 24 bytes is no power of two from 4.",
    ),
    Case(
        "cache_huge",
        "dcache: *cache",
        'dcache: {size_bytes: 2M, ways: 4, line_bytes: 32, replacement: lru, source: "assumed: t"}',
        "b.yaml:60: chip.dcache.size_bytes: 2 MiB is no level-one cache; 1 MiB is the limit.",
    ),
    Case(
        "cache_replacement",
        "dcache: *cache",
        'dcache: {size_bytes: 4K, ways: 4, line_bytes: 32, replacement: x, source: "assumed: t"}',
        "b.yaml:60: chip.dcache.replacement is 'x'; it must be pseudo_random or lru.",
    ),
    Case(
        "art_line",
        "  tcm: {byte",
        '  art: {lines: 64, line_bytes: 33, prefetch: true, source: "assumed: t"}\n  tcm: {byte',
        "b.yaml:61: art: a line of 33 bytes is no power of two from 4.",
    ),
    Case(
        "bus_ratio_zero",
        "bus_ratio: 2",
        "bus_ratio: 0",
        "b.yaml:11: chip.clocks.1.bus_ratio: '0' is not a whole number from 1 to 512.",
    ),
    Case(
        "clock_zero",
        "value: 100M",
        "value: 0",
        "b.yaml:3: clock_hz: 0 is no clock of this core; 1M to 2G are, for example 480M.",
    ),
    Case(
        "clock_absurd",
        "value: 100M",
        "value: 480",
        "b.yaml:3: clock_hz: 480 is no clock of this core; 1M to 2G are, for example 480M.",
    ),
    Case(
        "clock_no_frequency",
        "value: 100M",
        "value: fast",
        "b.yaml:3: clock_hz: 'fast' is not a frequency. Write Hz, or k or M: 480M, 216MHz.",
    ),
    Case(
        "clock_above_the_table",
        "value: 100M",
        "value: 101M",
        "b.yaml:3: clock_hz 101 MHz is above the 100 MHz that the clocks table of SMALL ends at; "
        "lower it, or give bus_ratio and flash_wait_states too.",
    ),
    Case(
        "clocks_do_not_rise",
        "up_to_hz: 50M",
        "up_to_hz: 100M",
        "b.yaml:9: the clocks table must rise from row to row by up_to_hz.",
    ),
    Case(
        "clocks_is_no_list",
        '    - {up_to_hz: 50M, bus_ratio: 1, flash_wait_states: 1, source: "assumed: test"}\n'
        '    - {up_to_hz: 100M, bus_ratio: 2, flash_wait_states: 3, source: "assumed: test"}\n',
        "    up_to_hz: 100M\n",
        "b.yaml:9: chip.clocks must be a list, not a mapping.",
    ),
    Case(
        "no_clocks_table",
        "  clocks:\n"
        '    - {up_to_hz: 50M, bus_ratio: 1, flash_wait_states: 1, source: "assumed: test"}\n'
        '    - {up_to_hz: 100M, bus_ratio: 2, flash_wait_states: 3, source: "assumed: test"}\n',
        "",
        "b.yaml:3: SMALL has no clocks table to take bus_ratio and wait states from; give "
        "bus_ratio and flash_wait_states too.",
    ),
    Case(
        "chip_not_known",
        "chip:\n  name: SMALL",
        "chip: stm32h74\nother:\n  name: SMALL",
        "b.yaml:4: chip 'stm32h74' is not known; known are stm32f746, stm32h743, or name a file "
        "beside this one, such as my_chip.yaml.",
    ),
    Case(
        "chip_file_missing",
        "chip:\n  name: SMALL",
        "chip: small_chip.yaml\nother:\n  name: SMALL",
        "b.yaml:4: there is no chip file 'small_chip.yaml'.",
    ),
    Case(
        "chip_file_name_too_long",
        "chip:\n  name: SMALL",
        f"chip: {'a' * 3000}.yaml\nother:\n  name: SMALL",
        f"b.yaml:4: there is no chip file '{'a' * 57}...'.",
    ),
    Case(
        "chip_is_a_list",
        "chip:\n  name: SMALL",
        "chip: [stm32h743]\nother:\n  name: SMALL",
        "b.yaml:4: chip must be a mapping of keys, not a list.\n"
        "b.yaml:5: 'other' is not a key of a board; known are source, name, title, chip, clock_hz, "
        "bus_ratio, flash_wait_states, oscillators_hz, console, regions, placement, accuracy.",
    ),
    Case(
        "chip_extends_unknown",
        "  fpu: none",
        "  fpu: none\n  extends: stm32",
        "b.yaml:8: chip 'stm32' is not known; known are stm32f746, stm32h743, or name a file "
        "beside this one, such as my_chip.yaml.",
    ),
    Case(
        "core_not_known",
        "core: cortex-m7",
        "core: cortex-m77",
        "b.yaml:6: core 'cortex-m77' is not known; did you mean 'cortex-m7'?",
    ),
    Case(
        "name_with_blanks",
        "name: small",
        "name: a small one",
        "b.yaml:1: name is 'a small one'; use letters, digits, '_', '-' and '.'.",
    ),
    Case(
        "title_empty",
        "title: A board for tests",
        "title:",
        "b.yaml:2: title must be text, not empty.",
    ),
    Case(
        "placed_nowhere",
        "data: sram",
        "data: sram2",
        "b.yaml:65: data is placed in 'sram2', which is no region of SMALL; did you mean 'sram'?",
    ),
    Case(
        "placed_in_nothing",
        "data: sram",
        "data: []",
        "b.yaml:65: placement.data: name a region, or adjacent regions as [sram1, sram2] or "
        "sram1+sram2.",
    ),
    Case(
        "placed_apart",
        "data: sram",
        "data: [flash, sram]",
        "b.yaml:65: data is placed in 'flash' and 'sram', which are not adjacent: 'flash' ends at "
        "0x08010000, 'sram' starts at 0x20008000.",
    ),
    Case(
        "placed_high_before_low",
        "data: sram",
        "data: sram+dtcm",
        "b.yaml:65: data is placed in 'sram' and 'dtcm', which are not adjacent: 'sram' ends at "
        "0x20010000, 'dtcm' starts at 0x20000000.",
    ),
    Case(
        "data_in_flash",
        "data: sram",
        "data: flash",
        "b.yaml:65: data is placed in 'flash', which is flash and cannot be written.",
    ),
    Case(
        "code_not_executable",
        "code: flash",
        "code: sram",
        "b.yaml:63: code is placed in 'sram', which is not executable.",
    ),
    Case(
        "symbol_nowhere",
        "  stack: dtcm",
        "  stack: dtcm\n  symbols: {lut: itcm}",
        "b.yaml:68: symbol 'lut' is placed in 'itcm', which is no region of SMALL; did you mean "
        "'dtcm'?",
    ),
    Case(
        "symbol_in_two",
        "  stack: dtcm",
        "  stack: dtcm\n  symbols: {lut: dtcm+sram}",
        "b.yaml:68: symbol 'lut' needs one region, not 'dtcm+sram'.",
    ),
    Case(
        "stack_too_large",
        "stack_bytes: 4K",
        "stack_bytes: 64K",
        "b.yaml:68: a stack of 64 KiB does not fit the 32 KiB of dtcm.",
    ),
    Case(
        "stack_and_heap_too_large",
        "  stack: dtcm\n  stack_bytes: 4K",
        "  stack: sram\n  stack_bytes: 28K",
        "b.yaml:69: a stack of 28 KiB and a heap of 8 KiB do not fit the 32 KiB of sram together.",
    ),
    Case(
        "accuracy_out_of_range",
        "\nplacement:",
        "\naccuracy: {mean_error_ratio: 1, worst_error_ratio: 40, source: TRM-M7}\nplacement:",
        "b.yaml:62: accuracy.worst_error_ratio: '40' is not a number from 0 to 10.",
    ),
    Case(
        "key_given_twice",
        "name: small",
        "name: small\nname: large",
        "b.yaml:2: 'name' is given twice, first in line 1.",
    ),
    Case(
        "key_is_a_list",
        "name: small",
        "[name]: small",
        "b.yaml:1: a key must be a plain word.",
    ),
    Case(
        "tag",
        "name: small",
        "name: !!python/name:os.system small",
        "b.yaml:1: the tag 'tag:yaml.org,2002:python/name:os.system' has no meaning in a board "
        "file.",
    ),
    Case(
        "tabs",
        "  name: SMALL",
        "\tname: SMALL",
        "b.yaml:5: this is not YAML: found character '\\t' that cannot start any token.",
    ),
    Case(
        "bracket_left_open",
        "  heap: sram",
        "  heap: [sram",
        "b.yaml:67: this is not YAML: expected ',' or ']', but got ':'.",
    ),
    Case(
        "merge_key",
        "  dcache: *cache",
        "  dcache:\n    <<: *cache",
        "b.yaml:60: chip.dcache has no 'size_bytes'; add it.\n"
        "b.yaml:60: chip.dcache has no 'ways'; add it.\n"
        "b.yaml:60: chip.dcache has no 'line_bytes'; add it.\n"
        "b.yaml:60: chip.dcache has no 'replacement'; add it.\n"
        "b.yaml:61: '<<' is not a key of a cache; known are source, size_bytes, ways, line_bytes, "
        "replacement, enabled.",
    ),
)


def test_the_small_board_itself_is_fine(small_board: str, write_board: WriteBoard) -> None:
    assert load_board(write_board(small_board)).name == "small"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_refusal(case: Case, small_board: str, write_board: WriteBoard) -> None:
    assert case.old in small_board
    path = write_board(small_board.replace(case.old, case.new, 1))

    with pytest.raises(BoardError) as refusal:
        load_board(path)

    assert str(refusal.value) == case.sentence


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "b.yaml:1: the file is empty; a board file is a mapping of keys."),
        (b"# nothing\n", "b.yaml:1: the file is empty; a board file is a mapping of keys."),
        (b"- a\n- b\n", "b.yaml:1: the file must be a mapping of keys such as 'name: f746'."),
        (b"h743\n", "b.yaml:1: the file must be a mapping of keys such as 'name: f746'."),
        (b"\x7fELF\x01\x01", "b.yaml:1: the byte 0x7f is not text; is it a board file?"),
        (b"name: f\ntitle: \0", "b.yaml:2: the byte 0x00 is not text; is it a board file?"),
        (b"name: f\n\xff\xfe", "b.yaml:2: this is not UTF-8 text; is it a board file?"),
        (
            b"a: 1\n" * 60_000,
            "b.yaml:1: the file has 300000 bytes, and no board file needs more than 262144; is it "
            "another kind of file?",
        ),
        (b"a: 1\n---\nb: 2\n", "b.yaml:2: this is not YAML: but found another document."),
        (b"a: &a [*a]\n", "b.yaml:1: the file holds too many or too deeply nested values."),
        (b"[" * 5000, "b.yaml:1: the file is nested too deeply for a board file."),
        (
            b"a: &a [x, x, x, x]\n"
            + b"".join(b"%c: &%c [*%c, *%c, *%c, *%c]\n" % (c, c, *[c - 1] * 4) for c in b"bcdefg"),
            "b.yaml:1: the file holds too many or too deeply nested values.",
        ),
        (
            b"name: x\nregions: {}\n",
            "b.yaml:1: this describes a chip; name it in a board file as 'chip: b.yaml', with "
            "clock_hz and placement.",
        ),
    ],
    ids=[
        "empty", "comment_only", "list", "scalar", "elf", "nul", "not_utf8", "huge",
        "two_documents", "alias_of_itself", "deep", "aliases_multiply", "chip_file",
    ],
)  # fmt: skip
def test_refusal_of_a_whole_file(
    content: bytes, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("b.yaml").write_bytes(content)

    with pytest.raises(BoardError) as refusal:
        load_board("b.yaml")

    assert str(refusal.value) == sentence


def test_no_such_file() -> None:
    with pytest.raises(BoardError, match=r"^nowhere/b.yaml: there is no such file\.$"):
        load_board("nowhere/b.yaml")


def test_a_directory(tmp_path: Path) -> None:
    with pytest.raises(BoardError, match=r": this is a directory; name the board file in it\.$"):
        load_board(f"{tmp_path}/")


def test_chips_that_extend_each_other(write_board: WriteBoard) -> None:
    path = write_board("name: x\ntitle: x\nchip: one.yaml\n")
    Path("one.yaml").write_text("extends: two.yaml\n", encoding="utf-8")
    Path("two.yaml").write_text("\nextends: one.yaml\n", encoding="utf-8")

    with pytest.raises(BoardError, match=r"^two.yaml:2: 'one.yaml' extends itself in the end\.$"):
        load_board(path)


def test_a_fault_of_the_chip_file_names_the_chip_file(write_board: WriteBoard) -> None:
    path = write_board("name: x\ntitle: x\nchip: one.yaml\n")
    Path("one.yaml").write_text("extends: stm32h743\ncore: m0\nfpv: 1\n", encoding="utf-8")

    with pytest.raises(BoardError) as refusal:
        load_board(path)

    assert str(refusal.value).splitlines() == [
        "b.yaml:1: a board has no 'clock_hz'; add it.",
        "b.yaml:1: a board has no 'placement'; add it.",
        "one.yaml:3: 'fpv' is not a key of a chip; did you mean 'fpu'?",
    ]
