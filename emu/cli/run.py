"""`emu run`: build, run on the model, say what it cost."""

from __future__ import annotations

import codecs
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TextIO

import typer

from emu.cli.result_console import forgive_encoding, result_console
from emu.cli.termination import EXIT_TERMINATED, termination_as_interrupt
from emu.errors import FirmwareError, UsageError
from emu.units import parse_duration_s

# Groups of options in --help.
_BUILD, _RUN, _MEASURE = "Building", "What runs", "What is measured"
_STOP, _RESULT = "When it stops", "Result"

EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells say it

if TYPE_CHECKING:
    from rich.status import Status

    from emu.measure.report import Report


def run(
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="SOURCE...",
            help="C files, a folder of them, or one program: ELF, Intel HEX (.hex) or raw flash "
            "image (.bin). Example: emu run model.c",
            show_default=False,
        ),
    ],
    board: Annotated[
        str,
        typer.Option(
            "--board",
            "-b",
            metavar="NAME|FILE",
            help="A board (emu boards list) or a YAML file.",
            rich_help_panel=_RUN,
        ),
    ] = "h743",
    toolchain: Annotated[
        Literal["zig", "gcc"],
        typer.Option(
            help="zig (clang, comes along) or gcc (arm-none-eabi-gcc from PATH).",
            rich_help_panel=_BUILD,
        ),
    ] = "zig",
    include: Annotated[
        list[Path] | None,
        typer.Option(
            "-I",
            "--include",
            metavar="DIR",
            help="Folder for #include. Repeatable: -I inc.",
            rich_help_panel=_BUILD,
        ),
    ] = None,
    define: Annotated[
        list[str] | None,
        typer.Option(
            "-D",
            "--define",
            metavar="NAME[=VALUE]",
            help="Macro. Repeatable: -D N=3.",
            rich_help_panel=_BUILD,
        ),
    ] = None,
    cflags: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FLAGS",
            help="Further compiler flags. Example: --cflags '-funroll-loops'.",
            rich_help_panel=_BUILD,
        ),
    ] = None,
    optimisation: Annotated[
        str | None,
        typer.Option(
            "-O",
            "--optimise",
            metavar="LEVEL",
            help="0 1 2 3 s z fast; default 2. Example: -Os.",
            rich_help_panel=_BUILD,
        ),
    ] = None,
    entry: Annotated[
        str | None,
        typer.Option(
            metavar="SYMBOL",
            help="Call this function instead of main (C) or reset; an address in programs "
            "without symbols.",
            rich_help_panel=_RUN,
        ),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(
            metavar="ADDR",
            help="Where a raw image lies (default: start of flash); of ELF and HEX, where the "
            "vector table is. Example: --base 0x08020000.",
            rich_help_panel=_RUN,
        ),
    ] = None,
    measure: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SYMBOL[,...]",
            help="Measure calls of these functions apart: first (cold), later (warm), stack. "
            "By name, or by address where there are no names.",
            rich_help_panel=_MEASURE,
        ),
    ] = None,
    from_: Annotated[
        list[str] | None,
        typer.Option(
            "--from",
            metavar="[NAME=]ADDR",
            help="With --to: measure from one instruction to another: 0x08000400, SYMBOL or "
            "SYMBOL+0x24. Repeatable.",
            rich_help_panel=_MEASURE,
        ),
    ] = None,
    to: Annotated[
        list[str] | None,
        typer.Option(
            "--to", metavar="ADDR", help="Where that stretch is over.", rich_help_panel=_MEASURE
        ),
    ] = None,
    from_uart: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]TEXT",
            help="With --to-uart: measure between two lines of serial output that hold these "
            "texts. Repeatable. Example: --from-uart m-infer --to-uart m-done.",
            rich_help_panel=_MEASURE,
        ),
    ] = None,
    to_uart: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help="Where that stretch is over.", rich_help_panel=_MEASURE),
    ] = None,
    uart_in: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Drive the serial line with this send/expect script (docs/serial.md).",
            rich_help_panel=_RUN,
        ),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="Stop, as finished, when the firmware has printed TEXT.",
            rich_help_panel=_STOP,
        ),
    ] = None,
    clock: Annotated[
        Literal["auto", "board", "firmware"],
        typer.Option(
            help="board: the board file's clock until the firmware sets its own; firmware: from "
            "reset on what it sets; auto: board for C sources, firmware for programs.",
            rich_help_panel=_RUN,
        ),
    ] = "auto",
    timing: Annotated[
        Literal["full", "issue", "none"],
        typer.Option(
            help="full: pipeline and memory; issue: pipeline only; none: count only.",
            rich_help_panel=_MEASURE,
        ),
    ] = "full",
    accesses: Annotated[
        Literal["reconstruct", "hook"],
        typer.Option(
            help="How data accesses are seen: reconstruct (fast) or hook each (exact).",
            rich_help_panel=_MEASURE,
        ),
    ] = "reconstruct",
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="What if: --set clock_hz=400M.", rich_help_panel=_RUN
        ),
    ] = None,
    place: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WHAT=REGION", help="What if: --place weights=dtcm.", rich_help_panel=_RUN
        ),
    ] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="Exit 1 when a number of the report is greater: --limit peak_sram_bytes=320K.",
            rich_help_panel=_RESULT,
        ),
    ] = None,
    max_cycles: Annotated[
        str | None,
        typer.Option(
            metavar="N",
            help="Stop a runaway after N cycles; K, M, G are powers of ten.",
            rich_help_panel=_STOP,
        ),
    ] = None,
    max_time: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Stop after so much modelled time: 2s, 100ms.",
            rich_help_panel=_STOP,
        ),
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="Stop after so much time of this machine.",
            min=0.0,
            rich_help_panel=_STOP,
        ),
    ] = None,
    json: Annotated[
        str | None,
        typer.Option(
            "--json",
            metavar="PATH|-",
            help="Write emu.report/1; - is stdout, alone.",
            rich_help_panel=_RESULT,
        ),
    ] = None,
    benchmark: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH", help="Write github-action-benchmark JSON.", rich_help_panel=_RESULT
        ),
    ] = None,
    trace: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH.npz",
            help="Write the SRAM trace; hooks every access.",
            rich_help_panel=_MEASURE,
        ),
    ] = None,
    top: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Rows of the tables of functions and lines.",
            min=0,
            rich_help_panel=_RESULT,
        ),
    ] = 10,
    quiet: Annotated[
        bool,
        typer.Option("--quiet", "-q", help="No table; the verdict alone.", rich_help_panel=_RESULT),
    ] = False,
) -> None:
    """Build C sources or take a program, run it on a modelled board, and say what it cost.

    Example: emu run model.c --board h743 --measure invoke --limit latency_ms=50
    """
    # Late: help and usage errors need neither numpy nor the machine.
    from emu.boardfile import parse_assignments
    from emu.measure.limits import check_limits, parse_limits
    from emu.measure.marks import pair_ends
    from emu.measure.run import run as run_program
    from emu.measure.write_file import check_writable

    limits = parse_limits(limit or ())
    pure = json == "-"
    for path in (None if pure or json is None else Path(json), benchmark):
        if path is not None:
            check_writable(path)
    ranges = pair_ends(from_ or (), to or (), ("--from", "--to"))
    uart_ranges = pair_ends(from_uart or (), to_uart or (), ("--from-uart", "--to-uart"))
    max_time_s = parse_duration_s(max_time) if max_time is not None else None
    with (
        termination_as_interrupt() as termination,
        _live(to_stderr=pure, table_follows=not pure and not quiet) as live,
    ):
        report = run_program(
            sources,
            board=board,
            toolchain=toolchain,
            include_dirs=include or (),
            defines=define or (),
            cflags=_split(cflags or ()),
            optimisation=optimisation,
            entry=entry,
            base=base,
            measure=[name for item in measure or () for name in item.split(",") if name],
            timing=timing,
            accesses=accesses,
            set_=parse_assignments("--set", set_ or ()),
            place=parse_assignments("--place", place or ()),
            max_cycles=_count(max_cycles),
            max_time_s=max_time_s,
            timeout_s=timeout,
            clock=clock,
            ranges=ranges,
            uart_ranges=uart_ranges,
            uart_in=uart_in,
            until=until,
            trace=trace,
            on_warning=lambda text: typer.echo(text, err=True),
            on_console=live.write,
            on_progress=live.progress,
        )
    _write(report, json, benchmark, top=0 if quiet else top, show=not pure and not quiet)
    if report.outcome == "interrupted":
        typer.echo(f"emu: {report.error}", err=True)
        raise typer.Exit(EXIT_TERMINATED if termination.has_come else EXIT_INTERRUPTED)
    _end(report, check_limits(report, limits))


def _write(
    report: Report, json: str | None, benchmark: Path | None, *, top: int, show: bool
) -> None:
    from emu.measure.write_file import write_file

    if json == "-":
        sys.stdout.write(report.to_json())
        sys.stdout.flush()
    elif json is not None:
        write_file(Path(json), report.to_json())
    if benchmark is not None:
        from emu.measure.ci_formats import benchmark_json

        write_file(benchmark, benchmark_json(report))
    if show:
        from emu.measure.render import render_report

        render_report(report, result_console(), top=top)


def _end(report: Report, breaches: tuple[object, ...]) -> None:
    """The verdict: which exit code, and why."""
    from emu.errors import LimitExceededError

    if report.error is not None:
        raise FirmwareError(report.error)
    if breaches:
        raise LimitExceededError("\n".join(getattr(breach, "sentence", "") for breach in breaches))


class _Live:
    """Shows what happens while it happens: the firmware's console, and progress on a terminal."""

    def __init__(self, status: Status | None, stream: TextIO) -> None:
        self._status = status
        self._stream = stream
        forgive_encoding(self._stream)
        # A character of several bytes may come in two pieces.
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.ends_line = True
        self.wrote = False

    def write(self, piece: bytes) -> None:
        if not piece:
            return
        if self._status is not None:
            self._status.stop()
        self._stream.write(self._decoder.decode(piece))
        self._stream.flush()
        self.wrote = True
        self.ends_line = piece.endswith(b"\n")
        if self._status is not None and self.ends_line:
            self._status.start()

    def progress(self, cycles: int, instructions: int) -> None:
        if self._status is not None:
            done = f"{cycles / 1e6:,.1f} million cycles" if cycles else ""
            self._status.update(f"running: {done or f'{instructions / 1e6:,.1f} million'}")

    def close(self, *, table_follows: bool) -> None:
        if self.wrote:
            self._stream.write("\n" * (table_follows + (not self.ends_line)))
            self._stream.flush()


