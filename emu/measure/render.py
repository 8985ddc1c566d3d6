"""A report as a page for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from emu.backends.protocol import Cause
from emu.measure.call_path import Step, fold
from emu.measure.page import (
    FAINT,
    HEADING,
    bar,
    count_text,
    cut,
    cycles_text,
    dots,
    percent_text,
    plain_table,
    rate_text,
    size_text,
)
from emu.measure.quantity import format_ms
from emu.measure.render_system import (
    clock_text,
    other_output_text,
    render_busy_loop,
    render_captures,
    render_interrupts,
    render_unknown_registers,
)
from emu.measure.report import (
    CauseCycles,
    FaultReport,
    Frame,
    FunctionCost,
    LineCost,
    RegionUse,
    Report,
)
from emu.units import format_hz

_CAUSE_TITLES = {
    Cause.ISSUE: ("issue", "green"),
    Cause.LATENCY: ("result latency", "yellow"),
    Cause.BRANCH: ("branch", "magenta"),
    Cause.ICACHE: ("I-cache", "blue"),
    Cause.DCACHE: ("D-cache", "cyan"),
    Cause.FLASH: ("flash", "red"),
    Cause.BUS: ("bus", "bright_black"),
    Cause.EXCEPTION: ("exceptions", "bright_magenta"),
    Cause.SLEEP: ("asleep", "bright_blue"),
}
_OF_WHOLE_FIRMWARE = (Cause.EXCEPTION, Cause.SLEEP)  # a function alone has none: not worth a row
_MEANT_ENDS = {
    "until": " until the text of --until",
    "script_ended": " until the script was through",
}
_INDENT = (0, 0, 0, 1)
_DEEPEST_INDENT = 8


def render_report(report: Report, console: Console, *, top: int = 10) -> None:
    """Print a report.

    Args:
        report: what to print.
        console: where; its width decides how much room names and bars get.
        top: rows of the tables of functions and of lines, 0 or more.
    """
    wide = console.width >= 100
    parts: list[RenderableType] = [_title(report), _totals(report)]
    if report.busy_loop is not None:
        parts.append(render_busy_loop(report.busy_loop))
    if report.fault is not None:
        parts.append(render_fault(report.fault))
    if report.cycles_by_cause is not None and report.elapsed_cycles:
        parts.append(_causes(report.cycles_by_cause, report.elapsed_cycles, console))
    if top:
        parts.append(_functions(report, top, console, wide))
        if any(row.file for row in report.lines):
            parts.append(_lines(report, top, console.width))
    if report.interrupts and top:
        parts.append(render_interrupts(report.interrupts, top, console))
    parts.append(_memory(report, wide))
    if report.calls:
        parts.append(_calls(report, wide))
    if report.captures:
        parts.append(render_captures(report.captures, console))
    if report.unknown_registers:
        parts.append(render_unknown_registers(report.unknown_registers, console))
    parts.append(_footnotes(report))
    for part in parts:
        console.print(Padding(part, _INDENT))
        console.print()


def render_fault(fault: FaultReport) -> RenderableType:
    """Where a fault struck: the call path with its lines, and the registers."""
    where = [Text("Call path", style=HEADING), _path(fault.call_path)]
    registers = Table.grid(padding=(0, 2))
    for start in range(0, len(fault.registers), 4):
        registers.add_row(
            *(
                Text.assemble((f"{register.name:>4} ", FAINT), f"{register.value:08x}")
                for register in fault.registers[start : start + 4]
            )
        )
    return Group(*where, Text(), Text("Registers", style=HEADING), registers)


def _title(report: Report) -> RenderableType:
    origin = report.provenance
    name = ", ".join(Path(source).name for source in origin.sources[:3]) or "program"
    if len(origin.sources) > 3:
        name += f" and {len(origin.sources) - 3} more"
    compiler = origin.compiler
    built = compiler.version if compiler else "built elsewhere"
    if compiler:
        built += "".join(f" {flag}" for flag in compiler.flags if flag.startswith("-O"))
    faint = f"{built}, timing {origin.timing}, accesses {origin.accesses}"
    changed = ", ".join(f"{item.key}={item.value}" for item in origin.board.overrides)
    lines = [
        Text.assemble(
            (name, HEADING),
            f" on {origin.board.title} ({origin.board.name}) at {format_hz(report.clock_hz)}",
        ),
        Text(faint, style=FAINT),
    ]
    if changed:
        lines.append(Text(f"changed: {changed}", style="yellow"))
    return Group(*lines)


def _totals(report: Report) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style=FAINT)
    grid.add_column(justify="right", style=HEADING, no_wrap=True)
    grid.add_column()
    error = f"{report.cycles_kind}, {report.provenance.model_error}"
    if report.latency_cycles is not None and report.latency_ms is not None:
        grid.add_row(
            "Latency",
            format_ms(report.latency_ms),
            f"{report.latency_cycles:,} cycles{_MEANT_ENDS.get(report.outcome, '')} ({error})",
        )
    elif report.elapsed_cycles is not None:
        after = cycles_text(report.elapsed_cycles, None) + " cycles"
        if report.elapsed_ms is not None:
            after += f" = {format_ms(report.elapsed_ms)}"
        grid.add_row("Latency", "-", f"stopped after {after} ({error})")
    else:
        grid.add_row("Latency", "-", "not timed (--timing none)")
    if report.clocks:
        grid.add_row("Clock", format_hz(report.clock_hz), clock_text(report))
    grid.add_row(
        "Speed",
        f"{report.ipc_ratio:.2f} IPC" if report.ipc_ratio is not None else "-",
        f"{report.instructions_count:,} instructions",
    )
    grid.add_row("Peak SRAM", size_text(report.peak_sram_bytes), _sram_parts(report))
    grid.add_row(
        "Flash",
        size_text(report.flash_bytes),
        f"code {size_text(report.flash_code_bytes)}"
        f" + constants {size_text(report.flash_rodata_bytes)}"
        f" + initial data {size_text(report.flash_data_image_bytes)}",
    )
    return grid


def _sram_parts(report: Report) -> str:
    return (
        f"static {size_text(report.static_sram_bytes)} + heap {size_text(report.heap_peak_bytes)}"
        f" + stack {size_text(report.stack_peak_bytes)}"
    )


def _causes(causes: CauseCycles, total: int, console: Console) -> RenderableType:
    table = plain_table("Where the cycles went", "", "cycles", "share")
    width = max(12, min(40, console.width - 46))
    for cause, cycles in causes.items():
        title, colour = _CAUSE_TITLES[cause]
        share = cycles / total
        if not cycles and cause in _OF_WHOLE_FIRMWARE:
            continue
        if not cycles:
            table.add_row(Text(title, style=FAINT), "", Text("-", style=FAINT), "")
            continue
        table.add_row(title, bar(share, width, colour, console), f"{cycles:,}", percent_text(share))
    return table


def _functions(report: Report, top: int, console: Console, wide: bool) -> RenderableType:
    timed = report.elapsed_cycles is not None
    headings = ["Functions, callees apart" if wide else "Functions", "where"]
    headings += ["cycles", "share"] if timed else []
    headings += ["instructions"] if wide or not timed else []
    headings += ["calls"]
    rows = []
    for row in report.functions[:top]:
        cells = [row.name or "(no symbol)", _where(row)]
        cells += [count_text(row.self_cycles), percent_text(row.self_share_ratio)] if timed else []
        cells += [count_text(row.instructions_count)] if wide or not timed else []
        rows.append([*cells, count_text(row.calls_count)])
    mostly = [_mostly(row.cycles_by_cause) for row in report.functions[:top]]
    # What the numbers leave to names: a table that is too wide would cut the numbers instead.
    taken = sum(
        max(len(heading), *(len(row[at]) for row in rows), 0) + 2
        for at, heading in enumerate(headings[1:], start=1)
    )
    room = console.width - 3 - taken
    mostly_room = max(map(len, mostly), default=0) + 2 if timed else 0
    with_mostly = timed and room - mostly_room >= 20
    table = plain_table(*headings, left=2)
    if with_mostly:
        room -= mostly_room
        table.add_column(Text("mostly", style=FAINT), style=FAINT, no_wrap=True)
    for (name, *others), cause in zip(rows, mostly, strict=True):
        cells = [cut(name, max(room, 12)), *others]
        table.add_row(*map(Text, cells), *([Text(cause)] if with_mostly else []))
    return _with_rest(table, report.functions, top, console)


def _lines(report: Report, top: int, width: int) -> RenderableType:
    timed = report.elapsed_cycles is not None
    mostly = timed and width >= 100
    table = plain_table(*(["Lines", "cycles", "share"] if timed else ["Lines", "instructions"]))
    if mostly:
        table.add_column(Text("mostly", style=FAINT), style=FAINT, no_wrap=True)
    table.add_column(Text("source", style=FAINT), no_wrap=True)
    shown = report.lines[:top]
    # What the other columns leave: a table that is too wide would shrink the numbers instead.
    places = max((len(_where(row)) for row in shown), default=0)
    counts = max(
        (len(count_text(row.self_cycles or row.instructions_count)) for row in shown), default=0
    )
    room = max(12, width - 22 - max(places, 9) - max(counts, 6) - (20 if mostly else 0))
    for row in shown:
        cells = [_where(row) or "(no line)"]
        cells += [count_text(row.self_cycles), percent_text(row.self_share_ratio)] if timed else []
        cells += [] if timed else [count_text(row.instructions_count)]
        cells += [_mostly(row.cycles_by_cause)] if mostly else []
        table.add_row(*map(Text, cells), Text(cut(_source_line(row.file, row.line), room)))
    return table


def _memory(report: Report, wide: bool) -> RenderableType:
    used = [region for region in report.memory.regions if region.used_bytes]
    columns = _memory_columns(used, wide)
    table = plain_table("Memory", *columns, "used", "of", "")
    if not wide:
        table.padding = (0, 1, 0, 0)
    for number, region in enumerate(used):
        share = region.used_bytes / region.capacity_bytes
        table.add_row(
            Text(region.name),
            *(size_text(values[number]) if values[number] else "" for values in columns.values()),
            Text(size_text(region.used_bytes), style=HEADING),
            size_text(region.capacity_bytes),
            Text(percent_text(share), style="red" if share > 0.9 else ""),
        )
    parts: list[RenderableType] = [table]
    for where, symbols in (
        ("RAM", report.memory.static_symbols),
        ("flash", report.memory.flash_symbols),
    ):
        if symbols:
            names = ", ".join(f"{item.name} {size_text(item.size_bytes)}" for item in symbols[:5])
            parts.append(Text(f"largest in {where}: {names}", style=FAINT))
    if report.memory.stack_call_path:
        path = " > ".join(_step(step) for step in fold(report.memory.stack_call_path))
        parts.append(Text(f"stack deepest at: {path}", style=FAINT))
    return Group(*parts)


def _memory_columns(used: Sequence[RegionUse], wide: bool) -> dict[str, list[int]]:
    """What lies in the memories, by heading; what lies in none of them is left out."""
    columns = {
        "code": [region.code_bytes for region in used],
        "constants" if wide else "const": [region.constants_bytes for region in used],
    }
    if wide:
        columns["data"] = [region.data_bytes for region in used]
        columns["bss"] = [region.bss_bytes for region in used]
    else:
        columns["data"] = [region.data_bytes + region.bss_bytes for region in used]
    columns["heap"] = [region.heap_peak_bytes or 0 for region in used]
    columns["stack"] = [region.stack_peak_bytes or 0 for region in used]
    return {heading: values for heading, values in columns.items() if any(values)}


def _step(step: Step) -> str:
    if not step.frames:
        return f"... {step.times:,} more calls ..."
    said = " > ".join(map(_short_name, step.frames))
    if step.times == 1:
        return said
    return f"{said} x {step.times:,}" if len(step.frames) == 1 else f"({said}) x {step.times:,}"


def _short_name(frame: Frame) -> str:
    name = frame.function or f"0x{frame.address:08x}"
    return f"{name} ({Path(frame.file).name}:{frame.line})" if frame.file else name


def _calls(report: Report, wide: bool) -> RenderableType:
    headings = ["Measured, callees included" if wide else "Measured calls", "calls"]
    headings += ["first (cold)", "later (warm)"]
    headings += ["from", "to"] if wide else []
    table = plain_table(*headings, "stack")
    for call in report.calls:
        if call.error is not None:
            table.add_row(
                Text(call.name), f"{call.calls_count:,}", Text(call.error, style="yellow")
            )
            continue
        cells = [cut(call.name, 40 if wide else 22), f"{call.calls_count:,}"]
        cells += [cycles_text(call.cold_cycles, call.cold_ms)]
        cells += [cycles_text(call.warm_mean_cycles, call.warm_mean_ms)]
        if wide:
            cells += [count_text(call.warm_min_cycles), count_text(call.warm_max_cycles)]
        table.add_row(*map(Text, cells), size_text(call.stack_peak_bytes))
    if all(call.cold_ms is None for call in report.calls):
        return table
    error = f"{report.cycles_kind}, {report.provenance.model_error}"
    return Group(table, Text(error, style=FAINT))


def _footnotes(report: Report) -> RenderableType:
    accesses, traffic = report.accesses, report.traffic
    seen = accesses.reconstructed_count + accesses.hooked_count + accesses.unresolved_count
    lines = []
    if seen:
        lines.append(
            f"data accesses: {accesses.reconstructed_count:,} reconstructed, "
            f"{accesses.hooked_count:,} hooked, {accesses.unresolved_count:,} unresolved "
            f"({rate_text(accesses.unresolved_count / seen)})"
        )
    rates = [
        (title, misses, total)
        for title, misses, total in (
            ("I-cache misses", traffic.icache_misses_count, traffic.icache_accesses_count),
            ("D-cache misses", traffic.dcache_misses_count, traffic.dcache_accesses_count),
            ("mispredicted branches", traffic.mispredicts_count, traffic.branches_count),
        )
        if misses is not None and total
    ]
    if rates:
        lines.append(
            ", ".join(
                f"{title} {misses:,} ({rate_text(misses / total)})"
                for title, misses, total in rates
            )
        )
    if printed := other_output_text(report):
        lines.append(printed)
    lines.extend(report.notes)
    lines.append(f"board {report.provenance.board.digest[:12]}, took {report.host_s:.2f} s")
    return Group(*(Text(line, style=FAINT) for line in lines))


def _with_rest(
    table: Table, rows: Sequence[FunctionCost], top: int, console: Console
) -> RenderableType:
    rest = rows[top:]
    if not rest:
        return table
    cycles = sum(row.self_cycles or 0 for row in rest)
    share = sum(row.self_share_ratio or 0.0 for row in rest)
    said = f"{len(rest)} more" + (f", {cycles:,} cycles, {percent_text(share)}" if cycles else "")
    return Group(table, Text(f"{dots(console)} {said} (--top {len(rows)} shows all)", style=FAINT))


def _path(frames: Sequence[Frame]) -> RenderableType:
    lines: list[str] = []
    depth = 0
    for step in fold(frames):
        for frame in step.frames:
            lines.append(f"{'  ' * min(depth, _DEEPEST_INDENT)}{frame}")
            depth += 1
        if again := _again(step):
            lines.append(f"{'  ' * min(depth, _DEEPEST_INDENT)}{again}")
    return Group(*map(Text, lines))


def _again(step: Step) -> str:
    if not step.frames:
        return f"... {step.times:,} more calls ..."
    if step.times == 1:
        return ""
    what = "called itself" if len(step.frames) == 1 else f"these {len(step.frames)} called in turn"
    return f"... {what}, {step.times - 1:,} more times"


def _mostly(causes: CauseCycles | None) -> str:
    if causes is None or not causes.total_cycles:
        return ""
    cause, cycles = max(causes.items(), key=lambda item: item[1])
    return f"{_CAUSE_TITLES[cause][0]} {cycles / causes.total_cycles * 100:.0f} %"


def _where(row: FunctionCost | LineCost) -> str:
    if row.file is None:
        return ""
    return f"{Path(row.file).name}:{row.line}"


def _lines_of(file: str) -> tuple[str, ...]:
    # The runtime's own sources go by their place in this package.
    for path in (Path(file), Path(__file__).parents[2] / file):
        try:
            return _read_lines(path.resolve(), path.stat().st_mtime_ns)
        except OSError:
            continue
    return ()


@lru_cache(maxsize=64)
def _read_lines(path: Path, _changed_ns: int) -> tuple[str, ...]:
    """Lines of a file as it was at a time: one process may print pages from several folders."""
    return tuple(path.read_text("utf-8", "replace").splitlines())


def _source_line(file: str | None, line: int | None) -> str:
    if file is None or line is None:
        return ""
    lines = _lines_of(file)
    return lines[line - 1].strip().replace("\t", " ") if line <= len(lines) else ""
