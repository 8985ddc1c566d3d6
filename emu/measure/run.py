"""From sources or an ELF to a report: `emu.run`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from emu.backends.protocol import AccessMode, ClockSource, Machine, RunOptions, Timing
from emu.backends.serial_script import SerialScript
from emu.board import Board
from emu.errors import UsageError
from emu.firmware.elf_image import load_elf
from emu.firmware.image import Image, ImageFormat
from emu.firmware.image_format import recognise
from emu.firmware.load_image import load_image
from emu.measure.found_functions import with_named_addresses
from emu.measure.limits import LimitError, check_limits, parse_limits
from emu.measure.marks import Ends, address_ranges, check_names, check_ports, serial_ranges
from emu.measure.report import CompilerOrigin, Report
from emu.measure.source_path import SourcePaths
from emu.measure.summarise import summarise
from emu.measure.trace import save_trace
from emu.measure.write_file import check_writable

if TYPE_CHECKING:
    from emu.firmware.build import Build
    from emu.firmware.toolchain import ToolchainName

Source = str | Path


@dataclass(frozen=True)
class Firmware:
    """A linked image and what it was made of.

    Attributes:
        compiler: None for an image that was built elsewhere.
        source_root: folder that names in the debug information are relative to.
        entry: the function that is built in as the entry of the program, None for main.
        warnings: what compiler and linker said, one line each.
    """

    image: Image
    compiler: CompilerOrigin | None = None
    sources: tuple[str, ...] = ()
    source_sha256: str | None = None
    source_root: Path | None = None
    entry: str | None = None
    warnings: str = ""


def run(
    source: Source | Sequence[Source],
    *,
    board: str | Path | Board = "h743",
    toolchain: ToolchainName = "zig",
    include_dirs: Iterable[Source] = (),
    defines: Iterable[str] | Mapping[str, str | int] = (),
    cflags: Iterable[str] = (),
    optimisation: str | None = None,
    entry: str | None = None,
    base: int | str | None = None,
    measure: str | Iterable[str] = (),
    timing: Timing = "full",
    accesses: AccessMode = "reconstruct",
    set_: Mapping[str, str] | None = None,
    place: Mapping[str, str] | None = None,
    max_cycles: int | None = None,
    max_time_s: float | None = None,
    timeout_s: float | None = None,
    clock: ClockSource = "auto",
    ranges: Mapping[str, Ends] | None = None,
    uart_ranges: Mapping[str, Ends] | None = None,
    uart_in: Source | SerialScript | None = None,
    until: str | None = None,
    trace: Source | None = None,
    limits: Iterable[str] | Mapping[str, str | int | float] = (),
    on_warning: Callable[[str], None] | None = None,
    on_console: Callable[[bytes], None] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    machine: Machine | None = None,
) -> Report:
    """Build `source` for `board`, run it on the model, and say what it cost.

    A fault of the firmware is a result, in `Report.fault`, not an exception.

    Args:
        source: C files, a folder of them, or one program: ELF, Intel HEX or raw flash image.
        board: a name (`emu boards list`), a YAML file, or a loaded `Board`.
        toolchain: `zig` (comes with the package) or `gcc` (arm-none-eabi-gcc from PATH).
        include_dirs: folders for `#include`.
        defines: macros, as `NAME` or `NAME=VALUE` texts, or a mapping.
        cflags: further compiler flags, last on its command line.
        optimisation: `0 1 2 3 s z fast`; None leaves it to the builder.
        entry: call this function instead of `main`; of an ELF, start at it instead of reset.
        base: address of a raw image (None: the start of flash), of other images that of their
            vector table (None: it is looked for).
        measure: functions whose calls are measured apart, first (cold) and later (warm).
        timing: `full`, `issue` (pipeline only) or `none` (count instructions).
        accesses: `reconstruct` data addresses (fast) or `hook` each of them (exact).
        set_: board numbers to change, such as `{"clock_hz": "400M"}`.
        place: sections or variables to place, such as `{"weights": "dtcm"}`.
        max_cycles: stop after so many cycles (instructions with `timing="none"`).
        max_time_s: stop after so much modelled time, seconds.
        timeout_s: stop after so much time of this machine, seconds.
        clock: run at the `board` file's clock, at what the `firmware` sets from reset on, or
            `auto`: the board's for C sources and `entry`, else the firmware's.
        ranges: stretches of code to measure, by name: from one instruction to another, each an
            address (`0x08000400`), a symbol or `symbol+0x24`.
        uart_ranges: stretches between two texts of the serial output to measure, by name.
        uart_in: a send/expect script for the serial lines, read from this file.
        until: stop, as finished, when this text was printed.
        trace: write the SRAM trace here (`.npz`); every access is hooked then.
        limits: bounds on numbers of the report, such as `{"latency_ms": 50}` or
            `["peak_sram_bytes=320K"]`.
        on_warning: gets what the compiler warned of, if it did.
        on_console: gets each piece of console output as it appears.
        on_progress: gets (cycles, instructions) a few times a second.
        machine: the machine to run on; None takes the default one.

    Raises:
        UsageError: the request contradicts itself or names something that is not there.
        BoardError: the board description was refused.
        BuildError: the compiler or linker refused the sources.
        ImageError: the image is broken, for another core, or does not fit the board.
        ToolMissingError: the toolchain is not installed.
        LimitError: a limit was not kept; the report is its `report`.
    """
    bounds = parse_limits(limits)
    if trace is not None:
        check_writable(Path(trace))
    resolved = _resolve_board(board, set_ or {}, place or {})
    script = _script(uart_in)
    if script is not None:
        check_ports(script, resolved)
    firmware = prepare(
        source,
        resolved,
        toolchain=toolchain,
        include_dirs=include_dirs,
        defines=defines,
        cflags=cflags,
        optimisation=optimisation,
        entry=entry,
        base=base,
    )
    if firmware.warnings and on_warning is not None:
        on_warning(firmware.warnings)
    options = RunOptions(
        timing=timing,
        accesses="hook" if trace is not None else accesses,
        entry=entry if firmware.compiler is None else None,
        measure=(measure,) if isinstance(measure, str) else tuple(measure),
        max_cycles=max_cycles,
        max_time_s=max_time_s,
        timeout_s=timeout_s,
        trace=trace is not None,
        clock=clock,
        ranges=address_ranges(ranges or {}, firmware.image),
        serial_ranges=serial_ranges(uart_ranges or {}),
        serial_script=script,
        until=_until(until),
        on_console=on_console,
        on_progress=on_progress,
    )
    report = execute(
        firmware,
        resolved,
        options,
        machine=machine,
        trace=Path(trace) if trace is not None else None,
    )
    if breaches := check_limits(report, bounds):
        raise LimitError(breaches, report)
    return report


def prepare(
    source: Source | Sequence[Source],
    board: Board,
    *,
    toolchain: ToolchainName = "zig",
    include_dirs: Iterable[Source] = (),
    defines: Iterable[str] | Mapping[str, str | int] = (),
    cflags: Iterable[str] = (),
    optimisation: str | None = None,
    entry: str | None = None,
    base: int | str | None = None,
) -> Firmware:
    """Load a program, or build C sources for `board`. Arguments and errors as `run`."""
    paths = _existing_sources(source)
    address = parse_address("--base", base) if base is not None else None
    if (format_ := _image_format(paths)) is not None:
        image = load_image(paths[0], format_, board, address)
        return Firmware(image, sources=(str(paths[0]),), source_sha256=image.sha256)
    if address is not None:
        raise UsageError(
            "--base is for programs that were linked already; C sources are linked for the board "
            "(--place moves their sections)."
        )

    # Late: an image needs no compiler.
    from emu.firmware.build import BuildOptions, build

    options = BuildOptions(
        toolchain=toolchain,
        include_dirs=tuple(Path(folder) for folder in include_dirs),
        defines=_define_texts(defines),
        cflags=tuple(cflags),
        entry=entry or "main",
    )
    if optimisation is not None:
        options = replace(options, optimisation=optimisation)
    return _built(build(paths, board, options), paths)


def execute(
    firmware: Firmware,
    board: Board,
    options: RunOptions,
    *,
    machine: Machine | None = None,
    trace: Path | None = None,
) -> Report:
    """Run an image and put what it cost into a report.

    Raises:
        ImageError: the image does not fit the board.
        UsageError: an unknown function to measure or to enter, or a trace that cannot be written.
    """
    wanted = (*options.measure, *((options.entry,) if options.entry else ()))
    image = with_named_addresses(firmware.image, wanted)
    _check_symbols(image, options)
    check_names(options)
    execution = (machine or _default_machine()).run(image, board, options)
    if trace is not None and execution.trace is not None:
        save_trace(execution.trace, trace)
    return summarise(
        execution,
        firmware.image,
        board,
        options,
        paths=SourcePaths(Path.cwd(), firmware.source_root),
        tool_version=tool_version(),
        compiler=firmware.compiler,
        sources=firmware.sources,
        source_sha256=firmware.source_sha256,
        entry=options.entry or firmware.entry,
    )


def tool_version() -> str:
    try:
        return version("tinyml-emu")
    except PackageNotFoundError:
        return "unknown"


def _default_machine() -> Machine:
    # Late: the machine compiles native code when it is imported, which help and errors need not.
    from emu.backends.unicorn_machine import UnicornMachine

    return UnicornMachine()


def _script(given: Source | SerialScript | None) -> SerialScript | None:
    if given is None or isinstance(given, SerialScript):
        return given
    from emu.backends.read_serial_script import read_serial_script

    return read_serial_script(Path(given))


def _until(text: str | None) -> str | None:
    if text == "":
        raise UsageError("--until wants a text that the firmware prints, for instance 'done'.")
    return text


def _resolve_board(
    board: str | Path | Board, set_: Mapping[str, str], place: Mapping[str, str]
) -> Board:
    if isinstance(board, Board):
        if set_ or place:
            raise UsageError(
                "A loaded Board cannot be changed: give set_ and place to load_board instead."
            )
        return board
    from emu.boardfile import load_board

    return load_board(str(board), set_=set_, place=place)


def _existing_sources(source: Source | Sequence[Source]) -> tuple[Path, ...]:
    given = (source,) if isinstance(source, str | Path) else tuple(source)
    if not given:
        raise UsageError("No source was given. Name C files, a folder of them, or a program.")
    paths = tuple(Path(item) for item in given)
    for path in paths:
        if not path.exists():
            raise UsageError(
                f"{path} does not exist. Name C files, a folder of them, or a program (ELF, HEX, "
                "raw image)."
            )
        if path.suffix == ".tflite":
            raise UsageError(
                f"{path} is a model, not a program: running models comes with the engine, which "
                "this version lacks. Give the C sources or a program."
            )
    return paths


def _image_format(paths: tuple[Path, ...]) -> ImageFormat | None:
    for path in paths:
        format_ = recognise(path)
        if format_ is not None and len(paths) > 1:
            raise UsageError(f"{path} is a whole program: run it alone, without other sources.")
        if format_ is not None:
            return format_
    return None


def parse_address(option: str, given: int | str) -> int:
    """An address as people write it: `0x08020000`, `134217728`.

    Raises:
        UsageError: it is none, or lies beyond the 4 GiB address space.
    """
    try:
        value = int(given, 0) if isinstance(given, str) else given
    except ValueError:
        value = -1
    if not 0 <= value < 1 << 32:
        raise UsageError(f"{option} {given} is no address. Write it as 0x08020000.")
    return value


def _define_texts(defines: Iterable[str] | Mapping[str, str | int]) -> tuple[str, ...]:
    if isinstance(defines, Mapping):
        return tuple(f"{name}={value}" for name, value in defines.items())
    return tuple(defines)


def _built(built: Build, paths: tuple[Path, ...]) -> Firmware:
    return Firmware(
        image=load_elf(built.elf),
        compiler=CompilerOrigin(name=built.toolchain, version=built.compiler, flags=built.flags),
        sources=tuple(str(path) for path in paths),
        source_sha256=built.source_sha256,
        source_root=built.source_root,
        entry=built.entry if built.entry != "main" else None,
        warnings=built.warnings,
    )


def _check_symbols(image: Image, options: RunOptions) -> None:
    wanted = [("--measure", name) for name in options.measure]
    if options.entry is not None:
        wanted.append(("--entry", options.entry))
    for option, name in wanted:
        symbol = image.symbol(name)
        if symbol is None or symbol.kind != "function":
            raise UsageError(_missing_function(option, name, image))


def _missing_function(option: str, name: str, image: Image) -> str:
    # Late: only a refusal needs it.
    import difflib

    names = [function.name for function in image.functions]
    if not names:
        return (
            f"{option} {name}: {image.path} has no symbols. Give an address, {option} 0x08001234, "
            "or the file before it was stripped."
        )
    near = difflib.get_close_matches(name, names, n=3)
    hint = f"Did you mean {', '.join(near)}?" if near else "See its functions with nm."
    return (
        f"{option} {name}: the program has no function of that name, or it was inlined away "
        f"(__attribute__((noinline)) keeps it). {hint}"
    )
