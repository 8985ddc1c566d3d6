"""Assembly to encodings, with the compiler that firmware is built with."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from emu.firmware.toolchain import find_toolchain, run_tool

_MACHINE = ("--target=thumbv7em-none-eabihf", "-mcpu=cortex-m7", "-mthumb", "-mfpu=fpv5-d16",
            "-mfloat-abi=hard")  # fmt: skip
_HEAD = ".syntax unified\n.thumb\n.text\n"


def assemble_each(snippets: Sequence[str]) -> list[bytes]:
    """The bytes of each snippet, `;` between instructions; each starts at a multiple of eight."""
    return list(_assemble(tuple(snippets)))


@cache
def _assemble(snippets: tuple[str, ...]) -> tuple[bytes, ...]:
    lines = [_HEAD]
    for number, snippet in enumerate(snippets):
        text = snippet.replace(";", "\n    ")
        lines.append(f".balign 8\nbegin_{number}:\n    {text}\nend_{number}:\n")
    with tempfile.TemporaryDirectory() as folder:
        source, product = Path(folder) / "forms.s", Path(folder) / "forms.o"
        source.write_text("".join(lines), encoding="utf-8")
        command = (*find_toolchain("zig").compile_command, *_MACHINE, "-c", str(source))
        done = run_tool((*command, "-o", str(product)), None)
        assert done.returncode == 0, done.stderr
        with product.open("rb") as file:
            elf = ELFFile(file)
            section = elf.get_section_by_name(".text")
            assert section is not None
            code = section.data()
            table = elf.get_section_by_name(".symtab")
            assert isinstance(table, SymbolTableSection)
            at = {symbol.name: symbol["st_value"] & ~1 for symbol in table.iter_symbols()}
    return tuple(code[at[f"begin_{n}"] : at[f"end_{n}"]] for n in range(len(snippets)))
