"""The frequencies of a chip at this moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from emu.board import Board


class ClockTree:
    """Starts at the board's own clock; the reset and clock controller's model changes it.

    Attributes:
        bus_ratio: core clocks a clock of AXI and AHB.
        flash_wait_states: LATENCY of the flash; None until the firmware sets it: the board's.
        accelerator: whether ART is on; None until the firmware sets it: the board's.
        firmware_set: whether anything was changed since the start.
    """

    def __init__(
        self,
        board: Board,
        before_change: Callable[[], None],
        after_change: Callable[[], None],
    ) -> None:
        core, bus = board.clock_hz, board.clock_hz // board.bus_ratio
        # assumed: until the firmware sets its clocks, APB at half the bus and timers at the bus,
        # as ST's examples for these parts choose at the top clock.
        self._hz = {
            "core": core, "axi": bus, "ahb": bus,
            **dict.fromkeys(("apb1", "apb2", "apb3", "apb4"), bus // 2),
            "apb1_timer": bus, "apb2_timer": bus,
            **dict(board.oscillators_hz),
        }  # fmt: skip
        self.bus_ratio = board.bus_ratio
        self.flash_wait_states: int | None = None
        self.accelerator: bool | None = None
        self.firmware_set = False
        self._before_change, self._after_change = before_change, after_change

    def hz(self, name: str) -> int:
        return self._hz[name]

    def declare(self, frequencies_hz: Mapping[str, int]) -> None:
        """See `Clocks.declare`."""
        self._hz = {**frequencies_hz, **self._hz}

    def change(
        self,
        frequencies_hz: Mapping[str, int],
        *,
        bus_ratio: int | None = None,
        flash_wait_states: int | None = None,
        accelerator: bool | None = None,
    ) -> None:
        """See `Clocks.change`."""
        self.firmware_set = True
        before = (dict(self._hz), self.bus_ratio, self.flash_wait_states, self.accelerator)
        after = (
            {**self._hz, **frequencies_hz},
            bus_ratio or self.bus_ratio,
            self.flash_wait_states if flash_wait_states is None else flash_wait_states,
            self.accelerator if accelerator is None else accelerator,
        )
        if after == before:
            return
        self._before_change()
        self._hz, self.bus_ratio, self.flash_wait_states, self.accelerator = after
        self._after_change()
