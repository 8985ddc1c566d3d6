"""The heap's high-water mark, from outside: calls of the allocator are watched by symbol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from emu.backends.protocol import HeapMark
from emu.firmware.image import Image

_ALLOCATORS = (
    "malloc", "calloc", "realloc", "aligned_alloc", "memalign", "free",
    "_malloc_r", "_calloc_r", "_realloc_r", "_memalign_r", "_free_r", "pvPortMalloc", "vPortFree",
)  # fmt: skip
_HEAP_STARTS = ("__heap_start", "__HeapBase", "end", "_end", "__end__")


@dataclass
class _Call:
    function: str
    arguments: tuple[int, int, int]
    return_address: int
    stack: int


class HeapWatch:
    """Follows allocations of one run.

    Only the outermost allocator call counts: `calloc` calling `malloc` is one allocation.
    """

    def __init__(self, image: Image) -> None:
        self._functions: dict[int, str] = {}
        for name in _ALLOCATORS:
            symbol = image.symbol(name)
            if symbol is not None:
                self._functions.setdefault(symbol.address, name)
        start = next((s for n in _HEAP_STARTS if (s := image.symbol(n)) is not None), None)
        self._start = start.address if start is not None else None
        self._pending: _Call | None = None
        self._live: dict[int, int] = {}
        self._highest = 0
        self._lowest: int | None = None
        self._allocations = 0
        self._changed: list[tuple[int, bool]] = []

    def watches(self, address: int) -> bool:
        return address in self._functions or (
            self._pending is not None and self._pending.return_address == address
        )

    def changed(self) -> list[tuple[int, bool]]:
        """Addresses whose blocks became, or are no longer, of interest since the last call."""
        changed, self._changed = self._changed, []
        return changed

    def event(self, address: int, registers: Sequence[int]) -> None:
        """A watched block begins."""
        pending = self._pending
        if pending is not None:
            if address == pending.return_address and registers[13] >= pending.stack:
                self._returned(pending, registers[0])
                self._pending = None
                if address not in self._functions:
                    self._changed.append((address, False))
            else:
                return
        name = self._functions.get(address)
        if name is not None:
            arguments = (registers[0], registers[1], registers[2])
            return_address = registers[14] & ~1
            self._pending = _Call(name, arguments, return_address, registers[13])
            self._changed.append((return_address, True))

    def _returned(self, call: _Call, result: int) -> None:
        first, second, third = call.arguments
        name = call.function.strip("_").removesuffix("_r")
        if call.function.endswith("_r"):
            first, second = second, third
        if name in ("free", "vPortFree"):
            self._live.pop(first, None)
            return
        size = {"calloc": first * second, "realloc": second, "memalign": second,
                "aligned_alloc": second}.get(name, first)  # fmt: skip
        if name == "realloc" and (result or not size):
            self._live.pop(first, None)
        if result and size:
            self._allocations += 1
            self._live[result] = size
            self._highest = max(self._highest, result + size)
            self._lowest = result if self._lowest is None else min(self._lowest, result)

    def mark(self) -> HeapMark | None:
        """None when the firmware has no allocator."""
        if not self._functions:
            return None
        start = self._start
        if start is None or (self._lowest is not None and not start <= self._lowest):
            start = self._lowest or 0
        peak = max(0, self._highest - start) if self._highest else 0
        return HeapMark(start, peak, self._allocations, sum(self._live.values()))
