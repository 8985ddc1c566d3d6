"""Small programs on the Unicorn machine, for the tests of this room."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from emu.backends.protocol import Execution, RunOptions
from emu.backends.unicorn_machine import UnicornMachine
from emu.board import Board
from emu.boardfile import load_board
from emu.firmware.build import BuildOptions, build
from emu.firmware.elf_image import load_elf
from emu.firmware.image import Image

HEAD = """\
#include <stdint.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#define NOINLINE __attribute__((noinline))
#define NAKED __attribute__((naked, noinline, aligned(32)))
#define REG(address) (*(volatile uint32_t *)(address))
volatile uint32_t sink;
"""


def board_of(name: str = "h743", **changes: Any) -> Board:
    """A shipped board; `place` and `set_` as `emu.run`, `icache` and `dcache` fields replaced."""
    place, set_ = changes.pop("place", {}), changes.pop("set_", {})
    board = load_board(name, set_=set_, place=place)
    chip = board.chip
    for cache, fields in changes.items():
        chip = replace(chip, **{cache: replace(getattr(chip, cache), **fields)})
    return replace(board, chip=chip)


class Bench:
    """Builds C for a board and runs it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def image(
        self,
        source: str,
        board: Board,
        defines: Mapping[str, int] | None = None,
        cflags: Sequence[str] = (),
    ) -> Image:
        name = hashlib.sha256(source.encode()).hexdigest()[:12]
        path = self._folder / name / "main.c"
        path.parent.mkdir(exist_ok=True)
        path.write_text(HEAD + source, encoding="utf-8")
        texts = tuple(f"{key}={value}" for key, value in (defines or {}).items())
        return load_elf(build([path], board, BuildOptions(defines=texts, cflags=tuple(cflags))).elf)

    def run(
        self,
        source: str,
        board: Board | str = "h743",
        *,
        defines: Mapping[str, int] | None = None,
        cflags: Sequence[str] = (),
        **options: Any,
    ) -> Execution:
        """Options are those of `RunOptions`."""
        target = board_of(board) if isinstance(board, str) else board
        image = self.image(source, target, defines, cflags)
        options.setdefault("max_cycles", 200_000_000)
        return UnicornMachine().run(image, target, RunOptions(**options))
