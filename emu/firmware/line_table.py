"""Addresses to source lines, from an ELF's DWARF (versions 2 to 5).

Decoded once, on the first question: a run that asks for no line pays nothing. pyelftools reads
units and headers; the line programs themselves run here, on plain integers, because its objects
take ten times the time and many times the memory.
"""

from __future__ import annotations

import io
import posixpath
from array import array
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
from elftools.elf.elffile import ELFFile

_NO_FILE = -1
# A firmware of 2 MiB has about 8 MiB of debug information, most of it not lines; far beyond that a
# file is hostile.
_MAX_DEBUG_BYTES = 512 * 1024**2
_MAX_LINE_PROGRAM_BYTES = 8 * 1024**2
_MAX_UNITS_COUNT = 20_000


@dataclass(frozen=True)
class LineTable:
    """Rows sorted by address; a row holds from its address up to that of the next row.

    Attributes:
        addresses: `[rows]`, strictly rising.
        file_indices: `[rows]`, into `files`, -1 where no line is known.
        lines: `[rows]`, 1 or more where `file_indices` is not -1.
        entry_rows: `[rows, 2]` file index and line of the first row at the address, not the last:
            at the start of a function that is the line it is declared on.
        files: paths as the compiler wrote them, joined to the directory it ran in.
        error: why the table is empty or cut short, or None.
    """

    addresses: npt.NDArray[np.uint32]
    file_indices: npt.NDArray[np.int32]
    lines: npt.NDArray[np.int32]
    entry_rows: npt.NDArray[np.int32]
    files: tuple[str, ...]
    error: str | None = None

    def rows_at(self, addresses: npt.NDArray[np.uint32]) -> npt.NDArray[np.int64]:
        """Row of each address, -1 where no line is known."""
        if not len(self.addresses):
            return np.full(len(addresses), -1, dtype=np.int64)
        rows = np.searchsorted(self.addresses, addresses, side="right").astype(np.int64) - 1
        known = (rows >= 0) & (self.file_indices[np.maximum(rows, 0)] >= 0)
        return np.where(known, rows, -1)


def decode_line_table(elf: bytes, code_ranges: tuple[tuple[int, int], ...]) -> LineTable:
    """Run the line programs of an ELF file held in memory.

    Broken or foreign debug information costs lines, never the run: what could be read is kept and
    `error` says the rest.

    Args:
        elf: the whole file.
        code_ranges: addresses `[start, end)` that hold code. A sequence that lies elsewhere was
            discarded by the linker (it leaves them at 0 or at the top) and is dropped.
    """
    decoder = _Decoder(code_ranges)
    error: str | None = None
    try:
        file = ELFFile(io.BytesIO(elf))
        if not file.has_dwarf_info():
            return decoder.table("the file has no debug information")
        if (error := _too_large(file)) is not None:
            return decoder.table(error)
        dwarf = file.get_dwarf_info(follow_links=False)
        if dwarf.debug_line_sec is None:
            return decoder.table("the file has no line table")
        dwarf.debug_line_sec.stream.seek(0)
        programs = dwarf.debug_line_sec.stream.read()
        seen: set[int] = set()  # partial units share one program
        for unit in islice(dwarf.iter_CUs(), _MAX_UNITS_COUNT):
            program = dwarf.line_program_for_CU(unit)
            if program is not None and program.program_start_offset not in seen:
                seen.add(program.program_start_offset)
                decoder.add(program, programs, _compilation_directory(unit))
    # pyelftools answers damaged DWARF with whatever its parsers trip over (KeyError, struct.error,
    # AssertionError, ...): there is no narrower class that covers them.
    except Exception as problem:
        error = f"debug information is broken ({type(problem).__name__}: {problem})"
    return decoder.table(error)


def _too_large(file: ELFFile) -> str | None:
    sizes = {
        section.name: section.data_size
        for section in file.iter_sections()
        if section.name.startswith((".debug", ".zdebug"))
    }
    if sum(sizes.values()) > _MAX_DEBUG_BYTES:
        return f"debug information is larger than {_MAX_DEBUG_BYTES // 1024**2} MiB"
    if sizes.get(".debug_line", 0) > _MAX_LINE_PROGRAM_BYTES:
        return f"the line table is larger than {_MAX_LINE_PROGRAM_BYTES // 1024**2} MiB"
    return None


def _compilation_directory(unit: Any) -> str:
    attribute = unit.get_top_DIE().attributes.get("DW_AT_comp_dir")
    return _text(attribute.value) if attribute is not None else ""


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


