"""What a file is, is said by its content before its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from emu.errors import ImageError
from emu.firmware.image_format import recognise
from tests.emu.firmware.program_files import FLASH, intel_hex, vector_table

ELF = b"\x7fELF\1\1\1"
HEX = intel_hex([(FLASH, vector_table())]).encode()


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.elf", ELF, "elf"),
        ("a.bin", ELF, "elf"),
        ("a", ELF, "elf"),
        ("a.hex", HEX, "hex"),
        ("a.txt", HEX, "hex"),
        ("a.bin", HEX, "hex"),
        ("a.elf", HEX, "hex"),
        ("a.HEX", b"no record", "hex"),
        ("a.axf", b"no elf", "elf"),
        ("a.bin", vector_table(), "raw"),
        ("a.BIN", b"", "raw"),
        ("a.txt", b"text", None),
        ("a.c", HEX, None),
        ("a.o", ELF, None),
    ],
)
def test_content_comes_before_the_name(
    name: str, content: bytes, expected: str | None, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    assert recognise(tmp_path / name) == expected


def test_a_folder_is_no_program(tmp_path: Path) -> None:
    (tmp_path / "app.elf").mkdir()
    assert recognise(tmp_path / "app.elf") is None


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.srec", b"S0030000FC\n", "S-record file, which is not read. Convert it: .*objcopy"),
        ("a.s19", b"", "called an S-record file"),
        ("a.bin", b"UF2\n", "UF2"),
        ("a.dfu", b"DfuSe\1", "DfuSe"),
        ("a.lib", b"!<arch>\n", "is a library"),
    ],
)
def test_other_formats_are_refused_with_what_to_do(
    name: str, content: bytes, sentence: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ImageError, match=sentence):
        recognise(tmp_path / name)
