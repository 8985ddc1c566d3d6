"""Peripherals as ST's HAL uses them: clocks, UART in three ways, timers, and what it polls."""

from __future__ import annotations

from pathlib import Path

import pytest

from emu.measure.report import Report
from tests.firmware.program_bench import BOARDS, checked, complaints, run_program

pytestmark = pytest.mark.needs_compiler

SCRIPTS = {
    "uart_polling": """\
        expect "ready\\n"
        send "ping\\n"
        expect "echo ping\\n"
        expect "again\\n"
        send "xy"
        expect "bye\\n"
        run-on
        """,
    "uart_interrupt": """\
        expect "ready to receive\\n"
        wait 1ms
        send "hello there\\n"
        expect "ereht olleh\\n"
        run-on
        """,
    "uart_dma": """\
        expect "from memory to the wire\\n"
        wait 1ms
        send "abcdefghijklmnopqrst"
        expect "more\\n"
        wait 1ms
        send "ABCDEFGHIJKLMNOP"
        expect "done\\n"
        run-on
        """,
}
OUTPUTS = {
    "uart_polling": "0123456789abcdef\n.\nready\necho ping\nagain\nbye\n",
    "uart_interrupt": "ready to receive\nereht olleh\n",
    "uart_dma": "from memory to the wire\nmore\ndone\n",
}
PORTS = {"f746": "usart1", "h743": "usart3"}


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("program", ["clocks", "timers", "units"])
def test_every_check_holds(program: str, board: str) -> None:
    assert complaints(checked(program, board)) == []


def _talk(program: str, board: str, folder: Path) -> Report:
    script = folder / "script.txt"
    lines = [line.strip() for line in SCRIPTS[program].splitlines()]
    # Checks are told by semihosting meanwhile, which is console output too.
    script.write_text("\n".join([f"port {PORTS[board]}", *lines]))
    return run_program(program, board, script=script)


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("program", SCRIPTS)
def test_the_uart_talks(program: str, board: str, tmp_path: Path) -> None:
    report = _talk(program, board, tmp_path)
    assert complaints(report) == []
    assert {row.port: row.text for row in report.serial}[PORTS[board]] == OUTPUTS[program]


@pytest.mark.parametrize("board", BOARDS)
def test_a_conversation_repeats_to_the_cycle(board: str, tmp_path: Path) -> None:
    first, second = (_talk("uart_dma", board, tmp_path) for _ in range(2))
    assert first.latency_cycles == second.latency_cycles
    assert first.console == second.console


@pytest.mark.parametrize(
    ("board", "clocks_hz"),
    [("f746", [16_000_000, 216_000_000]), ("h743", [64_000_000, 480_000_000])],
)
def test_the_report_tells_the_clocks_that_the_firmware_set(
    board: str, clocks_hz: list[int]
) -> None:
    report = checked("clocks", board)
    assert {change.clock_hz for change in report.clocks} >= set(clocks_hz)
    assert report.clocks[-1].clock_hz == clocks_hz[-1]
