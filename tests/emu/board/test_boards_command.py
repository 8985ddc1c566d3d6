"""`emu boards`: results on stdout, verdicts on stderr, refusals as exceptions with an exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from emu.board import MappedPeripheral
from emu.cli.boards import app
from emu.cli.peripheral_tables import interrupts_text
from emu.errors import BoardError, UsageError

H7A3 = str(Path(__file__).parent / "stm32h7a3.yaml")


@pytest.fixture(autouse=True)
def plain_output(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "GITHUB_ACTIONS", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)


def invoke(*arguments: str) -> Result:
    """Run a command; a refusal is raised, as the main program sees it."""
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


def test_list() -> None:
    lines = invoke("list").stdout.splitlines()

    assert lines[0].split() == ["board", "chip", "clock", "title", "file"]
    assert lines[-2].split()[:4] == ["f746", "STM32F746", "216", "MHz"]
    assert lines[-1].split()[:4] == ["h743", "STM32H743", "480", "MHz"]


def test_list_as_json() -> None:
    assert [board["name"] for board in json.loads(invoke("list", "--json", "-").stdout)] == [
        "f746",
        "h743",
    ]


def test_show_is_a_memory_map_that_one_can_read() -> None:
    shown = invoke("show", "f746").stdout

    assert "216 MHz, bus 216 MHz (1:1)" in shown
    assert "4 KiB, 4 ways x 32 sets x 32 B, pseudo-random" in shown
    regions = shown.split("\n\n")[1]
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in regions.splitlines()[3:]}
    assert rows["flash"] == "0x08000000 1 MiB flash axi 7 12.55 code, weights"
    assert rows["flash_itcm"] == "0x00200000 1 MiB = flash itcm, ART 7 uncached"
    assert rows["sram2"] == "0x2004c000 16 KiB ram ahb 0 7.24 data, heap"


def test_show_lists_what_is_modelled_and_what_only_keeps_what_is_written() -> None:
    facts, _, modelled, kept = invoke("show", "f746").stdout.split("\n\n")

    assert "98, 4 priority bits; MPU of 8 regions" in facts
    assert "hse 25 MHz, lse 32.768 kHz (--set hse_hz=8M)" in facts
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in modelled.splitlines()[2:]}
    assert rows["usart1"] == "usart 0x40011000 apb2 37"
    assert rows["tim1"] == (
        "timer 0x40010000 apb2_timer break 24, update 25, trigger 26, compare 27"
    )
    assert kept.startswith("Register files: what is written is kept and read back")
    assert "sai1" in kept
    assert "usart1" not in kept


def test_show_of_a_board_without_peripherals_is_short() -> None:
    shown = invoke("show", H7A3).stdout

    assert "none described" in shown
    assert len(shown.split("\n\n")) == 2


def test_interrupts_that_count_up_with_their_outputs_are_told_together() -> None:
    irqs = (("stream0", 11), ("stream1", 12), ("stream2", 13), ("stream7", 47), ("error", 48))
    place = MappedPeripheral("dma1", "dma", 0x4002_0000, 1024, irqs)

    assert interrupts_text(place) == "stream0-2 11-13, stream7 47, error 48"


def test_show_says_what_options_changed() -> None:
    shown = invoke("show", "h743", "--set", "clock_hz=400M", "--place", "weights=dtcm").stdout

    assert "400 MHz, bus 200 MHz (1:2)" in shown
    assert "changed: clock_hz = 400M\n" in shown
    assert "changed: weights = dtcm\n" in shown
    assert "changed: flash.wait_states = 2 (clocks table of STM32H743, up to 400 MHz)\n" in shown


def test_show_as_json_is_pure_and_whole(tmp_path: Path) -> None:
    printed = json.loads(invoke("show", "h743", "--json", "-").stdout)
    written = invoke("show", "h743", "--json", str(tmp_path / "board.json"))

    assert written.stdout == ""
    assert json.loads((tmp_path / "board.json").read_text(encoding="utf-8")) == printed
    assert printed["clock_hz"] == 480_000_000
    assert printed["chip"]["regions"][0]["name"] == "itcm"
    assert len(printed["digest"]) == 64
    assert printed["oscillators_hz"] == {"hse": 8_000_000, "lse": 32_768}
    usart3 = next(item for item in printed["chip"]["peripherals"] if item["name"] == "usart3")
    assert (usart3["irqs"], usart3["settings"]) == ({"global": 39}, {"fifo": 1})
    assert {"irq": 39, "name": "usart3"} in printed["chip"]["interrupts"]["names"]


def test_json_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"the file cannot be written: No such file or directory\.$"
    ):
        invoke("show", "h743", "--json", str(tmp_path / "none" / "board.json"))


def test_check_counts_sources_on_stderr_and_prints_nothing_else() -> None:
    result = invoke("check")

    assert result.stdout == ""
    names = [line.split(":")[0] for line in result.stderr.splitlines()]
    assert names == ["f746", "h743"]
    assert " documented, " in result.stderr
    assert " assumed." in result.stderr


def test_check_a_file_and_list_what_it_assumes() -> None:
    result = invoke("check", H7A3, "--list-assumed")

    assert "axi.line_fill_overhead_cycles = 4.65" in result.stdout
    assert "fitted: third-party images with silicon counts, 5.65 cycles a line" in result.stdout
    assert "clocks.6.flash_wait_states = 6" in result.stdout
    assert "cortex-m7: group of numbers" in result.stdout
    assert "assumed: pipeline drain" in result.stdout
    assert result.stderr.startswith("h7a3: fine, ")


def test_check_tells_of_every_bad_file(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("name: x\n", encoding="utf-8")

    with pytest.raises(BoardError) as refusal:
        invoke("check", str(bad), "nowhere.yaml", "h743")

    lines = str(refusal.value).splitlines()
    assert lines[0] == f"{bad}:1: a board has no 'title'; add it."
    assert lines[-1] == "nowhere.yaml: there is no such file."
    assert refusal.value.exit_code == 2


def test_nothing_is_coloured_when_piped() -> None:
    for arguments in (["list"], ["show", "h743"], ["check", "--list-assumed"]):
        assert "\x1b" not in invoke(*arguments).output


def test_schema_is_json() -> None:
    assert json.loads(invoke("schema").stdout)["additionalProperties"] is False
