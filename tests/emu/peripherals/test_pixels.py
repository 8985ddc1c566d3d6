"""Pixel formats against arithmetic on single pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emu.peripherals.pixels import BITS, PixelFormat, blend, line_bytes, pack, unpack, with_alpha

CLUT = (np.arange(256) * 0x01010101 ^ 0x00FF8040).astype(np.uint32)
WRITABLE = [kind for kind in PixelFormat if kind <= PixelFormat.ARGB4444]


def one(data: bytes, kind: PixelFormat, colour: int = 0) -> list[int]:
    return [int(item) for item in unpack(data, kind, CLUT, colour)[0]]


def test_each_format_s_bits_are_where_the_manual_draws_them() -> None:
    assert one(b"\x44\x33\x22\x11", PixelFormat.ARGB8888) == [0x11, 0x22, 0x33, 0x44]
    assert one(b"\x44\x33\x22", PixelFormat.RGB888) == [0xFF, 0x22, 0x33, 0x44]
    assert one(b"\x00\xf8", PixelFormat.RGB565) == [0xFF, 0xFF, 0, 0]
    assert one(b"\x1f\x80", PixelFormat.ARGB1555) == [0xFF, 0, 0, 0xFF]
    assert one(b"\x34\x12", PixelFormat.ARGB4444) == [0x11, 0x22, 0x33, 0x44]
    assert one(b"\x02", PixelFormat.L8) == [0x02, 0xFD, 0x82, 0x42]
    assert one(b"\xa2", PixelFormat.AL44) == [0xAA, 0xFD, 0x82, 0x42]
    assert one(b"\x02\xa2", PixelFormat.AL88) == [0xA2, 0xFD, 0x82, 0x42]
    assert one(b"\x52", PixelFormat.L4) == [0x02, 0xFD, 0x82, 0x42]
    assert one(b"\x80", PixelFormat.A8, 0x123456) == [0x80, 0x12, 0x34, 0x56]
    assert one(b"\x08", PixelFormat.A4, 0x123456) == [0x88, 0x12, 0x34, 0x56]


def test_narrow_colours_are_widened_by_their_own_top_bits() -> None:
    assert one(b"\x55\x52", PixelFormat.RGB565)[1:] == [0b01010010, 0b01001001, 0b10101101]


@pytest.mark.parametrize("kind", WRITABLE)
@given(data=st.data())
def test_writing_what_was_read_changes_nothing(kind: PixelFormat, data: st.DataObject) -> None:
    size_bytes = line_bytes(7, kind)
    raw = data.draw(st.binary(min_size=size_bytes, max_size=size_bytes))
    assert pack(unpack(raw, kind, CLUT, 0), kind) == raw


@given(*(st.lists(st.integers(0, 255), min_size=4, max_size=4) for _ in range(2)))
def test_blending_is_the_manual_s_formula(front: list[int], back: list[int]) -> None:
    over, under = np.array([front], np.uint8), np.array([back], np.uint8)
    both = front[0] * back[0] // 255
    alpha = front[0] + back[0] - both
    expected = [alpha] + [
        (front[i] * front[0] + back[i] * back[0] - back[i] * both) // max(alpha, 1)
        for i in (1, 2, 3)
    ]
    assert [int(item) for item in blend(over, under)[0]] == expected


def test_alpha_is_replaced_or_multiplied() -> None:
    pixel = np.array([[200, 1, 2, 3]], np.uint8)
    assert with_alpha(pixel.copy(), 1, 50)[0, 0] == 50
    assert with_alpha(pixel.copy(), 2, 128)[0, 0] == 200 * 128 // 255
    assert with_alpha(pixel.copy(), 0, 128)[0, 0] == 200


def test_lines_of_half_bytes_are_rounded_up() -> None:
    assert [line_bytes(count, PixelFormat.L4) for count in (1, 2, 3)] == [1, 1, 2]
    assert all(line_bytes(8, kind) == bits for kind, bits in BITS.items())
