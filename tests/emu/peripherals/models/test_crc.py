"""The CRC unit against bitwise references."""

from __future__ import annotations

import binascii
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emu.board import MappedPeripheral
from emu.peripherals.models.crc import CR, DR, INIT, POL
from tests.emu.peripherals.bench import Bench

SIZES_BITS = {32: 0, 16: 1, 8: 2, 7: 3}


def bench() -> Bench:
    return Bench("f746", [MappedPeripheral("crc", "crc", 0x40023000, 0x400)])


def bitwise(data: bytes, polynomial: int, size_bits: int, start: int) -> int:
    """One bit at a time, the most significant first."""
    crc = start
    for byte in data:
        for bit in range(7, -1, -1):
            top = crc >> (size_bits - 1) & 1 ^ byte >> bit & 1
            crc = (crc << 1 & (1 << size_bits) - 1) ^ (polynomial if top else 0)
    return crc


def reverse(value: int, size_bits: int) -> int:
    return sum((value >> bit & 1) << (size_bits - 1 - bit) for bit in range(size_bits))


@given(st.binary(min_size=1, max_size=40))
def test_the_ethernet_setup_is_zlib_s(data: bytes) -> None:
    made = bench()
    made.write("crc", CR, 1 | 1 << 5 | 1 << 7)
    for byte in data:
        made.write("crc", DR, byte, 1)
    assert made.read("crc", DR) ^ 0xFFFFFFFF == zlib.crc32(data)


@given(st.binary(min_size=1, max_size=40))
def test_the_xmodem_setup_is_binascii_s(data: bytes) -> None:
    made = bench()
    for offset, value in ((POL, 0x1021), (INIT, 0), (CR, 1 << 3 | 1)):
        made.write("crc", offset, value)
    for byte in data:
        made.write("crc", DR, byte, 1)
    assert made.read("crc", DR, 2) == binascii.crc_hqx(data, 0)


@given(
    size_bits=st.sampled_from(list(SIZES_BITS)),
    polynomial=st.integers(0, 0xFFFFFFFF),
    start=st.integers(0, 0xFFFFFFFF),
    unit=st.sampled_from([0, 8, 16, 32]),
    reversed_out=st.booleans(),
    accesses=st.lists(st.tuples(st.sampled_from([1, 2, 4]), st.integers(0, 2**32 - 1)), max_size=9),
)
def test_any_setup_equals_the_bitwise_reference(
    size_bits: int,
    polynomial: int,
    start: int,
    unit: int,
    reversed_out: bool,
    accesses: list[tuple[int, int]],
) -> None:
    made, mask = bench(), (1 << size_bits) - 1
    made.write("crc", POL, polynomial)
    made.write("crc", INIT, start)
    control = SIZES_BITS[size_bits] << 3 | (0, 8, 16, 32).index(unit) << 5 | reversed_out << 7
    made.write("crc", CR, control | 1)
    data = b""
    for size_bytes, value in accesses:
        value &= (1 << 8 * size_bytes) - 1
        made.write("crc", DR, value, size_bytes)
        width = min(unit, 8 * size_bytes)
        if width:
            parts = range(0, 8 * size_bytes, width)
            value = sum(reverse(value >> at & (1 << width) - 1, width) << at for at in parts)
        data += value.to_bytes(size_bytes, "big")
    expected = bitwise(data, polynomial & mask, size_bits, start & mask)
    assert made.read("crc", DR) == (reverse(expected, size_bits) if reversed_out else expected)


def test_the_default_setup_gives_the_published_check_word() -> None:
    """CRC-32/MPEG-2 of "123456789" is 0x0376E6E7."""
    made = bench()
    for byte in b"123456789":
        made.write("crc", DR, byte, 1)
    assert made.read("crc", DR) == 0x0376E6E7


@pytest.mark.parametrize("offset", [INIT, CR], ids=["by_init", "by_reset"])
def test_the_calculation_starts_anew(offset: int) -> None:
    made = bench()
    made.write("crc", DR, 0x12345678)
    made.write("crc", offset, 0xFFFFFFFF if offset == INIT else 1)
    assert made.read("crc", DR) == 0xFFFFFFFF
    assert made.read("crc", CR) == 0
