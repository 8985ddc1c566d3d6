"""What happened around the program, for the page of a report: clocks, interrupts, registers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.text import Text

from emu.measure.page import (
    FAINT,
    HEADING,
    count_text,
    cut,
    cycles_text,
    dots,
    percent_text,
    plain_table,
)
from emu.measure.quantity import format_ms
from emu.measure.report import (
    Capture,
    InterruptCost,
    Report,
    UnmodelledRegister,
    WaitingLoop,
)
from emu.units import format_bytes, format_hz

_MOST_REGISTERS = 10
_MOST_VALUES = 5


def clock_text(report: Report) -> str:
    """How the clock came to be what it is: `from 1.2 ms on (16 MHz before), 7 wait states`."""
    last = report.clocks[-1]
    since = last
    for setting in reversed(report.clocks):
        if setting.clock_hz != last.clock_hz:
            break
        since = setting
    before = dict.fromkeys(
        setting.clock_hz for setting in report.clocks if setting.at_cycles < since.at_cycles
    )
    text = "from reset on" if since.at_cycles == 0 else f"from {format_ms(since.at_ms)} on"
    if before:
        text += f" ({', '.join(map(format_hz, before))} before)"
    states = last.flash_wait_states
    return f"{text}, {states} wait state{'s' * (states != 1)}, bus 1:{last.bus_ratio}"


def render_busy_loop(loop: WaitingLoop) -> RenderableType:
    """What a firmware waited for when it was stopped."""
    place = f" ({loop.file}:{loop.line})" if loop.file else ""
    where = f"{loop.function or 'code without a name'}{place} at 0x{loop.pc:08x}"
    return Group(
        Text("Waits in a loop", style="bold yellow"),
        Text(loop.sentence),
        Text.assemble(
            ("in ", FAINT),
            where,
            ("; ", FAINT),
            loop.register_name,
            (f" at 0x{loop.address:08x} held ", FAINT),
            f"0x{loop.value:08x}",
        ),
    )


def render_interrupts(
    interrupts: Sequence[InterruptCost], top: int, console: Console
) -> RenderableType:
    """Exceptions that were taken: how often, how late at worst, and what they took."""
    wide = console.width >= 100
    headings = ["Interrupts", "handler"] if wide else ["Interrupts"]
    headings += ["taken", "tail-chained"] if wide else ["taken"]
    made = plain_table(*headings, "worst latency", "cycles", "share", left=2 if wide else 1)
    names = [cut(row.name, 26 if wide else 22) for row in interrupts[:top]]
    room = console.width - 76 - max(map(len, names))  # what the other columns leave
    for name, row in zip(names, interrupts, strict=False):
        cells = [name]
        cells += [_handler(row, room)] if wide else []
        cells += [f"{row.taken_count:,}"]
        cells += [f"{row.tail_chained_count:,}"] if wide else []
        made.add_row(
            *map(Text, cells),
            cycles_text(row.latency_max_cycles, row.latency_max_us / 1000),
            count_text(row.total_cycles),
            percent_text(row.share_ratio),
        )
    rest = len(interrupts) - top
    if rest <= 0:
        return made
    return Group(
        made, Text(f"{dots(console)} {rest} more (--top {len(interrupts)} shows all)", style=FAINT)
    )


def _handler(row: InterruptCost, room: int) -> str:
    name = row.function or f"0x{row.handler:08x}"
    place = f" ({Path(row.file).name}:{row.line})" if row.file else ""
    return cut(name, room) if len(name) + len(place) > room else name + place


def render_unknown_registers(
    registers: Sequence[UnmodelledRegister], console: Console
) -> RenderableType:
    """Registers that only kept what was written: where a hang may come from."""
    made = plain_table("Registers without a model", "address", "reads", "writes")
    for row in registers[:_MOST_REGISTERS]:
        made.add_row(
            Text(cut(row.name, max(20, console.width - 45))),
            f"0x{row.address:08x}",
            count_text(row.reads_count),
            count_text(row.writes_count),
        )
    said = "They read back what was written."
    if (rest := len(registers) - _MOST_REGISTERS) > 0:
        said = f"{dots(console)} {rest} more, all of them in --json. {said}"
    return Group(made, Text(said, style=FAINT))


def render_captures(captures: Sequence[Capture], console: Console) -> RenderableType:
    """What the serial script caught."""
    made = plain_table("Captured by the script", "times", "values", left=1)
    made.columns[2].justify = "left"
    room = max(20, console.width - 45)
    for row in captures:
        values = ", ".join(row.values[:_MOST_VALUES])
        if len(row.values) > _MOST_VALUES:
            values += f", {dots(console)}"
        made.add_row(
            Text(cut(row.name, 24)), f"{len(row.values):,}", Text(cut(values, room), style=HEADING)
        )
    return made


def other_output_text(report: Report) -> str | None:
    """Ports that printed what the console did not show."""
    others = [
        f"{output.port} {format_bytes(len(output.text.encode()))}"
        for output in report.serial
        if output.text not in report.console
    ]
    return f"printed elsewhere (serial in --json): {', '.join(others)}" if others else None
