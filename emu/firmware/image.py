"""A program as the machine and the report need it: bytes to load, symbols, lines."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from emu.firmware.build_attributes import BuildAttributes
from emu.firmware.line_table import LineTable, decode_line_table

_ADDRESS_SPACE_BYTES = 1 << 32

SymbolKind = Literal["function", "object", "other"]
SectionKind = Literal["code", "constants", "data", "bss"]
ImageFormat = Literal["elf", "hex", "raw"]


@dataclass(frozen=True)
class Segment:
    """Bytes to put into memory before the first instruction (`address` = load address, LMA).

    `name` is what a refusal calls it ("segment 2 (.text)").
    """

    address: int
    data: bytes
    name: str = ""

    @property
    def end(self) -> int:
        return self.address + len(self.data)


@dataclass(frozen=True)
class Symbol:
    """A named stretch of memory; Thumb bit cleared in `address`."""

    name: str
    address: int
    size_bytes: int
    kind: SymbolKind
    section: str = ""

    @property
    def end(self) -> int:
        return self.address + self.size_bytes


@dataclass(frozen=True)
class Section:
    """A section header that takes memory at run time."""

    name: str
    address: int
    size_bytes: int
    kind: SectionKind
    load_address: int  # where its bytes lie in flash; equals `address` when it is not copied

    @property
    def end(self) -> int:
        return self.address + self.size_bytes


@dataclass(frozen=True)
class SourceLine:
    file: str
    line: int


@dataclass(frozen=True)
class Image:
    """A linked firmware image. Lookups are by run-time address.

    Everything lives in memory: the file may change or go once it was loaded.

    Attributes:
        entry: where the file says that it starts, Thumb bit as the file has it; 0 for nowhere.
        attributes: what an ELF says that it was built for; None where it does not.
        vector_table: address of the vector table, where the user named it.
        notes: what the report should say about the file, one sentence each.
    """

    path: Path
    sha256: str
    entry: int
    segments: tuple[Segment, ...]
    sections: tuple[Section, ...]
    symbols: tuple[Symbol, ...]  # sorted by address, then size descending
    elf: bytes = field(default=b"", repr=False, compare=False)  # the whole file, for its DWARF
    format: ImageFormat = "elf"
    attributes: BuildAttributes | None = None
    vector_table: int | None = None
    notes: tuple[str, ...] = ()

    def symbol(self, name: str) -> Symbol | None:
        """The symbol called `name`; a function before an object before anything else."""
        return self._by_name.get(name)

    def function_at(self, address: int) -> Symbol | None:
        """The function whose code holds `address` (with or without the Thumb bit)."""
        return self._functions.at(address & ~1)

    def object_at(self, address: int) -> Symbol | None:
        """The variable or constant that holds `address`."""
        return self._objects.at(address)

    def line_at(self, address: int) -> SourceLine | None:
        """The source line of the instruction at `address`; None without debug information."""
        table = self.line_table
        row = bisect_right(table.addresses, address & ~1) - 1
        if row < 0 or table.file_indices[row] < 0:
            return None
        return SourceLine(table.files[table.file_indices[row]], int(table.lines[row]))

    def declared_at(self, function: Symbol) -> SourceLine | None:
        """Where a function begins: its declaration (as GCC says it) or first statement (clang)."""
        table = self.line_table
        row = bisect_right(table.addresses, function.address) - 1
        if row < 0 or table.addresses[row] != function.address:
            return self.line_at(function.address)
        file, line = table.entry_rows[row].tolist()
        return SourceLine(table.files[file], line) if file >= 0 else None

    def function_indices(self, addresses: npt.NDArray[np.uint32]) -> npt.NDArray[np.int64]:
        """Index into `functions` of the function at each address, -1 where there is none."""
        return self._functions.indices(addresses)

    @property
    def functions(self) -> tuple[Symbol, ...]:
        """One symbol a function; where several share one address, the one that lends its name."""
        return self._functions.symbols

    @property
    def objects(self) -> tuple[Symbol, ...]:
        """Variables and constants, one a stretch of memory."""
        return self._objects.symbols

    @property
    def is_stripped(self) -> bool:
        """Whether the file names no function; those that were added by address do not count."""
        return not any(symbol.section for symbol in self.functions)

    @property
    def knows_sections(self) -> bool:
        """Whether the file tells what its bytes are, and what memory the program takes beside."""
        return any(section.name for section in self.sections)

    @cached_property
    def owned_bytes(self) -> tuple[tuple[Symbol, int], ...]:
        """Functions and objects with the bytes that are theirs alone, so that they add up."""
        ordered = sorted(
            (*self.functions, *self.objects), key=lambda item: (item.address, -item.size_bytes)
        )
        return _Stretches.of(ordered).owned_bytes()

    @cached_property
    def line_table(self) -> LineTable:
        """Every row of the DWARF line table, decoded on the first use."""
        code = tuple((item.address, item.end) for item in self.sections if item.kind == "code")
        return decode_line_table(self.elf, code)

    @cached_property
    def _by_name(self) -> dict[str, Symbol]:
        found: dict[str, Symbol] = {}
        for kind in ("function", "object", "other"):
            for symbol in self.symbols:
                if symbol.kind == kind:
                    found.setdefault(symbol.name, symbol)
        return found

    @cached_property
    def _functions(self) -> _Stretches:
        return _Stretches.of(item for item in self.symbols if item.kind == "function")

    @cached_property
    def _objects(self) -> _Stretches:
        return _Stretches.of(item for item in self.symbols if item.kind == "object")


class _Stretches:
    """Symbols as disjoint stretches of addresses: where they nest, the inner one owns its bytes."""

    def __init__(self, symbols: list[Symbol], starts: list[int], owners: list[int]) -> None:
        self.symbols = tuple(symbols)
        self._starts, self._owners = starts, owners
        self._starts_array = np.array(starts, np.int64)
        self._owners_array = np.array(owners, np.int64)

    @classmethod
    def of(cls, ordered: Iterable[Symbol]) -> _Stretches:
        symbols: list[Symbol] = []
        starts: list[int] = []
        owners: list[int] = []
        open_: list[int] = []  # indices of the symbols around the current address, outermost first

        def begin(address: int, owner: int) -> None:
            if starts and starts[-1] == address:
                owners[-1] = owner
            else:
                starts.append(address)
                owners.append(owner)

        def close(until: int) -> None:
            while open_ and symbols[open_[-1]].end <= until:
                end = symbols[open_.pop()].end
                while open_ and symbols[open_[-1]].end <= end:
                    open_.pop()
                begin(end, open_[-1] if open_ else -1)

        for symbol in ordered:
            if symbol.size_bytes == 0:
                continue
            if symbols and (symbols[-1].address, symbols[-1].end) == (symbol.address, symbol.end):
                continue  # an alias; the better name came first
            close(symbol.address)
            symbols.append(symbol)
            begin(symbol.address, len(symbols) - 1)
            open_.append(len(symbols) - 1)
        close(_ADDRESS_SPACE_BYTES * 2)
        return cls(symbols, starts, owners)

    def at(self, address: int) -> Symbol | None:
        row = bisect_right(self._starts, address) - 1
        owner = self._owners[row] if row >= 0 else -1
        return self.symbols[owner] if owner >= 0 else None

    def owned_bytes(self) -> tuple[tuple[Symbol, int], ...]:
        sums = [0] * len(self.symbols)
        for owner, start, end in zip(self._owners, self._starts, self._starts[1:], strict=False):
            if owner >= 0:
                sums[owner] += end - start
        return tuple(zip(self.symbols, sums, strict=True))

    def indices(self, addresses: npt.NDArray[np.uint32]) -> npt.NDArray[np.int64]:
        if not self._starts:
            return np.full(len(addresses), -1, np.int64)
        rows = np.searchsorted(self._starts_array, addresses, side="right") - 1
        return np.where(rows >= 0, self._owners_array[np.maximum(rows, 0)], -1)
