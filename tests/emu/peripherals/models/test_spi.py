"""SPI masters of both parts: frames in time, ones received."""

from __future__ import annotations

import pytest

from emu.board import MappedPeripheral
from emu.peripherals.models import spi_f7, spi_h7
from tests.emu.peripherals.bench import Bench

BUS = 2  # core cycles a tick
FRAME = 8 * 4 * BUS  # eight bits, the clock divided by four


def bench(model: str) -> Bench:
    place = MappedPeripheral("spi1", model, 0x40013000, 0x400, (("global", 35),), "apb2")
    made = Bench("f746", [place])
    made.space.clocks.change({"core": 200_000_000, "apb2": 100_000_000, "spi1": 100_000_000})
    return made


@pytest.fixture
def old() -> Bench:
    made = bench("spi_f7")
    made.write("spi1", spi_f7.CR2, 7 << 8 | spi_f7.FRXTH)
    made.write("spi1", spi_f7.CR1, 1 << 2 | 1 << 3 | 1 << 6)
    return made


@pytest.fixture
def new() -> Bench:
    made = bench("spi_h7")
    made.write("spi1", spi_h7.CFG1, 1 << 28 | 7)
    made.write("spi1", spi_h7.CFG2, spi_h7.MASTER)
    return made


def test_a_byte_goes_out_and_one_comes_back(old: Bench) -> None:
    assert old.read("spi1", spi_f7.SR) == spi_f7.TXE
    old.write("spi1", spi_f7.DR, 0xA5, 1)
    old.run(FRAME - 1)
    assert old.read("spi1", spi_f7.SR) & (spi_f7.RXNE | spi_f7.BSY) == spi_f7.BSY
    old.run(1)
    assert old.read("spi1", spi_f7.SR) & (spi_f7.RXNE | spi_f7.BSY) == spi_f7.RXNE
    assert old.read("spi1", spi_f7.DR, 1) == 0xFF
    assert old.read("spi1", spi_f7.SR) == spi_f7.TXE


def test_the_transmit_fifo_fills_and_drains(old: Bench) -> None:
    for _ in range(4):
        old.write("spi1", spi_f7.DR, 0, 1)
    assert not old.read("spi1", spi_f7.SR) & spi_f7.TXE
    old.run(FRAME)
    assert old.read("spi1", spi_f7.SR) & spi_f7.TXE


def test_a_half_word_is_two_bytes(old: Bench) -> None:
    old.write("spi1", spi_f7.DR, 0x1234, 2)
    old.run(2 * FRAME)
    assert old.read("spi1", spi_f7.SR) >> 9 & 3 == 2
    assert old.read("spi1", spi_f7.DR, 2) == 0xFFFF


def test_what_is_not_taken_overruns(old: Bench) -> None:
    for _ in range(5):
        old.write("spi1", spi_f7.DR, 0, 1)
        old.run(FRAME)
    assert old.read("spi1", spi_f7.SR) & spi_f7.OVR


def test_received_bytes_interrupt(old: Bench) -> None:
    old.write("spi1", spi_f7.CR2, 7 << 8 | spi_f7.FRXTH | spi_f7.RXNEIE)
    old.write("spi1", spi_f7.DR, 0, 1)
    old.run(FRAME - 1)
    assert old.raised == []
    old.run(1)
    assert old.raised == [35]
    old.read("spi1", spi_f7.DR, 1)
    assert not old.interrupts[35]


def test_receiving_only_clocks_by_itself(old: Bench) -> None:
    old.write("spi1", spi_f7.CR1, 0)
    old.write("spi1", spi_f7.CR1, 1 << 2 | 1 << 3 | 1 << 6 | 1 << 10)
    old.run(FRAME)
    assert old.read("spi1", spi_f7.SR) & spi_f7.RXNE


def start(made: Bench, count: int) -> None:
    made.write("spi1", spi_h7.CR2, count)
    made.write("spi1", spi_h7.CR1, spi_h7.SPE)
    made.write("spi1", spi_h7.CR1, spi_h7.SPE | spi_h7.CSTART)


def test_a_transfer_of_a_size_ends(new: Bench) -> None:
    start(new, 3)
    for _ in range(3):
        assert new.read("spi1", spi_h7.SR) & spi_h7.TXP
        new.write("spi1", spi_h7.TXDR, 0xA5, 1)
    assert not new.read("spi1", spi_h7.SR) & spi_h7.TXP
    new.run(3 * FRAME - 1)
    assert not new.read("spi1", spi_h7.SR) & spi_h7.EOT
    new.run(1)
    status = new.read("spi1", spi_h7.SR)
    assert status & (spi_h7.EOT | spi_h7.TXC | spi_h7.RXP) == spi_h7.EOT | spi_h7.TXC | spi_h7.RXP
    assert not new.read("spi1", spi_h7.CR1) & spi_h7.CSTART
    assert [new.read("spi1", spi_h7.RXDR, 1) for _ in range(4)] == [0xFF, 0xFF, 0xFF, 0]
    new.write("spi1", spi_h7.IFCR, spi_h7.EOT | spi_h7.TXTF)
    assert not new.read("spi1", spi_h7.SR) & (spi_h7.EOT | spi_h7.TXTF)


def test_receiving_only_clocks_the_size(new: Bench) -> None:
    new.write("spi1", spi_h7.CFG2, spi_h7.MASTER | 2 << 17)
    start(new, 2)
    new.run(2 * FRAME)
    assert new.read("spi1", spi_h7.SR) & (spi_h7.EOT | spi_h7.RXP) == spi_h7.EOT | spi_h7.RXP


def test_the_end_interrupts(new: Bench) -> None:
    new.write("spi1", spi_h7.IER, spi_h7.EOT)
    start(new, 1)
    new.write("spi1", spi_h7.TXDR, 0, 1)
    new.run(FRAME)
    assert new.raised == [35]
    new.write("spi1", spi_h7.IFCR, spi_h7.EOT)
    assert not new.interrupts[35]


def test_suspending_stops_it(new: Bench) -> None:
    start(new, 0)
    new.write("spi1", spi_h7.CR1, spi_h7.SPE | spi_h7.CSTART | spi_h7.CSUSP)
    assert new.read("spi1", spi_h7.SR) & spi_h7.SUSP
    assert new.read("spi1", spi_h7.CR1) == spi_h7.SPE
