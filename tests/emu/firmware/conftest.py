"""Boards, sources and builds for the firmware room's tests."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from emu.board import Board
from emu.boardfile import load_board
from emu.firmware.build import build
from emu.firmware.c_library import build_compiler_rt, compiler_rt_key
from emu.firmware.cache import BuildCache, open_cache
from emu.firmware.toolchain import find_toolchain

WriteSources = Callable[..., Path]


@pytest.fixture(params=["f746", "h743"])
def board(request: pytest.FixtureRequest) -> Board:
    """Both parts: single precision and double precision, flat SRAM and many regions."""
    return load_board(str(request.param))


@pytest.fixture
def h743() -> Board:
    return load_board("h743")


@pytest.fixture
def write(tmp_path: Path) -> WriteSources:
    """Write files into a fresh folder: `write(**{"main.c": text})` returns the folder."""

    def write_files(folder: str = "program", **files: str) -> Path:
        root = tmp_path / folder
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return root

    return write_files


@pytest.fixture(scope="session")
def library_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that knows the C library and nothing else, to copy from: making it takes seconds."""
    shared, own = open_cache(), BuildCache(tmp_path_factory.mktemp("library") / "cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMU_CACHE_DIR", str(own.root))
        toolchain = find_toolchain("zig")
        source = tmp_path_factory.mktemp("hello") / "hello.c"
        source.write_text("int main(void) { return 0; }\n")
        for name in ("f746", "h743"):
            target = load_board(name)
            data = build_compiler_rt(toolchain, target, shared).path.read_bytes()
            own.add_record(compiler_rt_key(toolchain, target), own.add_blob(data, ".o"))
            build([source], target)
    return own.root


@pytest.fixture
def own_cache(library_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A build cache of this test's own, which has seen no program of it."""
    root = tmp_path / "cache"
    shutil.copytree(library_cache, root)
    monkeypatch.setenv("EMU_CACHE_DIR", str(root))
    return root
