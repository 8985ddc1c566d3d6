"""What a board file says of peripherals, interrupts, oscillators and memory outside the chip."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
from ruamel.yaml import YAML

import boards
from emu.board import Board, MappedPeripheral
from emu.boardfile import load_board, schema
from emu.boardfile.check_peripherals import CLOCKS, list_models
from emu.errors import BoardError, UsageError

WriteBoard = Callable[[str], str]
NAMES = ("f746", "h743")


def peripheral(board: Board, name: str) -> MappedPeripheral:
    return next(item for item in board.chip.peripherals if item.name == name)


# What is read


def test_a_peripheral_is_read_as_it_is_written(board_text: str, write_board: WriteBoard) -> None:
    board = load_board(write_board(board_text))

    assert board.chip.peripherals == (
        MappedPeripheral(
            "tim1",
            "timer",
            0x4001_0000,
            512,
            (("update", 25), ("compare", 27)),
            "apb2_timer",
            (("bits", 16), ("kind", "advanced")),
        ),
        MappedPeripheral("usart1", "usart", 0x4001_1000, 1024, (("global", 37),), "apb2"),
        MappedPeripheral(
            "dbgmcu", "register_file", 0xE004_2000, 1024, settings=(("idcode@0x0", 0x1001_6449),)
        ),
    )
    assert board.chip.peripheral_timing.uncached_read_cycles == 7
    assert board.chip.peripheral_timing.uncached_write_cycles == 5
    assert board.oscillators_hz == (("hse", 25_000_000), ("lse", 32_768))
    assert board.console == "usart1"


def test_interrupts_are_named_after_what_drives_them(
    board_text: str, write_board: WriteBoard
) -> None:
    interrupts = load_board(write_board(board_text)).chip.interrupts

    assert (interrupts.lines_count, interrupts.priority_bits) == (40, 3)
    assert interrupts.mpu_regions_count == 16
    assert interrupts.names == ((25, "tim1.update"), (27, "tim1.compare"), (37, "usart1"))


def test_an_interrupt_that_two_share_names_both(board_text: str, write_board: WriteBoard) -> None:
    text = board_text.replace("{update: 25, compare: 27}", "{update: 37}")

    assert load_board(write_board(text)).chip.interrupts.names == ((37, "tim1.update/usart1"),)


def test_an_interrupt_of_no_peripheral_has_a_name_too(
    board_text: str, write_board: WriteBoard
) -> None:
    text = board_text.replace("lines_count: 40,", "names: {fpu: 38},")
    interrupts = load_board(write_board(text)).chip.interrupts

    assert interrupts.names[-1] == (38, "fpu")
    assert interrupts.lines_count == 39, "left out: up to the highest number that is named"


def test_a_chip_without_any_of_it_is_as_before(small_board: str, write_board: WriteBoard) -> None:
    board = load_board(write_board(small_board))

    assert (board.chip.peripherals, board.console, board.oscillators_hz) == ((), None, ())
    assert board.chip.interrupts.lines_count == 0
    assert set(vars(board.chip.peripheral_timing).values()) == {0}


def test_one_source_covers_all_peripherals_and_each_may_have_its_own(
    board_text: str, write_board: WriteBoard
) -> None:
    facts = {fact.key: fact for fact in load_board(write_board(board_text)).assumptions}

    common, own = "RM0385 memory map", "assumed: another reason"
    assert facts["chip.peripherals.usart1.start"].source == common
    assert facts["chip.peripherals.usart1.irqs.global"].source == common
    assert facts["chip.peripherals.dbgmcu.settings.idcode@0x0"].source == common
    assert facts["chip.peripherals.tim1.irqs.update"].source == own
    assert facts["chip.peripherals.tim1.settings.bits"].source == own
    assert facts["chip.peripherals.usart1.irqs.global"].line == 69


def test_a_chip_that_extends_another_changes_single_peripherals(
    tmp_path: Path, small_board: str
) -> None:
    path = tmp_path / "mine.yaml"
    chip = """\
chip:
  name: MINE
  extends: stm32h743
  peripherals:
    tim2: null
    usart1: {irqs: {global: 7}, source: "assumed: rewired"}
placement:
  code: flash
  weights: flash
  data: axi
  heap: axi
  stack: dtcm
  stack_bytes: 8K
  heap_bytes: 8K
  source: "assumed: enough"
