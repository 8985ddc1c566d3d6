"""Numba as this project uses it: compiled once, kept across runs, never stale.

Numba keys its cache by the file of each function alone, but the hooks are built from constants and
functions of several files. Their cache therefore lies in a directory named after the contents of
all of them.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])
_KEPT_VERSIONS = 8
_ROOMS = (Path(__file__).parent, Path(__file__).parent.parent / "backends")


def _cache_home() -> Path:
    if chosen := os.environ.get("EMU_CACHE_DIR"):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "tinyml-emu"


def _sources_digest() -> str:
    digest = hashlib.sha256(numba.__version__.encode())
    for room in _ROOMS:
        for file in sorted(room.glob("*.py")):
            digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


def _prune(directory: Path) -> None:
    """Drop the compiled code of versions long gone."""
    others = [other for other in directory.parent.iterdir() if other != directory]
    others.sort(key=lambda other: other.stat().st_mtime, reverse=True)
    for other in others[_KEPT_VERSIONS:]:
        shutil.rmtree(other, ignore_errors=True)


def _use_own_cache() -> None:
    if os.environ.get("NUMBA_CACHE_DIR"):
        return
    try:
        directory = _cache_home() / "native" / _sources_digest()
        if not directory.exists():
            directory.mkdir(parents=True, exist_ok=True)
            _prune(directory)
        numba.config.CACHE_DIR = str(directory)
    except (OSError, RuntimeError):
        # No home, or it cannot be written: Numba looks for a place of its own, or compiles anew.
        return


_use_own_cache()


def compiled(function: F) -> F:
    """Compile a function of integers and arrays; division by zero gives 0, as in C hooks."""
    return cast("F", numba.njit(cache=True, error_model="numpy")(function))


def inlined(function: F) -> F:
    """As `compiled`, and copied into every caller: for the few functions of the hot path."""
    return cast("F", numba.njit(cache=True, error_model="numpy", forceinline=True)(function))
