"""FLASH of STM32F746: keys, programming, erasing, options."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emu.peripherals.models.flash_f7 import FlashF7
from tests.emu.peripherals.clock_bench import ClockBench, f746

ACR, KEYR, OPTKEYR, SR, CR, OPTCR, OPTCR1 = 0x00, 0x04, 0x08, 0x0C, 0x10, 0x14, 0x18
KEY1, KEY2, OPTKEY1, OPTKEY2 = 0x45670123, 0xCDEF89AB, 0x08192A3B, 0x4C5D6E7F
PG, SER, MER, STRT, EOPIE, ERRIE, LOCK = 1, 1 << 1, 1 << 2, 1 << 16, 1 << 24, 1 << 25, 1 << 31
EOP, OPERR, WRPERR, PGPERR, ERSERR, BSY = 1, 1 << 1, 1 << 4, 1 << 6, 1 << 7, 1 << 16
BYTE, HALF_WORD, WORD, DOUBLE_WORD = (code << 8 for code in range(4))
START = 0x08000000


def unlocked(control: int = 0) -> ClockBench:
    bench = f746()
    bench.write("flash", KEYR, KEY1)
    bench.write("flash", KEYR, KEY2)
    bench.write("flash", CR, control)
    return bench


def at(bench: ClockBench, address: int, size_bytes: int = 4) -> int:
    return bench.space.bus_read(address, size_bytes)


def test_latency_and_art_read_back_and_reach_the_clock_tree() -> None:
    bench = f746()
    bench.write("flash", ACR, 0x307)
    assert bench.read("flash", ACR) == 0x307
    assert bench.space.clocks.flash_wait_states == 7
    assert bench.space.clocks.accelerator is True
    bench.write("flash", ACR, 0x107)
    assert bench.space.clocks.accelerator is False


def test_two_keys_in_order_unlock_and_lock_locks_again() -> None:
    bench = unlocked()
    assert not bench.read("flash", CR) & LOCK
    bench.modify("flash", CR, 0, LOCK)
    assert bench.read("flash", CR) & LOCK
    bench.write("flash", CR, PG)
    assert bench.read("flash", CR) == LOCK
    bench.write("flash", KEYR, KEY1)
    bench.write("flash", KEYR, KEY2)
    assert not bench.read("flash", CR) & LOCK


@settings(max_examples=30, deadline=None)
@given(keys=st.lists(st.sampled_from([KEY1, KEY2, 0, OPTKEY1]), min_size=1, max_size=5))
def test_a_wrong_key_locks_until_reset(keys: list[int]) -> None:
    bench = f746()
    for key in keys:
        bench.write("flash", KEYR, key)
    assert bool(bench.read("flash", CR) & LOCK) == (keys[:2] != [KEY1, KEY2])
    bench.space.reset()
    bench.write("flash", KEYR, KEY1)
    bench.write("flash", KEYR, KEY2)
    assert not bench.read("flash", CR) & LOCK


def test_a_word_is_programmed_and_busy_for_its_time() -> None:
    bench = unlocked(PG | WORD)
    assert bench.flash_interface.write_flash(START + 0x40000, 0x12345678, 4)
    assert at(bench, START + 0x40000) == 0x12345678
    assert bench.read("flash", SR) == BSY
    assert bench.wait("flash", SR, BSY, 0) == pytest.approx(16, abs=2)
    assert bench.read("flash", SR) == 0, "EOP only with its interrupt enabled"


def test_a_double_word_comes_as_two_stores() -> None:
    bench = unlocked(PG | DOUBLE_WORD)
    assert bench.flash_interface.write_flash(START, 0x11111111, 4)
    assert bench.flash_interface.write_flash(START + 4, 0x22222222, 4)
    assert at(bench, START) == 0x11111111
    assert at(bench, START + 4) == 0x22222222


@settings(max_examples=50, deadline=None)
@given(values=st.lists(st.integers(0, 0xFFFFFFFF), min_size=1, max_size=5))
def test_programming_only_clears_bits(values: list[int]) -> None:
    bench = unlocked(PG | WORD)
    expected = 0xFFFFFFFF
    for value in values:
        assert bench.flash_interface.write_flash(START, value, 4)
        expected &= value
        assert at(bench, START) == expected


@pytest.mark.parametrize(
    ("control", "size_bytes", "flag"),
    [
        (0, 4, ERSERR),
        (PG | SER | WORD, 4, ERSERR),
        (PG | BYTE, 4, PGPERR),
        (PG | HALF_WORD, 1, PGPERR),
        (PG | WORD, 8, PGPERR),
        (PG | DOUBLE_WORD, 2, PGPERR),
    ],
)
def test_a_store_that_is_not_allowed_changes_nothing_and_sets_its_flag(
    control: int, size_bytes: int, flag: int
) -> None:
    bench = unlocked(control)
    assert not bench.flash_interface.write_flash(START, 0, size_bytes)
    assert bench.read("flash", SR) == flag
    assert bench.flash == {}
    bench.write("flash", SR, flag)
    assert bench.read("flash", SR) == 0


def test_a_locked_flash_takes_no_store() -> None:
    bench = f746()
    assert not bench.flash_interface.write_flash(START, 0, 4)
    assert bench.flash == {}


@pytest.mark.parametrize("address", [0x00200000, 0x08100000, 0x20000000])
def test_only_the_axi_address_is_programmed(address: int) -> None:
    assert not unlocked(PG | WORD).flash_interface.write_flash(address, 0, 4)


def test_sectors_are_those_of_the_manual() -> None:
    sizes_kib = [sector.size_bytes // 1024 for sector in FlashF7.SECTORS]
    assert sizes_kib == [32, 32, 32, 32, 128, 256, 256, 256]
    assert FlashF7.SECTORS[0].start == START
    for before, after in zip(FlashF7.SECTORS, FlashF7.SECTORS[1:], strict=False):
        assert after.start == before.end


@pytest.mark.parametrize("number", [0, 4, 5, 7])
def test_a_sector_is_erased_and_its_neighbours_are_not(number: int) -> None:
    bench = unlocked(PG | WORD)
    sector = FlashF7.SECTORS[number]
    edges = [sector.start - 4, sector.start, sector.end - 4, sector.end]
    inside = [edge for edge in edges if START <= edge < START + 0x100000]
    for edge in inside:
        bench.flash_interface.write_flash(edge, 0, 4)
    bench.write("flash", CR, SER | number << 3 | WORD)
    bench.modify("flash", CR, 0, STRT)
    assert bench.read("flash", SR) & BSY
    bench.wait("flash", SR, BSY, 0, within_us=2_000_000)
    assert not bench.read("flash", CR) & STRT
    for edge in inside:
        erased = sector.start <= edge < sector.end
        assert at(bench, edge) == (0xFFFFFFFF if erased else 0)


def test_code_in_flash_stands_still_while_it_is_erased() -> None:
    bench = unlocked(SER | 7 << 3 | WORD)
    assert bench.flash_interface.read_stall_cycles(START) == 0
    bench.modify("flash", CR, 0, STRT)
    assert bench.flash_interface.read_stall_cycles(START) == 16_000_000  # 1 s of HSI
    bench.run(16_000_000)
    assert bench.flash_interface.read_stall_cycles(START) == 0
    assert bench.read("flash", SR) == 0


def test_mass_erase() -> None:
    bench = unlocked(PG | WORD)
    for sector in FlashF7.SECTORS:
        bench.flash_interface.write_flash(sector.start, 0, 4)
    bench.write("flash", CR, MER | WORD)
    bench.modify("flash", CR, 0, STRT)
    assert all(at(bench, sector.start) == 0xFFFFFFFF for sector in FlashF7.SECTORS)


def test_an_erase_of_a_sector_that_is_not_there_fails() -> None:
    bench = unlocked(SER | 9 << 3)
    bench.modify("flash", CR, 0, STRT)
    assert bench.read("flash", SR) == ERSERR
    assert bench.flash == {}


def test_end_of_operation_interrupt() -> None:
    bench = unlocked(PG | WORD | EOPIE)
    bench.flash_interface.write_flash(START, 0, 4)
    bench.run(100)
    assert bench.raised == []
    bench.run(200)
    assert bench.raised == [4]
    assert bench.read("flash", SR) == EOP
    bench.write("flash", SR, EOP)
    assert not bench.interrupts[4]


def test_error_interrupt() -> None:
    bench = unlocked(PG | BYTE | ERRIE)
    bench.flash_interface.write_flash(START, 0, 4)
    assert bench.raised == [4]
    assert bench.read("flash", SR) == PGPERR | OPERR


def unlock_options(bench: ClockBench) -> None:
    bench.write("flash", OPTKEYR, OPTKEY1)
    bench.write("flash", OPTKEYR, OPTKEY2)


def test_options_need_their_own_keys_and_outlive_a_reset_once_launched() -> None:
    bench = f746()
    bench.write("flash", OPTCR1, 0x00400040)
    assert bench.read("flash", OPTCR1) == 0x00400080
    unlock_options(bench)
    bench.write("flash", OPTCR1, 0x00400040)
    bench.modify("flash", OPTCR, 0, 2)
    bench.wait("flash", SR, BSY, 0, within_us=200_000)
    bench.space.reset()
    assert bench.read("flash", OPTCR1) == 0x00400040
    assert bench.read("flash", OPTCR) & 1


def test_a_write_protected_sector_is_neither_programmed_nor_erased() -> None:
    bench = unlocked(PG | WORD)
    unlock_options(bench)
    bench.modify("flash", OPTCR, 1 << 18, 0)
    assert not bench.flash_interface.write_flash(FlashF7.SECTORS[2].start, 0, 4)
    assert bench.read("flash", SR) == WRPERR
    bench.write("flash", SR, WRPERR)
    bench.write("flash", CR, SER | 2 << 3)
    bench.modify("flash", CR, 0, STRT)
    assert bench.read("flash", SR) == WRPERR
    assert bench.flash == {}
