"""FLASH of STM32H743: two banks, 256-bit words, options."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.emu.peripherals.clock_bench import ClockBench, h743

ACR, KEYR, OPTKEYR, CR, SR, CCR, OPTCR = 0x00, 0x04, 0x08, 0x0C, 0x10, 0x14, 0x18
OPTSR_CUR, OPTSR_PRG, WPSN_CUR, WPSN_PRG = 0x1C, 0x20, 0x38, 0x3C
KEY1, KEY2, OPTKEY1, OPTKEY2 = 0x45670123, 0xCDEF89AB, 0x08192A3B, 0x4C5D6E7F
LOCK, PG, SER, BER, X64, FW, START = 1, 1 << 1, 1 << 2, 1 << 3, 3 << 4, 1 << 6, 1 << 7
BSY, WBNE, QW, EOP = 1, 1 << 1, 1 << 2, 1 << 16
WRPERR, PGSERR, STRBERR, INCERR = 1 << 17, 1 << 18, 1 << 19, 1 << 21
BANKS = {0: 0x08000000, 1: 0x08100000}


def unlocked(bank: int = 0, control: int = 0) -> ClockBench:
    bench = h743()
    unlock(bench, bank, control)
    return bench


def unlock(bench: ClockBench, bank: int, control: int) -> None:
    bench.write("flash", KEYR + 0x100 * bank, KEY1)
    bench.write("flash", KEYR + 0x100 * bank, KEY2)
    bench.write("flash", CR + 0x100 * bank, control)


def store(bench: ClockBench, address: int, values: list[int]) -> bool:
    """Whether all were taken; the first that is not ends it."""
    return all(
        bench.flash_interface.write_flash(address + 4 * at, value, 4)
        for at, value in enumerate(values)
    )


def words(bench: ClockBench, address: int, count: int = 8) -> list[int]:
    return [bench.space.bus_read(address + 4 * at, 4) for at in range(count)]


def test_latency_and_programming_delay_read_back() -> None:
    bench = h743()
    assert bench.read("flash", ACR) == 0x37
    bench.write("flash", ACR, 0x24)
    assert bench.read("flash", ACR) == 0x24
    assert bench.space.clocks.flash_wait_states == 4


@pytest.mark.parametrize("bank", [0, 1])
def test_each_bank_has_its_own_lock(bank: int) -> None:
    bench = unlocked(bank)
    assert not bench.read("flash", CR + 0x100 * bank) & LOCK
    assert bench.read("flash", CR + 0x100 * (1 - bank)) & LOCK


def test_a_wrong_key_locks_the_bank_until_reset() -> None:
    bench = h743()
    bench.write("flash", KEYR, KEY2)
    unlock(bench, 0, PG)
    assert bench.read("flash", CR) & LOCK
    bench.space.reset()
    unlock(bench, 0, PG)
    assert not bench.read("flash", CR) & LOCK


@pytest.mark.parametrize("bank", [0, 1])
def test_a_flash_word_is_programmed_when_its_last_part_arrives(bank: int) -> None:
    bench = unlocked(bank, PG | X64)
    status, address = SR + 0x100 * bank, BANKS[bank] + 0x20000
    assert store(bench, address, list(range(7)))
    assert bench.read("flash", status) == WBNE
    assert words(bench, address) == [0xFFFFFFFF] * 8
    assert store(bench, address + 28, [7])
    assert bench.read("flash", status) == BSY | QW
    assert words(bench, address) == list(range(8))
    assert bench.wait("flash", status, QW, 0) == pytest.approx(100, abs=2)
    assert bench.read("flash", status) == EOP
    bench.write("flash", CCR + 0x100 * bank, EOP)
    assert bench.read("flash", status) == 0


def test_force_write_programs_a_part_of_a_word() -> None:
    bench = unlocked(0, PG | X64)
    assert store(bench, BANKS[0], [1, 2])
    bench.modify("flash", CR, 0, FW)
    assert words(bench, BANKS[0], 3) == [1, 2, 0xFFFFFFFF]
    assert not bench.read("flash", CR) & FW


@settings(max_examples=30, deadline=None)
@given(
    first=st.lists(st.integers(0, 0xFFFFFFFF), min_size=8, max_size=8),
    second=st.lists(st.integers(0, 0xFFFFFFFF), min_size=8, max_size=8),
)
def test_programming_only_clears_bits(first: list[int], second: list[int]) -> None:
    bench = unlocked(0, PG | X64)
    assert store(bench, BANKS[0], first)
    assert store(bench, BANKS[0], second)
    assert words(bench, BANKS[0]) == [a & b for a, b in zip(first, second, strict=True)]


def test_refusals_set_their_flags_and_change_nothing() -> None:
    bench = h743()
    assert not store(bench, BANKS[1], [0])
    assert bench.read("flash", SR + 0x100) == PGSERR
    bench.write("flash", CCR + 0x100, PGSERR)
    unlock(bench, 1, PG | X64)
    assert store(bench, BANKS[1], [0])
    assert not store(bench, BANKS[1], [0])
    assert bench.read("flash", SR + 0x100) == STRBERR | WBNE
    assert not store(bench, BANKS[1] + 32, [0])
    assert bench.read("flash", SR + 0x100) == STRBERR | INCERR | WBNE
    assert bench.flash == {}


@pytest.mark.parametrize("address", [0x08200000, 0x07FFFFFC, 0x24000000])
def test_stores_outside_the_banks_are_refused(address: int) -> None:
    assert not store(unlocked(0, PG), address, [0])


@pytest.mark.parametrize(("bank", "sector"), [(0, 0), (0, 7), (1, 0), (1, 7)])
def test_a_sector_of_128_kib_is_erased_and_its_neighbours_are_not(bank: int, sector: int) -> None:
    bench = unlocked(0, PG | X64)
    unlock(bench, 1, PG | X64)
    begin = BANKS[bank] + sector * 0x20000
    edges = [begin - 32, begin, begin + 0x20000 - 32, begin + 0x20000]
    inside = [edge for edge in edges if BANKS[0] <= edge < BANKS[0] + 0x200000]
    for edge in inside:
        assert store(bench, edge, [0] * 8)
    control = CR + 0x100 * bank
    bench.write("flash", control, X64 | SER | sector << 8 | START)
    status = SR + 0x100 * bank
    assert bench.read("flash", status) & QW
    bench.wait("flash", status, QW, 0, within_us=3_000_000)
    assert bench.read("flash", status) & EOP
    assert not bench.read("flash", control) & START
    for edge in inside:
        erased = begin <= edge < begin + 0x20000
        assert words(bench, edge, 1) == [0xFFFFFFFF if erased else 0]


def test_a_bank_and_both_banks_are_erased() -> None:
    bench = unlocked(0, PG | X64)
    unlock(bench, 1, PG | X64)
    for bank in BANKS.values():
        store(bench, bank, [0] * 8)
    bench.write("flash", CR, X64 | BER | START)
    assert words(bench, BANKS[0], 1) + words(bench, BANKS[1], 1) == [0xFFFFFFFF, 0]
    bench.write("flash", OPTKEYR, OPTKEY1)
    bench.write("flash", OPTKEYR, OPTKEY2)
    bench.modify("flash", OPTCR, 0, 1 << 4)
    assert words(bench, BANKS[1], 1) == [0xFFFFFFFF]


def test_only_the_bank_that_is_erased_holds_code_up() -> None:
    bench = unlocked(1, X64 | SER | START)
    assert bench.flash_interface.read_stall_cycles(BANKS[0]) == 0
    assert bench.flash_interface.read_stall_cycles(BANKS[1]) == 64_000_000  # 1 s of HSI


def test_end_of_operation_interrupt() -> None:
    bench = unlocked(1, PG | X64 | EOP)
    store(bench, BANKS[1], [0] * 8)
    bench.run(64 * 110)
    assert bench.raised == [4]
    bench.write("flash", CCR + 0x100, EOP)
    assert not bench.interrupts[4]


def test_options_become_current_when_started_and_protect_sectors() -> None:
    bench = unlocked(0, PG | X64)
    bench.write("flash", OPTKEYR, OPTKEY1)
    bench.write("flash", OPTKEYR, OPTKEY2)
    bench.write("flash", WPSN_PRG, 0xFE)
    assert bench.read("flash", WPSN_CUR) == 0xFF
    bench.modify("flash", OPTCR, 0, 2)
    assert bench.read("flash", OPTSR_CUR) & 1
    bench.wait("flash", OPTSR_CUR, 1, 0, within_us=500_000)
    assert bench.read("flash", WPSN_CUR) == 0xFE
    bench.space.reset()
    unlock(bench, 0, PG | X64)
    assert not store(bench, BANKS[0], [0])
    assert bench.read("flash", SR) == WRPERR
    assert store(bench, BANKS[0] + 0x20000, [0])


def test_swapping_the_banks_is_said() -> None:
    bench = h743()
    bench.write("flash", OPTKEYR, OPTKEY1)
    bench.write("flash", OPTKEYR, OPTKEY2)
    bench.modify("flash", OPTSR_PRG, 0, 1 << 31)
    bench.modify("flash", OPTCR, 0, 2)
    bench.run(64_000 * 300)
    assert "swaps the flash banks" in bench.notes[0]
