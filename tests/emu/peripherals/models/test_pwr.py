"""Power controllers of both parts: the flags that firmware waits for."""

from __future__ import annotations

import pytest

from tests.emu.peripherals.clock_bench import f746, h743

CR1, CSR1, CR2, CSR2 = 0x00, 0x04, 0x08, 0x0C  # F7
H7_CR2, H7_CR3, H7_CPUCR, H7_D3CR, H7_WKUPCR, H7_WKUPFR = 0x08, 0x0C, 0x10, 0x18, 0x20, 0x24
VOSRDY, ODRDY, ODSWRDY = 1 << 14, 1 << 16, 1 << 17
SYSCFG_PWRCR = 0x2C


def test_f7_over_drive_is_ready_after_a_while_and_off_at_once() -> None:
    bench = f746()
    assert not bench.read("pwr", CSR1) & (ODRDY | ODSWRDY)
    bench.modify("pwr", CR1, 0, 1 << 16)
    assert bench.wait("pwr", CSR1, ODRDY, ODRDY) == pytest.approx(45, abs=2)
    bench.modify("pwr", CR1, 0, 1 << 17)
    assert bench.wait("pwr", CSR1, ODSWRDY, ODSWRDY) == pytest.approx(45, abs=2)
    bench.modify("pwr", CR1, 1 << 17, 0)
    assert not bench.read("pwr", CSR1) & ODSWRDY
    bench.modify("pwr", CR1, 1 << 16, 0)
    assert not bench.read("pwr", CSR1) & ODRDY


def test_f7_voltage_scale_is_ready_unless_it_has_just_changed() -> None:
    bench = f746()
    assert bench.read("pwr", CSR1) & VOSRDY
    bench.modify("pwr", CR1, 3 << 14, 1 << 14)
    assert not bench.read("pwr", CSR1) & VOSRDY
    bench.wait("pwr", CSR1, VOSRDY, VOSRDY)


def test_f7_backup_regulator_and_wake_up_flags() -> None:
    bench = f746()
    bench.modify("pwr", CSR1, 0, 1 << 9)
    assert bench.read("pwr", CSR1) & 1 << 3
    bench.write("pwr", CR2, 0x3F)
    assert bench.read("pwr", CR2) == 0
    assert bench.read("pwr", CSR2) == 0


@pytest.mark.parametrize("scale", [1, 2, 3])
def test_h7_actual_scale_follows_the_one_that_is_asked_for(scale: int) -> None:
    bench = h743()
    bench.modify("pwr", H7_CR3, 7, 2)
    bench.wait("pwr", CSR1, 1 << 13, 1 << 13)
    bench.modify("pwr", H7_D3CR, 3 << 14, scale << 14)
    bench.wait("pwr", CSR1, 1 << 13, 1 << 13)
    assert bench.read("pwr", CSR1) >> 14 & 3 == scale
    assert bench.notes == []


def test_h7_boost_makes_firmware_wait_for_the_voltage() -> None:
    bench = h743()
    bench.write("syscfg", SYSCFG_PWRCR, 1)
    assert not bench.read("pwr", H7_D3CR) & 1 << 13
    bench.wait("pwr", H7_D3CR, 1 << 13, 1 << 13)
    assert bench.read("syscfg", SYSCFG_PWRCR) == 1


def test_h7_supply_is_written_once_and_outlives_a_reset() -> None:
    bench = h743()
    assert bench.read("pwr", H7_CR3) & 7 == 6
    bench.modify("pwr", H7_CR3, 7, 2)
    bench.modify("pwr", H7_CR3, 7, 1)
    assert bench.read("pwr", H7_CR3) & 7 == 2
    bench.space.reset()
    assert bench.read("pwr", H7_CR3) & 7 == 2


def test_h7_voltage_before_the_supply_is_said() -> None:
    bench = h743()
    bench.modify("pwr", H7_D3CR, 3 << 14, 3 << 14)
    assert len(bench.notes) == 1
    assert "PWR_CR3" in bench.notes[0]


@pytest.mark.parametrize("bit", [24, 25])
def test_h7_usb_supply(bit: int) -> None:
    bench = h743()
    bench.modify("pwr", H7_CR3, 0, 1 << bit)
    assert bench.read("pwr", H7_CR3) & 1 << 26
    bench.modify("pwr", H7_CR3, 1 << bit, 0)
    assert not bench.read("pwr", H7_CR3) & 1 << 26


def test_h7_backup_regulator_and_flags() -> None:
    bench = h743()
    bench.write("pwr", H7_CR2, 1)
    assert bench.read("pwr", H7_CR2) == 1 << 16 | 1
    bench.write("pwr", H7_CPUCR, 1 << 9 | 1 << 11)
    assert bench.read("pwr", H7_CPUCR) == 1 << 11
    bench.write("pwr", H7_WKUPCR, 0x3F)
    assert bench.read("pwr", H7_WKUPFR) == 0
