"""An ELF as the machine and the report need it: bytes to load, symbols, lines."""

from __future__ import annotations

import hashlib
import io
import struct
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple, NoReturn

import numpy as np
import numpy.typing as npt
from elftools.elf.elffile import ELFFile

from emu.errors import ImageError
from emu.firmware.line_table import LineTable, decode_line_table

# Bounds that no image for a microcontroller comes near; beyond them a file is broken or hostile.
_MAX_FILE_BYTES = 256 * 1024**2
_MAX_LOADED_BYTES = 64 * 1024**2
_MAX_HEADERS_COUNT = 4096

_ADDRESS_SPACE_BYTES = 1 << 32
_SHF_WRITE, _SHF_ALLOC, _SHF_EXECINSTR = 1, 2, 4
_STT_OBJECT, _STT_FUNC = 1, 2
_SHN_UNDEF, _SHN_LORESERVE = 0, 0xFF00
_SYMBOL_DTYPE = np.dtype(
    [
        ("name", "<u4"),
        ("value", "<u4"),
        ("size", "<u4"),
        ("info", "u1"),
        ("other", "u1"),
        ("section", "<u2"),
    ]
)
_BINDING_ORDER = {1: 0, 2: 1, 0: 2}  # global, weak, local: which alias lends its name

SymbolKind = Literal["function", "object", "other"]
SectionKind = Literal["code", "constants", "data", "bss"]


@dataclass(frozen=True)
class Segment:
    """Bytes to put into memory before the first instruction (`address` = load address, LMA)."""

    address: int
    data: bytes


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
    """

    path: Path
    sha256: str
    entry: int  # with the Thumb bit as the file has it
    segments: tuple[Segment, ...]
    sections: tuple[Section, ...]
    symbols: tuple[Symbol, ...]  # sorted by address, then size descending
    elf: bytes = field(default=b"", repr=False, compare=False)  # the whole file, for its DWARF

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


def load_elf(path: Path) -> Image:
    """Read a linked ELF for an Arm core of 32 bits, little-endian.

    Raises:
        ImageError: the file cannot be read, is no such ELF, or contradicts itself.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_FILE_BYTES + 1)
    except OSError as problem:
        raise ImageError(f"Cannot read {path}: {problem.strerror or problem}.") from problem
    return parse_elf(data, path)


def parse_elf(data: bytes, path: Path) -> Image:
    """The same for a file that is in memory already; `path` is only its name.

    Raises:
        ImageError: as `load_elf`.
    """
    _check_identity(data, path)
    try:
        return _read(data, path)
    except ImageError:
        raise
    # pyelftools meets damaged files with whatever its parsers trip over (KeyError, struct.error,
    # AssertionError, ...): there is no narrower class that covers them.
    except Exception as problem:
        raise ImageError(
            f"{path} is a damaged ELF file ({type(problem).__name__}: {problem}). "
            "Link or copy it again."
        ) from problem


def _check_identity(data: bytes, path: Path) -> None:
    """What the first 52 bytes must say before anything else is looked at."""

    def refuse(what: str) -> NoReturn:
        raise ImageError(f"{path} {what}")

    if not data:
        refuse("is empty.")
    if data[:4] != b"\x7fELF":
        refuse("is not an ELF file. Give C sources, or the .elf that your linker wrote.")
    if len(data) > _MAX_FILE_BYTES:
        refuse(f"is larger than {_MAX_FILE_BYTES // 1024**2} MiB. Strip its debug information.")
    if len(data) < 52:
        refuse("is cut short: it ends inside the ELF header. Copy it again.")
    if data[4] != 1:
        refuse("is a 64-bit ELF. A Cortex-M7 runs 32-bit Arm code.")
    if data[5] != 1:
        refuse("is a big-endian ELF. The boards are little-endian.")
    kind, machine = struct.unpack_from("<HH", data, 16)
    if machine != 40:
        refuse(f"is not for Arm (ELF machine {machine}, wanted 40). Compile for cortex-m7.")
    if kind == 1:
        refuse("is an object file that was not linked. Give the linked .elf, or the C sources.")
    if kind != 2:
        refuse(
            f"is not an executable (ELF type {kind}, wanted 2). Link it without -shared or -pie."
        )
    counts = struct.unpack_from("<H", data, 44)[0], struct.unpack_from("<H", data, 48)[0]
    if max(counts) > _MAX_HEADERS_COUNT:
        refuse(f"is a damaged ELF file: it claims {max(counts)} headers.")


def _read(data: bytes, path: Path) -> Image:
    elf = ELFFile(io.BytesIO(data))
    headers = [item.header for item in elf.iter_segments() if item["p_type"] == "PT_LOAD"]
    segments = _segments(headers, data, path)
    raw_sections = [item for item in elf.iter_sections() if not item.is_null()]
    sections = _sections(raw_sections, headers)
    # A section without its header's table still runs; without any loadable byte it cannot.
    if not segments:
        raise ImageError(f"{path} holds nothing to load: no segment has bytes. Link it again.")
    return Image(
        path=path,
        sha256=hashlib.sha256(data).hexdigest(),
        entry=int(elf.header["e_entry"]),
        segments=segments,
        sections=sections,
        symbols=_symbols(elf, data, path),
        elf=data,
    )


