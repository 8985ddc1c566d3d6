"""Hardware semaphores: taken once, given back by their owner."""

from __future__ import annotations

import pytest

from emu.board import MappedPeripheral
from emu.peripherals.models.hsem import CR, ICR, IER, KEYR, MISR, RLR
from tests.emu.peripherals.bench import Bench

TAKE, CORE_7 = 1 << 31, 3 << 8


@pytest.fixture
def made() -> Bench:
    return Bench("h743", [MappedPeripheral("hsem", "hsem", 0x58026400, 0x400, (("global", 125),))])


def test_a_semaphore_is_taken_by_reading_once(made: Bench) -> None:
    assert made.read("hsem", RLR + 4 * 5) == TAKE | CORE_7
    assert made.read("hsem", 4 * 5) == TAKE | CORE_7


def test_a_process_takes_it_and_another_does_not(made: Bench) -> None:
    made.write("hsem", 0, TAKE | CORE_7 | 9)
    made.write("hsem", 0, TAKE | CORE_7 | 4)
    assert made.read("hsem", 0) == TAKE | CORE_7 | 9
    made.write("hsem", 0, CORE_7 | 4)
    assert made.read("hsem", 0) == TAKE | CORE_7 | 9
    made.write("hsem", 0, CORE_7 | 9)
    assert made.read("hsem", 0) == 0


def test_giving_it_back_interrupts_who_asked(made: Bench) -> None:
    made.write("hsem", IER, 1 << 3)
    made.read("hsem", RLR + 12)
    made.write("hsem", 12, CORE_7)
    assert made.read("hsem", MISR) == 1 << 3
    assert made.raised == [125]
    made.write("hsem", ICR, 1 << 3)
    assert not made.interrupts[125]


def test_the_key_frees_them_all(made: Bench) -> None:
    made.write("hsem", KEYR, 0xABCD0000)
    for number in range(32):
        made.read("hsem", RLR + 4 * number)
    made.write("hsem", CR, 0x1234 << 16 | CORE_7)
    assert made.read("hsem", 0)
    made.write("hsem", CR, 0xABCD << 16 | CORE_7)
    assert not any(made.read("hsem", 4 * number) for number in range(32))
