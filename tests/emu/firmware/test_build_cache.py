"""The build cache: when it may answer, when it must not, and what it survives."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

import pytest
from elftools.elf.elffile import ELFFile

from emu.board import Board
from emu.errors import BuildError
from emu.firmware import cache as cache_module
from emu.firmware.build import Build, BuildOptions, build
from emu.firmware.cache import BuildCache, open_cache, sha256_bytes
from emu.firmware.compile import parse_depfile
from emu.firmware.toolchain import ToolchainName
from tests.emu.firmware.conftest import WriteSources
from tests.emu.firmware.machine import run_firmware

pytestmark = pytest.mark.needs_compiler

TOOLCHAINS = ["zig", pytest.param("gcc", marks=pytest.mark.needs_gcc)]
MAIN = '#include "level.h"\nint main(void) { return LEVEL; }\n'


def status(made: Build, board: Board) -> int | None:
    return run_firmware(made.elf, board).status


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
def test_equal_sources_are_not_built_again(
    toolchain: ToolchainName, h743: Board, write: WriteSources, own_cache: Path
) -> None:
    root = write(**{"main.c": MAIN, "level.h": "#define LEVEL 1\n"})
    first = build([root], h743, BuildOptions(toolchain))
    again = build([root], h743, BuildOptions(toolchain))
    assert (first.cached, again.cached) == (False, True)
    assert again.elf == first.elf
    assert own_cache in first.elf.parents
    assert again.source_sha256 == first.source_sha256


def test_a_cached_build_takes_a_tenth_of_a_second(h743: Board, write: WriteSources) -> None:
    root = write(**{"main.c": MAIN, "level.h": "#define LEVEL 1\n"})
    build([root], h743)
    durations = []
    for _ in range(5):
        start = time.perf_counter()
        assert build([root], h743).cached
        durations.append(time.perf_counter() - start)
    assert min(durations) < 0.1


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
def test_a_changed_header_is_seen_and_its_old_state_is_remembered(
    toolchain: ToolchainName, h743: Board, write: WriteSources, own_cache: Path
) -> None:
    assert own_cache.is_dir()
    root = write(**{"main.c": MAIN, "level.h": "#define LEVEL 1\n"})
    options = BuildOptions(toolchain)
    first = build([root], h743, options)
    write(**{"level.h": "#define LEVEL 2\n"})
    changed = build([root], h743, options)
    assert (status(first, h743), status(changed, h743)) == (1, 2)
    assert not changed.cached
    assert changed.source_sha256 != first.source_sha256
    write(**{"level.h": "#define LEVEL 1\n"})
    assert build([root], h743, options).cached


def test_defines_flags_level_and_board_are_part_of_the_question(
    h743: Board, board: Board, write: WriteSources, own_cache: Path
) -> None:
    assert own_cache.is_dir()
    root = write(**{"main.c": "int main(void) { return LEVEL; }\n"})
    one = build([root], h743, BuildOptions(defines=("LEVEL=1",)))
    two = build([root], h743, BuildOptions(defines=("LEVEL=2",)))
    three = build([root], h743, BuildOptions(cflags=("-DLEVEL=3",)))
    slow = build([root], h743, BuildOptions(defines=("LEVEL=1",), optimisation="0"))
    assert [status(made, h743) for made in (one, two, three, slow)] == [1, 2, 3, 1]
    assert len({made.elf for made in (one, two, three, slow)}) == 4
    other = build([root], board, BuildOptions(defines=("LEVEL=1",)))
    assert (other.elf == one.elf) == (board.name == "h743")


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
def test_a_header_that_appears_in_front_of_another_is_seen(
    toolchain: ToolchainName, h743: Board, write: WriteSources
) -> None:
    root = write(
        **{
            "main.c": "#include <level.h>\n#include <stdio.h>\nint main(void) { return LEVEL; }\n",
            "first/other.h": "",
            "second/level.h": "#define LEVEL 2\n",
        }
    )
    options = BuildOptions(toolchain, include_dirs=(root / "first", root / "second"))
    assert status(build([root / "main.c"], h743, options), h743) == 2
    write(**{"first/level.h": "#define LEVEL 1\n"})
    assert status(build([root / "main.c"], h743, options), h743) == 1
    write(**{"first/stdio.h": "#undef LEVEL\n#define LEVEL 7\n"})
    assert status(build([root / "main.c"], h743, options), h743) == 7


def test_bytes_taken_in_by_the_assembler_are_never_stale(h743: Board, write: WriteSources) -> None:
    root = write(
        **{
            "main.c": "extern const char blob[]; int main(void) { return blob[0]; }\n",
            "blob.S": '.section .rodata.blob, "a"\n.global blob\n'
            'blob: .incbin "blob.bin"\n.byte 0\n',
            "blob.bin": "A",
        }
    )
    assert status(build([root], h743), h743) == 65
    write(**{"blob.bin": "B"})
    assert status(build([root], h743), h743) == 66


def test_embedded_files_are_inputs_too(h743: Board, write: WriteSources) -> None:
    text = """
    static const unsigned char blob[] = {
    #embed "blob.bin"
    };
    int main(void) { return blob[0]; }
    """
    root = write(**{"main.c": text, "blob.bin": "A"})
    options = BuildOptions(cflags=("-std=gnu23",))
    assert status(build([root], h743, options), h743) == 65
    assert build([root], h743, options).cached
    write(**{"blob.bin": "B"})
    assert status(build([root], h743, options), h743) == 66


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
def test_the_same_sources_elsewhere_give_the_same_bytes(
    toolchain: ToolchainName, board: Board, write: WriteSources
) -> None:
    files = {
        "main.c": '#include "in.h"\n#include <stdio.h>\n#include <assert.h>\n'
        "int main(void) { assert(F()); puts(__FILE__ __DATE__ __TIME__); return 0; }\n",
        "include/in.h": "static inline int F(void) { return __LINE__; }\n",
        "src/more.c": "int more(void) { return 1; }\n",
    }
    made = []
    for folder in ("here", "there/deep/er"):
        root = write(folder=folder, **files)
        made.append(build([root], board, BuildOptions(toolchain, defines=(f"_X_{toolchain}",))))
    first, second = (item.elf.read_bytes() for item in made)
    assert first == second
    assert b"/here" not in first
    assert str(Path.home()).encode() not in first
    assert made[0].source_sha256 == made[1].source_sha256
    with made[0].elf.open("rb") as file:
        names = {
            unit.get_top_DIE().attributes["DW_AT_name"].value.decode()
            for unit in ELFFile(file).get_dwarf_info().iter_CUs()
            if "DW_AT_name" in unit.get_top_DIE().attributes
        }
    assert {"main.c"} <= names


def _entries(root: Path, kind: str) -> list[Path]:
    return [path for path in (root / kind).rglob("*") if path.is_file()]


@pytest.mark.parametrize("damage", ["cut", "flipped", "emptied", "foreign"])
def test_damaged_entries_are_made_again(
    damage: str, h743: Board, write: WriteSources, own_cache: Path
) -> None:
    root = write(**{"main.c": MAIN, "level.h": "#define LEVEL 5\n"})
    good = build([root], h743).elf.read_bytes()
    for path in [p for kind in ("blobs", "records", "elf") for p in _entries(own_cache, kind)]:
        data = path.read_bytes()
        if len(data) > 200_000 or (path.suffix == ".json" and len(data) == 64):
            continue  # compiler-rt takes seconds to make again
        bad = {
            "cut": data[: len(data) // 2],
            "flipped": bytes(byte ^ 0x55 for byte in data),
            "emptied": b"",
            "foreign": b'[{"inputs": 3}]',
        }[damage]
        path.write_bytes(bad)
    made = build([root], h743)
    assert made.elf.read_bytes() == good
    assert build([root], h743).cached


def test_a_record_cannot_make_the_cache_touch_other_files(own_cache: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim.o"
    victim.write_text("precious")
    assert BuildCache(own_cache).blob(f"../../../{victim.stem}", ".o") is None
    assert victim.exists()


def test_concurrent_builders_all_get_the_program(write: WriteSources, own_cache: Path) -> None:
    files = {f"part{n}.c": f"int part{n}(void) {{ return {n}; }}\n" for n in range(4)}
    root = write(**{"main.c": MAIN, "level.h": "#define LEVEL 6\n"}, **files)
    script = (
        "from pathlib import Path; from emu.boardfile import load_board\n"
        "from emu.firmware.build import build\n"
        f"print(build([Path({str(root)!r})], load_board('h743')).elf)\n"
    )
    builders = [
        subprocess.Popen(
            [sys.executable, "-c", script],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    results = [builder.communicate(timeout=60) for builder in builders]
    assert [builder.returncode for builder in builders] == [0] * 4, results
    assert len({out for out, _ in results}) == 1
    assert not list((own_cache / "tmp").glob("work-*"))
    assert not list(own_cache.rglob(".new-*"))


def test_a_cache_that_cannot_be_written_is_replaced_for_this_process(
    h743: Board, write: WriteSources, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    blocked = tmp_path / "a-file"
    blocked.write_text("")
    real = open_cache()
    monkeypatch.setenv("EMU_CACHE_DIR", str(blocked / "cache"))
    # compiler-rt would be built once more in the fallback; lend it the real cache's folder.
    monkeypatch.setattr(cache_module, "_fallback", [real.root])
    root = write(**{"main.c": MAIN, "level.h": "#define LEVEL 4\n"})
    assert status(build([root], h743), h743) == 4
    assert open_cache().root == real.root


def test_without_a_fallback_a_temporary_folder_is_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    blocked = tmp_path / "a-file"
    blocked.write_text("")
    monkeypatch.setenv("EMU_CACHE_DIR", str(blocked / "cache"))
    monkeypatch.setattr(cache_module, "_fallback", [])
    folder = open_cache().root
    assert folder.is_dir()
    assert open_cache().root == folder


def test_a_full_disk_is_one_sentence(
    h743: Board, write: WriteSources, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    root = write(**{"main.c": MAIN, "level.h": "#define LEVEL 4\n"})
    monkeypatch.setattr("tempfile.mkstemp", full)
    with pytest.raises(BuildError, match=r"The build cache .* is full") as caught:
        build([root], h743)
    assert "EMU_CACHE_DIR" in str(caught.value)
    assert str(own_cache) in str(caught.value)


def test_the_oldest_entries_go_when_the_cache_outgrows_its_bound(tmp_path: Path) -> None:
    cache = BuildCache(tmp_path, max_bytes=5000)
    digests = [cache.add_blob(bytes([n]) * 1000, ".o") for n in range(10)]
    long_ago = time.time() - 10 * 24 * 3600
    for age, digest in enumerate(digests[:8]):
        os.utime(cache.blob_path(digest, ".o"), (long_ago + age, long_ago + age))
    cache.prune()
    left = [digest for digest in digests if cache.blob(digest, ".o") is not None]
    assert left == digests[5:]


def test_entries_in_use_are_kept_even_over_the_bound(tmp_path: Path) -> None:
    cache = BuildCache(tmp_path, max_bytes=100)
    digests = [cache.add_blob(bytes([n]) * 1000, ".o") for n in range(3)]
    cache.prune()
    assert all(cache.blob(digest, ".o") is not None for digest in digests)


@pytest.mark.parametrize(
    ("variable", "folder"), [("EMU_CACHE_DIR", ""), ("XDG_CACHE_HOME", "tinyml-emu")]
)
def test_the_cache_lies_where_the_environment_says(
    variable: str, folder: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("EMU_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, str(tmp_path / "chosen"))
    assert open_cache().root == tmp_path / "chosen" / folder


def test_depfiles_are_read_with_make_s_escapes() -> None:
    text = "unit.o: a.c \\\n my\\ dir/b.h c\\#d.h $$e.h\n"
    assert parse_depfile(text) == ("a.c", "my dir/b.h", "c#d.h", "$e.h")


@pytest.mark.parametrize("name", ["with space", "with'quote", "ünïcödé", "a$b#c", "-dash", "a=b"])
def test_odd_folder_and_file_names_build_and_hit(
    name: str, h743: Board, write: WriteSources
) -> None:
    root = write(folder=name, **{f"{name}.c": MAIN, "level.h": "#define LEVEL 8\n"})
    made = build([root / f"{name}.c"], h743)
    assert status(made, h743) == 8
    assert build([root / f"{name}.c"], h743).cached
    write(folder=name, **{"level.h": "#define LEVEL 9\n"})
    assert status(build([root / f"{name}.c"], h743), h743) == 9


def test_blob_names_are_hashes_of_their_bytes(tmp_path: Path) -> None:
    cache = BuildCache(tmp_path)
    digest = cache.add_blob(b"bytes", ".o")
    assert digest == sha256_bytes(b"bytes")
    assert re.fullmatch(r"[0-9a-f]{64}", digest)
    assert cache.blob(digest, ".o") == b"bytes"
