"""The two compilers: where they are, what they are called, and the flags that a board needs.

Zig's wheel carries clang and LLD; they are called as themselves (`zig clang`, `zig ld.lld`), not
through `zig cc`, which adds frame pointers, freestanding mode and a cache of its own.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from emu.board import Board
from emu.errors import ToolMissingError, UsageError
from emu.firmware.cache import BuildCache, sha256_texts

ToolchainName = Literal["zig", "gcc"]

RUNTIME_DIR = Path(__file__).parent / "runtime"
GCC_COMMAND = "arm-none-eabi-gcc"

# What one core is called by clang and GCC, and by zig. A new core is one row here.
_CORES = {"cortex-m7": "cortex_m7"}
_CLANG_FPU = {"none": (), "single": ("-mfpu=fpv5-sp-d16",), "double": ("-mfpu=fpv5-d16",)}
_ZIG_FPU = {"none": "", "single": "+fp_armv8d16sp", "double": "+fp_armv8d16"}

# Plain C as on a hosted compiler: `sqrtf` becomes VSQRT and a small memcpy is inlined. Our libm
# sets no errno, so the compiler need not keep a call for it. Clang defaults to DWARF 5, whose
# line tables older readers of ELF files (probe tools, debuggers) do not take.
_COMMON_FLAGS = (
    "-std=gnu11",
    "-g",
    "-gdwarf-4",
    "-ffunction-sections",
    "-fdata-sections",
    "-fno-unwind-tables",
    "-fno-asynchronous-unwind-tables",
)
_CLANG_FLAGS = ("-fno-math-errno", "-fno-ident")
_CLANG_QUIET = ("-fno-color-diagnostics", "-fno-caret-diagnostics")
_GCC_QUIET = ("-fdiagnostics-color=never", "-fno-diagnostics-show-caret")


@dataclass(frozen=True)
class Toolchain:
    """A compiler that was found.

    Attributes:
        version: as the report shows it.
        identity: what must be equal for two builds to give the same bytes.
        compile_command: program and leading arguments of a compilation.
        link_command: the same of a link.
        own_dirs: folders that belong to the compiler; headers there are known by `identity`.
        zig_lib: the wheel's `lib` folder (zig only).
    """

    name: ToolchainName
    version: str
    identity: str
    compile_command: tuple[str, ...]
    link_command: tuple[str, ...]
    own_dirs: tuple[Path, ...]
    zig_lib: Path | None = None

    def machine_flags(self, board: Board) -> tuple[str, ...]:
        """Flags that choose the board's core and FPU.

        Raises:
            UsageError: the core is not one this toolchain is set up for.
        """
        core = board.chip.core
        if core not in _CORES:
            raise UsageError(
                f"Board '{board.name}' has core '{core}', which firmware cannot be built for. "
                f"Known cores: {', '.join(sorted(_CORES))}."
            )
        abi = "soft" if board.chip.fpu == "none" else "hard"
        flags = (f"-mcpu={core}", "-mthumb", *_CLANG_FPU[board.chip.fpu], f"-mfloat-abi={abi}")
        if self.name == "zig":
            suffix = "" if abi == "soft" else "hf"
            return (f"--target=thumbv7em-none-eabi{suffix}", *flags)
        return flags

    def zig_target(self, board: Board) -> tuple[str, ...]:
        """The same choice in zig's own words, for building its compiler-rt."""
        suffix = "" if board.chip.fpu == "none" else "hf"
        return (
            "-target",
            f"thumb-freestanding-eabi{suffix}",
            f"-mcpu={_CORES[board.chip.core]}{_ZIG_FPU[board.chip.fpu]}",
        )

    def language_flags(self) -> tuple[str, ...]:
        return _COMMON_FLAGS + (_CLANG_FLAGS if self.name == "zig" else ())

    def quiet_flags(self) -> tuple[str, ...]:
        """Flags that keep diagnostics to one line each."""
        return _CLANG_QUIET if self.name == "zig" else _GCC_QUIET

    def system_include_flags(self) -> tuple[str, ...]:
        """Search paths of the C library's headers: clang's own, then musl's (zig only).

        With GCC, newlib's headers and library are used as they are; the full newlib, not nano, as
        its printf knows floating point and its memcpy goes by words.
        """
        if self.zig_lib is None:
            return ()
        musl = self.zig_lib / "libc" / "include"
        folders = (
            self.zig_lib / "include",
            musl / "arm-linux-musl",
            musl / "generic-musl",
        )
        return ("-nostdinc", *(part for folder in folders for part in ("-isystem", str(folder))))

    def environment(self) -> dict[str, str]:
        """`__DATE__` and the user's include variables must not reach the object's bytes."""
        environment = {
            name: value
            for name, value in os.environ.items()
            if name not in ("CPATH", "C_INCLUDE_PATH", "CCC_OVERRIDE_OPTIONS", "GCC_EXEC_PREFIX")
        }
        environment.update(SOURCE_DATE_EPOCH="0", LC_ALL="C")
        return environment


