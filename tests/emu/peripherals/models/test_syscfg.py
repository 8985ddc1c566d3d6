"""SYSCFG of both parts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from emu.peripherals.exti_selection import ExtiSelection
from tests.emu.peripherals.clock_bench import ClockBench, f746, h743

EXTICR1, CMPCR, CCCSR, UR0 = 0x08, 0x20, 0x20, 0x300


@pytest.fixture(params=[f746, h743])
def bench(request: pytest.FixtureRequest) -> ClockBench:
    made: ClockBench = request.param()
    return made


@pytest.mark.parametrize(("line", "port"), [(0, "b"), (3, "k"), (4, "a"), (13, "c"), (15, "i")])
def test_a_line_listens_to_the_port_that_exticr_names(
    bench: ClockBench, line: int, port: str
) -> None:
    syscfg = bench["syscfg"]
    assert isinstance(syscfg, ExtiSelection)
    assert syscfg.exti_port(line) == "a"
    shift = 4 * (line % 4)
    bench.modify("syscfg", EXTICR1 + 4 * (line // 4), 0xF << shift, (ord(port) - 97) << shift)
    assert syscfg.exti_port(line) == port
    assert all(syscfg.exti_port(other) == "a" for other in range(16) if other != line)


@pytest.mark.parametrize(("make", "offset"), [(f746, CMPCR), (h743, CCCSR)])
def test_the_compensation_cell_is_ready_when_it_is_on(
    make: Callable[[], ClockBench], offset: int
) -> None:
    bench = make()
    assert bench.read("syscfg", offset) == 0
    bench.write("syscfg", offset, 1)
    assert bench.read("syscfg", offset) == 0x101


def test_swapping_the_fmc_banks_is_said() -> None:
    bench = f746()
    bench.write("syscfg", 0, 1 << 10)
    assert any("SWP_FMC" in note for note in bench.notes)


def test_h7_user_registers_are_read_only() -> None:
    bench = h743()
    before = bench.read("syscfg", UR0)
    bench.write("syscfg", UR0, ~before & 0xFFFFFFFF)
    assert bench.read("syscfg", UR0) == before == 0x00AA0000
