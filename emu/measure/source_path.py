"""Source paths as a reader wants them: relative to where the command was given."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path


class SourcePaths:
    """Shortens the absolute paths that compilers write.

    Args:
        base: paths below it are given relative to it; others stay as they are.
    """

    def __init__(self, base: Path) -> None:
        prefix = os.path.join(os.path.realpath(base), "")  # noqa: PTH118 - a prefix, not a path
        self.present = lru_cache(maxsize=None)(lambda file: _shorten(file, prefix))


def _shorten(file: str, prefix: str) -> str:
    return file[len(prefix) :] if file.startswith(prefix) and len(file) > len(prefix) else file
