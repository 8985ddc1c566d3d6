"""Both parts' RCC, PWR, FLASH and SYSCFG on a bench, and firmware's way to wait for a flag."""

from __future__ import annotations

from dataclasses import replace

from emu.board import Board, MappedPeripheral
from emu.boardfile import load_board
from emu.peripherals.clock_controller import ClockController
from emu.peripherals.flash_interface import FlashInterface
from tests.emu.peripherals.bench import Bench

F746_PLACES = [
    MappedPeripheral("usart1", "usart", 0x40011000, 0x400, settings=(("fifo", 0),), clock="apb2"),
    MappedPeripheral("pwr", "pwr_f7", 0x40007000, 0x400),
    MappedPeripheral("syscfg", "syscfg_f7", 0x40013800, 0x400),
    MappedPeripheral("rcc", "rcc_f7", 0x40023800, 0x400, irqs=(("global", 5),)),
    MappedPeripheral("flash", "flash_f7", 0x40023C00, 0x400, irqs=(("global", 4),)),
    MappedPeripheral("rtc", "register_file", 0x40002800, 0x400),
]
H743_PLACES = [
    MappedPeripheral("usart1", "usart", 0x40011000, 0x400, settings=(("fifo", 1),), clock="apb2"),
    MappedPeripheral("flash", "flash_h7", 0x52002000, 0x1000, irqs=(("global", 4),)),
    MappedPeripheral("syscfg", "syscfg_h7", 0x58000400, 0x400),
    MappedPeripheral("rcc", "rcc_h7", 0x58024400, 0x400, irqs=(("global", 5),)),
    MappedPeripheral("pwr", "pwr_h7", 0x58024800, 0x400),
    MappedPeripheral("rtc", "register_file", 0x58004000, 0x400),
]


def crystals(name: str, hse_hz: int | None, lse_hz: int | None = 32768) -> Board:
    """A board with these crystals and no others."""
    found = (("hse", hse_hz), ("lse", lse_hz))
    given = tuple((crystal, hz) for crystal, hz in found if hz is not None)
    return replace(load_board(name), oscillators_hz=given)


def f746(hse_hz: int | None = 25_000_000, *, from_reset: bool = True) -> ClockBench:
    return ClockBench(crystals("f746", hse_hz), F746_PLACES, from_reset)


def h743(hse_hz: int | None = 8_000_000, *, from_reset: bool = True) -> ClockBench:
    return ClockBench(crystals("h743", hse_hz), H743_PLACES, from_reset)


class ClockBench(Bench):
    """A chip whose firmware's registers rule the clock from reset, unless told otherwise."""

    def __init__(self, board: Board, places: list[MappedPeripheral], from_reset: bool) -> None:
        super().__init__(board, places)
        if from_reset:
            self.rcc.publish()

    @property
    def rcc(self) -> ClockController:
        found = self["rcc"]
        assert isinstance(found, ClockController)
        return found

    @property
    def flash_interface(self) -> FlashInterface:
        found = self["flash"]
        assert isinstance(found, FlashInterface)
        return found

    def hz(self, *names: str) -> tuple[int, ...]:
        return tuple(self.space.clocks.hz(name) for name in names)

    def us(self) -> float:
        """Modelled time since reset."""
        return self.space.time_fs() / 1e9

    def modify(self, name: str, offset: int, clear: int, put: int) -> None:
        """Read, change, write: what HAL's MODIFY_REG does."""
        self.write(name, offset, self.read(name, offset) & ~clear | put)

    def wait(
        self, name: str, offset: int, mask: int, value: int, within_us: float = 5_000
    ) -> float:
        """Poll as firmware does; returns the microseconds it took, to a ten-thousandth of the most.

        Twenty cycles are the least time between two polls.
        """
        begin = self.us()
        step_cycles = max(20, int(within_us * self.space.clocks.hz("core") / 1e6) // 10_000)
        while self.read(name, offset) & mask != value:
            assert self.us() - begin < within_us, f"{name}+{offset:#x} never became {value:#x}"
            self.run(step_cycles)
        return self.us() - begin
