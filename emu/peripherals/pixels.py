"""Pixels as DMA2D reads, mixes and writes them [RM0385 DMA2D: pixel formats, blender].

Between reading and writing a pixel is a row of four bytes: alpha, red, green, blue.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]  # [N, 4]: alpha, red, green, blue
Words = npt.NDArray[np.int64]
OPAQUE = 255


class PixelFormat(IntEnum):
    """CM of the format registers."""

    ARGB8888 = 0
    RGB888 = 1
    RGB565 = 2
    ARGB1555 = 3
    ARGB4444 = 4
    L8 = 5
    AL44 = 6
    AL88 = 7
    L4 = 8
    A8 = 9
    A4 = 10


BITS = dict(zip(PixelFormat, (32, 24, 16, 16, 16, 8, 8, 16, 4, 8, 4), strict=True))

# Widths of alpha, red, green, blue in one word, the highest first.
_FIELDS = {
    PixelFormat.ARGB8888: (8, 8, 8, 8),
    PixelFormat.RGB565: (0, 5, 6, 5),
    PixelFormat.ARGB1555: (1, 5, 5, 5),
    PixelFormat.ARGB4444: (4, 4, 4, 4),
}


def line_bytes(pixels_count: int, kind: PixelFormat) -> int:
    return (pixels_count * BITS[kind] + 7) // 8


def _widened(field: Words, bits: int) -> Words:
    """To eight bits: the top bits again below [RM0385 DMA2D: expanded by copying]."""
    if bits == 0:
        return np.full_like(field, OPAQUE)
    found, have = field << (8 - bits), bits
    while have < 8:
        found |= found >> have
        have *= 2
    return found & 0xFF


def unpack(data: bytes, kind: PixelFormat, clut: npt.NDArray[np.uint32], colour: int) -> Pixels:
    """Bytes of memory to pixels.

    Args:
        data: whole pixels.
        kind: of the pixels in memory.
        clut: 256 words ARGB, for formats with an index.
        colour: RGB word of pixels that have only an alpha.
    """
    raw: Words = np.frombuffer(data, np.uint8).astype(np.int64)
    if kind in _FIELDS:
        widths = _FIELDS[kind]
        words = np.frombuffer(data, "<u4" if sum(widths) == 32 else "<u2").astype(np.int64)
        shift, columns = sum(widths), []
        for bits in widths:
            shift -= bits
            columns.append(_widened(words >> shift & ((1 << bits) - 1), bits))
        return np.stack(columns, 1).astype(np.uint8)
    if kind == PixelFormat.RGB888:
        alpha = np.full((len(raw) // 3, 1), OPAQUE)
        return np.hstack((alpha, raw.reshape(-1, 3)[:, ::-1])).astype(np.uint8)
    if kind in (PixelFormat.L4, PixelFormat.A4):
        raw = np.stack((raw & 15, raw >> 4), 1).reshape(-1)
    if kind in (PixelFormat.A8, PixelFormat.A4):
        alpha = raw if kind == PixelFormat.A8 else raw * 17
        rgb = np.array([colour >> 16 & 255, colour >> 8 & 255, colour & 255])
        return np.hstack((alpha[:, None], np.broadcast_to(rgb, (len(raw), 3)))).astype(np.uint8)
    if kind == PixelFormat.AL88:
        found, alpha = _looked_up(raw[0::2], clut), raw[1::2]
    elif kind == PixelFormat.AL44:
        found, alpha = _looked_up(raw & 15, clut), (raw >> 4) * 17
    else:
        return _looked_up(raw, clut)
    found[:, 0] = alpha
    return found


def _looked_up(index: Words, clut: npt.NDArray[np.uint32]) -> Pixels:
    words = clut[index].astype("<u4")
    return words.view(np.uint8).reshape(-1, 4)[:, ::-1].copy()


def pack(pixels: Pixels, kind: PixelFormat) -> bytes:
    """Pixels to bytes of memory; for formats that can be written (the first five)."""
    if kind == PixelFormat.RGB888:
        return pixels[:, :0:-1].tobytes()
    widths, words = _FIELDS[kind], np.zeros(len(pixels), np.int64)
    for column, bits in enumerate(widths):
        field = pixels[:, column].astype(np.int64) >> (8 - bits)
        words = words << bits | (field if bits else 0)
    return words.astype("<u4" if sum(widths) == 32 else "<u2").tobytes()


def with_alpha(pixels: Pixels, mode: int, alpha: int) -> Pixels:
    """AM of the format registers: 1 replaces the alpha, 2 multiplies it."""
    if mode == 1:
        pixels[:, 0] = alpha
    elif mode == 2:
        pixels[:, 0] = (pixels[:, 0].astype(np.uint32) * alpha // 255).astype(np.uint8)
    return pixels


def blend(front: Pixels, back: Pixels) -> Pixels:
    """The front over the back [RM0385 DMA2D: blender; results round down]."""
    over, under = front.astype(np.int64), back.astype(np.int64)
    both = over[:, :1] * under[:, :1] // 255
    alpha = over[:, :1] + under[:, :1] - both
    colour = over[:, 1:] * over[:, :1] + under[:, 1:] * (under[:, :1] - both)
    colour //= np.maximum(alpha, 1)
    return np.hstack((alpha, colour)).astype(np.uint8)
