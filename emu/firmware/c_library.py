"""Our runtime and the C library of the default toolchain, compiled when a program needs them.

A program's undefined symbols are looked up in this order: our runtime sources, zig's compiler-rt,
then musl's C sources, which the zig wheel carries. Only sources that are asked for are compiled,
and the linker drops the functions that stay unused. GCC brings newlib, so there our runtime is the
start-up code and newlib's system calls alone.

musl is compiled where the wheel lies; none of it is copied here. A musl source is named after the
function it defines; the few that are not are listed in `_MUSL_EXTRA`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from emu.board import Board
from emu.errors import BuildError
from emu.firmware.cache import BuildCache, sha256_texts
from emu.firmware.compile import CompiledUnit, Compiler, Unit
from emu.firmware.objectfile import ObjectSummary, summarize_object
from emu.firmware.toolchain import RUNTIME_DIR, Toolchain, run_tool

# emu/firmware/runtime/x.c is compiled from the folder above `emu`, so that reports say so.
_PACKAGE_PARENT = RUNTIME_DIR.parents[2]

_ALWAYS = ("startup.c", "semihosting.c")
_SMALL = ("startup.c", "console.c", "string.c", "stdlib.c")  # size before speed
_GCC_SOURCES = ("newlib_syscalls.c",)
_RUNTIME_FLAGS = ("-D_GNU_SOURCE",)
# The compiler must not turn the loops of memcpy, or of start-up, into calls of memcpy. In math it
# may: there `fabs` is to become an instruction.
_NO_BUILTIN = "-fno-builtin"
_MUSL_FLAGS = ("-std=c99", "-D_XOPEN_SOURCE=700", "-w")

_MUSL_FOLDERS = ("math", "complex")  # taken whole
# Of stdio only what needs no files: an fopen is to be told as missing, not to drag in Linux.
_MUSL_STDIO = (
    "printf", "fprintf", "sprintf", "snprintf", "asprintf",
    "vprintf", "vfprintf", "vsprintf", "vsnprintf", "vasprintf",
    "fwrite", "sscanf", "vsscanf", "vfscanf",
    "__overflow", "__towrite", "__uflow", "__toread",
)  # fmt: skip
_MUSL_EXTRA = {
    "__exp_data": "math/exp_data.c",
    "__exp2f_data": "math/exp2f_data.c",
    "__pow_log_data": "math/pow_data.c",
    "__powf_log2_data": "math/powf_data.c",
    "__signgam": "math/signgam.c",
    "signgam": "math/signgam.c",
    "__lgamma_r": "math/lgamma_r.c",
    "__lgammaf_r": "math/lgammaf_r.c",
    "erfc": "math/erf.c",
    "erfcf": "math/erff.c",
    "erfcl": "math/erfl.c",
    "lgammal_r": "math/lgammal.c",
    **{f"y{n}{suffix}": f"math/j{n}{suffix}.c" for n in "01n" for suffix in ("", "f")},
    "__ldexp_cexp": "complex/__cexp.c",
    "__ldexp_cexpf": "complex/__cexpf.c",
    "strtod": "stdlib/strtod.c",
    "atof": "stdlib/atof.c",
    "__floatscan": "internal/floatscan.c",
    "__intscan": "internal/intscan.c",
    "__shgetc": "internal/shgetc.c",
    "__shlim": "internal/shgetc.c",
    "strtof": "stdlib/strtod.c",
    "strtold": "stdlib/strtod.c",
    "__fwritex": "stdio/fwrite.c",
    "__isoc99_sscanf": "stdio/sscanf.c",
    "__isoc99_vsscanf": "stdio/vsscanf.c",
    "__isoc99_vfscanf": "stdio/vfscanf.c",
}


@dataclass(frozen=True)
class CompilerRt:
    """Zig's compiler support library, built once for a core."""

    path: Path
    digest: str
    summary: ObjectSummary


@dataclass(frozen=True)
class Library:
    """What was linked beside the program."""

    units: tuple[CompiledUnit, ...]
    compiler_rt: CompilerRt | None