class _Decoder:
    """Collects the rows of every live sequence as parallel arrays of integers."""

    def __init__(self, code_ranges: tuple[tuple[int, int], ...]) -> None:
        self._code_ranges = code_ranges
        self._file_index: dict[str, int] = {}
        self._addresses = array("I")
        self._files = array("i")
        self._lines = array("i")
        self._sequence_start = 0

    def add(self, program: Any, data: bytes, directory: str) -> None:
        """Append the live sequences of one unit's line program."""
        header = program.header
        indices = self._file_indices(header, directory)
        minimum = header["minimum_instruction_length"]
        line_base, line_range = header["line_base"], header["line_range"]
        opcode_base, operand_counts = header["opcode_base"], header["standard_opcode_lengths"]
        position, end = program.program_start_offset, min(program.program_end_offset, len(data))
        address, file, line = 0, 1, 1
        while position < end:
            opcode = data[position]
            position += 1
            if opcode >= opcode_base:  # special: advance both, append a row
                advance, step = divmod(opcode - opcode_base, line_range)
                address += advance * minimum
                line += line_base + step
                self._row(address, indices.get(file, _NO_FILE), line)
            elif opcode == 0:  # extended: length, code, operands
                length, position = _unsigned(data, position)
                code = data[position]
                if code == 1:  # end of sequence
                    self._end_sequence(address)
                    address, file, line = 0, 1, 1
                elif code == 2:  # set address
                    address = int.from_bytes(data[position + 1 : position + length], "little")
                position += length
            elif opcode == 1:  # copy
                self._row(address, indices.get(file, _NO_FILE), line)
            elif opcode == 2:  # advance address
                advance, position = _unsigned(data, position)
                address += advance * minimum
            elif opcode == 3:  # advance line
                step, position = _signed(data, position)
                line += step
            elif opcode == 4:  # set file
                file, position = _unsigned(data, position)
            elif opcode == 8:  # advance the address as special opcode 255 would
                address += (255 - opcode_base) // line_range * minimum
            elif opcode == 9:  # advance by a fixed half-word
                address += int.from_bytes(data[position : position + 2], "little")
                position += 2
            else:  # columns, flags, instruction sets: skip their operands
                for _ in range(operand_counts[opcode - 1]):
                    _, position = _unsigned(data, position)
        self._drop_sequence()  # rows without an end belong to no stretch of code

    def _row(self, address: int, file: int, line: int) -> None:
        # Line 0 says "no single line": the instruction stays with the line before it.
        if line <= 0:
            if len(self._lines) > self._sequence_start:
                return
            file, line = _NO_FILE, 0
        self._addresses.append(address & 0xFFFFFFFF)
        self._files.append(file)
        self._lines.append(min(line, 0x7FFFFFFF))

    def _end_sequence(self, end: int) -> None:
        start = self._sequence_start
        if len(self._lines) == start:
            return
        low = self._addresses[start]
        if not any(first <= low < end <= last for first, last in self._code_ranges):
            self._drop_sequence()
            return
        self._addresses.append(end)
        self._files.append(_NO_FILE)
        self._lines.append(0)
        self._sequence_start = len(self._lines)

    def _drop_sequence(self) -> None:
        for rows in (self._addresses, self._files, self._lines):
            del rows[self._sequence_start :]

    def _file_indices(self, header: Any, directory: str) -> dict[int, int]:
        # DWARF 5 counts directories from 0 (0 = where the compiler ran), files from 0; before it
        # directory 0 is implied and files count from 1.
        first = 0 if header["version"] >= 5 else 1
        directories = [_text(item) for item in header["include_directory"]]
        if first:
            directories.insert(0, directory)
        base = directories[0] if directories else directory
        found = {}
        for number, entry in enumerate(header["file_entry"], start=first):
            where = directories[entry.dir_index] if entry.dir_index < len(directories) else base
            path = posixpath.normpath(posixpath.join(directory, base, where, _text(entry.name)))
            found[number] = self._file_index.setdefault(path, len(self._file_index))
        return found

    def table(self, error: str | None) -> LineTable:
        """Everything collected so far, sorted, one row an address."""
        self._drop_sequence()
        addresses = np.array(self._addresses, np.uint32)
        files = np.array(self._files, np.int32)
        lines = np.array(self._lines, np.int32)
        # Of several rows at one address the last one counts, but the end of a sequence never hides
        # the start of the next.
        order = np.lexsort((np.arange(len(files)), files != _NO_FILE, addresses))
        addresses, files, lines = addresses[order], files[order], lines[order]
        changes = addresses[1:] != addresses[:-1]
        one = np.ones(min(len(addresses), 1), bool)
        last = np.append(changes, one)
        # Of the rows that know a line: an end of a sequence sorts before them.
        known = files != _NO_FILE
        first = known & ~np.append(~one, ~changes & known[:-1])
        entries = np.stack([files, lines], axis=1)[last]
        entries[known[last]] = np.stack([files, lines], axis=1)[first]
        return LineTable(
            addresses[last], files[last], lines[last], entries, tuple(self._file_index), error
        )


def _unsigned(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > 63:
            raise ValueError("a number of more than 64 bits in a line program")


def _signed(data: bytes, position: int) -> tuple[int, int]:
    start = position
    value, position = _unsigned(data, position)
    bits = 7 * (position - start)
    return (value - (1 << bits) if value >> (bits - 1) & 1 else value), position
