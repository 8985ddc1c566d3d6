"""string.h, stdlib.h, ctype.h, setjmp.h, assert.h, complex.h, time.h: what the headers promise.

Each check is a line of C in `programs/`; a failure shows the line.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from emu.board import Board
from emu.boardfile import load_board
from emu.firmware.build import BuildOptions, build
from emu.firmware.toolchain import ToolchainName
from tests.emu.firmware.machine import run_firmware

pytestmark = pytest.mark.needs_compiler

TOOLCHAINS = ["zig", pytest.param("gcc", marks=pytest.mark.needs_gcc)]

PROGRAMS = Path(__file__).parent / "programs"


def _failures(program: str, board: Board, toolchain: ToolchainName = "zig") -> str:
    # The compiler must call the library, not work the answers out.
    options = BuildOptions(toolchain=toolchain, cflags=("-fno-builtin",))
    done = run_firmware(build([PROGRAMS / program], board, options).elf, board)
    assert (done.status, done.error) == (0, ""), done
    return done.output


def test_memory_functions_touch_exactly_their_bytes_at_every_alignment(board: Board) -> None:
    assert _failures("memory.c", board) == ""


@pytest.mark.parametrize("program", ["text.c", "numbers.c"])
def test_text_and_number_functions(program: str, board: Board) -> None:
    assert _failures(program, board) == ""


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
def test_the_heap_keeps_contents_joins_free_blocks_and_refuses_what_it_cannot_hold(
    toolchain: ToolchainName, board: Board
) -> None:
    assert _failures("heap.c", board, toolchain) == ""


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
def test_jumps_intrinsics_complex_atomics_and_the_abi_helpers(
    toolchain: ToolchainName, board: Board
) -> None:
    assert _failures("language.c", board, toolchain) == "at exit\n"


def test_a_failed_assertion_names_its_place_and_ends_as_abort(h743: Board, tmp_path: Path) -> None:
    source = tmp_path / "assertion.c"
    source.write_text(
        "#include <assert.h>\nint main(void) { int three = 3; assert(three == 4); }\n"
    )
    done = run_firmware(build([source], h743).elf, h743)
    assert done.status == 134
    assert done.error == "assertion.c:2: main: assertion failed: three == 4\n"


def test_a_double_free_ends_the_program(h743: Board, tmp_path: Path) -> None:
    source = tmp_path / "twice.c"
    source.write_text(
        "#include <stdlib.h>\n"
        "int main(void) { char *volatile p = malloc(8); free(p); free(p); return 0; }\n"
    )
    done = run_firmware(build([source], h743).elf, h743)
    assert done.status == 134


def test_a_program_may_bring_its_own_library_functions(tmp_path: Path) -> None:
    board = load_board("h743")
    source = tmp_path / "own.c"
    source.write_text(
        "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n"
        "static char pool[64];\n"
        "void *malloc(size_t size) { (void)size; return pool; }\n"
        "void free(void *p) { (void)p; }\n"
        "size_t strlen(const char *t) { size_t n = 0; while (t[n]) ++n; return n + 100; }\n"
        'int main(int argc, char **argv) { (void)argv; printf("%d %d\\n", argc, '
        '(int)(strlen("ab") + (malloc(8) == pool))); return strchr("abc", 98) == NULL; }\n'
    )
    options = BuildOptions(cflags=("-fno-builtin",))
    done = run_firmware(build([source], board, options).elf, board)
    assert (done.status, done.output) == (0, "0 103\n")