def runtime_units(toolchain: Toolchain, board: Board) -> tuple[Unit, ...]:
    """Our own sources: for GCC what newlib lacks, for zig all of them."""
    names = sorted(path.relative_to(RUNTIME_DIR).as_posix() for path in _runtime_sources())
    if toolchain.name == "gcc":
        names = [name for name in names if name in _ALWAYS + _GCC_SOURCES]
    else:
        names = [name for name in names if name not in _GCC_SOURCES]
    folder = RUNTIME_DIR.relative_to(_PACKAGE_PARENT).as_posix()
    flags = (
        *toolchain.machine_flags(board),
        *toolchain.language_flags(),
        *toolchain.quiet_flags(),
        *path_flags(toolchain, _PACKAGE_PARENT),
        "-Wall",
        *_RUNTIME_FLAGS,
        *board_defines(board),
        *toolchain.system_include_flags(),
    )
    # For one file each: the clock changes often, and nothing else has handlers.
    own = {
        "time.c": (f"-DEMU_CLOCK_HZ={board.clock_hz}u",),
        "startup.c": (_handlers_define(board),),
    }
    return tuple(
        Unit(
            _PACKAGE_PARENT,
            f"{folder}/{name}",
            (
                *flags,
                "-Os" if name in _SMALL else "-O2",
                *(() if name.startswith("math/") else (_NO_BUILTIN,)),
                *own.get(name, ()),
            ),
            weak=True,
        )
        for name in names
    )


def _runtime_sources() -> Iterable[Path]:
    return (path for path in RUNTIME_DIR.rglob("*") if path.suffix in (".c", ".S"))


def board_defines(board: Board) -> tuple[str, ...]:
    """What start-up code has to know of the board."""
    chip = board.chip
    return (
        f"-DEMU_ICACHE_ENABLED={int(chip.icache.enabled)}",
        f"-DEMU_DCACHE_ENABLED={int(chip.dcache.enabled)}",
        f"-DEMU_DCACHE_SETS={chip.dcache.sets}",
        f"-DEMU_DCACHE_WAYS={chip.dcache.ways}",
        f"-DEMU_DCACHE_LINE_BYTES={chip.dcache.line_bytes}",
        f"-DEMU_HAS_FPU={int(chip.fpu != 'none')}",
    )


def _handlers_define(board: Board) -> str:
    """The vectors of external interrupts: a macro of one entry a line, named or not."""
    interrupts = board.chip.interrupts
    names = dict(interrupts.handlers)
    count = max(interrupts.lines_count, max(names, default=-1) + 1)
    entries = (
        f"NAMED({line},{names[line]}_IRQHandler)" if line in names else f"UNNAMED({line})"
        for line in range(count)
    )
    return f"-DEMU_INTERRUPTS(NAMED,UNNAMED)={' '.join(entries)}"


def path_flags(toolchain: Toolchain, root: Path) -> tuple[str, ...]:
    """Keep absolute paths out of the object, so that equal sources give equal bytes anywhere."""
    maps = [(root, ".")]
    if toolchain.zig_lib is not None:
        maps.append((toolchain.zig_lib, "zig"))
    if root != _PACKAGE_PARENT:
        maps.append((RUNTIME_DIR, "emu/firmware/runtime"))
    flags = [f"-ffile-prefix-map={folder}={name}" for folder, name in maps]
    if toolchain.name == "zig":
        flags.append("-fdebug-compilation-dir=.")
    return tuple(flags)


def gather_library(
    program: tuple[CompiledUnit, ...],
    wanted: tuple[str, ...],
    compiler: Compiler,
    toolchain: Toolchain,
    board: Board,
    cache: BuildCache,
) -> Library:
    """Compile what the program needs from the runtime and the C library.

    Args:
        program: the program's own objects.
        wanted: symbols that the link needs besides (the entry).
        compiler: compiles and caches.
        toolchain: whose library it is.
        board: chooses core, FPU and start-up.
        cache: where compiler-rt is kept.
    """
    own = compiler.compile_all(runtime_units(toolchain, board))
    if toolchain.zig_lib is None:
        return Library(own, None)
    compiler_rt = build_compiler_rt(toolchain, board, cache)
    offered = {
        symbol.name: unit for unit in own for symbol in unit.summary.symbols if not symbol.is_local
    }
    defined = {
        symbol.name for unit in program for symbol in unit.summary.symbols if not symbol.is_local
    }
    in_compiler_rt = {symbol.name for symbol in compiler_rt.summary.symbols if not symbol.is_local}
    musl = toolchain.zig_lib / "libc" / "musl"
    chosen = [unit for unit in own if Path(unit.unit.name).name in _ALWAYS]
    pending = {*wanted, *(name for unit in (*program, *chosen) for name in unit.summary.needs)}
    defined |= {symbol.name for unit in chosen for symbol in unit.summary.symbols}
    compiled: list[CompiledUnit] = []
    tried: set[str] = set()
    while pending:
        fresh: list[CompiledUnit] = []
        sources: list[str] = []
        for name in sorted(pending - defined):
            if name in offered:
                if offered[name] not in chosen and offered[name] not in fresh:
                    fresh.append(offered[name])
            elif name not in in_compiler_rt:
                source = _musl_source(name, musl)
                if source is not None and source not in tried:
                    tried.add(source)
                    sources.append(source)
        if sources:
            units = [_musl_unit(source, toolchain, board) for source in sources]
            made = compiler.compile_all(units)
            compiled += made
            fresh += made
        chosen += [unit for unit in fresh if unit not in compiled]
        defined |= pending
        defined |= {
            symbol.name for unit in fresh for symbol in unit.summary.symbols if not symbol.is_local
        }
        pending = {name for unit in fresh for name in unit.summary.needs} - defined
    return Library((*chosen, *compiled), compiler_rt)