"""
    path.write_text(small_board.partition("chip:")[0] + chip, encoding="utf-8")

    board, base = load_board(str(path)), load_board("h743")

    assert peripheral(board, "usart1").irqs == (("global", 7),)
    assert peripheral(board, "usart1").start == peripheral(base, "usart1").start
    names = {item.name for item in board.chip.peripherals}
    assert {item.name for item in base.chip.peripherals} - names == {"tim2"}


def test_a_number_that_replaces_another_is_not_covered_by_the_source_of_the_other_file(
    tmp_path: Path,
) -> None:
    path = tmp_path / "mine.yaml"
    shipped = (Path(boards.__file__).parent / "stm32h743.yaml").read_text(encoding="utf-8")
    chip = "{name: X, extends: stm32h743, peripherals: {usart1: {irqs: {global: 7}}}}"
    path.write_text(shipped.replace("chip: stm32h743", f"chip: {chip}"), encoding="utf-8")

    with pytest.raises(BoardError, match=r"peripherals\.usart1\.irqs\.global has no source"):
        load_board(str(path))


REGION = """\
regions:
  sdram:
    start: 0xC000_0000
    size_bytes: 8M
    kind: ram
    bus: ahb
    cacheable: false
    executable: false
    source: "assumed: test"
    timing:
      wait_states: 9
      line_fill_overhead_cycles: 0
      code_fill_overhead_cycles: 0
      store_miss_cycles: 0
      eviction_cycles: 0
      uncached_read_cycles: 6
      uncached_write_cycles: 8
      source: "assumed: test"
