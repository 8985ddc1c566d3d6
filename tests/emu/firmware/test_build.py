"""Building: what is compiled, with which flags, and every refusal's sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from emu.board import Board
from emu.boardfile import load_board
from emu.errors import BuildError, ToolMissingError, UsageError
from emu.firmware.build import BuildOptions, build
from emu.firmware.elf_image import load_elf
from emu.firmware.toolchain import ToolchainName
from tests.emu.firmware.conftest import WriteSources
from tests.emu.firmware.machine import run_firmware

pytestmark = pytest.mark.needs_compiler

TOOLCHAINS = ["zig", pytest.param("gcc", marks=pytest.mark.needs_gcc)]
HELLO = '#include <stdio.h>\nint main(void) { printf("hello\\n"); return 3; }\n'


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
def test_one_file_runs_and_returns_its_status(
    toolchain: ToolchainName, board: Board, write: WriteSources
) -> None:
    root = write(**{"hello.c": HELLO})
    made = build([root / "hello.c"], board, BuildOptions(toolchain=toolchain))
    done = run_firmware(made.elf, board)
    assert (done.status, done.output) == (3, "hello\n")
    assert made.elf.name == "hello.elf"
    assert made.toolchain == toolchain
    assert made.compiler.startswith({"zig": "clang 2", "gcc": "arm-none-eabi-gcc"}[toolchain])
    assert "-O2" in made.flags
    assert not any(str(root) in flag for flag in made.flags)
    assert any("hello.c" in command for command in made.commands)


@pytest.mark.parametrize(
    ("name", "flag"), [("f746", "-mfpu=fpv5-sp-d16"), ("h743", "-mfpu=fpv5-d16")]
)
def test_the_fpu_of_the_board_is_the_fpu_of_the_code(
    name: str, flag: str, write: WriteSources
) -> None:
    root = write(**{"fpu.c": "volatile double x = 2; int main(void) { return (int)(x * x); }\n"})
    made = build([root / "fpu.c"], load_board(name))
    assert flag in made.flags
    uses_helper = load_elf(made.elf).symbol("__aeabi_dmul") is not None
    assert uses_helper == (name == "f746")
    assert run_firmware(made.elf, load_board(name)).status == 4


def test_a_core_without_fpu_gets_soft_float(write: WriteSources) -> None:
    board = load_board("h743")
    bare = replace(board, chip=replace(board.chip, fpu="none"))
    root = write(
        **{"f.c": "volatile float x = 2; int main(void) { return (int)(x * x + 0.5f); }\n"}
    )
    made = build([root / "f.c"], bare)
    assert "-mfloat-abi=soft" in made.flags
    assert load_elf(made.elf).symbol("__aeabi_fmul") is not None
    assert run_firmware(made.elf, bare).status == 4


def test_an_unknown_core_is_refused(h743: Board, write: WriteSources) -> None:
    root = write(**{"main.c": HELLO})
    other = replace(h743, chip=replace(h743.chip, core="cortex-m99"))
    with pytest.raises(UsageError, match="has core 'cortex-m99', which firmware cannot be built"):
        build([root / "main.c"], other)


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
def test_a_folder_stands_for_its_sources_and_those_below_src(
    toolchain: ToolchainName, h743: Board, write: WriteSources
) -> None:
    root = write(
        folder="net",
        **{
            "main.c": '#include "sum.h"\nint main(void) { return sum(2) + LEVEL + start(); }\n',
            "include/sum.h": "int sum(int);\nint start(void);\n",
            "src/deep/sum.c": '#include "sum.h"\nint sum(int n) { return n + 1; }\n',
            "start.S": ".syntax unified\n.thumb\n.text\n.global start\n.thumb_func\n"
            ".type start, %function\nstart: movs r0, #10\nbx lr\n",
            "src/.hidden/broken.c": "#error hidden",
            "src/tests/broken.c": "#error test",
            "other/broken.c": "#error elsewhere",
        },
    )
    made = build([root], h743, BuildOptions(toolchain=toolchain, defines=("LEVEL=4",)))
    assert run_firmware(made.elf, h743).status == 17
    assert made.elf.name == "net.elf"
    assert {path.name for path in made.sources} == {"main.c", "sum.c", "start.S"}


def test_include_folders_and_compiler_flags_are_taken_from_where_the_user_stands(
    h743: Board, write: WriteSources, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write(
        **{
            "app/main.c": '#include "a.h"\n#include "b.h"\nint main(void) { return A + B + C; }\n',
            "one/a.h": "#define A 1\n",
            "two/b.h": "#define B 2\n",
            "three.h": "#define C 4\n",
        }
    )
    monkeypatch.chdir(root)
    options = BuildOptions(include_dirs=(Path("one"),), cflags=("-Itwo", "-include", "three.h"))
    made = build([Path("app/main.c")], h743, options)
    assert run_firmware(made.elf, h743).status == 7


def test_another_entry_runs_and_its_result_is_no_status(h743: Board, write: WriteSources) -> None:
    root = write(**{"k.c": '#include <stdio.h>\nint kernel(void) { puts("kernel"); return 9; }\n'})
    made = build([root / "k.c"], h743, BuildOptions(entry="kernel"))
    done = run_firmware(made.elf, h743)
    assert (done.status, done.output) == (0, "kernel\n")


@pytest.mark.parametrize("level", ["0", "1", "3", "s", "fast", "-Os"])
def test_every_optimisation_level_gives_a_program_that_runs(
    level: str, board: Board, write: WriteSources
) -> None:
    root = write(**{"hello.c": HELLO})
    made = build([root / "hello.c"], board, BuildOptions(optimisation=level))
    assert run_firmware(made.elf, board).output == "hello\n"


def test_signed_overflow_does_not_trap(h743: Board, write: WriteSources) -> None:
    root = write(
        **{
            "wrap.c": "volatile int x = 2147483647;\n"
            "int main(void) { volatile int y = x + 1; return y < 0 ? 5 : 6; }\n"
        }
    )
    made = build([root / "wrap.c"], h743, BuildOptions(optimisation="0"))
    assert run_firmware(made.elf, h743).status == 5


def test_constructors_run_before_main(board: Board, write: WriteSources) -> None:
    root = write(
        **{
            "init.c": "static int order;\n"
            "__attribute__((constructor(202))) static void b(void) { order = order * 10 + 2; }\n"
            "__attribute__((constructor(201))) static void a(void) { order = order * 10 + 1; }\n"
            "int main(void) { return order; }\n"
        }
    )
    assert run_firmware(build([root / "init.c"], board).elf, board).status == 12


def test_an_exception_handler_of_the_program_replaces_ours(
    h743: Board, write: WriteSources
) -> None:
    root = write(**{"tick.c": "void SysTick_Handler(void) { }\nint main(void) { return 0; }\n"})
    image = load_elf(build([root / "tick.c"], h743).elf)
    handler = image.symbol("SysTick_Handler")
    table = image.symbol("__vectors")
    assert handler is not None
    assert table is not None
    flash = image.segments[0]
    word = int.from_bytes(flash.data[15 * 4 : 16 * 4], "little")
    assert table.address == flash.address == 0x08000000
    assert word & ~1 == handler.address
    assert handler.size_bytes <= 4  # the program's, not the trap of start-up


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
def test_a_handler_with_a_cmsis_name_is_in_the_vector_of_its_interrupt(
    toolchain: ToolchainName, board: Board, write: WriteSources
) -> None:
    root = write(**{"irq.c": "void TIM7_IRQHandler(void) { }\nint main(void) { return 0; }\n"})
    image = load_elf(build([root / "irq.c"], board, BuildOptions(toolchain=toolchain)).elf)
    handler, default = image.symbol("TIM7_IRQHandler"), image.symbol("Default_Handler")
    assert handler is not None
    assert default is not None
    lines_count = board.chip.interrupts.lines_count
    table = image.segments[0].data[16 * 4 : (16 + lines_count) * 4]
    words = [int.from_bytes(table[at : at + 4], "little") for at in range(0, len(table), 4)]
    assert words.pop(55) == handler.address | 1
    assert set(words) == {default.address | 1}  # those of no name too


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
def test_lines_are_named_relative_to_the_sources(
    toolchain: ToolchainName, h743: Board, write: WriteSources
) -> None:
    root = write(
        **{
            "src/work.c": "\n\nint work(void)\n{\n    return 5;\n}\n",
            "main.c": """
