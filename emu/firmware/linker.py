"""Where each section goes: a linker script for a board, and the refusal when it does not fit.

A *window* is a run of adjacent regions used as one. Sections are laid out one behind the other
inside their window, the narrowest windows first, so a section placed in DTCM alone takes its space
before one that may use DTCM and SRAM together.

Flash is handed out by storage: code that runs in an alias of flash has its address there and its
bytes in flash, and takes no space twice.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import jinja2

from emu.board import Board, Region, Section
from emu.errors import UsageError
from emu.firmware.objectfile import ObjectSection, ObjectSummary

# Starts are aligned to a line of cache and of flash (32 bytes on this core), so that a change of
# size in one section does not shift how the next one falls into lines.
_ALIGN_BYTES = 32

# A function or object at address 0 would compare equal to NULL.
_FIRST_USED_ADDRESS = _ALIGN_BYTES

_NO_WRITING = "{} cannot be placed in {}, which is flash. Name a RAM region."

_GENERAL_RULES: dict[str, tuple[str, ...]] = {
    "code": ("*(.text .text.* .gnu.linkonce.t.* .init .fini .glue_7* .vfp11_veneer .v4_bx)",),
    "weights": ("*(.rodata .rodata.* .gnu.linkonce.r.* .srodata .srodata.*)",),
    "data": ("*(.data .data.* .gnu.linkonce.d.* .sdata .sdata.* .jcr .tm_clone_table)",),
    "bss": ("*(.bss .bss.* .gnu.linkonce.b.* .sbss .sbss.* COMMON)",),
}
_KNOWN_PREFIXES = (
    ".text", ".rodata", ".data", ".bss", ".init", ".fini", ".glue_7", ".vfp11_veneer", ".v4_bx",
    ".gnu.linkonce", ".srodata", ".sdata", ".sbss", ".jcr", ".tm_clone_table", "COMMON",
    ".preinit_array", ".ctors", ".dtors", ".ARM.exidx", ".ARM.extab", ".eh_frame", ".note",
    ".isr_vector", ".emu_", ".llvm_addrsig",
)  # fmt: skip
_BOOT_RULES = (
    "KEEP(*(.emu_vectors))",
    "KEEP(*(.isr_vector))",
    "*(.emu_boot .emu_boot.*)",
    ". = ALIGN(4);",
    "__init_array_start = .;",
    "KEEP(*(.preinit_array .preinit_array.*))",
    "KEEP(*(SORT_BY_INIT_PRIORITY(.init_array.*) .init_array))",
    "__init_array_end = .;",
)


@dataclass(frozen=True)
class Window:
    """Adjacent regions used as one: `start` inclusive, `end` exclusive, as the core sees them.

    Attributes:
        alias_offset: how far these addresses lie above those of the storage behind them.
    """

    name: str
    start: int
    end: int
    is_flash: bool
    alias_offset: int = 0

    @property
    def size_bytes(self) -> int:
        return self.end - self.start

    @property
    def storage_start(self) -> int:
        return self.start - self.alias_offset

    @property
    def storage_end(self) -> int:
        return self.end - self.alias_offset

    def shares_storage(self, other: Window) -> bool:
        return self.storage_start < other.storage_end and other.storage_start < self.storage_end


@dataclass(frozen=True)
class OutputSection:
    """One section of the image. `load` is the window its bytes wait in until they are copied."""

    id: str
    name: str
    kind: str  # boot, code, weights, data, bss, heap, stack
    window: Window
    load: Window | None
    rules: tuple[str, ...]
    reserved_bytes: int | None = None


@dataclass(frozen=True)
class Layout:
    """A rendered script and what it put where, in the order of the script."""

    script: str
    sections: tuple[OutputSection, ...]


@dataclass(frozen=True)
class _Rendered:
    """An output section as the template wants it."""

    id: str
    name: str
    segment: str
    align: int
    start: str
    load: str
    alias_offset: str
    rules: tuple[str, ...]
    opening: tuple[str, ...]
    closing: tuple[str, ...]
    reserved: str
    holds_tables: bool


def window_of(board: Board, names: Sequence[str]) -> Window:
    """The window that region names stand for.

    Raises:
        UsageError: a region is unknown, or the regions do not adjoin.
    """
    regions = [_region(board, name) for name in names]
    for before, after in pairwise(regions):
        if before.end != after.start:
            raise UsageError(
                f"Regions {before.name} and {after.name} do not adjoin ({before.name} ends at "
                f"0x{before.end:08x}, {after.name} starts at 0x{after.start:08x}), so nothing can "
                "be placed across both. Name one of them."
            )
    first = regions[0]
    offset = 0
    if first.alias_of is not None:
        offset = first.start - _region(board, first.alias_of).start
    start = max(first.start, _FIRST_USED_ADDRESS) if first.kind != "flash" else first.start
    return Window("+".join(names), start, regions[-1].end, first.kind == "flash", offset)


def _region(board: Board, name: str) -> Region:
    usable = [region.name for region in board.chip.regions if region.kind != "device"]
    if name not in usable:
        raise UsageError(
            f"Board '{board.name}' has no memory region '{name}'. Regions: {', '.join(usable)}."
        )
    return board.chip.region(name)


def _storage_flash(board: Board) -> Window:
    """Where the vector table and the images of copied sections go."""
    code = window_of(board, board.placement.code)
    if code.is_flash:
        start, end = code.storage_start, code.storage_end
        return Window(code.name if not code.alias_offset else "flash", start, end, True)
    for region in board.chip.regions:
        if region.kind == "flash" and region.alias_of is None:
            return Window(region.name, region.start, region.end, True)
    raise UsageError(f"Board '{board.name}' has no flash region to boot from.")


def plan_layout(board: Board, objects: Sequence[tuple[Path, ObjectSummary]]) -> Layout:
    """Decide where each section goes and render the linker script.

    Args:
        board: its regions and placement.
        objects: every object of the link, the program's own first.

    Raises:
        UsageError: a placement names an unknown region or symbol, or a symbol that shares its
            section with others.
    """
    flash = _storage_flash(board)
    placement = board.placement
    sections = [OutputSection("boot", ".boot", "boot", flash, None, _BOOT_RULES)]
    sections += _special_sections(board, objects, flash)
    general: list[OutputSection] = []
    extra = _custom_section_rules(board, objects)
    for kind, names in (
        ("code", placement.code),
        ("weights", placement.weights),
        ("data", placement.data),
        ("bss", placement.data),
    ):
        name = {"code": ".text", "weights": ".rodata"}.get(kind, f".{kind}")
        window = window_of(board, names)
        if window.is_flash and kind in ("data", "bss"):
            raise UsageError(_NO_WRITING.format("Data that is written", window.name))
        load = None if window.is_flash or kind == "bss" else flash
        rules = _GENERAL_RULES[kind] + extra.get(kind, ())
        general.append(OutputSection(kind, name, kind, window, load, rules))
    for kind, names, size_bytes in (
        ("heap", placement.heap, placement.heap_bytes),
        ("stack", placement.stack, placement.stack_bytes),
    ):
        window = window_of(board, names)
        if window.is_flash:
            raise UsageError(_NO_WRITING.format(f"The {kind}", window.name))
        reserved = (size_bytes + 7) & ~7
        general.append(OutputSection(kind, f".{kind}", kind, window, None, (), reserved))
    # Flash first (its order is the order in flash), then RAM, narrow windows first; the stack
    # lowest in its window, so that an overflow leaves the memory instead of entering data.
    in_flash = [section for section in general if section.window.is_flash]
    in_ram = [section for section in general if not section.window.is_flash]
    in_ram.sort(key=lambda section: (section.window.size_bytes, section.kind != "stack"))
    sections += in_flash + in_ram
    return Layout(_render(board, sections), tuple(sections))


def _special_sections(
    board: Board, objects: Sequence[tuple[Path, ObjectSummary]], flash: Window
) -> list[OutputSection]:
    """Output sections of single symbols placed by name, and of sections named after a region."""
    rules: dict[tuple[str, str], list[str]] = {}
    for symbol, region in dict(board.placement.symbols).items():
        window_of(board, (region,))
        for section in _sections_of_symbol(symbol, region, objects):
            kind = _kind_of(section)
            rules.setdefault((region, kind), []).append(f"*({section.name})")
    names = [region.name for region in board.chip.regions if region.kind != "device"]
    for _, summary in objects:
        for section in summary.sections:
            for region in names:
                if section.name == f".{region}" or section.name.startswith(f".{region}."):
                    kind = _kind_of(section)
                    rules.setdefault((region, kind), []).append(f"*({section.name})")
    found = []
    for (region, kind), texts in sorted(rules.items()):
        window = window_of(board, (region,))
        if window.is_flash and kind in ("data", "bss"):
            raise UsageError(_NO_WRITING.format("Data that is written", region))
        name = {"code": ".text", "weights": ".rodata"}.get(kind, f".{kind}")
        load = None if window.is_flash or kind == "bss" else flash
        found.append(
            OutputSection(
                f"{kind}_{region}", f"{name}_{region}", kind, window, load,
                tuple(dict.fromkeys(texts)),
            )
        )  # fmt: skip
    return sorted(found, key=lambda section: not section.window.is_flash)


def _sections_of_symbol(
    symbol: str, region: str, objects: Sequence[tuple[Path, ObjectSummary]]
) -> list[ObjectSection]:
    found: list[ObjectSection] = []
    for _, summary in objects:
        by_name = {section.name: section for section in summary.sections}
        for candidate in summary.symbols:
            # A static object inside a function is called function.object by clang and
            # object.number by GCC.
            parts = candidate.name.split(".")
            if candidate.name != symbol and not (candidate.is_local and symbol in parts):
                continue
            section = by_name.get(candidate.section)
            if section is None:
                continue
            if not section.name.endswith(f".{candidate.name}"):
                raise UsageError(
                    f"'{symbol}' cannot be placed in {region}: it lies in section {section.name} "
                    "together with others. Compile it without -fno-data-sections and "
                    "-fno-function-sections, or give it a section of its own."
                )
            found.append(section)
    if not found:
        known = sorted({item.name for _, summary in objects for item in summary.symbols})
        near = difflib.get_close_matches(symbol, known, 3)
        hint = f" Did you mean {', '.join(near)}?" if near else ""
        raise UsageError(
            f"There is no function or object '{symbol}' to place in {region}: the program does "
            f"not define it, or the compiler removed it.{hint}"
        )
    return found


def _kind_of(section: ObjectSection) -> Section | str:
    if section.executable:
        return "code"
    if section.zero_filled:
        return "bss"
    return "data" if section.writable else "weights"


def _custom_section_rules(
    board: Board, objects: Iterable[tuple[Path, ObjectSummary]]
) -> dict[str, tuple[str, ...]]:
    """Rules for sections that a program named itself: each goes with what it is."""
    regions = tuple(region.name for region in board.chip.regions)
    names: dict[str, dict[str, None]] = {}
    for _, summary in objects:
        for section in summary.sections:
            first = section.name.lstrip(".").split(".")[0]
            if section.name.startswith(_KNOWN_PREFIXES) or first in regions:
                continue
            names.setdefault(_kind_of(section), {})[f"*({section.name})"] = None
    return {kind: tuple(rules) for kind, rules in names.items()}


def _render(board: Board, sections: Sequence[OutputSection]) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # a linker script is no HTML
    )
    rendered = [
        _Rendered(
            id=section.id,
            name=section.name,
            segment=f"seg_{section.id}",
            align=_ALIGN_BYTES,
            start=_start_expression(section, sections[:index]),
            load=_load_expression(section, sections[:index]),
            alias_offset=_hex(section.window.alias_offset) if section.window.alias_offset else "",
            rules=section.rules,
            opening=_opening_symbols(section),
            closing=_closing_symbols(section),
            reserved="" if section.reserved_bytes is None else _hex(section.reserved_bytes),
            holds_tables=section.kind == "boot",
        )
        for index, section in enumerate(sections)
    ]
    return environment.get_template("link.ld.j2").render(
        title=f"{board.title} ({board.chip.name})",
        sections=rendered,
        copied=[section for section in sections if section.load is not None],
        zeroed=[section for section in sections if section.kind == "bss"],
    )


def _hex(value: int) -> str:
    return f"0x{value:x}" if value >= 0 else f"(0 - 0x{-value:x})"


def _start_expression(section: OutputSection, before: Sequence[OutputSection]) -> str:
    """The first free address of a section's window, as an expression of the linker's."""
    offset = section.window.alias_offset
    free = _free_storage(section.window, before)
    return f"({free}) + {_hex(offset)}" if offset else free


def _load_expression(section: OutputSection, before: Sequence[OutputSection]) -> str:
    return "" if section.load is None else _free_storage(section.load, before)


def _free_storage(window: Window, before: Sequence[OutputSection]) -> str:
    expression = _hex(window.storage_start)
    for other in before:
        if other.window.shares_storage(window):
            offset = other.window.alias_offset
            end = f"__end_{other.id}" + (f" - {_hex(offset)}" if offset else "")
            expression = f"MAX({expression}, {end})"
        elif other.load is not None and other.load.shares_storage(window):
            end = f"__load_{other.id} + SIZEOF({other.name})"
            expression = f"MAX({expression}, {end})"
    return expression


def _opening_symbols(section: OutputSection) -> tuple[str, ...]:
    return {
        "data": ("_sdata",),
        "bss": ("_sbss", "__bss_start__"),
        "heap": ("__heap_start",),
        "stack": ("__stack_limit",),
    }.get(section.id, ())


def _closing_symbols(section: OutputSection) -> tuple[str, ...]:
    return {
        "data": ("_edata",),
        "bss": ("_ebss", "__bss_end__"),
        "heap": ("__heap_limit",),
        "stack": ("__stack_top",),
    }.get(section.id, ())
