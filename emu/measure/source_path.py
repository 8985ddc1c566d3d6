"""Source paths as a reader wants them: relative to where the command was given."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path


class SourcePaths:
    """Shortens the paths that compilers write.

    Args:
        base: paths below it are given relative to it; others stay as they are.
        root: folder that relative names in the debug information are relative to, if one is known.
            Names that no file of it has (the C library's, the runtime's) stay as they are.
    """

    def __init__(self, base: Path, root: Path | None = None) -> None:
        self._prefix = os.path.join(os.path.realpath(base), "")  # noqa: PTH118 - a prefix, no path
        self._root = root
        self.present = lru_cache(maxsize=None)(self._present)

    def _present(self, file: str) -> str:
        path = file
        if (
            self._root is not None
            and not Path(file).is_absolute()
            and (self._root / file).is_file()
        ):
            path = os.path.realpath(self._root / file)
        if path.startswith(self._prefix) and len(path) > len(self._prefix):
            return path[len(self._prefix) :]
        return path