int work(void);
int main(void) { return work(); }
""",
        }
    )
    made = build([root], h743, BuildOptions(toolchain=toolchain))
    image = load_elf(made.elf)
    function = image.symbol("work")
    assert function is not None
    line = image.line_at(function.address)
    assert line is not None
    assert os.path.normpath(line.file) == os.path.join("src", "work.c")  # noqa: PTH118 - a text
    assert 3 <= line.line <= 6
    assert made.source_root == root


def test_warnings_come_with_their_place_also_from_the_cache(
    h743: Board, write: WriteSources, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert own_cache.is_dir()
    root = write(**{"w.c": "#warning take care\nint main(void) { return 0; }\n"})
    monkeypatch.chdir(root.parent)
    first = build([root / "w.c"], h743)
    again = build([root / "w.c"], h743)
    assert "program/w.c:1:2: warning: take care" in first.warnings.replace(os.sep, "/")
    assert again.warnings == first.warnings
    assert again.cached
    assert not first.cached


def refusal(sources: list[Path], board: Board, **options: object) -> str:
    with pytest.raises((BuildError, UsageError, ToolMissingError)) as caught:
        build(sources, board, BuildOptions(**options))  # type: ignore[arg-type]  # test input
    return str(caught.value)


def test_compile_errors_are_listed_with_file_and_line(
    h743: Board, write: WriteSources, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write(**{"bad.c": "int main(void) {\n    return undeclared + 1\n}\n"})
    monkeypatch.chdir(root)
    message = refusal([Path("bad.c")], h743)
    assert message.startswith("bad.c did not compile with clang")
    assert "bad.c:2:12: use of undeclared identifier 'undeclared'" in message
    assert len(message.splitlines()) < 8


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
def test_an_undefined_function_is_named_with_its_place(
    toolchain: ToolchainName, h743: Board, write: WriteSources, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write(**{"use.c": "int helper(int);\nint main(void)\n{\n    return helper(1);\n}\n"})
    monkeypatch.chdir(root)
    message = refusal([Path("use.c")], h743, toolchain=toolchain)
    assert message.startswith("use.c does not link: helper is not defined anywhere")
    assert "use.c:4" in message
    assert "Add the source" in message


def test_a_source_that_was_not_taken_is_named(
    h743: Board, write: WriteSources, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write(
        **{
            "use.c": "int helper(int);\nint main(void) { return helper(1); }\n",
            "parts/calls.c": "int helper(int);\nint g(int x)\n{\n    return helper(x);\n}\n",
            "parts/helper.c": "int helper(int x) { return x - 1; }\n",
        }
    )
    monkeypatch.chdir(root)
    for sources in ([root], [Path("use.c")]):
        message = refusal(sources, h743)
        assert "parts/helper.c seems to define helper but was not taken" in message


def test_files_are_told_to_be_absent(h743: Board, write: WriteSources) -> None:
    root = write(**{"f.c": '#include <stdio.h>\nint main(void) { return fopen("a", "r") == 0; }\n'})
    assert "There are no files and no input on the board" in refusal([root / "f.c"], h743)


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
def test_two_mains_are_refused(toolchain: ToolchainName, h743: Board, write: WriteSources) -> None:
    root = write(**{"a.c": "int main(void) { return 0; }", "b.c": "int main(void) { return 1; }"})
    message = refusal([root], h743, toolchain=toolchain)
    assert "main is defined in more than one source" in message


def test_a_missing_entry_is_told_with_what_there_is(h743: Board, write: WriteSources) -> None:
    root = write(
        **{
            "k.c": "int kernel(void) { return 1; }\nstatic int s(void) { return 2; }\n"
            "int (*keep)(void) = s;\n"
        }
    )
    message = refusal([root / "k.c"], h743)
    assert "no main() in k.c" in message
    assert "kernel" in message
    assert "--entry" in message
    assert "no function 'krenel'" in refusal([root / "k.c"], h743, entry="krenel")
    assert "is static" in refusal([root / "k.c"], h743, entry="s")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("absent.c", "does not exist"),
        ("model.cpp", "is C++, which is not supported"),
        ("model.h", "is a header"),
        ("model.txt", "is no source that can be compiled"),
    ],
)
def test_other_files_are_refused(
    name: str, sentence: str, h743: Board, write: WriteSources
) -> None:
    files = {} if name == "absent.c" else {name: ""}
    root = write(**{"main.c": HELLO}, **files)
    assert sentence in refusal([root / name], h743)


def test_an_empty_folder_no_source_and_a_folder_beside_files_are_refused(
    h743: Board, write: WriteSources
) -> None:
    root = write(**{"empty/readme.txt": "", "main.c": HELLO})
    assert "has no .c, .s or .S file" in refusal([root / "empty"], h743)
    assert "No source was named" in refusal([], h743)
    assert "beside other sources" in refusal([root, root / "main.c"], h743)


def test_bad_options_are_refused(h743: Board, write: WriteSources) -> None:
    root = write(**{"main.c": HELLO})
    source = [root / "main.c"]
    assert "'9' is no optimisation level" in refusal(source, h743, optimisation="9")
    assert "is no folder" in refusal(source, h743, include_dirs=(root / "nope",))
    assert "Toolchain 'msvc' is not known" in refusal(source, h743, toolchain="msvc")
    assert "unknown argument" in refusal(source, h743, cflags=("-fnonsense",))


def test_an_absent_gcc_says_how_to_get_it(
    h743: Board, write: WriteSources, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    root = write(**{"main.c": HELLO})
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissingError, match="arm-none-eabi-gcc, which is not on PATH") as caught:
        build([root / "main.c"], h743, BuildOptions(toolchain="gcc"))
    assert caught.value.exit_code == 3
    assert "apt install" in str(caught.value)


def test_an_absent_zig_says_how_to_get_it(
    h743: Board, write: WriteSources, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write(**{"main.c": HELLO})
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ToolMissingError, match="pip install ziglang"):
        build([root / "main.c"], h743)


@pytest.mark.slow
@pytest.mark.parametrize("home", ["a home that is empty", "/dev/null"])
def test_a_fresh_machine_builds_also_without_a_home(
    home: str, write: WriteSources, tmp_path: Path
) -> None:
    """Nothing is cached and compiler-rt is built: 6 s on one idle core, hence the wide bound.

    Even root cannot write below /dev/null.
    """
    root = write(**{"hello.c": HELLO})
    script = (
        "from pathlib import Path; from emu.boardfile import load_board\n"
        "from emu.firmware.build import build\n"
        f"print(build([Path({str(root / 'hello.c')!r})], load_board('h743')).elf.is_file())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={
            "PATH": os.environ["PATH"],
            "TMPDIR": str(tmp_path),
            "HOME": home if home == "/dev/null" else str(tmp_path / "home"),
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr
