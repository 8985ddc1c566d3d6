"""Put a file in place whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from emu.errors import UsageError


def write_file(path: Path, content: bytes | str | Callable[[BinaryIO], None]) -> None:
    """Write `path` through a temporary file beside it, so that no reader ever sees half of it.

    Args:
        path: what to write; its folder must exist. Written in place when it is no regular file
            (/dev/stdout, a pipe).
        content: the bytes, text (UTF-8), or a function that writes them.

    Raises:
        UsageError: the file cannot be written: no such folder, no permission, disk full.
    """
    try:
        if path.exists() and not path.is_file():
            with path.open("wb") as file:
                _put(file, content)
            return
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                _put(file, content)
            Path(name).chmod(0o666 & ~_umask())
            Path(name).replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise
    except OSError as problem:
        raise UsageError(f"Cannot write {path}: {problem.strerror or problem}.") from problem


def check_writable(path: Path) -> None:
    """Refuse early what `write_file` could not do after a long run.

    Raises:
        UsageError: there is no such folder, or `path` is a folder itself.
    """
    if path.is_dir():
        raise UsageError(f"Cannot write {path}: it is a folder.")
    if not path.parent.is_dir():
        raise UsageError(f"Cannot write {path}: there is no folder {path.parent}.")


def _put(file: BinaryIO, content: bytes | str | Callable[[BinaryIO], None]) -> None:
    if callable(content):
        content(file)
    else:
        file.write(content.encode("utf-8") if isinstance(content, str) else content)


def _umask() -> int:
    # There is no way to read the mask but to set it.
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
