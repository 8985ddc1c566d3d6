"""C and a board -> a linked ELF, through the build cache."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from emu.board import Board
from emu.errors import BuildError, UsageError
from emu.firmware.c_library import gather_library, path_flags
from emu.firmware.cache import BuildCache, open_cache, sha256_texts
from emu.firmware.compile import CompiledUnit, Compiler, Unit
from emu.firmware.diagnostics import with_displayed_paths
from emu.firmware.link import link
from emu.firmware.sources import SourceSet, absolute_path, collect_sources, is_assembly
from emu.firmware.toolchain import Toolchain, ToolchainName, find_toolchain, full_version

_OPTIMISATIONS = ("0", "1", "2", "3", "s", "z", "g", "fast")
# Options of compilers whose value is a path: relative ones mean the user's folder, while the
# compiler runs in the sources' folder so that objects carry relative names.
_PATH_OPTIONS = ("-I", "-isystem", "-iquote", "-idirafter", "-include", "-imacros")


@dataclass(frozen=True)
class BuildOptions:
    """How to build. Defaults are those of `emu run`.

    Attributes:
        include_dirs: as `-I`, searched after the sources' own folders.
        defines: as `-D`: `NAME` or `NAME=VALUE`.
        cflags: further compiler flags, last, so that they win.
        optimisation: `2` or `-O2`; also 0, 1, 3, s, z, g, fast.
        entry: the function that start-up code calls; its result is the exit status if it is main.
        extra: further linker arguments (of `ld.lld`, or of the GCC driver).
    """

    toolchain: ToolchainName = "zig"
    include_dirs: tuple[Path, ...] = ()
    defines: tuple[str, ...] = ()
    cflags: tuple[str, ...] = ()
    optimisation: str = "-O2"
    entry: str = "main"
    extra: tuple[str, ...] = ()


@dataclass(frozen=True)
class Build:
    """A linked program and where it came from.

    Attributes:
        elf: in the build cache; its bytes depend on sources, flags, board and compiler alone.
        compiler: name and version, as the report shows it.
        flags: what the program's own sources were compiled with, without paths and diagnostics.
        source_sha256: over the sources and every header of the program's that was really included.
        cached: nothing had to be compiled or linked.
        warnings: what the compiler and linker said about the program, file:line first.
        commands: the command lines, the program's own sources and the link.
        sources: the program's sources.
        source_root: folder that the names in the debug information are relative to.
    """

    elf: Path
    toolchain: ToolchainName
    compiler: str
    flags: tuple[str, ...]
    source_sha256: str
    cached: bool
    warnings: str
    commands: tuple[str, ...]
    sources: tuple[Path, ...]
    source_root: Path
    entry: str = "main"


def build(sources: Sequence[Path], board: Board, options: BuildOptions = BuildOptions()) -> Build:
    """Compile and link a program for a board.

    Args:
        sources: C and assembly files, or one folder of them.
        board: chooses core, FPU, memory map and start-up.
        options: compiler and its flags.

    Raises:
        BuildError: a source is absent, does not compile or link, or does not fit the board.
        UsageError: an option makes no sense, or a placed symbol does not exist.
        ToolMissingError: the compiler is not installed.
    """
    toolchain = find_toolchain(options.toolchain)
    source_set = collect_sources(sources)
    cache = open_cache()
    compiler = Compiler(toolchain, cache, full_version(toolchain, cache))
    units = _program_units(source_set, board, options, toolchain)
    program = compiler.compile_all(units)
    _check_entry(program, source_set, options.entry)
    library = gather_library(program, (options.entry,), compiler, toolchain, board, cache)
    linked = link(
        program, library, board, toolchain, cache, options.entry, options.extra, source_set
    )
    was_cached = linked.cached and all(unit.cached for unit in (*program, *library.units))
    if not was_cached:
        cache.prune()
    return Build(
        elf=linked.elf,
        toolchain=toolchain.name,
        compiler=compiler.version,
        flags=_reported_flags(toolchain, board, options),
        source_sha256=_source_sha256(program),
        cached=was_cached,
        warnings=_warnings(program, linked.warnings),
        commands=tuple(
            shlex.join(command) for command in (*(unit.command for unit in program), linked.command)
        ),
        sources=tuple(source_set.root / name for name in source_set.names),
        source_root=source_set.root,
        entry=options.entry,
    )


def _program_units(
    source_set: SourceSet, board: Board, options: BuildOptions, toolchain: Toolchain
) -> tuple[Unit, ...]:
    root = source_set.root
    given = [absolute_path(folder) for folder in options.include_dirs]
    for folder in given:
        if not folder.is_dir():
            raise UsageError(f"-I {folder} is no folder. Check the path.")
    folders = (*source_set.include_dirs, *given)
    outside = [folder for folder in given if root != folder and root not in folder.parents]
    maps = [f"-ffile-prefix-map={folder}={folder.name}" for folder in outside]
    reported = _reported_flags(toolchain, board, options)
    own = len(options.cflags)
    flags = (
        *reported[: len(reported) - own],
        *toolchain.quiet_flags(),
        *maps,
        *path_flags(toolchain, root),
        *(f"-I{_relative(folder, root)}" for folder in folders),
        *toolchain.system_include_flags(),
        *_with_absolute_paths(options.cflags),
    )
    language = [flag for flag in flags if flag.startswith("-std=")]
    assembly_flags = tuple(flag for flag in flags if flag not in language)
    return tuple(
        Unit(root, name, assembly_flags if is_assembly(name) else flags, folders)
        for name in source_set.names
    )


def _reported_flags(toolchain: Toolchain, board: Board, options: BuildOptions) -> tuple[str, ...]:
    return (
        *toolchain.machine_flags(board),
        *toolchain.language_flags(),
        _optimisation_flag(options.optimisation),
        *(f"-D{define}" for define in options.defines),
        *options.cflags,
    )


def _optimisation_flag(text: str) -> str:
    level = text.removeprefix("-").removeprefix("O")
    if level not in _OPTIMISATIONS:
        raise UsageError(
            f"'{text}' is no optimisation level. Levels: {', '.join(_OPTIMISATIONS)}; the default "
            "is 2."
        )
    return f"-O{level}"


def _relative(folder: Path, root: Path) -> str:
    if folder == root:
        return "."
    return folder.relative_to(root).as_posix() if root in folder.parents else str(folder)


def _with_absolute_paths(cflags: Sequence[str]) -> tuple[str, ...]:
    result: list[str] = []
    expects_path = False
    for flag in cflags:
        option = next((o for o in _PATH_OPTIONS if flag.startswith(o)), None)
        if expects_path:
            result.append(str(absolute_path(Path(flag))))
            expects_path = False
        elif flag in _PATH_OPTIONS:
            result.append(flag)
            expects_path = True
        elif option == "-I":
            result.append(option + str(absolute_path(Path(flag[len(option) :]))))
        else:
            result.append(flag)
    return tuple(result)


def _check_entry(program: Sequence[CompiledUnit], source_set: SourceSet, entry: str) -> None:
    """Refuse a missing entry before the linker does, with what there is instead."""
    functions: list[str] = []
    for unit in program:
        executable = {section.name for section in unit.summary.sections if section.executable}
        for symbol in unit.summary.symbols:
            if symbol.section not in executable:
                continue
            if symbol.name == entry and not symbol.is_local:
                return
            if symbol.name == entry:
                raise BuildError(
                    f"Entry '{entry}' in {unit.unit.name} is static, so it cannot be called from "
                    "start-up code. Remove `static`."
                )
            if not symbol.is_local:
                functions.append(symbol.name)
    count = len(source_set.names)
    where = source_set.names[0] if count == 1 else f"the {count} sources"
    known = ", ".join(sorted(functions)[:8]) or "none"
    what = "There is no main()" if entry == "main" else f"There is no function '{entry}'"
    raise BuildError(
        f"{what} in {where}. Functions found: {known}. Add main, or name one with --entry SYMBOL."
    )


def _source_sha256(program: Sequence[CompiledUnit]) -> str:
    rows = sorted({row for unit in program for row in unit.inputs})
    return sha256_texts(*(text for row in rows for text in row))


def _warnings(program: Sequence[CompiledUnit], link_warnings: str) -> str:
    texts = [with_displayed_paths(unit.warnings, unit.unit.root) for unit in program]
    lines = [
        line
        for text in (*texts, link_warnings)
        for line in text.splitlines()
        if line.strip() and not line.endswith(("warning generated.", "warnings generated."))
    ]
    return "\n".join(dict.fromkeys(lines))


__all__ = ["Build", "BuildCache", "BuildOptions", "build"]
