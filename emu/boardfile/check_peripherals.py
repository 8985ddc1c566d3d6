"""The checks of a chip's peripherals and interrupts, and of what the board connects to them."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from importlib import resources
from itertools import pairwise

from emu.boardfile.findings import Problem, place_problem, suggest
from emu.boardfile.spec import BoardSpec, PeripheralSpec, RegionSpec
from emu.boardfile.tree import Mapping, Path_, quote

# What `clock:` may name; a peripheral's own name stands for a kernel clock of its own.
CLOCKS = (
    "core", "axi", "ahb", "apb1", "apb1_timer", "apb2", "apb2_timer", "apb3", "apb4",
    "hsi", "csi", "hse", "lsi", "lse",
)  # fmt: skip
SERIAL_MODELS = ("usart",)  # those whose output can be the console
_ADDRESS_SPACE_BYTES = 1 << 32
_WORD_BYTES = 4
# The core's own registers, which no chip's peripheral may claim; from 0xE004_0000 on the private
# bus is the chip maker's [ARMv7-M].
_CORE_START, _CORE_END = 0xE000_0000, 0xE004_0000
_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_HANDLER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,60}")
_SETTING = re.compile(r"[a-z][a-z0-9_]{0,31}(@0x[0-9a-f]{1,8})?")


@functools.cache
def list_models() -> tuple[str, ...]:
    """Models that a chip may name: the files of `emu.peripherals.models`, none of them imported."""
    files = resources.files("emu") / "peripherals" / "models"
    names = (item.name for item in files.iterdir())
    return tuple(
        sorted(
            name.removesuffix(".py")
            for name in names
            if name.endswith(".py") and not name.startswith("_")
        )
    )


def check_peripherals(spec: BoardSpec, tree: Mapping) -> Iterator[Problem]:
    """Everything that is wrong with peripherals, interrupts and the console."""
    for name, peripheral in spec.chip.peripherals.items():
        yield from _names(name, peripheral, tree)
        yield from _addresses(name, peripheral, tree)
        yield from _interrupts(name, peripheral, spec, tree)
    yield from _overlaps(spec, tree)
    yield from _named_interrupts(spec, tree)
    yield from _console(spec, tree)


def _path(name: str, *below: str) -> Path_:
    return ("chip", "peripherals", name, *below)


def _names(name: str, peripheral: PeripheralSpec, tree: Mapping) -> Iterator[Problem]:
    words = {_path(name): name}
    words |= {_path(name, "irqs", output): output for output in peripheral.irqs}
    for path, word in words.items():
        if not _NAME.fullmatch(word):
            sentence = f"'{quote(word)}' is no name; use lower-case letters, digits and '_'."
            yield place_problem(tree, sentence, path)
    for key in peripheral.settings:
        if not _SETTING.fullmatch(key):
            yield place_problem(
                tree,
                f"'{quote(key)}' is no setting's name; use lower-case letters, digits and '_', or "
                "name@0x1c for a register's value after reset.",
                _path(name, "settings", key),
            )
    if peripheral.model not in list_models():
        yield place_problem(
            tree,
            f"peripheral '{quote(name)}' wants the model '{quote(peripheral.model)}', which does "
            "not exist; use register_file for one that only keeps what is written, or "
            f"{suggest(peripheral.model, list_models())}",
            _path(name, "model"),
        )
    clock = peripheral.clock
    if clock is not None and clock not in CLOCKS and clock != name:
        yield place_problem(
            tree,
            f"peripheral '{quote(name)}' counts with the clock '{quote(clock)}', which no chip "
            f"has; {suggest(clock, (*CLOCKS, name))}",
            _path(name, "clock"),
        )


def _addresses(name: str, peripheral: PeripheralSpec, tree: Mapping) -> Iterator[Problem]:
    start, size = _path(name, "start"), _path(name, "size_bytes")
    end = peripheral.start + peripheral.size_bytes
    if peripheral.start % _WORD_BYTES or peripheral.size_bytes % _WORD_BYTES:
        yield place_problem(
            tree,
            f"peripheral '{quote(name)}' must start at and span whole words of {_WORD_BYTES} "
            "bytes.",
            size if peripheral.size_bytes % _WORD_BYTES else start,
        )
    if end > _ADDRESS_SPACE_BYTES:
        yield place_problem(
            tree,
            f"peripheral '{quote(name)}' ends at 0x{end:x}, outside the 32-bit address space; "
            "move or shrink it.",
            start,
            size,
        )
    elif peripheral.start < _CORE_END and end > _CORE_START:
        yield place_problem(
            tree,
            f"peripheral '{quote(name)}' reaches into the core's own registers at 0xE000_0000; "
            "move or shrink it.",
            start,
            size,
        )


def _interrupts(
    name: str, peripheral: PeripheralSpec, spec: BoardSpec, tree: Mapping
) -> Iterator[Problem]:
    lines_count = spec.chip.interrupts.lines_count
    for output, number in peripheral.irqs.items():
        if lines_count is not None and number >= lines_count:
            yield place_problem(
                tree,
                f"peripheral '{quote(name)}' drives interrupt {number}, and "
                f"{spec.chip.name} has {lines_count} (0 to {lines_count - 1}).",
                _path(name, "irqs", output),
                ("chip", "interrupts", "lines_count"),
            )


def _named_interrupts(spec: BoardSpec, tree: Mapping) -> Iterator[Problem]:
    interrupts = spec.chip.interrupts
    of_names: Path_ = ("chip", "interrupts", "names")
    of_handlers: Path_ = ("chip", "interrupts", "handlers")
    for name in interrupts.names:
        if not _NAME.fullmatch(name):
            sentence = f"'{quote(name)}' is no name; use lower-case letters, digits and '_'."
            yield place_problem(tree, sentence, (*of_names, name))
    for name, number in interrupts.handlers.items():
        if not _HANDLER.fullmatch(name):
            sentence = f"'{quote(name)}' is no name of a C function; write for instance USART1: 37."
            yield place_problem(tree, sentence, (*of_handlers, name))
        first = next(other for other, at in interrupts.handlers.items() if at == number)
        if first != name:
            yield place_problem(
                tree,
                f"interrupt {number} has two handlers, {quote(first)} and {quote(name)}; leave one "
                "out.",
                (*of_handlers, name),
            )
    for path, numbers in ((of_names, interrupts.names), (of_handlers, interrupts.handlers)):
        for name, number in numbers.items():
            if interrupts.lines_count is not None and number >= interrupts.lines_count:
                yield place_problem(
                    tree,
                    f"interrupt '{quote(name)}' is {number}, and {spec.chip.name} has "
                    f"{interrupts.lines_count} (0 to {interrupts.lines_count - 1}).",
                    (*path, name),
                    ("chip", "interrupts", "lines_count"),
                )


def _overlaps(spec: BoardSpec, tree: Mapping) -> Iterator[Problem]:
    """Two peripherals, or a peripheral and a region, that answer at one address.

    Two regions are the business of `check`.
    """
    stretches: list[tuple[int, int, str, str, Path_]] = [
        (*_stretch(region), "region", name, ("chip", "regions", name))
        for name, region in spec.chip.regions.items()
    ] + [
        (*_stretch(peripheral), "peripheral", name, _path(name))
        for name, peripheral in spec.chip.peripherals.items()
    ]
    for below, above in pairwise(sorted(stretches, key=lambda item: item[:2])):
        (start, end, kind, name, path), (above_start, above_end, above_kind, above_name, _) = (
            below,
            above,
        )
        if end <= above_start or (kind, above_kind) == ("region", "region"):
            continue
        yield place_problem(
            tree,
            f"{above_kind} '{quote(above_name)}' (0x{above_start:08x} to 0x{above_end - 1:08x}) "
            f"overlaps {kind} '{quote(name)}' (0x{start:08x} to 0x{end - 1:08x}); move or shrink "
            "one.",
            above[4],
            (*above[4], "start"),
            (*path, "start"),
            (*path, "size_bytes"),
        )


def _stretch(part: RegionSpec | PeripheralSpec) -> tuple[int, int]:
    return part.start, part.start + part.size_bytes


def _console(spec: BoardSpec, tree: Mapping) -> Iterator[Problem]:
    name = spec.console
    if name is None:
        return
    peripherals = spec.chip.peripherals
    ports = [port for port, item in peripherals.items() if item.model in SERIAL_MODELS]
    if name in ports:
        return
    what = (
        f"which is a {peripherals[name].model}, no serial port"
        if name in peripherals
        else f"which is no peripheral of {spec.chip.name}"
    )
    known = suggest(name, ports) if ports else "the chip describes none; leave it out."
    yield place_problem(
        tree, f"the console is '{quote(name)}', {what}; {known}", ("console",), _path(name, "model")
    )
