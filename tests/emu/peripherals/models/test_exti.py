"""EXTI: from edges of pins and wires to interrupts, in both layouts."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from emu.board import MappedPeripheral
from emu.peripherals.models.gpio import BSRR, MODER, PUPDR
from tests.emu.peripherals.bench import Bench

IRQS = {
    "pvd": 1, "rtc_tamper": 2, "rtc_wakeup": 3, "line0": 6, "line1": 7, "line2": 8, "line3": 9,
    "line4": 10, "line5_9": 23, "line10_15": 40, "rtc_alarm": 41,
}  # fmt: skip


EXTICR4 = 0x14  # of SYSCFG


@dataclass(frozen=True)
class Layout:
    name: str
    imr: int
    emr: int
    rtsr: int
    ftsr: int
    swier: int
    pr: int
    tamper_line: int
    wakeup_line: int


F7 = Layout("f7", 0x00, 0x04, 0x08, 0x0C, 0x10, 0x14, 21, 22)
H7 = Layout("h7", 0x80, 0x84, 0x00, 0x04, 0x08, 0x88, 18, 19)
both = pytest.mark.parametrize("at", [F7, H7], ids=["f7", "h7"])


def controller(at: Layout) -> Bench:
    places = [
        MappedPeripheral(
            "exti", "exti", 0x40013C00, 0x400, tuple(IRQS.items()), settings=(("layout", at.name),)
        ),
        MappedPeripheral("gpioa", "gpio", 0x40020000, 0x400),
        MappedPeripheral("gpioc", "gpio", 0x40020800, 0x400),
        MappedPeripheral("syscfg", f"syscfg_{at.name}", 0x40013800, 0x400),
    ]
    return Bench("f746", places)


def toggle(bench: Bench, wire: str) -> None:
    bench.space.set_signal(wire, True)
    bench.space.set_signal(wire, False)


@both
def test_a_rising_edge_raises_the_lines_interrupt_until_it_is_cleared(at: Layout) -> None:
    bench = controller(at)
    bench.write("exti", at.imr, 1 << 3)
    bench.write("exti", at.rtsr, 1 << 3)
    bench.space.set_signal("pin_pa3", True)
    assert bench.interrupts[IRQS["line3"]]
    assert bench.read("exti", at.pr) == 1 << 3
    bench.space.set_signal("pin_pa3", False)
    assert bench.interrupts[IRQS["line3"]]
    bench.write("exti", at.pr, 1 << 3)
    assert not bench.interrupts[IRQS["line3"]]
    assert bench.read("exti", at.pr) == 0


@both
def test_a_falling_edge_counts_where_ftsr_says_so(at: Layout) -> None:
    bench = controller(at)
    bench.write("exti", at.imr, 1)
    bench.write("exti", at.ftsr, 1)
    bench.space.set_signal("pin_pa0", True)
    assert not bench.interrupts.get(IRQS["line0"])
    bench.space.set_signal("pin_pa0", False)
    assert bench.interrupts[IRQS["line0"]]


@both
def test_an_output_pin_makes_edges_too(at: Layout) -> None:
    bench = controller(at)
    bench.write("exti", at.imr, 2)
    bench.write("exti", at.rtsr, 2)
    bench.write("gpioa", MODER, 1 << 2)
    bench.write("gpioa", BSRR, 2)
    assert bench.interrupts[IRQS["line1"]]


@both
def test_syscfg_selects_the_port_that_a_line_hears(at: Layout) -> None:
    bench = controller(at)
    bench.write("exti", at.imr, 1 << 13)
    bench.write("exti", at.rtsr, 1 << 13)
    toggle(bench, "pin_pc13")
    assert not bench.interrupts.get(IRQS["line10_15"])
    bench.write("syscfg", EXTICR4, 2 << 4)
    toggle(bench, "pin_pc13")
    assert bench.interrupts[IRQS["line10_15"]]


@both
@pytest.mark.parametrize("line", range(16))
def test_lines_share_interrupts_as_the_vector_table_has_them(at: Layout, line: int) -> None:
    bench = controller(at)
    bench.write("gpioa", PUPDR, 0)
    bench.write("exti", at.imr, 0xFFFF)
    bench.write("exti", at.rtsr, 0xFFFF)
    toggle(bench, f"pin_pa{line}")
    output = f"line{line}" if line < 5 else "line5_9" if line < 10 else "line10_15"
    assert [number for number, level in bench.interrupts.items() if level] == [IRQS[output]]


@both
def test_a_masked_edge_waits_for_its_mask(at: Layout) -> None:
    bench = controller(at)
    bench.write("exti", at.rtsr, 1)
    toggle(bench, "pin_pa0")
    assert not bench.interrupts.get(IRQS["line0"])
    bench.write("exti", at.imr, 1)
    assert bench.interrupts[IRQS["line0"]]


@both
def test_internal_lines_come_by_wire(at: Layout) -> None:
    bench = controller(at)
    lines = {
        "pvd": 16,
        "rtc_alarm": 17,
        "rtc_tamper": at.tamper_line,
        "rtc_wakeup": at.wakeup_line,
    }
    for output, line in lines.items():
        bench.write("exti", at.imr, 1 << line)
        bench.write("exti", at.rtsr, 1 << line)
        toggle(bench, f"exti_line{line}")
        assert bench.interrupts[IRQS[output]], output
        bench.write("exti", at.pr, 1 << line)
        assert not bench.interrupts[IRQS[output]], output


@both
def test_software_raises_a_line(at: Layout) -> None:
    bench = controller(at)
    bench.write("exti", at.imr, 1 << 4)
    bench.write("exti", at.swier, 1 << 4)
    assert bench.interrupts[IRQS["line4"]]
    bench.write("exti", at.pr, 1 << 4)
    assert not bench.interrupts[IRQS["line4"]]
    bench.write("exti", at.swier, 1 << 4)
    assert bench.interrupts[IRQS["line4"]]


def test_swier_reads_back_until_cleared_on_f7_alone() -> None:
    for at, read in ((F7, 1 << 4), (H7, 0)):
        bench = controller(at)
        bench.write("exti", at.swier, 1 << 4)
        assert bench.read("exti", at.swier) == read
        bench.write("exti", at.pr, 1 << 4)
        assert bench.read("exti", at.swier) == 0


@both
def test_an_event_line_pulses(at: Layout) -> None:
    bench = controller(at)
    pulses: list[bool] = []
    bench.space.on_signal("exti_event", pulses.append)
    bench.write("exti", at.rtsr, 1)
    toggle(bench, "pin_pa0")
    assert pulses == []
    bench.write("exti", at.emr, 1)
    toggle(bench, "pin_pa0")
    assert pulses == [True, False]


def test_registers_after_reset() -> None:
    assert controller(F7).read("exti", F7.imr) == 0
    bench = controller(H7)
    assert bench.read("exti", H7.imr) == 0xFFC00000
    assert bench.read("exti", 0x90) & 0x000A0000 == 0
    for bank in range(3):
        bench.write("exti", 0x0C + 0x20 * bank, 0x1234)
        assert bench.read("exti", 0x0C + 0x20 * bank) == 0x1234
    assert bench["exti"].unknown == {}


def test_a_reset_drops_what_is_pending() -> None:
    bench = controller(F7)
    bench.write("exti", F7.imr, 1)
    bench.write("exti", F7.swier, 1)
    bench["exti"].reset()
    assert not bench.interrupts[IRQS["line0"]]
