"""Words in which a clock controller's model describes its tree."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ClockSource:
    """An oscillator or a PLL: switched on by one bit, reported ready by another.

    Attributes:
        name: hsi, hse, lse, pll1, ...
        register: offset of the register with both bits.
        start_up_us: from on to ready.
        interrupt: number of its bits in the clock interrupt registers.
        crystal: whether the board has to have it.
    """

    name: str
    register: int
    on_bit: int
    ready_bit: int
    start_up_us: int
    interrupt: int
    crystal: bool = False


@dataclass(frozen=True)
class KernelMux:
    """A field that selects the clock of some peripherals, input by input."""

    names: tuple[str, ...]
    register: int
    shift: int
    width_bits: int
    inputs: tuple[str, ...]


@dataclass(frozen=True)
class BusClocks:
    """SYSCLK and what the prescalers make of it."""

    sysclk_hz: int
    core_hz: int
    bus_ratio: int  # core clocks a clock of AXI and AHB
    ahb_hz: int
    apb_hz: tuple[tuple[str, int], ...]
    timers_hz: tuple[tuple[str, int], ...]

    def named(self) -> dict[str, int]:
        """By their names in the clock tree."""
        return {
            "core": self.core_hz, "axi": self.ahb_hz, "ahb": self.ahb_hz,
            **dict(self.apb_hz), **dict(self.timers_hz),
        }  # fmt: skip
