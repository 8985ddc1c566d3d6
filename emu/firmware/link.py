"""Objects -> one ELF that fits the board, or a refusal: what does not fit, and by how much."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from emu.board import Board
from emu.errors import BuildError
from emu.firmware.c_library import Library
from emu.firmware.cache import BuildCache, sha256_texts
from emu.firmware.compile import CompiledUnit
from emu.firmware.diagnostics import displayed, displayed_place
from emu.firmware.linker import Layout, OutputSection, Window, plan_layout
from emu.firmware.sources import SourceSet, find_definition
from emu.firmware.toolchain import Toolchain, run_tool
from emu.units import format_bytes

_UNDEFINED = re.compile(r"undefined (?:symbol: |reference to [`'])(?P<name>[^\s'`]+)")
_DUPLICATE = re.compile(r"(?:duplicate symbol: |multiple definition of [`'])(?P<name>[^\s'`;]+)")
_REFERENCE = re.compile(r">>> referenced by (?P<place>[^\s(]+)|(?P<gnu>[^\s:]+:\d+): undefined ref")
_NOISE = re.compile(r"LOAD segment with RWX permissions|missing \.note\.GNU-stack|NOTE: This beh")
_SHOWN = 4

_NO_FILES = frozenset(
    ("fopen", "fclose", "fread", "fseek", "ftell", "fgets", "fgetc", "getchar", "scanf", "open")
)


@dataclass(frozen=True)
class Linked:
    elf: Path
    cached: bool
    warnings: str
    command: tuple[str, ...]


def link(
    program: Sequence[CompiledUnit],
    library: Library,
    board: Board,
    toolchain: Toolchain,
    cache: BuildCache,
    entry: str,
    extra: tuple[str, ...],
    source_set: SourceSet,
) -> Linked:
    """Link, check that everything fits, and keep the ELF in the cache.

    Raises:
        BuildError: an undefined or doubly defined symbol, or a section that does not fit.
        UsageError: a placement that cannot be met.
    """
    units = (*program, *library.units)
    layout = plan_layout(board, [(unit.path, unit.summary) for unit in units])
    objects = [(unit.path, unit.digest) for unit in units]
    if library.compiler_rt is not None:
        objects.append((library.compiler_rt.path, library.compiler_rt.digest))
    arguments = _arguments(toolchain, board, entry, extra)
    key = sha256_texts(
        "elf/1", toolchain.identity, layout.script, *arguments, *(digest for _, digest in objects)
    )
    name = f"{source_set.stem}.elf"
    script = cache.place_file(key, "link.ld", layout.script.encode())
    command = (
        *toolchain.link_command,
        *(str(path) for path, _ in objects),
        *arguments,
        "-T",
        str(script),
        "-o",
        name,
    )
    remembered = _remembered(cache, key)
    if remembered is not None:
        data, warnings = remembered
        return Linked(cache.place_file(key, name, data), True, warnings, command)
    with cache.scratch() as folder:
        target = folder / "firmware.elf"
        done = run_tool((*command[:-1], str(target)), folder, toolchain.environment())
        if done.returncode != 0 or not target.is_file():
            raise BuildError(_link_sentence(done.stderr, source_set, toolchain, board))
        _check_fit(target, layout, board)
        data = target.read_bytes()
    warnings = "\n".join(
        line for line in done.stderr.splitlines() if line.strip() and not _NOISE.search(line)
    )
    cache.add_record(key, json.dumps({"elf": cache.add_blob(data, ".elf"), "warnings": warnings}))
    return Linked(cache.place_file(key, name, data), False, warnings, command)


def _remembered(cache: BuildCache, key: str) -> tuple[bytes, str] | None:
    text = cache.record(key)
    if text is None:
        return None
    try:
        row = json.loads(text)
        data = cache.blob(str(row["elf"]), ".elf")
        return None if data is None else (data, str(row["warnings"]))
    except (ValueError, KeyError, TypeError):
        return None


def _arguments(
    toolchain: Toolchain, board: Board, entry: str, extra: tuple[str, ...]
) -> tuple[str, ...]:
    linker = (
        "--gc-sections",
        "--no-check-sections",  # overlaps are told by _check_fit, with sizes and names
        f"--defsym=emu_entry={entry}",
        f"--defsym=emu_entry_kind={1 if entry == 'main' else 2}",
    )
    if toolchain.name == "zig":
        # Branches between flash and RAM go through veneers that LLD calls thunks.
        return ("-n", "--build-id=none", "-m", "armelf", *linker, "-u", entry, *extra)
    return (
        *toolchain.machine_flags(board),
        "-nostartfiles",
        "-Wl,-n",
        "-Wl,--build-id=none",
        *(f"-Wl,{argument}" for argument in linker),
        f"-Wl,-u,{entry}",
        *extra,
        "-lm",
    )


def _link_sentence(said: str, source_set: SourceSet, toolchain: Toolchain, board: Board) -> str:
    name = source_set.names[0] if len(source_set.names) == 1 else source_set.stem
    undefined = list(dict.fromkeys(match["name"] for match in _UNDEFINED.finditer(said)))
    if undefined:
        found = (
            (match["place"] or match["gnu"]).removeprefix("./")
            for match in _REFERENCE.finditer(said)
        )
        places = [  # the program's own; a library's come from the machine that built the library
            displayed_place(place, source_set.root)
            for place in found
            if place.partition(":")[0] in source_set.names
        ]
        where = f" (used at {places[0]})" if places else ""
        shown = ", ".join(undefined[:_SHOWN])
        rest = f" and {len(undefined) - _SHOWN} more" if len(undefined) > _SHOWN else ""
        if _NO_FILES & set(undefined):
            why = "There are no files and no input on the board; put the data into the program."
        elif toolchain.name == "zig" and any(symbol.startswith("_Z") for symbol in undefined):
            why = "It is a C++ name; C++ is not supported."
        elif (near := find_definition(source_set, undefined[0])) is not None:
            why = (
                f"{displayed(near, source_set.root)} seems to define {undefined[0]} but was not "
                "taken: give the files, or a folder with all of them at its top or in its src."
            )
        else:
            why = "Add the source that defines it, or check the spelling."
        return f"{name} does not link: {shown}{rest} is not defined anywhere{where}. {why}"
    duplicate = list(dict.fromkeys(match["name"] for match in _DUPLICATE.finditer(said)))
    if duplicate:
        return (
            f"{name} does not link: {', '.join(duplicate[:_SHOWN])} is defined in more than one "
            "source. Leave one of them out, or make it static."
        )
    lines = [line.strip() for line in said.splitlines() if "error" in line] or said.splitlines()
    text = "\n  ".join(lines[:_SHOWN]) or "the linker said nothing"
    return f"{name} does not link for {board.name}:\n  {text}"


@dataclass(frozen=True)
class _Placed:
    """An output section as the linker made it."""

    section: OutputSection
    start: int
    size_bytes: int


def _check_fit(elf: Path, layout: Layout, board: Board) -> None:
    """Refuse an image whose sections end beyond their windows."""
    with elf.open("rb") as file:
        image = ELFFile(file)
        by_name = {section.name: section for section in layout.sections}
        placed = []
        for row in image.iter_sections():
            section = by_name.get(row.name)
            if section is not None and row["sh_size"]:
                placed.append(_Placed(section, row["sh_addr"], row["sh_size"]))
        over = [item for item in placed if item.start + item.size_bytes > item.section.window.end]
        table = image.get_section_by_name(".symtab")
        symbols: list[tuple[int, int, str]] = []
        if isinstance(table, SymbolTableSection):
            symbols = [
                (symbol["st_value"] & ~1, symbol["st_size"], symbol.name)
                for symbol in table.iter_symbols()
                if symbol["st_size"]
            ]
    if over:
        last = max(over, key=lambda item: item.start + item.size_bytes - item.section.window.end)
        raise BuildError(_overflow_sentence(last, placed, symbols, board))
    _check_flash(placed, layout, board)


def _check_flash(
    placed: Sequence[_Placed],
    layout: Layout,
    board: Board,
) -> None:
    """The images of copied sections take flash too."""
    boot = layout.sections[0].window
    used = sum(
        item.size_bytes
        for item in placed
        if item.section.load is not None or item.section.window.shares_storage(boot)
    )
    if used > boot.size_bytes:
        copied = [item for item in placed if item.section.load is not None]
        parts = ", ".join(f"{item.section.name} {format_bytes(item.size_bytes)}" for item in copied)
        raise BuildError(
            f"The program needs {format_bytes(used)} of {boot.name}, which has "
            f"{format_bytes(boot.size_bytes)} on {board.name}: "
            f"{format_bytes(used - boot.size_bytes)} too many. Sections that are copied to RAM at "
            f"start-up lie there too: {parts}."
        )


def _overflow_sentence(
    last: _Placed,
    placed: Sequence[_Placed],
    symbols: Sequence[tuple[int, int, str]],
    board: Board,
) -> str:
    """Args:
    last: the section that ends farthest beyond its window.
    """
    window = last.section.window
    excess = last.start + last.size_bytes - window.end
    inside = [item for item in placed if item.section.window.shares_storage(window)]
    parts = ", ".join(f"{item.section.name} {format_bytes(item.size_bytes)}" for item in inside)
    ranges = [
        (item.start, item.start + item.size_bytes)
        for item in inside
        if item.section.kind not in ("heap", "stack")
    ]
    largest = sorted(
        {
            (size, name)
            for address, size, name in symbols
            if size * 50 >= excess and any(low <= address < high for low, high in ranges)
        },
        reverse=True,
    )[:_SHOWN]
    sentence = (
        f"The program does not fit {board.name}: {window.name} has "
        f"{format_bytes(window.end - window.start)}, and {format_bytes(excess)} too many are asked "
        f"of it ({parts})."
    )
    if largest:
        listed = ", ".join(f"{name} {format_bytes(size)}" for size, name in largest)
        sentence += f" Largest symbols: {listed}."
    heaviest = max(inside, key=lambda item: item.size_bytes)
    return f"{sentence} {_what_helps(heaviest, excess, window, board)}"


def _what_helps(heaviest: _Placed, excess: int, window: Window, board: Board) -> str:
    kind = heaviest.section.kind
    if kind in ("heap", "stack"):
        return f"Reserve less with --set {kind}_bytes=N, or move it: --place {kind}=REGION."
    word = "data" if kind == "bss" else kind
    if word == "boot":
        word = "code"
    others = [
        region.name
        for region in board.chip.regions
        if region.kind == ("flash" if window.is_flash else "ram")
        and region.alias_of is None
        and region.size_bytes >= heaviest.size_bytes
        and not window.start <= region.start < window.end
    ]
    if others:
        return (
            f"Move it with --place {word}={others[0]}, or single symbols with --place NAME=REGION."
        )
    return f"Make it {format_bytes(excess)} smaller; no other region of this board is large enough."
