"""`emu boards list | show | check`: which boards there are, what they say, what they assume."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from emu.board import Assumption, Board, Cache, Region
from emu.boardfile import list_boards, load_board, parse_assignments, schema
from emu.cli.peripheral_tables import (
    modelled_table,
    register_file_table,
    summarise_peripherals,
)
from emu.cli.result_console import result_console
from emu.errors import BoardError, EmuError, UsageError
from emu.units import format_bytes, format_hz

_PIPE_WIDTH = 160  # columns where there is no terminal to ask: nothing is cut off in a log

app = typer.Typer(
    name="boards",
    help="The boards that firmware can run on, and where their numbers come from.",
    no_args_is_help=True,
    add_completion=False,
)

_Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Change a value, as clock_hz=400M. Repeatable."
    ),
]
_Place = Annotated[
    list[str] | None,
    typer.Option(
        "--place", metavar="WHAT=REGION", help="Place a section or C object, as weights=dtcm."
    ),
]
_Json = Annotated[
    str | None,
    typer.Option("--json", metavar="PATH|-", help="Write JSON to a file, or to stdout with '-'."),
]


@app.command("list")
def list_(json_: _Json = None) -> None:
    """List the shipped boards. Example: emu boards list"""
    summaries = list_boards()
    if json_ is not None:
        _write_json([dataclasses.asdict(summary) for summary in summaries], json_)
        return
    table = _table()
    table.add_column("board", style="bold")
    table.add_column("chip")
    table.add_column("clock", justify="right")
    table.add_column("title")
    table.add_column("file")
    for summary in summaries:
        clock = format_hz(summary.clock_hz)
        table.add_row(summary.name, summary.chip, clock, Text(summary.title), summary.file)
    _stdout().print(table)


@app.command()
def show(
    board: Annotated[str, typer.Argument(metavar="BOARD", help="A name (h743) or a YAML file.")],
    set_: _Set = None,
    place: _Place = None,
    json_: _Json = None,
) -> None:
    """Show a board as a run would see it. Example: emu boards show h743 --set clock_hz=400M"""
    loaded = load_board(
        board,
        set_=parse_assignments("--set", set_ or ()),
        place=parse_assignments("--place", place or ()),
    )
    if json_ is not None:
        _write_json(_as_json(loaded), json_)
        return
    console = _stdout()
    console.print(Text.assemble((loaded.name, "bold"), f"  {loaded.title}"))
    console.print(_facts_table(loaded), "", _memory_table(loaded), sep="\n")
    chip = loaded.chip
    if (modelled := modelled_table(chip)) is not None:
        console.print("", modelled, sep="\n")
    if (kept := register_file_table(chip)) is not None:
        console.print()
        console.print(
            "Register files: what is written is kept and read back, nothing else happens."
        )
        console.print(kept)
    if loaded.overrides:
        console.print()
    for key, value in loaded.overrides:
        console.print(Text.assemble("changed: ", (key, "bold"), f" = {value}"))


@app.command()
def check(
    boards: Annotated[
        list[str] | None,
        typer.Argument(metavar="BOARD", help="Names or YAML files; all shipped ones if none."),
    ] = None,
    list_assumed: Annotated[
        bool,
        typer.Option("--list-assumed", help="List the numbers that no document gives, and why."),
    ] = False,
) -> None:
    """Check board files and count their sources. Example: emu boards check my.yaml"""
    loaded: list[Board] = []
    refusals: list[EmuError] = []
    for name in boards or [summary.name for summary in list_boards()]:
        try:
            loaded.append(load_board(name))
        except (BoardError, UsageError) as error:
            refusals.append(error)
    if list_assumed:
        for board in loaded:
            _stdout().print(_assumed_table(board), "")
        for core in dict.fromkeys(board.chip.core for board in loaded):
            _stdout().print(_core_table(core), "")
    console = _stderr()
    for board in loaded:
        kinds = Counter(_kind(fact) for fact in board.assumptions)
        counts = ", ".join(f"{kinds[kind]} {kind}" for kind in _KINDS)
        console.print(f"{board.name}: fine, {len(board.assumptions)} numbers: {counts}.")
    if refusals:
        raise BoardError("\n".join(str(error) for error in refusals))


@app.command("schema")
def schema_(json_: _Json = "-") -> None:
    """Print the JSON Schema of board files. Example: emu boards schema > board.schema.json"""
    _write_json(schema(), json_ or "-")


def _stdout() -> Console:
    return result_console(_PIPE_WIDTH)


def _stderr() -> Console:
    console = Console(stderr=True, markup=False, emoji=False, highlight=False)
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    return console


def _write_json(value: Any, target: str) -> None:
    text = json.dumps(value, indent=2) + "\n"
    if target == "-":
        typer.echo(text, nl=False)
        return
    try:
        Path(target).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"--json {target}: the file cannot be written: {error.strerror}."
        ) from error


def _as_json(board: Board) -> dict[str, Any]:
    """The board as a run sees it. Names are those of `emu.board`; units are in the names."""
    values = dataclasses.asdict(board)
    values["overrides"] = [{"key": key, "value": value} for key, value in board.overrides]
    symbols = board.placement.symbols
    values["placement"]["symbols"] = [{"symbol": name, "region": where} for name, where in symbols]
    values["oscillators_hz"] = dict(board.oscillators_hz)
    chip = values["chip"]
    chip["interrupts"]["names"] = [
        {"irq": number, "name": name} for number, name in board.chip.interrupts.names
    ]
    for row, item in zip(chip["peripherals"], board.chip.peripherals, strict=True):
        row["irqs"], row["settings"] = dict(item.irqs), dict(item.settings)  # as the file has them
    return values


def _facts_table(board: Board) -> Table:
    chip = board.chip
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim")
    table.add_column()
    table.add_row("chip", f"{chip.name}, {chip.core}, {chip.fpu}-precision FPU")
    bus = format_hz(board.clock_hz // board.bus_ratio)
    table.add_row("clock", f"{format_hz(board.clock_hz)}, bus {bus} (1:{board.bus_ratio})")
    table.add_row("I-cache", _cache_text(chip.icache))
    table.add_row("D-cache", _cache_text(chip.dcache))
    if chip.accelerator is not None:
        art = chip.accelerator
        prefetch = ", prefetch" if art.prefetch else ""
        state = "" if art.enabled else ", off"
        table.add_row("ART", f"{art.lines} lines of {art.line_bytes} B{prefetch}{state}")
    if chip.tcm.byte_store_read_modify_write:
        table.add_row("TCM", "byte and half-word stores read the word first")
    placement = board.placement
    table.add_row("stack", f"{format_bytes(placement.stack_bytes)} in {'+'.join(placement.stack)}")
    table.add_row("heap", f"{format_bytes(placement.heap_bytes)} in {'+'.join(placement.heap)}")
    chip_interrupts = chip.interrupts
    table.add_row("peripherals", summarise_peripherals(chip))
    table.add_row(
        "interrupts",
        f"{chip_interrupts.lines_count}, {chip_interrupts.priority_bits} priority bits; "
        f"MPU of {chip_interrupts.mpu_regions_count} regions",
    )
    crystals = ", ".join(f"{name} {format_hz(hz)}" for name, hz in board.oscillators_hz)
    table.add_row("oscillators", f"{crystals or 'none'} (--set hse_hz=8M)")
    table.add_row("console", f"{board.console or 'none'} (--set console=PERIPHERAL)")
    accuracy = board.accuracy
    if accuracy.mean_error_ratio is None or accuracy.worst_error_ratio is None:
        table.add_row("model error", accuracy.source)
    else:
        mean, worst = accuracy.mean_error_ratio, accuracy.worst_error_ratio
        table.add_row("model error", f"mean {mean:.1%}, worst {worst:.1%} ({accuracy.source})")
    table.add_row("digest", board.digest[:16])
    return table


def _cache_text(cache: Cache) -> str:
    state = "" if cache.enabled else ", off"
    return (
        f"{format_bytes(cache.size_bytes)}, {cache.ways} ways x {cache.sets} sets x "
        f"{cache.line_bytes} B, {cache.replacement.replace('_', '-')}{state}"
    )


def _memory_table(board: Board) -> Table:
    table = _table()
    table.add_column("region", style="bold", no_wrap=True)
    table.add_column("start", no_wrap=True)
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("kind", no_wrap=True)
    table.add_column("bus", no_wrap=True)
    table.add_column("wait\nstates", justify="right", no_wrap=True)
    table.add_column("line fill\ncycles", justify="right", no_wrap=True)
    table.add_column("holds")
    for region in board.chip.regions:
        table.add_row(
            region.name,
            f"0x{region.start:08x}",
            format_bytes(region.size_bytes),
            f"= {region.alias_of}" if region.alias_of else region.kind,
            region.bus + (", ART" if region.accelerator else ""),
            str(region.timing.wait_states),
            f"{board.line_fill_cycles(region):.2f}" if region.cacheable else "uncached",
            Text(_holds(board, region)),
        )
    return table


def _table() -> Table:
    return Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))


def _holds(board: Board, region: Region) -> str:
    placement = board.placement
    sections = {
        "code": placement.code,
        "weights": placement.weights,
        "data": placement.data,
        "heap": placement.heap,
        "stack": placement.stack,
    }
    held = [section for section, names in sections.items() if region.name in names]
    held += [symbol for symbol, name in placement.symbols if name == region.name]
    return ", ".join(held)


_KINDS = ("documented", "measured", "fitted", "assumed")


def _kind(fact: Assumption) -> str:
    prefix = fact.source.partition(":")[0]
    return prefix if prefix in _KINDS else "documented"


def _assumed_table(board: Board) -> Table:
    """Numbers without a document, one row a reason, named as `--set` names them."""
    regions_of: dict[tuple[str, str, str, str, int, bool], list[str]] = {}
    for fact in board.assumptions:
        if _kind(fact) in ("assumed", "fitted"):
            owner, _, field = _short_key(fact.key).rpartition(".")
            identity = (fact.source, field, fact.value, fact.file, fact.line, bool(owner))
            regions_of.setdefault(identity, []).append(owner)
    numbers_of: dict[tuple[str, str], dict[str, int]] = {}
    for (source, field, value, file, line, _), owners in regions_of.items():
        name = f"{', '.join(owners)}.{field}" if owners[0] else field
        numbers_of.setdefault((source, file), {})[f"{name} = {value}"] = line
    table = _table()
    table.add_column(f"{board.name}: number", ratio=3, overflow="fold")
    table.add_column("why", ratio=4)
    for (source, file), numbers in numbers_of.items():
        why = Text.assemble(source, (f"\n{file}:{min(numbers.values())}", "dim"))
        table.add_row("\n".join(numbers), why, end_section=True)
    return table


def _core_table(core: str) -> Table:
    """Groups of the core's timing table that rest on more than documents."""
    # Late: the other commands read no timing table.
    from emu.core.timing_table import load_timing_table

    table = _table()
    table.add_column(f"{core}: group of numbers", ratio=3, overflow="fold")
    table.add_column("why", ratio=4)
    for key, source in load_timing_table(core).sources:
        if "assumed:" in source or _holds_fit(source):
            why = Text.assemble(source, (f"\nboards/cores/{core}.yaml", "dim"))
            table.add_row(key, why, end_section=True)
    return table


def _holds_fit(source: str) -> bool:
    return "fitted:" in source and "fitted: none" not in source


def _short_key(key: str) -> str:
    return key.removeprefix("chip.").removeprefix("regions.").replace(".timing.", ".")