"""


def test_memory_on_the_board_is_a_region_like_the_chips(
    small_board: str, write_board: WriteBoard
) -> None:
    path = write_board(small_board + REGION)
    board = load_board(path, set_={"sdram.wait_states": "3"}, place={"weights": "sdram"})

    assert board.chip.regions[-1].name == "sdram"
    assert board.chip.region("sdram").timing.wait_states == 3
    assert board.placement.weights == ("sdram",)


def test_memory_on_the_board_does_not_replace_the_chips(
    small_board: str, write_board: WriteBoard
) -> None:
    with pytest.raises(BoardError) as refusal:
        load_board(write_board(small_board + REGION.replace("sdram", "dtcm")))

    assert str(refusal.value) == (
        "b.yaml:72: the chip has a region 'dtcm' itself; give the board's another name, or change "
        "the chip's below 'chip:'."
    )


# What is refused


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            "model: usart,",
            "model: uart,",
            "b.yaml:69: peripheral 'usart1' wants the model 'uart', which does not exist; use "
            "register_file for one that only keeps what is written, or did you mean 'usart'?",
        ),
        (
            "size_bytes: 512",
            "size_bytes: 8K",
            "b.yaml:69: peripheral 'usart1' (0x40011000 to 0x400113ff) overlaps peripheral 'tim1' "
            "(0x40010000 to 0x40011fff); move or shrink one.",
        ),
        (
            "start: 0x4001_1000",
            "start: 0x2000_FC00",
            "b.yaml:69: peripheral 'usart1' (0x2000fc00 to 0x2000ffff) overlaps region 'sram' "
            "(0x20008000 to 0x2000ffff); move or shrink one.",
        ),
        (
            "start: 0x4001_1000",
            "start: 0xE000_E000",
            "b.yaml:69: peripheral 'usart1' reaches into the core's own registers at 0xE000_0000; "
            "move or shrink it.",
        ),
        (
            "size_bytes: 512",
            "size_bytes: 511",
            "b.yaml:73: peripheral 'tim1' must start at and span whole words of 4 bytes.",
        ),
        (
            "irqs: {global: 37}",
            "irqs: {global: 40}",
            "b.yaml:69: peripheral 'usart1' drives interrupt 40, and SMALL has 40 (0 to 39).",
        ),
        (
            "irqs: {global: 37}",
            "irqs: {global: 240}",
            "b.yaml:69: chip.peripherals.usart1.irqs.global: '240' is not a whole number from 0 "
            "to 239.",
        ),
        (
            "clock: apb2}",
            "clock: abp2}",
            "b.yaml:69: peripheral 'usart1' counts with the clock 'abp2', which no chip has; did "
            "you mean 'apb2'?",
        ),
        (
            "irqs: {global: 37}",
            "irq: {global: 37}",
            "b.yaml:69: 'irq' is not a key of a peripheral; did you mean 'irqs'?",
        ),
        (
            "      model: timer\n",
            "",
            "b.yaml:70: chip.peripherals.tim1 has no 'model'; add it.",
        ),
        (
            "    source: RM0385 memory map\n",
            "",
            "b.yaml:68: chip.peripherals.usart1.start has no source; ",
        ),
        (
            "    source: RM0385 memory map\n",
            "    source: {}\n",
            "b.yaml:68: chip.peripherals.source has no 'model'; add it.",
        ),
        (
            "idcode@0x0",
            "idcode@zero",
            "b.yaml:78: 'idcode@zero' is no setting's name; use lower-case letters, digits and "
            "'_', or name@0x1c for a register's value after reset.",
        ),
        (
            "    usart1: {model",
            "    USART1: {model",
            "b.yaml:69: 'USART1' is no name; use lower-case letters, digits and '_'.",
        ),
        (
            "console: usart1",
            "console: usart2",
            "b.yaml:80: the console is 'usart2', which is no peripheral of SMALL; did you mean "
            "'usart1'?",
        ),
        (
            "console: usart1",
            "console: tim1",
            "b.yaml:80: the console is 'tim1', which is a timer, no serial port; known are usart1.",
        ),
        (
            "hse: 25M",
            "hse: 500M",
            "b.yaml:79: oscillators_hz.hse: 500M is no crystal's frequency; 1k to 200M are, for "
            "example 25M.",
        ),
        (
            "{hse: 25M",
            "{hsx: 25M",
            "b.yaml:79: 'hsx' is not a key of the board's oscillators; did you mean 'hse'?",
        ),
        (
            "priority_bits: 3",
            "priority_bits: 2",
            "b.yaml:62: chip.interrupts.priority_bits: '2' is not a whole number from 3 to 8.",
        ),
        (
            "priority_bits: 3",
            "priority_bits: 3, names: {fpu: 81}",
            "b.yaml:62: interrupt 'fpu' is 81, and SMALL has 40 (0 to 39).",
        ),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else None,
)
def test_refusal(
    old: str, new: str, sentence: str, board_text: str, write_board: WriteBoard
) -> None:
    assert old in board_text
    with pytest.raises(BoardError) as refusal:
        load_board(write_board(board_text.replace(old, new, 1)))

    assert sentence in str(refusal.value)


# What options change


@pytest.mark.parametrize(
    ("key", "value", "read"),
    [
        ("hse_hz", "8M", lambda board: dict(board.oscillators_hz)["hse"] == 8_000_000),
        ("lse_hz", "32k", lambda board: dict(board.oscillators_hz)["lse"] == 32_000),
        ("console", "usart3", lambda board: board.console == "usart3"),
        ("console", "none", lambda board: board.console is None),
        (
            "peripheral_timing.uncached_read_cycles",
            "9",
            lambda board: board.chip.peripheral_timing.uncached_read_cycles == 9,
        ),
    ],
)
def test_settable(key: str, value: str, read: Callable[[Board], bool]) -> None:
    board = load_board("f746", set_={key: value})

    assert read(board)
    assert board.digest != load_board("f746").digest


def test_a_console_that_is_none_of_the_chip_is_blamed_on_the_option() -> None:
    with pytest.raises(UsageError, match="--set console=usart9: the console is 'usart9', which"):
        load_board("f746", set_={"console": "usart9"})


def test_a_timing_that_the_chip_does_not_state_cannot_be_set(
    small_board: str, write_board: WriteBoard
) -> None:
    with pytest.raises(UsageError, match="this chip has no timing of peripherals"):
        load_board(write_board(small_board), set_={"peripheral_timing.uncached_read_cycles": "9"})


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("{global: 37}", "{global: 38}"),
        ("clock: apb2}", "clock: apb1}"),
        ("bits: 16", "bits: 32"),
        ("0x4001_1000", "0x4001_1400"),
        ("model: timer", "model: register_file"),
        ("priority_bits: 3", "priority_bits: 4"),
        ("hse: 25M", "hse: 8M"),
        ("uncached_write_cycles: 5", "uncached_write_cycles: 6"),
    ],
)
def test_the_digest_changes_with_any_value(
    old: str, new: str, board_text: str, write_board: WriteBoard
) -> None:
    before = load_board(write_board(board_text)).digest

    assert load_board(write_board(board_text.replace(old, new, 1))).digest != before


def test_the_digest_is_the_same_whatever_sources_and_interrupts_are_called(
    board_text: str, write_board: WriteBoard
) -> None:
    before = load_board(write_board(board_text)).digest
    renamed = board_text.replace("RM0385 memory map", "RM0433 elsewhere").replace(
        "priority_bits: 3", "priority_bits: 3, names: {fpu: 39}"
    )

    assert load_board(write_board(renamed)).digest == before


# What is shipped


@pytest.mark.parametrize("name", NAMES)
def test_every_shipped_model_exists_and_every_clock_is_one(name: str) -> None:
    for item in load_board(name).chip.peripherals:
        assert item.model in list_models()
        assert item.clock in (None, *CLOCKS, item.name)


@pytest.mark.parametrize("name", NAMES)
def test_no_peripheral_is_outside_where_armv7m_has_devices(name: str) -> None:
    """Peripherals, external devices, the maker's part of the private bus, and system memory."""
    for item in load_board(name).chip.peripherals:
        assert (
            0x4000_0000 <= item.start < 0x6000_0000
            or 0xA000_0000 <= item.start < 0xA000_2000
            or 0xE004_0000 <= item.start < 0xE010_0000
            or 0x1FF0_0000 <= item.start < 0x2000_0000
        ), item.name


