"""An ELF file as an image: what it must be, what it loads, its sections and symbols."""

from __future__ import annotations

import hashlib
import io
import struct
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np
from elftools.elf.elffile import ELFFile

from emu.errors import ImageError
from emu.firmware.build_attributes import BuildAttributes, parse_build_attributes
from emu.firmware.image import Image, Section, SectionKind, Segment, Symbol, SymbolKind

# Bounds that no image for a microcontroller comes near; beyond them a file is broken or hostile.
_MAX_FILE_BYTES = 256 * 1024**2
_MAX_LOADED_BYTES = 64 * 1024**2
_MAX_HEADERS_COUNT = 4096
_MAX_SYMBOLS_COUNT = 1_000_000

_EM_ARM, _EF_ARM_BE8 = 40, 0x0080_0000
_MACHINES = {
    **{3: "x86", 8: "MIPS", 62: "x86-64", 83: "AVR", 94: "Xtensa", 183: "AArch64"},
    **{105: "MSP430", 243: "RISC-V"},
}
_ELF_HEADER_BYTES = 52
_NAMED_SECTIONS_COUNT = 2  # of a segment, in a refusal

_ADDRESS_SPACE_BYTES = 1 << 32
_SHT_ARM_ATTRIBUTES = "SHT_ARM_ATTRIBUTES"
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
        refuse("is not an ELF file. Give C sources, or what your linker wrote (.elf, .hex, .bin).")
    if len(data) > _MAX_FILE_BYTES:
        refuse(f"is larger than {_MAX_FILE_BYTES // 1024**2} MiB. Strip its debug information.")
    if len(data) < _ELF_HEADER_BYTES:
        refuse("is cut short: it ends inside the ELF header. Copy it again.")
    if data[4] != 1:
        refuse("is a 64-bit ELF. A Cortex-M7 runs 32-bit Arm code.")
    if data[5] != 1:
        refuse("is a big-endian ELF. The boards are little-endian.")
    kind, machine = struct.unpack_from("<HH", data, 16)
    if machine != _EM_ARM:
        name = _MACHINES.get(machine, f"ELF machine {machine}")
        refuse(f"is for {name}, not for Arm (ELF machine {_EM_ARM}). Compile for cortex-m7.")
    if struct.unpack_from("<I", data, 36)[0] & _EF_ARM_BE8:
        refuse("is a big-endian ELF (BE8). The boards are little-endian.")
    if kind == 1:
        refuse("is an object file that was not linked. Give the linked .elf, or the C sources.")
    if kind != 2:
        refuse(
            f"is not an executable (ELF type {kind}, wanted 2). Link it without -shared or -pie."
        )
    counts = struct.unpack_from("<H", data, 44)[0], struct.unpack_from("<H", data, 48)[0]
    if max(counts) > _MAX_HEADERS_COUNT:
        refuse(f"is a damaged ELF file: it claims {max(counts)} headers.")
    programs_at, sections_at = struct.unpack_from("<II", data, 28)
    ends = (programs_at + 32 * counts[0], sections_at + 40 * counts[1])
    if (counts[0] and ends[0] > len(data)) or (counts[1] and ends[1] > len(data)):
        refuse(f"is cut short: it has {len(data)} bytes and needs {max(ends)}. Copy it again.")


def _read(data: bytes, path: Path) -> Image:
    elf = ELFFile(io.BytesIO(data))
    headers = [item.header for item in elf.iter_segments() if item["p_type"] == "PT_LOAD"]
    raw_sections = [item for item in elf.iter_sections() if not item.is_null()]
    sections = _sections(raw_sections, headers)
    segments = _segments(headers, sections, data, path)
    attributes = _attributes(raw_sections, data)
    _check_core(attributes, path)
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
        attributes=attributes,
    )


def _attributes(raw_sections: list[Any], data: bytes) -> BuildAttributes | None:
    for raw in raw_sections:
        if raw["sh_type"] == _SHT_ARM_ATTRIBUTES:
            return parse_build_attributes(data[raw["sh_offset"] :][: raw["sh_size"]])
    return None


def _check_core(attributes: BuildAttributes | None, path: Path) -> None:
    if attributes is None or attributes.is_cortex_m is not False:
        return
    kinds = {"A": "a Cortex-A", "R": "a Cortex-R", "S": "a Cortex-A or Cortex-R"}
    wanted = kinds.get(attributes.profile, "an Arm core that is no Cortex-M")
    name = f" ({attributes.cpu_name})" if attributes.cpu_name else ""
    raise ImageError(
        f"{path} is for {wanted}{name}; the boards have a Cortex-M7. Compile for cortex-m7."
    )


def _segments(
    headers: list[Any], sections: tuple[Section, ...], data: bytes, path: Path
) -> tuple[Segment, ...]:
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
        inside = [
            section
            for section in sections
            if section.kind != "bss" and address <= section.load_address < address + size
        ]
        skipped = 0
        if offset < _ELF_HEADER_BYTES and inside:
            # GNU ld puts the file's own headers into the first segment where pages are large;
            # debuggers and objcopy load sections, so nobody notices that they lie below flash.
            skipped = min(section.load_address for section in inside) - address
        if size > skipped:
            names = list(dict.fromkeys(section.name for section in inside))
            more = ", ..." if len(names) > _NAMED_SECTIONS_COUNT else ""
            named = f" ({', '.join(names[:_NAMED_SECTIONS_COUNT])}{more})" if names else ""
            loaded = data[offset + skipped : offset + size]
            found.append(Segment(address + skipped, loaded, f"segment {number}{named}"))
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
    if count > _MAX_SYMBOLS_COUNT:
        raise ImageError(f"{path} has {count:,} symbols, more than any firmware. Strip it.")
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
