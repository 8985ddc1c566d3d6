"""A serial line without a machine: a `Link` whose time moves when a test says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from emu.backends.protocol import RunOptions
from emu.backends.read_serial_script import parse_serial_script
from emu.backends.serial_link import FEMTOSECONDS, Ending
from emu.backends.serial_monitor import SerialMonitor
from emu.backends.serial_script import SerialScript
from emu.peripherals.schedule import Event, Schedule

CLOCK_HZ = 1_000_000  # one cycle is a microsecond


class SerialBench:
    """A monitor and the line it watches. One instruction is counted every two cycles."""

    def __init__(self, script: str | None = None, options: RunOptions | None = None) -> None:
        if options is None:
            options = RunOptions(serial_script=script_of(script) if script is not None else None)
        self.cycles = 0
        self.clock_hz = CLOCK_HZ
        self.elapsed_fs = 0
        self.sent: list[tuple[int, str, bytes]] = []  # microseconds, port, bytes
        self.endings: list[tuple[Ending, str | None]] = []
        self.schedule = Schedule()
        self.monitor = SerialMonitor(options, "usart1", self)
        self.monitor.start()

    # For tests

    def prints(self, text: str, port: str = "usart1", byte_cycles: int = 0) -> None:
        """The firmware prints, each byte as long as that after the one before."""
        if not byte_cycles:
            self.monitor.output(port, text.encode())
            return
        for byte in text.encode():
            self.run(byte_cycles)
            self.monitor.output(port, bytes((byte,)))

    def run(self, cycles: int) -> None:
        """Let time pass."""
        until = self.cycles + cycles
        while (due := self.schedule.next_cycles()) is not None and due <= until:
            self._go_to(max(due, self.cycles))
            self.schedule.run_due(due)
        self._go_to(until)

    def set_clock(self, clock_hz: int) -> None:
        self.clock_hz = clock_hz
        self.monitor.rearm()

    @property
    def texts_sent(self) -> list[str]:
        return [data.decode() for _, _, data in self.sent]

    @property
    def ending(self) -> tuple[Ending, str | None] | None:
        assert len(self.endings) <= 1, "a run ends once"
        return self.endings[0] if self.endings else None

    def _go_to(self, cycles: int) -> None:
        self.elapsed_fs += (cycles - self.cycles) * FEMTOSECONDS // self.clock_hz
        self.cycles = cycles

    # Link

    def now_cycles(self) -> int:
        return self.cycles

    def time_fs(self) -> int:
        return self.elapsed_fs

    def instructions(self) -> int:
        return self.cycles // 2

    def after_s(self, seconds: float, action: Callable[[], None]) -> Event:
        return self.schedule.at(self.cycles + max(1, round(seconds * self.clock_hz)), action)

    def send(self, port: str, data: bytes) -> None:
        self.sent.append((self.elapsed_fs // 10**9, port, data))

    def finish(self, outcome: Ending, sentence: str | None) -> None:
        self.endings.append((outcome, sentence))


def script_of(text: str, folder: Path = Path()) -> SerialScript:
    """A script as the file `line.uart` would hold it."""
    return parse_serial_script(text.encode(), "line.uart", folder)