@pytest.mark.parametrize(
    ("board", "name", "model", "start", "irqs", "clock"),
    [
        ("f746", "usart1", "usart", 0x4001_1000, {"global": 37}, "apb2"),
        ("f746", "usart3", "usart", 0x4000_4800, {"global": 39}, "apb1"),
        ("f746", "tim6", "timer", 0x4000_1000, {"global": 54}, "apb1_timer"),
        ("h743", "usart3", "usart", 0x4000_4800, {"global": 39}, "apb1"),
        ("h743", "tim17", "timer", 0x4001_4800, {"global": 118}, "apb2_timer"),
        ("h743", "lpuart1", "usart", 0x5800_0C00, {"global": 142}, "apb4"),
    ],
)
def test_the_manual_says_so(
    board: str, name: str, model: str, start: int, irqs: dict[str, int], clock: str
) -> None:
    found = peripheral(load_board(board), name)

    assert (found.model, found.start, dict(found.irqs), found.clock) == (model, start, irqs, clock)


def test_f746_and_h743_have_their_interrupts_and_oscillators() -> None:
    f746, h743 = load_board("f746"), load_board("h743")

    assert (f746.chip.interrupts.lines_count, h743.chip.interrupts.lines_count) == (98, 150)
    assert f746.chip.interrupts.mpu_regions_count == 8
    assert h743.chip.interrupts.mpu_regions_count == 16
    assert dict(f746.chip.interrupts.names)[54] == "tim6/dac"
    assert dict(h743.chip.interrupts.names)[47] == "dma1.stream7"
    assert (f746.console, dict(f746.oscillators_hz)["hse"]) == ("usart1", 25_000_000)
    assert (h743.console, dict(h743.oscillators_hz)["hse"]) == ("usart3", 8_000_000)


def test_dma_requests_are_wires_of_peripherals_that_the_chip_has() -> None:
    for name in NAMES:
        board = load_board(name)
        names = {item.name for item in board.chip.peripherals}
        for item in board.chip.peripherals:
            for key, value in item.settings:
                if key.startswith(("request", "stream")):
                    for wire in str(value).split():
                        owner = wire.split("_")[0]
                        assert owner in names or wire.split("_")[0] + "1" in names, (key, wire)


def test_dma_requests_are_where_the_manual_has_them() -> None:
    f746, h743 = load_board("f746"), load_board("h743")
    dma2 = dict(peripheral(f746, "dma2").settings)
    dmamux1 = dict(peripheral(h743, "dmamux1").settings)

    assert (dma2["stream2_channel4"], dma2["stream7_channel4"]) == ("usart1_rx", "usart1_tx")
    assert dict(peripheral(f746, "dma1").settings)["stream3_channel4"] == "usart3_tx"
    assert (dmamux1["request41"], dmamux1["request46"]) == ("usart1_rx", "usart3_tx")
    assert dict(peripheral(h743, "dmamux2").settings)["request9"] == "lpuart1_rx"


def test_the_schema_accepts_the_shipped_files(board_text: str) -> None:
    made = schema()
    yaml = YAML(typ="safe")
    for path in sorted(Path(boards.__file__).parent.glob("*.yaml")):
        jsonschema.validate(yaml.load(path.read_text(encoding="utf-8")), made)
    jsonschema.validate(yaml.load(board_text), made)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.load(board_text.replace("irqs: {global", "irq: {global")), made)
