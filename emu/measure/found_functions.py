"""Names for the code of a program without symbols: `sub_08001234`, after where it begins."""

from __future__ import annotations

import re
from dataclasses import replace

from emu.backends.protocol import Execution
from emu.firmware.image import Image, Symbol

_NAME = re.compile(r"(?:sub_|0[xX])([0-9a-fA-F]{1,8})")


def with_found_functions(image: Image, execution: Execution) -> Image:
    """The image with the functions that a run entered; the same image where it has its own.

    A function reaches to the last instruction that ran before the next one begins.
    """
    if not image.is_stripped:
        return image
    starts = {address & ~1 for address in execution.entered}
    starts |= {call.address & ~1 for call in execution.calls}
    starts |= {interrupt.handler & ~1 for interrupt in execution.interrupts}
    rows = execution.profile
    ends = (rows["address"].astype("u8") + rows["size_bytes"]).tolist()
    ordered = sorted(starts)
    symbols = []
    row = 0
    for number, start in enumerate(ordered, start=1):
        following = ordered[number] if number < len(ordered) else 1 << 32
        end = start
        while row < len(ends) and ends[row] <= following:
            end = max(end, ends[row])
            row += 1
        if end > start:
            symbols.append(Symbol(f"sub_{start:08x}", start, end - start, "function"))
    return replace(image, symbols=tuple(symbols))


def with_named_addresses(image: Image, names: tuple[str, ...]) -> Image:
    """The image with a function for each name that is an address, `0x08001234` or `sub_08001234`.

    So that functions of a program without symbols can be measured and entered.
    """
    added = []
    for name in names:
        match = _NAME.fullmatch(name)
        if match is not None and image.symbol(name) is None:
            added.append(Symbol(name, int(match.group(1), 16) & ~1, 2, "function"))
    if not added:
        return image
    ordered = sorted((*image.symbols, *added), key=lambda item: (item.address, -item.size_bytes))
    return replace(image, symbols=tuple(ordered))
