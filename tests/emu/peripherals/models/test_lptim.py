"""The low-power timer: its counts, its flags, and values that arrive late."""

from __future__ import annotations

from emu.board import MappedPeripheral
from emu.peripherals.models.lptim import ARR, CFGR, CMP, CNT, CR, ICR, IER, ISR, WRITE_TICKS
from tests.emu.peripherals.bench import Bench

CORE_HZ, LSE_HZ = 32_768_000, 32_768
TICK = CORE_HZ // LSE_HZ
CMPM, ARRM, CMPOK, ARROK = 1, 2, 8, 16


def bench(**settings: str) -> Bench:
    place = MappedPeripheral(
        "lptim1", "lptim", 0x40002400, 0x400, (("global", 93),), "apb1", tuple(settings.items())
    )
    made = Bench("f746", [place])
    made.space.clocks.change({"core": CORE_HZ, "apb1": CORE_HZ, "lptim1": LSE_HZ})
    return made


def test_written_values_are_acknowledged_in_kernel_clocks() -> None:
    made = bench()
    made.write("lptim1", CR, 1)
    made.write("lptim1", ARR, 99)
    assert not made.read("lptim1", ISR) & ARROK
    made.run(WRITE_TICKS * TICK)
    assert made.read("lptim1", ISR) == ARROK
    made.write("lptim1", ICR, ARROK)
    assert made.read("lptim1", ISR) == 0


def test_the_acknowledgement_can_interrupt() -> None:
    made = bench()
    made.write("lptim1", IER, CMPOK)
    made.write("lptim1", CMP, 7)
    made.run(WRITE_TICKS * TICK - 1)
    assert made.raised == []
    made.run(1)
    assert made.raised == [93]


def test_the_counter_goes_round_at_the_reload_value() -> None:
    made = bench()
    for offset, value in ((CR, 1), (ARR, 99), (CR, 1 | 4)):
        made.write("lptim1", offset, value)
    made.run(TICK * 250)
    assert made.read("lptim1", CNT) == 50


def test_compare_and_reload_matches_interrupt_at_their_counts() -> None:
    made = bench()
    for offset, value in ((CR, 1), (ARR, 99), (CMP, 30), (IER, CMPM | ARRM), (CR, 1 | 4)):
        made.write("lptim1", offset, value)
    made.run(TICK * 30 - 1)
    assert made.raised == []
    made.run(1)
    assert made.read("lptim1", ISR) & (CMPM | ARRM) == CMPM
    made.write("lptim1", ICR, CMPM)
    made.run_to(TICK * 99)
    assert made.read("lptim1", ISR) & (CMPM | ARRM) == ARRM
    assert made.raised == [93, 93]


def test_the_prescaler_divides_by_a_power_of_two() -> None:
    made = bench()
    for offset, value in ((CFGR, 3 << 9), (CR, 1), (ARR, 0xFFFF), (CR, 1 | 4)):
        made.write("lptim1", offset, value)
    made.run(TICK * 800)
    assert made.read("lptim1", CNT) == 100


def test_a_single_start_counts_once() -> None:
    made = bench()
    for offset, value in ((CR, 1), (ARR, 9), (CR, 1 | 2)):
        made.write("lptim1", offset, value)
    made.run(TICK * 95)
    assert made.read("lptim1", CNT) == 0


def test_disabling_forgets_the_count() -> None:
    made = bench()
    for offset, value in ((CR, 1), (ARR, 0xFFFF), (CR, 1 | 4)):
        made.write("lptim1", offset, value)
    made.run(TICK * 95)
    made.write("lptim1", CR, 0)
    assert made.read("lptim1", CNT) == 0


def test_counting_a_pin_is_told() -> None:
    made = bench()
    made.write("lptim1", CFGR, 1)
    assert "LPTIM1" in made.notes[0]


def test_another_kernel_clock_is_named_by_the_settings() -> None:
    made = bench(kernel_clock="apb1")
    for offset, value in ((CR, 1), (ARR, 0xFFFF), (CR, 1 | 4)):
        made.write("lptim1", offset, value)
    made.run(1234)
    assert made.read("lptim1", CNT) == 1234
