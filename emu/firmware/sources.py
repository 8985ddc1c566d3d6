"""Which files make up a program: C and assembly files, or one folder of them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from emu.errors import BuildError, UsageError

_C = (".c",)
_ASSEMBLY = (".s", ".S")
_CPP = (".cc", ".cpp", ".cxx", ".C", ".c++", ".hpp", ".ino")
_MOST_SEARCHED_FILES = 300
_MOST_SEARCHED_FOLDERS = 100
_SKIPPED_FOLDERS = ("build", "out", "dist", "test", "tests", "cmake-build-debug")


@dataclass(frozen=True)
class SourceSet:
    """A program's sources.

    Attributes:
        root: folder that names of sources are relative to; debug information and `__FILE__`
            carry those names, so a checkout elsewhere gives the same bytes.
        names: sources relative to `root`, with forward slashes.
        include_dirs: searched before the user's own `-I` folders.
    """

    root: Path
    names: tuple[str, ...]
    include_dirs: tuple[Path, ...]

    @property
    def stem(self) -> str:
        """What to call the firmware."""
        return Path(self.names[0]).stem if len(self.names) == 1 else self.root.name or "firmware"


def is_assembly(name: str) -> bool:
    return name.endswith(_ASSEMBLY)


def absolute_path(path: Path) -> Path:
    """The path from the root, without `..`; symbolic links stay, as names are shown to the user."""
    return Path(os.path.normpath(Path.cwd() / path))


def collect_sources(paths: Sequence[Path]) -> SourceSet:
    """Turn what was named on the command line into a list of sources.

    A folder stands for the C and assembly files at its top and everywhere below its `src`.
    Hidden folders and folders called build, out, dist, test or tests are left out.

    Raises:
        UsageError: nothing was named, or a folder beside other sources.
        BuildError: a path is absent or is no C or assembly file.
    """
    if not paths:
        raise UsageError("No source was named. Give a C file, several, or a folder of them.")
    absolute = [absolute_path(path) for path in paths]
    folders = [path for path in absolute if path.is_dir()]
    if folders:
        if len(absolute) > 1:
            raise UsageError(
                f"'{folders[0].name}' is a folder beside other sources. Give one folder, or files."
            )
        return _from_folder(folders[0])
    for path in absolute:
        _check_file(path)
    unique = list(dict.fromkeys(absolute))
    root = Path(os.path.commonpath([path.parent for path in unique]))
    parents = dict.fromkeys(path.parent for path in unique)
    includes = [*parents, *(parent / "include" for parent in parents)]
    return SourceSet(
        root=root,
        names=tuple(path.relative_to(root).as_posix() for path in unique),
        include_dirs=tuple(folder for folder in includes if folder.is_dir()),
    )


def _check_file(path: Path) -> None:
    if not path.exists():
        raise BuildError(f"Source '{path}' does not exist. Check the path.")
    if path.suffix in _CPP:
        raise BuildError(
            f"'{path.name}' is C++, which is not supported. Give C (.c) or assembly (.s, .S), or "
            "an ELF file that you built."
        )
    if path.suffix in (".h", ".inc"):
        raise BuildError(
            f"'{path.name}' is a header. Give the .c files, and -I for the folders of headers."
        )
    if path.suffix not in _C + _ASSEMBLY:
        raise BuildError(
            f"'{path.name}' is no source that can be compiled. Give C (.c) or assembly (.s, .S)."
        )


def _from_folder(folder: Path) -> SourceSet:
    found = sorted(path for path in folder.iterdir() if path.suffix in _C + _ASSEMBLY)
    source_folder = folder / "src"
    for base, inner, files in os.walk(source_folder):
        inner[:] = sorted(
            name for name in inner if not name.startswith(".") and name not in _SKIPPED_FOLDERS
        )
        found += sorted(Path(base) / name for name in files if name.endswith(_C + _ASSEMBLY))
    found = [path for path in found if path.is_file() and not path.name.startswith(".")]
    if not found:
        raise BuildError(
            f"Folder '{folder}' has no .c, .s or .S file at its top or in src. Name the files."
        )
    includes = (folder, folder / "include", folder / "inc", source_folder)
    return SourceSet(
        root=folder,
        names=tuple(path.relative_to(folder).as_posix() for path in found),
        include_dirs=tuple(path for path in includes if path.is_dir()),
    )


def find_definition(source_set: SourceSet, symbol: str) -> str | None:
    """A source near the program that was not taken and seems to define `symbol`."""
    written = re.compile(
        rf"^\w[\w \t*()]*\b{re.escape(symbol)}\s*(?:\([^;{{}}]*\)\s*\{{|[\[=])".encode(),
        re.MULTILINE,
    )
    for name in _untaken(source_set):
        try:
            if written.search((source_set.root / name).read_bytes()):
                return name
        except OSError:
            continue
    return None


def _untaken(source_set: SourceSet) -> Iterator[str]:
    """C files below the root that are no part of the program; a bounded search."""
    files_count = 0
    walk = os.walk(source_set.root)
    for _, (base, inner, files) in zip(range(_MOST_SEARCHED_FOLDERS), walk, strict=False):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        for file in sorted(files):
            name = (Path(base) / file).relative_to(source_set.root).as_posix()
            if file.endswith(_C) and name not in source_set.names:
                files_count += 1
                if files_count > _MOST_SEARCHED_FILES:
                    return
                yield name
