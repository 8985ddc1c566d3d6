"""Building blocks of the pages that a terminal shows: tables, bars, numbers as text."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from emu.measure.quantity import format_ms
from emu.units import format_bytes

HEADING = "bold"
FAINT = "dim"
_EIGHTHS = " ▏▎▍▌▋▊▉█"


def plain_table(*headings: str, left: int = 1) -> Table:
    """A table whose first `left` columns are text and whose others are numbers."""
    made = Table(box=None, padding=(0, 2, 0, 0), header_style="", pad_edge=False)
    for number, heading in enumerate(headings):
        text = number < left
        made.add_column(
            Text(heading, style=HEADING if number == 0 else FAINT),
            justify="left" if text or not heading else "right",
            no_wrap=True,
            overflow="ellipsis",
        )
    return made


def bar(share: float, width: int, colour: str, console: Console) -> Text:
    if is_ascii(console):
        return Text("#" * round(share * width), style=colour)
    eighths = round(share * width * 8)
    if share > 0:
        eighths = max(1, eighths)
    full, part = divmod(eighths, 8)
    return Text("█" * full + (_EIGHTHS[part] if part else ""), style=colour)


def is_ascii(console: Console) -> bool:
    return not console.encoding.lower().startswith("utf")


def dots(console: Console) -> str:
    return "..." if is_ascii(console) else "…"


def cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 3] + "..."


def size_text(size_bytes: int | None) -> str:
    return format_bytes(size_bytes) if size_bytes is not None else "-"


def count_text(value: float | None) -> str:
    return f"{value:,.0f}" if value is not None else "-"


def cycles_text(cycles: float | None, ms: float | None) -> str:
    if cycles is None:
        return "-"
    return f"{cycles:,.0f}" + (f" = {format_ms(ms)}" if ms is not None else "")


def rate_text(share: float) -> str:
    """A share that may be tiny."""
    return "< 0.01 %" if 0 < share < 0.0001 else f"{share * 100:.2g} %"


def percent_text(share: float | None) -> str:
    return f"{share * 100:.1f} %" if share is not None else "-"
