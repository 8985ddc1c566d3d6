"""The Quad-SPI controller: what a board's flash driver does to start."""

from __future__ import annotations

import pytest

from emu.board import MappedPeripheral
from emu.peripherals.models.quadspi import AR, CCR, CR, DLR, DR, FCR, PSMAR, SR
from tests.emu.peripherals.bench import Bench

TCF, FTF, SMF, BUSY = 2, 4, 8, 32
INSTRUCTION, ADDRESS, DATA = 1 << 8, 1 << 10, 1 << 24
READ, POLL = 1 << 26, 2 << 26


@pytest.fixture
def made() -> Bench:
    bench = Bench("f746", [MappedPeripheral("quadspi", "quadspi", 0xA0001000, 0x1000,
                                            (("global", 92),))])  # fmt: skip
    bench.write("quadspi", CR, 3 << 8 | 1)
    return bench


def test_a_command_without_data_completes(made: Bench) -> None:
    made.write("quadspi", CCR, INSTRUCTION | 0x66)
    assert made.read("quadspi", SR) == TCF
    made.write("quadspi", FCR, TCF)
    assert made.read("quadspi", SR) == 0


def test_a_read_gives_its_bytes_and_completes(made: Bench) -> None:
    made.write("quadspi", DLR, 99)
    made.write("quadspi", CCR, READ | INSTRUCTION | ADDRESS | DATA | 0x9F)
    assert made.read("quadspi", SR) == 0
    made.write("quadspi", AR, 0)
    data = []
    while made.read("quadspi", SR) & (FTF | BUSY):
        assert made.read("quadspi", SR) & (FTF | TCF)
        data.append(made.read("quadspi", DR, 1))
    assert data == [0xFF] * 100
    assert made.read("quadspi", SR) == TCF


def test_a_short_read_is_complete_before_it_is_taken(made: Bench) -> None:
    made.write("quadspi", DLR, 1)
    made.write("quadspi", CCR, READ | INSTRUCTION | DATA | 0x85)
    assert made.read("quadspi", SR) & (TCF | FTF | BUSY) == TCF | FTF | BUSY
    assert made.read("quadspi", DR, 2) == 0xFFFF
    assert made.read("quadspi", SR) == TCF


def test_a_write_completes_with_its_last_byte(made: Bench) -> None:
    made.write("quadspi", DLR, 2)
    made.write("quadspi", CCR, INSTRUCTION | ADDRESS | DATA | 0x02)
    made.write("quadspi", AR, 0x1000)
    for _ in range(3):
        assert made.read("quadspi", SR) & (TCF | FTF) == FTF
        made.write("quadspi", DR, 0xAB, 1)
    assert made.read("quadspi", SR) == TCF


def test_a_write_survives_that_its_mode_is_set_again(made: Bench) -> None:
    """ST's driver gives the command first and says that it writes when the data is at hand."""
    command = INSTRUCTION | ADDRESS | DATA | 0x02
    made.write("quadspi", DLR, 1)
    made.write("quadspi", CCR, command)
    made.write("quadspi", AR, 0x1000)
    made.write("quadspi", CCR, command)
    assert made.read("quadspi", SR) == FTF
    made.write("quadspi", DR, 1, 1)
    assert made.read("quadspi", SR) == FTF | BUSY
    made.write("quadspi", DR, 2, 1)
    assert made.read("quadspi", SR) == TCF


def test_polling_finds_what_it_waits_for(made: Bench) -> None:
    made.write("quadspi", CR, 1 << 22 | 1 << 19 | 1)  # APMS, SMIE
    made.write("quadspi", PSMAR, 2)
    made.write("quadspi", CCR, POLL | INSTRUCTION | DATA | 0x05)
    assert made.read("quadspi", SR) == SMF
    assert made.read("quadspi", DR) == 2
    assert made.interrupts[92]
    made.write("quadspi", FCR, SMF)
    assert not made.interrupts[92]


def test_an_abort_ends_what_is_under_way(made: Bench) -> None:
    made.write("quadspi", DLR, 99)
    made.write("quadspi", CCR, READ | INSTRUCTION | DATA | 0x9F)
    made.write("quadspi", CR, 3)
    assert made.read("quadspi", SR) == TCF
    assert made.read("quadspi", CR) == 1