@contextmanager
def _live(*, to_stderr: bool, table_follows: bool) -> Iterator[_Live]:
    # Taken before rich puts a stream of its own in their place, which would colour the firmware's
    # output and send it to stderr.
    stream = sys.stderr if to_stderr else sys.stdout
    if not sys.stderr.isatty():
        live = _Live(None, stream)
        yield live
        live.close(table_follows=table_follows)
        return
    from rich.console import Console

    with Console(stderr=True).status("building") as status:
        live = _Live(status, stream)
        yield live
    live.close(table_follows=table_follows)


def _split(flags: list[str] | tuple[str, ...]) -> list[str]:
    # Late, as everything that most calls do without.
    import shlex

    found = []
    for text in flags:
        try:
            found += shlex.split(text)
        except ValueError as problem:
            raise UsageError(f"--cflags {text}: {problem}. Close the quotes.") from problem
    return found


def _count(text: str | None) -> int | None:
    if text is None:
        return None
    scale = {"k": 10**3, "m": 10**6, "g": 10**9}.get(text[-1:].lower(), 1)
    digits = text[:-1] if scale > 1 else text
    try:
        value = float(digits.replace("_", "").replace(",", "")) * scale
    except ValueError:
        value = 0
    if not 1 <= value < 2**63:
        raise UsageError(f"--max-cycles {text} is no count of cycles. Write 1000000, 100M or 2G.")
    return int(value)
