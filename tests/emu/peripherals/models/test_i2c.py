"""The I2C master: who is there, who is not, and how long a byte takes."""

from __future__ import annotations

import pytest

from emu.board import MappedPeripheral
from emu.peripherals.models.i2c import (
    AUTOEND,
    BUSY,
    CR1,
    CR2,
    ICR,
    ISR,
    NACKF,
    RD_WRN,
    RELOAD,
    RXDR,
    RXNE,
    START,
    STOP,
    STOPF,
    TC,
    TCR,
    TIMINGR,
    TXDR,
    TXIS,
)
from tests.emu.peripherals.bench import Bench

DEVICE = 0x38
BYTE_CYCLES = 9 * 40 * 4  # SCL of 40 ticks of a clock at a quarter of the core's


@pytest.fixture
def made() -> Bench:
    place = MappedPeripheral(
        "i2c1", "i2c", 0x40005400, 0x400, (("event", 31), ("error", 32)), "apb1",
        (("acknowledges", "0x1A 0x38"),),
    )  # fmt: skip
    bench = Bench("f746", [place])
    bench.space.clocks.change({"core": 160_000_000, "apb1": 40_000_000, "i2c1": 40_000_000})
    bench.write("i2c1", TIMINGR, 19 << 8 | 19)
    bench.write("i2c1", CR1, 1)
    return bench


def start(made: Bench, address: int, count: int, flags: int) -> None:
    made.write("i2c1", CR2, address << 1 | count << 16 | flags | START)


def test_nobody_answers_at_another_address(made: Bench) -> None:
    start(made, 0x50, 1, AUTOEND)
    assert made.read("i2c1", ISR) & BUSY
    made.run(BYTE_CYCLES - 1)
    assert not made.read("i2c1", ISR) & NACKF
    made.run(1)
    assert made.read("i2c1", ISR) & (NACKF | STOPF | BUSY) == NACKF | STOPF
    made.write("i2c1", ICR, NACKF | STOPF)
    assert made.read("i2c1", ISR) == 1


def test_bytes_are_sent_and_the_transfer_stops(made: Bench) -> None:
    start(made, DEVICE, 2, AUTOEND)
    for _ in range(2):
        made.run(BYTE_CYCLES)
        assert made.read("i2c1", ISR) & TXIS
        made.write("i2c1", TXDR, 0x55)
        assert not made.read("i2c1", ISR) & (TXIS | STOPF)
    made.run(BYTE_CYCLES)
    assert made.read("i2c1", ISR) & (STOPF | BUSY) == STOPF


def test_a_register_is_read_after_its_number_was_written(made: Bench) -> None:
    start(made, DEVICE, 1, 0)
    made.run(BYTE_CYCLES)
    made.write("i2c1", TXDR, 0)
    made.run(BYTE_CYCLES)
    assert made.read("i2c1", ISR) & TC
    start(made, DEVICE, 2, RD_WRN | AUTOEND)
    data = []
    for byte in range(2):
        made.run(BYTE_CYCLES * (1 if byte else 2))
        assert made.read("i2c1", ISR) & RXNE
        data.append(made.read("i2c1", RXDR))
    assert data == [0xFF, 0xFF]
    assert made.read("i2c1", ISR) & STOPF


def test_a_long_transfer_is_reloaded(made: Bench) -> None:
    start(made, DEVICE, 1, RELOAD)
    made.run(BYTE_CYCLES)
    made.write("i2c1", TXDR, 1)
    made.run(BYTE_CYCLES)
    assert made.read("i2c1", ISR) & TCR
    made.write("i2c1", CR2, DEVICE << 1 | 1 << 16 | AUTOEND)
    assert made.read("i2c1", ISR) & (TCR | TXIS) == TXIS


def test_software_can_stop(made: Bench) -> None:
    start(made, DEVICE, 0, 0)
    made.run(BYTE_CYCLES)
    assert made.read("i2c1", ISR) & TC
    made.write("i2c1", CR2, DEVICE << 1 | STOP)
    assert made.read("i2c1", ISR) & (STOPF | BUSY | TC) == STOPF


def test_events_interrupt(made: Bench) -> None:
    made.write("i2c1", CR1, 1 | 1 << 4)
    start(made, 0x50, 1, AUTOEND)
    made.run(BYTE_CYCLES)
    assert made.raised == [31]
    made.write("i2c1", ICR, NACKF)
    assert not made.interrupts[31]
