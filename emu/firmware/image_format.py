"""What kind of program a file is: by its content first, by its name second."""

from __future__ import annotations

import re
from pathlib import Path

from emu.errors import ImageError, UsageError
from emu.firmware.image import ImageFormat

_SOURCES = (".c", ".s", ".S", ".o", ".a")
_ELF_NAMES = (".elf", ".axf", ".out")
_HEX_NAMES = (".hex", ".ihex", ".ihx", ".ihe")
_RAW_NAMES = (".bin", ".img", ".rom", ".raw")
_S_RECORD_NAMES = (".srec", ".s19", ".s28", ".s37", ".mot", ".sx")

_HEAD_BYTES = 64
_HEX_RECORD = re.compile(rb"(?:\xef\xbb\xbf)?\s*:[0-9A-Fa-f]{10}")
_S_RECORD = re.compile(rb"\s*S[0-9][0-9A-Fa-f]{6}")
_TO_HEX = "Convert it: arm-none-eabi-objcopy -I srec -O ihex IN OUT.hex."
_OTHERS = (
    (_S_RECORD, f"is a Motorola S-record file, which is not read. {_TO_HEX}"),
    (re.compile(rb"UF2\n"), "is a UF2 file, which is not read. Give the ELF it was made from."),
    (re.compile(rb"DfuSe"), "is a DfuSe file, which is not read. Give the ELF it was made from."),
    (re.compile(rb"!<(arch|thin)>"), "is a library, not a program. Link it into one."),
)


def recognise(path: Path) -> ImageFormat | None:
    """The format of a linked program; None for what may be a source or a folder.

    Raises:
        ImageError: it is a program in a format that is not read.
        UsageError: the file cannot be opened.
    """
    suffix = path.suffix
    if suffix in _SOURCES or not path.is_file():
        return None
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as problem:
        raise UsageError(f"Cannot read {path}: {problem.strerror or problem}.") from problem
    if head.startswith(b"\x7fELF"):
        return "elf"
    if _HEX_RECORD.match(head):
        return "hex"
    for pattern, sentence in _OTHERS:
        if pattern.match(head):
            raise ImageError(f"{path} {sentence}")
    suffix = suffix.lower()
    if suffix in _S_RECORD_NAMES:
        raise ImageError(f"{path} is called an S-record file, which is not read. {_TO_HEX}")
    if suffix in _ELF_NAMES:
        return "elf"
    if suffix in _HEX_NAMES:
        return "hex"
    return "raw" if suffix in _RAW_NAMES else None