def run_tool(
    command: Sequence[str], cwd: Path | None, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a compiler or linker and keep what it says.

    Raises:
        ToolMissingError: the program cannot be started.
    """
    try:
        return subprocess.run(
            command,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise ToolMissingError(
            f"'{command[0]}' cannot be started ({error.strerror}). Install it again: "
            "pip install --force-reinstall ziglang, or your system's package of arm-none-eabi-gcc."
        ) from error


def find_toolchain(name: str) -> Toolchain:
    """Locate a compiler by its short name.

    Raises:
        UsageError: the name is neither `zig` nor `gcc`.
        ToolMissingError: the compiler is not installed.
    """
    if name == "zig":
        return _find_zig()
    if name == "gcc":
        return _find_gcc()
    raise UsageError(f"Toolchain '{name}' is not known. Known toolchains: zig (default), gcc.")


def _find_zig() -> Toolchain:
    spec = importlib.util.find_spec("ziglang")
    folder = Path(spec.origin).parent if spec is not None and spec.origin else None
    program = None
    if folder is not None:
        program = next((p for p in (folder / "zig", folder / "zig.exe") if p.is_file()), None)
    if folder is None or program is None:
        raise ToolMissingError(
            "The default compiler, zig, is not installed. Install it with: pip install "
            "ziglang==0.17.0 (or use --toolchain gcc with arm-none-eabi-gcc on PATH)."
        )
    try:
        wheel = importlib.metadata.version("ziglang")
    except importlib.metadata.PackageNotFoundError:
        wheel = "of unknown version"
    return Toolchain(
        name="zig",
        version=f"clang (ziglang {wheel})",
        identity=f"ziglang {wheel} {program.stat().st_size}",
        compile_command=(str(program), "clang"),
        link_command=(str(program), "ld.lld"),
        own_dirs=(folder,),
        zig_lib=folder / "lib",
    )


def _find_gcc() -> Toolchain:
    program = shutil.which(GCC_COMMAND)
    if program is None:
        raise ToolMissingError(
            f"--toolchain gcc needs {GCC_COMMAND}, which is not on PATH. Install it (Debian and "
            "Ubuntu: apt install gcc-arm-none-eabi libnewlib-arm-none-eabi; others: Arm GNU "
            "Toolchain from developer.arm.com), or leave --toolchain out to use zig."
        )
    said = run_tool((program, "--version"), None).stdout.splitlines()
    sysroot = run_tool((program, "-print-sysroot"), None).stdout.strip()
    libgcc = run_tool((program, "-print-libgcc-file-name"), None).stdout.strip()
    first = said[0] if said else "unknown version"
    stat = Path(program).resolve().stat()
    folders = {Path(libgcc).resolve().parent} if libgcc else set()
    if sysroot:
        folders.add(Path(sysroot).resolve())
    return Toolchain(
        name="gcc",
        version=first,
        identity=f"{first} {stat.st_size} {stat.st_mtime_ns}",
        compile_command=(program,),
        link_command=(program,),
        own_dirs=tuple(sorted(folders)),
    )


def full_version(toolchain: Toolchain, cache: BuildCache) -> str:
    """The version with clang's own number, asked once and remembered."""
    if toolchain.name == "gcc":
        return toolchain.version
    key = sha256_texts("version/1", toolchain.identity)
    known = cache.record(key)
    if known is not None and known.startswith("clang "):
        return known
    said = run_tool((*toolchain.compile_command, "--version"), None).stdout
    match = re.search(r"clang version (\S+)", said)
    version = toolchain.version.replace("clang", f"clang {match[1]}" if match else "clang", 1)
    cache.add_record(key, version)
    return version
