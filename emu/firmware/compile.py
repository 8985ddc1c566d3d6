"""One source file -> one object, through the cache.

The cache answers without running the compiler when the same compiler, with the same flags, saw the
same source and the same bytes in every header that it included, and no file has appeared since that
an `#include` would now find first. Folders are not part of the question: a checkout elsewhere hits.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from emu.errors import BuildError
from emu.firmware.cache import BuildCache, sha256_bytes, sha256_texts
from emu.firmware.diagnostics import compile_sentence
from emu.firmware.objectfile import ObjectSummary, summarize_object, weaken
from emu.firmware.toolchain import RUNTIME_DIR, Toolchain, run_tool

_RECORD_VERSION = "object/1"
_ENTRIES_PER_RECORD = 8  # one source under that many states of its headers
_UNSEEN_INPUT = re.compile(rb"\.(?:incbin|include)\b")  # assembler inputs that no depfile lists


@dataclass(frozen=True)
class Unit:
    """A source to compile. `name` is relative to `root`, where the compiler is run.

    Attributes:
        search_dirs: folders an `#include` may be found in, besides the compiler's own.
        weak: give its definitions way to the program's own (runtime sources).
    """

    root: Path
    name: str
    flags: tuple[str, ...]
    search_dirs: tuple[Path, ...] = ()
    weak: bool = False


@dataclass(frozen=True, eq=False)  # compared by identity: its symbol tables are long
class CompiledUnit:
    """An object in the cache.

    Attributes:
        inputs: (name, SHA-256) of the source and of every header that is not the compiler's own.
        command: what was run, or would have been.
    """

    unit: Unit
    path: Path
    digest: str
    summary: ObjectSummary
    inputs: tuple[tuple[str, str], ...]
    warnings: str
    command: tuple[str, ...]
    cached: bool


@dataclass(frozen=True)
class _Entry:
    """One remembered compilation."""

    inputs: tuple[tuple[str, str], ...]  # (path with its root as a token, SHA-256)
    absent: tuple[str, ...]
    object_digest: str
    warnings: str


class Compiler:
    """Compiles units of one build; remembers hashes of files that many units include."""

    def __init__(self, toolchain: Toolchain, cache: BuildCache, version: str = "") -> None:
        self.version = version or toolchain.version
        self._toolchain = toolchain
        self._cache = cache
        self._hashes: dict[Path, str | None] = {}

    def compile_all(self, units: Sequence[Unit]) -> tuple[CompiledUnit, ...]:
        """Compile, as many at a time as there are processors.

        Raises:
            BuildError: the compiler refused one or more of them; the message has its first errors.
        """
        if len(units) == 1:
            results = [self._compile(units[0])]
        else:
            with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
                results = list(pool.map(self._compile, units))
        failures = [result for result in results if isinstance(result, _Failure)]
        if failures:
            raise BuildError(
                compile_sentence(
                    [(failure.unit.name, failure.said) for failure in failures],
                    failures[0].unit.root,
                    self.version,
                )
            )
        return tuple(result for result in results if isinstance(result, CompiledUnit))

    def _compile(self, unit: Unit) -> CompiledUnit | _Failure:
        source = unit.root / unit.name
        source_digest = self._digest(source)
        if source_digest is None:
            raise BuildError(f"Source '{source}' cannot be read. Check that it is there.")
        argument = f"./{unit.name}" if unit.name.startswith("-") else unit.name
        command = (*self._toolchain.compile_command, *unit.flags, "-c", argument)
        key = sha256_texts(
            _RECORD_VERSION,
            self._toolchain.identity,
            *(self._tokenize(unit, flag) for flag in unit.flags),
            unit.name,
            source_digest,
            "weak" if unit.weak else "strong",
        )
        entries = _parse_entries(self._cache.record(key))
        for entry in entries:
            data = self._cache.blob(entry.object_digest, ".o") if self._holds(unit, entry) else None
            if data is not None:
                return self._result(unit, entry, data, command, cached=True)
        with self._cache.scratch() as folder:
            made = self._run(unit, command, folder)
        if isinstance(made, _Failure):
            return made
        entry, data, is_complete = made
        if is_complete:
            kept = [entry, *(other for other in entries if other.inputs != entry.inputs)]
            self._cache.add_record(key, _format_entries(kept[:_ENTRIES_PER_RECORD]))
        return self._result(unit, entry, data, command, cached=False)

    def _run(
        self, unit: Unit, command: tuple[str, ...], folder: Path
    ) -> tuple[_Entry, bytes, bool] | _Failure:
        target, depfile = folder / "unit.o", folder / "unit.d"
        wants_depfile = not unit.name.endswith(".s")
        done = run_tool(
            (
                *command,
                "-o",
                str(target),
                *(("-MD", "-MF", str(depfile)) if wants_depfile else ()),
            ),
            unit.root,
            self._toolchain.environment(),
        )
        if done.returncode != 0 or not target.is_file():
            return _Failure(unit, done.stderr or f"the compiler ended with {done.returncode}")
        data = target.read_bytes()
        if unit.weak:
            data = weaken(data)
        seen = [unit.root / unit.name]
        if depfile.is_file():
            text = depfile.read_text("utf-8", "surrogateescape")
            seen = [Path(os.path.normpath(unit.root / name)) for name in parse_depfile(text)]
        own = [path for path in seen if not self._is_tool_file(path)]
        inputs: list[tuple[str, str]] = []
        for path in own:
            digest = self._digest(path)
            if digest is not None:
                inputs.append((self._tokenize(unit, str(path)), digest))
        entry = _Entry(
            inputs=tuple(sorted(set(inputs))),
            absent=tuple(sorted(self._absent(unit, seen, own))),
            object_digest=self._cache.add_blob(data, ".o"),
            warnings=done.stderr,
        )
        is_complete = len(inputs) == len(own) and not any(
            _UNSEEN_INPUT.search(path.read_bytes()) for path in own
        )
        return entry, data, is_complete

    def _result(
        self, unit: Unit, entry: _Entry, data: bytes, command: tuple[str, ...], cached: bool
    ) -> CompiledUnit:
        try:
            summary = summarize_object(data)
        except ValueError as error:
            raise BuildError(f"The object of '{unit.name}' cannot be read: {error}.") from error
        return CompiledUnit(
            unit=unit,
            path=self._cache.blob_path(entry.object_digest, ".o"),
            digest=entry.object_digest,
            summary=summary,
            inputs=entry.inputs,
            warnings=entry.warnings,
            command=command,
            cached=cached,
        )

    def _holds(self, unit: Unit, entry: _Entry) -> bool:
        """Whether every input of a remembered compilation is as it was."""
        return all(
            self._digest(Path(self._expand(unit, name))) == digest for name, digest in entry.inputs
        ) and not any(os.path.lexists(self._expand(unit, name)) for name in entry.absent)

    def _absent(self, unit: Unit, seen: Iterable[Path], own: Iterable[Path]) -> set[str]:
        """Places an `#include` looked at, or might have, and found nothing.

        A file that appears in one of them may shadow the header that was used.
        """
        system = [
            Path(folder)
            for folder in self._toolchain.system_include_flags()
            if not folder.startswith("-")
        ]
        user = [*unit.search_dirs, *{path.parent for path in own}]
        missing = set()
        for path in seen:
            for folder in (*user, *system):
                if folder not in path.parents:
                    continue
                name = path.relative_to(folder)
                for other in user:
                    candidate = other / name
                    if candidate != path and not candidate.exists():
                        missing.add(self._tokenize(unit, str(candidate)))
        return missing

    def _digest(self, path: Path) -> str | None:
        if path not in self._hashes:
            try:
                self._hashes[path] = sha256_bytes(path.read_bytes())
            except OSError:
                self._hashes[path] = None
        return self._hashes[path]

    def _is_tool_file(self, path: Path) -> bool:
        if any(folder in path.parents for folder in self._toolchain.own_dirs):
            return True
        resolved = path.resolve()
        return any(folder in resolved.parents for folder in self._toolchain.own_dirs)

    def _roots(self, unit: Unit) -> tuple[tuple[str, str], ...]:
        zig = self._toolchain.zig_lib
        return (
            ("<runtime>", str(RUNTIME_DIR)),
            *((("<zig>", str(zig)),) if zig is not None else ()),
            *((("<root>", str(unit.root)),) if unit.root != Path(unit.root.anchor) else ()),
        )

    def _tokenize(self, unit: Unit, text: str) -> str:
        for token, folder in self._roots(unit):
            text = re.sub(re.escape(folder) + r"(?=[/\\=]|$)", token, text)
        return text

    def _expand(self, unit: Unit, text: str) -> str:
        for token, folder in self._roots(unit):
            text = text.replace(token, folder)
        return text


@dataclass(frozen=True)
class _Failure:
    unit: Unit
    said: str


def _parse_entries(text: str | None) -> list[_Entry]:
    if text is None:
        return []
    try:
        return [
            _Entry(
                inputs=tuple((str(name), str(digest)) for name, digest in row["inputs"]),
                absent=tuple(str(name) for name in row["absent"]),
                object_digest=str(row["object"]),
                warnings=str(row["warnings"]),
            )
            for row in json.loads(text)
        ]
    except (ValueError, KeyError, TypeError):
        return []  # a damaged record is a miss


def _format_entries(entries: Sequence[_Entry]) -> str:
    rows = [
        {
            "inputs": entry.inputs,
            "absent": entry.absent,
            "object": entry.object_digest,
            "warnings": entry.warnings,
        }
        for entry in entries
    ]
    return json.dumps(rows)


def parse_depfile(text: str) -> tuple[str, ...]:
    """The prerequisites of a make rule, with make's escapes undone."""
    _, _, rest = text.replace("\\\r\n", " ").replace("\\\n", " ").partition(": ")
    words = re.findall(r"(?:\\.|[^\s\\])+", rest)
    return tuple(re.sub(r"\\([ #\\:])", r"\1", word).replace("$$", "$") for word in words)
