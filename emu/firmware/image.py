"""An ELF as the machine and the report need it: bytes to load, symbols, lines."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


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
    kind: Literal["function", "object", "other"]
    section: str = ""


@dataclass(frozen=True)
class Section:
    """A section header that takes memory at run time."""

    name: str
    address: int
    size_bytes: int
    kind: Literal["code", "constants", "data", "bss"]
    load_address: int  # where its bytes lie in flash; equals `address` when it is not copied


@dataclass(frozen=True)
class SourceLine:
    file: str
    line: int


@dataclass(frozen=True)
class Image:
    """A linked firmware image. Lookups are by run-time address."""

    path: Path
    sha256: str
    entry: int  # with the Thumb bit as the file has it
    segments: tuple[Segment, ...]
    sections: tuple[Section, ...]
    symbols: tuple[Symbol, ...]  # sorted by address, then size descending

    def symbol(self, name: str) -> Symbol | None:
        raise NotImplementedError

    def function_at(self, address: int) -> Symbol | None:
        raise NotImplementedError

    def object_at(self, address: int) -> Symbol | None:
        raise NotImplementedError

    def line_at(self, address: int) -> SourceLine | None:
        raise NotImplementedError


def load_elf(path: Path) -> Image:
    raise NotImplementedError