def _segments(headers: list[Any], data: bytes, path: Path) -> tuple[Segment, ...]:
    found = []
    loaded_bytes = 0
    for number, header in enumerate(headers):
        size, offset, address = header["p_filesz"], header["p_offset"], header["p_paddr"]
        what = f"{path}: loadable segment {number} (0x{address:08x})"
        if offset + size > len(data):
            raise ImageError(f"{what} ends beyond the end of the file, which is cut short.")
        if size > header["p_memsz"]:
            raise ImageError(f"{what} has more bytes in the file than in memory.")
        if max(address, header["p_vaddr"]) + header["p_memsz"] > _ADDRESS_SPACE_BYTES:
            raise ImageError(f"{what} ends beyond the 4 GiB address space.")
        loaded_bytes += size
        if loaded_bytes > _MAX_LOADED_BYTES:
            raise ImageError(
                f"{path} loads more than {_MAX_LOADED_BYTES // 1024**2} MiB. "
                "No microcontroller holds that."
            )
        if size:
            found.append(Segment(address, data[offset : offset + size]))
    return tuple(sorted(found, key=lambda segment: segment.address))


def _sections(raw_sections: list[Any], headers: list[Any]) -> tuple[Section, ...]:
    found = []
    for raw in raw_sections:
        flags, size, address = raw["sh_flags"], raw["sh_size"], raw["sh_addr"]
        if not flags & _SHF_ALLOC or not size or address + size > _ADDRESS_SPACE_BYTES:
            continue
        nobits = raw["sh_type"] == "SHT_NOBITS"
        kind: SectionKind = (
            "code"
            if flags & _SHF_EXECINSTR and not nobits
            else "bss"
            if nobits
            else "data"
            if flags & _SHF_WRITE
            else "constants"
        )
        load = address if nobits else _load_address(raw, headers)
        found.append(Section(raw.name, address, size, kind, load))
    return tuple(sorted(found, key=lambda section: (section.address, section.name)))


def _load_address(raw: Any, headers: list[Any]) -> int:
    for header in headers:
        start = header["p_offset"]
        if start <= raw["sh_offset"] < start + header["p_filesz"]:
            return int(header["p_paddr"] + raw["sh_offset"] - start)
    return int(raw["sh_addr"])


class _RawSymbol(NamedTuple):
    """Sorts as `Image.symbols` does; the binding decides between aliases."""

    address: int
    negative_size: int
    binding_order: int
    name: str
    kind: SymbolKind
    section: str
    section_end: int


def _symbols(elf: ELFFile, data: bytes, path: Path) -> tuple[Symbol, ...]:
    """The symbol table, read as one array: pyelftools takes 20 us for each of thousands."""
    table = elf.get_section_by_name(".symtab")
    if table is None or table["sh_type"] != "SHT_SYMTAB":
        return ()
    strings = elf.get_section(table["sh_link"])
    start, end = table["sh_offset"], table["sh_offset"] + table["sh_size"]
    names_start, names_end = strings["sh_offset"], strings["sh_offset"] + strings["sh_size"]
    if max(end, names_end) > len(data):
        raise ImageError(
            f"{path}: the symbol table ends beyond the end of the file. Copy it again."
        )
    names = data[names_start:names_end]
    count = (end - start) // _SYMBOL_DTYPE.itemsize
    rows = np.frombuffer(data, _SYMBOL_DTYPE, count, start)
    alloc = {
        number: (item.name, item["sh_addr"], item["sh_addr"] + item["sh_size"])
        for number, item in enumerate(elf.iter_sections())
        if item["sh_flags"] & _SHF_ALLOC
    }
    found = []
    for name_at, value, size, info, _, section in rows.tolist():
        kind_number = info & 15
        if section == _SHN_UNDEF or kind_number > _STT_FUNC or not name_at:
            continue
        name = names[name_at : max(names.find(b"\0", name_at), name_at)].decode("utf-8", "replace")
        if not name or name.startswith("$"):  # $t, $d, $a mark code and literals for disassemblers
            continue
        where = alloc.get(section)
        if where is None and section < _SHN_LORESERVE:
            continue
        section_name, section_end = (where[0], where[2]) if where else ("", 0)
        kind: SymbolKind = (
            "function"
            if kind_number == _STT_FUNC
            else "object"
            if kind_number == _STT_OBJECT
            else "other"
        )
        address = value & ~1 if kind == "function" else value
        if where and address + size > section_end:
            size = max(0, section_end - address)
        found.append(
            _RawSymbol(
                address,
                -size,
                _BINDING_ORDER.get(info >> 4, 3),
                name,
                kind,
                section_name,
                section_end,
            )
        )
    found.sort()
    return _with_inferred_sizes(found)


def _with_inferred_sizes(ordered: list[_RawSymbol]) -> tuple[Symbol, ...]:
    """Give a function or object of size 0, as in assembly, the bytes up to the next one."""
    sized = {(raw.address, raw.kind): raw for raw in reversed(ordered) if raw.negative_size}
    symbols: list[Symbol] = []
    inferred: set[int] = set()  # indices of symbols whose size is a guess: the last to lend a name
    following: dict[str, int] = {}  # next address with a symbol, by section
    after: dict[str, int] = {}  # the one behind that, for several symbols at one address
    for raw in reversed(ordered):
        size = -raw.negative_size
        if raw.section:
            if following.get(raw.section) != raw.address:
                after[raw.section] = following.get(raw.section, raw.section_end)
            if size == 0 and raw.kind != "other":
                alias = sized.get((raw.address, raw.kind))
                size = -alias.negative_size if alias else after[raw.section] - raw.address
                inferred.add(len(symbols))
            if raw.kind != "other":
                following[raw.section] = raw.address
        symbols.append(Symbol(raw.name, raw.address, size, raw.kind, raw.section))
    best_first = sorted(
        range(len(symbols)),
        key=lambda at: (symbols[at].address, -symbols[at].size_bytes, at in inferred, -at),
    )
    return tuple(symbols[at] for at in best_first)