def _musl_source(symbol: str, musl: Path) -> str | None:
    """The musl source that defines `symbol`, relative to musl's `src`."""
    if symbol in _MUSL_EXTRA:
        return _MUSL_EXTRA[symbol]
    if symbol in _MUSL_STDIO:
        return f"stdio/{symbol}.c"
    if not symbol.isidentifier():
        return None
    for folder in _MUSL_FOLDERS:
        if (musl / "src" / folder / f"{symbol}.c").is_file():
            return f"{folder}/{symbol}.c"
    return None


def _musl_unit(source: str, toolchain: Toolchain, board: Board) -> Unit:
    assert toolchain.zig_lib is not None
    root = toolchain.zig_lib / "libc"
    include_dirs = ("musl/src/include", "musl/src/internal", "musl/arch/arm", "musl/arch/generic")
    flags = (
        *toolchain.machine_flags(board),
        *toolchain.language_flags(),
        *toolchain.quiet_flags(),
        *path_flags(toolchain, root),
        *_MUSL_FLAGS,
        "-O2"
        if source.startswith(("math/", "complex/"))
        else "-Os",  # a model computes; it seldom prints
        *(f"-I{folder}" for folder in include_dirs),
        *toolchain.system_include_flags(),
    )
    return Unit(root, f"musl/src/{source}", flags, weak=True)


def compiler_rt_key(toolchain: Toolchain, board: Board) -> str:
    """What compiler-rt is kept under in the cache."""
    return sha256_texts("compiler-rt/1", toolchain.identity, *toolchain.zig_target(board))


def build_compiler_rt(toolchain: Toolchain, board: Board, cache: BuildCache) -> CompilerRt:
    """Build zig's compiler-rt for the board's core, once; it takes some seconds.

    Raises:
        BuildError: zig could not build it.
    """
    assert toolchain.zig_lib is not None
    zig = toolchain.compile_command[0]
    arguments = (
        "build-obj",
        str(toolchain.zig_lib / "compiler_rt.zig"),
        *toolchain.zig_target(board),
        "-O",
        "ReleaseFast",
        "-ffunction-sections",
        "-fdata-sections",
        "-fstrip",
        "-fno-unwind-tables",
    )
    key = compiler_rt_key(toolchain, board)
    data = _remembered_blob(cache, key)
    if data is None:
        with cache.lock("compiler-rt"):
            data = _remembered_blob(cache, key)  # another process may have just built it
            if data is None:
                with cache.scratch() as folder:
                    target = folder / "compiler_rt.o"
                    environment = toolchain.environment()
                    environment["ZIG_GLOBAL_CACHE_DIR"] = str(folder / "global")
                    environment["ZIG_LOCAL_CACHE_DIR"] = str(folder / "local")
                    done = run_tool((zig, *arguments, f"-femit-bin={target}"), folder, environment)
                    if done.returncode != 0 or not target.is_file():
                        raise BuildError(
                            "zig could not build its compiler-rt: "
                            f"{done.stderr.strip()[:400] or done.returncode}. Check that the "
                            "ziglang package is whole: pip install --force-reinstall ziglang."
                        )
                    data = target.read_bytes()
                cache.add_record(key, cache.add_blob(data, ".o"))
    digest = cache.add_blob(data, ".o")
    return CompilerRt(cache.blob_path(digest, ".o"), digest, summarize_object(data))


def _remembered_blob(cache: BuildCache, key: str) -> bytes | None:
    digest = cache.record(key)
    return cache.blob(digest, ".o") if digest and len(digest) == 64 else None
