"""The chips' files and the clock controllers agree on names."""

from __future__ import annotations

import pytest

from emu.peripherals.clock_controller import ClockController
from tests.emu.peripherals.bench import Bench


@pytest.fixture(params=["f746", "h743"])
def bench(request: pytest.FixtureRequest) -> Bench:
    return Bench(str(request.param))


def test_every_clock_that_the_chips_file_names_exists(bench: Bench) -> None:
    for place in bench.board.chip.peripherals:
        if place.clock is not None:
            assert bench.space.clocks.hz(place.clock) > 0, place.name


def test_every_gate_belongs_to_a_peripheral_of_the_chip(bench: Bench) -> None:
    rcc = bench["rcc"]
    assert isinstance(rcc, ClockController)
    names = {name for gate in rcc.GATES for _, behind in gate.bits for name in behind}
    assert names <= {place.name for place in bench.board.chip.peripherals}


def test_every_serial_port_and_timer_has_a_gate(bench: Bench) -> None:
    rcc = bench["rcc"]
    assert isinstance(rcc, ClockController)
    for place in bench.board.chip.peripherals:
        if place.name.startswith(("usart", "uart", "lpuart", "tim", "gpio", "dma", "spi", "i2c")):
            assert not rcc.is_enabled(place.name), f"{place.name} is off after reset"
