"""The peripherals of a board as tables: those that behave, and those that only keep what is
written.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from rich import box
from rich.table import Table
from rich.text import Text

from emu.board import Chip, MappedPeripheral

REGISTER_FILE = "register_file"
_ACROSS = 4  # register files side by side


def summarise_peripherals(chip: Chip) -> str:
    """How many there are, in a few words."""
    kept = sum(item.model == REGISTER_FILE for item in chip.peripherals)
    if not chip.peripherals:
        return "none described"
    return f"{len(chip.peripherals) - kept} modelled, {kept} that only keep what is written"


def modelled_table(chip: Chip) -> Table | None:
    """One row a peripheral that a model behaves like, by address; None where there are none."""
    if all(item.model == REGISTER_FILE for item in chip.peripherals):
        return None
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("peripheral", style="bold", no_wrap=True)
    table.add_column("model", no_wrap=True)
    table.add_column("start", no_wrap=True)
    table.add_column("clock", no_wrap=True)
    table.add_column("interrupts")
    for item in chip.peripherals:
        if item.model != REGISTER_FILE:
            row = (item.name, item.model, f"0x{item.start:08x}", item.clock or "")
            table.add_row(*row, Text(interrupts_text(item)))
    return table


def register_file_table(chip: Chip) -> Table | None:
    """Names and addresses of the rest, several a line; None where there are none."""
    kept = [item for item in chip.peripherals if item.model == REGISTER_FILE]
    if not kept:
        return None
    rows_count = -(-len(kept) // _ACROSS)
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0))
    for _ in range(0, len(kept), rows_count):
        table.add_column(style="bold", no_wrap=True)
        table.add_column(no_wrap=True, min_width=12)
    for row in range(rows_count):
        cells = [(item.name, f"0x{item.start:08x}") for item in kept[row::rows_count]]
        table.add_row(*(text for cell in cells for text in cell))
    return table


def interrupts_text(item: MappedPeripheral) -> str:
    """Numbers, with the outputs that drive them where there are several.

    For example "37", or "update 25, compare 27", or "stream0-6 11-17, stream7 47".
    """
    if [output for output, _ in item.irqs] == ["global"]:
        return str(item.irqs[0][1])
    return ", ".join(_stretch(list(run)) for run in _runs(item.irqs))


def _runs(irqs: Iterable[tuple[str, int]]) -> list[list[tuple[str, int]]]:
    """Outputs that differ in a number alone, counting up together with their interrupts."""

    def place(at: int, irq: tuple[str, int]) -> tuple[object, ...]:
        output, number = irq
        word = output.rstrip("0123456789")
        digits = output[len(word) :]
        return (word, number - int(digits)) if digits and "_" not in word else (output, at)

    keyed = [(place(at, irq), irq) for at, irq in enumerate(irqs)]
    return [[irq for _, irq in run] for _, run in groupby(keyed, key=lambda pair: pair[0])]


def _stretch(run: list[tuple[str, int]]) -> str:
    (first, low), (last, high) = run[0], run[-1]
    if first == last:
        return f"{first} {low}"
    word = first.rstrip("0123456789")
    return f"{first}-{last.removeprefix(word)} {low}-{high}"
