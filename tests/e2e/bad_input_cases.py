"""Bad input, as a table: files, options, reports and machines that are not as they should be."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tests.e2e.fault_cases import FINE, Content, FaultCase
from tests.emu.firmware.program_files import (
    END_OF_FILE,
    FLASH,
    ElfFile,
    Part,
    attributes,
    intel_hex,
    vector_table,
)


def _cut(size_bytes: int) -> Callable[[Path], None]:
    return _patched(lambda elf: elf[:size_bytes])


def _patched(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    """Build a good program, then spoil it."""

    def prepare(folder: Path) -> None:
        from emu.boardfile import load_board
        from emu.firmware.build import build

        source = folder / "fine.c"
        source.write_text(FINE)
        elf = build([source], load_board("h743")).elf.read_bytes()
        (folder / "model.elf").write_bytes(change(elf))
        source.unlink()

    return prepare


def _bytes_at(offset: int, value: bytes) -> Callable[[Path], None]:
    return _patched(lambda elf: elf[:offset] + value + elf[offset + len(value) :])


def elf(
    title: str,
    files: dict[str, Content] | None = None,
    prepare: Callable[[Path], None] | None = None,
    *options: str,
) -> FaultCase:
    return FaultCase("ELF files", title, ("run", "model.elf", *options), 2, files or {}, prepare)


def _moved(elf: bytes) -> bytes:
    """The same program, told to load where no board has memory."""
    import struct

    headers_at = struct.unpack_from("<I", elf, 28)[0]
    spoiled = bytearray(elf)
    struct.pack_into("<II", spoiled, headers_at + 8, 0x60000000, 0x60000000)
    return bytes(spoiled)


_CODE = Part(".text", FLASH, vector_table())
CORTEX_A = ElfFile([_CODE], attributes=attributes({5: "Cortex-A7", 6: 10, 7: 65})).to_bytes()
NOWHERE = ElfFile([Part(".isr_vector", FLASH, vector_table(0x1000_8000))]).to_bytes()
EXTERNAL = ElfFile([_CODE, Part(".extflash", 0x9000_0000, b"image")]).to_bytes()

_ELF = (
    elf("An empty file", {"model.elf": b""}),
    elf("A text file called .elf", {"model.elf": "int main(void) { return 0; }\n" * 3}),
    elf("A file cut inside its header", None, _cut(40)),
    elf("A file cut in half", None, _patched(lambda data: data[: len(data) // 2])),
    elf("A 64-bit program", None, _bytes_at(4, b"\2")),
    elf("A big-endian program", None, _bytes_at(5, b"\2")),
    elf("A program for a RISC-V", None, _bytes_at(18, b"\xf3\0")),
    elf("A program for a Cortex-A", {"model.elf": CORTEX_A}),
    elf("A program whose vector table points nowhere", {"model.elf": NOWHERE}),
    elf("A program for external memory", {"model.elf": EXTERNAL}),
    elf("An object file", None, _bytes_at(16, b"\1\0")),
    elf("A shared library", None, _bytes_at(16, b"\3\0")),
    elf("A header that counts too far", None, _bytes_at(44, b"\xff\xff")),
    elf("A program without segments", None, _bytes_at(44, b"\0\0")),
    elf("A program for memory that the board lacks", None, _patched(_moved)),
    elf("A function to measure that is not there", None, _patched(bytes), "--measure", "mian"),
    FaultCase(
        "ELF files",
        "An ELF beside sources",
        ("run", "model.elf", "more.c"),
        2,
        {"more.c": FINE},
        _patched(bytes),
    ),
)


def image(title: str, name: str, content: Content, *options: str) -> FaultCase:
    return FaultCase("HEX files and raw images", title, ("run", name, *options), 2, {name: content})


_HEX = intel_hex([(FLASH, vector_table())])
_LINES = _HEX.splitlines(keepends=True)

_IMAGES = (
    image("A HEX file with a wrong checksum", "app.hex", _HEX.replace("FEE7", "FEE8", 1)),
    image("A HEX file that is cut short", "app.hex", "".join(_LINES[:-1])),
    image("A HEX file that ends within a line", "app.hex", _HEX[: len(_HEX) // 2]),
    image("A line with an odd number of digits", "app.hex", _HEX.replace("FEE7", "FEE", 1)),
    image("A HEX file that is something else", "app.hex", "int main(void) { return 0; }\n"),
    image("A HEX file that writes twice", "app.hex", "".join([_LINES[0], _LINES[1], *_LINES])),
    image("Two HEX files put together", "app.hex", _HEX + _HEX),
    image("A HEX file without data", "app.hex", END_OF_FILE),
    image(
        "A HEX file for another part",
        "app.hex",
        intel_hex([(FLASH, vector_table()), (0x2400_0000, b"data")]),
        "--board",
        "f746",
    ),
    image("A file of S-records", "app.srec", "S00600004844521B\n"),
    image("A raw image of erased flash", "flash.bin", b"\xff" * 64),
    image("A raw image for another part", "flash.bin", vector_table(0x2408_0000), "-b", "f746"),
    image("A raw image without a program", "flash.bin", vector_table(reset=FLASH + 0x10_0041)),
    image("A raw image in Arm code", "flash.bin", vector_table(reset=FLASH + 0x40)),
    image("A raw image at a wrong base", "flash.bin", vector_table(), "--base", "0x08020000"),
    image("A base outside the board", "flash.bin", vector_table(), "--base", "0x60000000"),
    image("A base that is no address", "flash.bin", vector_table(), "--base", "flash"),
    image("A raw image that is larger than flash", "flash.bin", bytes((2 << 20) + 4)),
    image("A base for sources", "model.c", FINE, "--base", "0x08020000"),
)


def source(title: str, text: str, *options: str) -> FaultCase:
    return FaultCase(
        "C sources", title, ("run", "model.c", *options), 2, {"model.c": text}, shows_source=True
    )


_SOURCES = (
    FaultCase("C sources", "A file that is not there", ("run", "modle.c"), 2),
    FaultCase("C sources", "A folder without sources", ("run", "."), 2, {"readme.txt": "text\n"}),
    FaultCase("C sources", "An empty name", ("run", ""), 2),
    source("A syntax error", "int main(void) { return 0 }\n"),
    source("A header that is not found", '#include "weights.h"\nint main(void) { return 0; }\n'),
    source(
        "A function that nobody defines", "int conv(void);\nint main(void) { return conv(); }\n"
    ),
    source("No main", "int infer(void) { return 0; }\n"),
    source("An unknown entry", "int infer(void) { return 0; }\n", "--entry", "inferr"),
    source("A function defined twice", "int f(void) { return 1; }\nint f(void) { return 2; }\n"),
    source(
        "More data than memory",
        "static volatile char arena[2 << 20];\nint main(void) { return arena[0]; }\n",
    ),
    source(
        "More constants than flash",
        "const volatile char weights[3 << 20] = {1};\nint main(void) { return weights[0] - 1; }\n",
    ),
    FaultCase(
        "C sources",
        "A source that was not taken",
        ("run", "."),
        2,
        {
            "main.c": "int layer(void);\nint main(void) { return layer(); }\n",
            "parts/layer.c": "int layer(void) { return 0; }\n",
        },
        shows_source=True,
    ),
    FaultCase(
        "C sources",
        "A file that is no text",
        ("run", "model.c"),
        2,
        {"model.c": b"\x00\x01\xff\xfe\n"},
    ),
    source(
        "A measured function that was inlined away",
        "static int f(int x) { return x; }\nint main(void) { return f(0); }\n",
        "--measure",
        "f",
    ),
    FaultCase(
        "C sources",
        "A model",
        ("run", "model.tflite"),
        2,
        {"model.tflite": b"\x1c\0\0\0TFL3"},
    ),
)


def option(title: str, *options: str, exit_code: int = 2) -> FaultCase:
    return FaultCase("Options", title, ("run", "model.c", *options), exit_code, {"model.c": FINE})


_OPTIONS = (
    option("An unknown option", "--fast"),
    FaultCase("Options", "An unknown command", ("rnu", "model.c"), 2),
    FaultCase("Options", "No source", ("run",), 2),
    option("An unknown timing", "--timing", "exact"),
    option("An unknown toolchain", "--toolchain", "iar"),
    option("An optimisation that does not exist", "-O9"),
    option("A compiler flag that does not exist", "--cflags", "-fno-such-flag"),
    option("Flags with an open quote", "--cflags", "'-O2"),
    option("A folder of headers that is not there", "-I", "no/such/folder"),
    option("A count of cycles that is none", "--max-cycles", "many"),
    option("A negative timeout", "--timeout", "-1"),
    option("A limit without a value", "--limit", "latency_ms"),
    option("A limit with a value that is no size", "--limit", "peak_sram_bytes=lots"),
    option("A limit on something unknown", "--limit", "latncy_ms=5"),
    option("A value to set that is not there", "--set", "flash.wait_state=2"),
    option("A value to set without one", "--set", "clock_hz"),
    option("A clock that the chip cannot run at", "--set", "clock_hz=900M"),
    option("A place that does not exist", "--place", "weights=dtmc"),
    option("Something to place that is not there", "--place", "wieghts=dtcm"),
    option("A report into a folder that is not there", "--json", "no/such/folder/report.json"),
    option("A trace into a folder that is not there", "--trace", "no/such/folder/trace.npz"),
)

_BOARD = """\
name: mine
title: My board
"""


def board(title: str, text: str | None, *options: str, name: str = "mine.yaml") -> FaultCase:
    files: dict[str, Content] = {"model.c": FINE}
    if text is not None:
        files["mine.yaml"] = text
    return FaultCase("Boards", title, ("run", "model.c", "--board", name, *options), 2, files)


_BOARDS = (
    board("An unknown board", None, name="h74"),
    board("A board file that is not there", None, name="mine.yaml"),
    board("A board file that is no YAML", "name: [\n"),
    board("An empty board file", ""),
    board("A board file with too little in it", _BOARD),
    board("A board file with an unknown key", "nmae: mine\n" + _BOARD),
    board("A board file of another kind", "- one\n- two\n"),
)

_LIMITS = (
    FaultCase(
        "Limits and baselines",
        "A latency over its limit",
        ("run", "model.c", "--limit", "latency_ms=0.001"),
        1,
        {"model.c": FINE},
    ),
    FaultCase(
        "Limits and baselines",
        "Two limits exceeded",
        ("run", "model.c", "--limit", "peak_sram_bytes=16", "--limit", "flash_bytes=0.5K"),
        1,
        {"model.c": FINE},
    ),
    FaultCase(
        "Limits and baselines",
        "A limit on a number that the run did not obtain",
        ("run", "model.c", "--timing", "none", "--limit", "latency_ms=1"),
        1,
        {"model.c": FINE},
    ),
)


def _two_reports(change: Callable[[dict[str, object]], None]) -> Callable[[Path], None]:
    """A report of a small program as old.json, and the same after `change` as new.json."""

    def prepare(folder: Path) -> None:
        from emu.measure.run import run

        path = folder / "model.c"
        path.write_text("int main(void) { for (volatile int i = 0; i < 9; i++); return 0; }\n")
        text = run("model.c", board="h743").to_json()
        (folder / "old.json").write_text(text)
        value = json.loads(text)
        change(value)
        (folder / "new.json").write_text(json.dumps(value))
        path.unlink()

    return prepare


def _grown(value: dict[str, object]) -> None:
    value["peak_sram_bytes"] = int(str(value["peak_sram_bytes"])) + 1024


def _grown_elsewhere(value: dict[str, object]) -> None:
    _grown(value)
    value["provenance"]["board"]["digest"] = "0" * 64  # type: ignore[index] # JSON of a report


def _nothing(value: dict[str, object]) -> None:
    del value


_COMPARE = ("compare", "old.json", "new.json")
_REPORTS = (
    FaultCase("Limits and baselines", "A regression", _COMPARE, 1, prepare=_two_reports(_grown)),
    FaultCase(
        "Limits and baselines",
        "Growth between runs that are not alike",
        _COMPARE,
        2,
        prepare=_two_reports(_grown_elsewhere),
    ),
    FaultCase("Reports and tolerances", "A baseline that is not there", _COMPARE, 2),
    FaultCase(
        "Reports and tolerances",
        "A report that is no JSON",
        _COMPARE,
        2,
        {"old.json": '{"schema": "emu.rep', "new.json": "{}"},
    ),
    FaultCase(
        "Reports and tolerances",
        "A report of another schema",
        _COMPARE,
        2,
        {"old.json": '{"schema": "emu.report/9"}', "new.json": "{}"},
    ),
    FaultCase(
        "Reports and tolerances",
        "JSON that is no report",
        _COMPARE,
        2,
        {"old.json": "[1, 2]", "new.json": "{}"},
    ),
    FaultCase(
        "Reports and tolerances",
        "A report with a field missing",
        _COMPARE,
        2,
        {"old.json": '{"schema": "emu.report/1"}', "new.json": "{}"},
    ),
    FaultCase(
        "Reports and tolerances",
        "A tolerance file that is not there",
        (*_COMPARE, "--tolerance", "t.yaml"),
        2,
        prepare=_two_reports(_nothing),
    ),
    FaultCase(
        "Reports and tolerances",
        "A tolerance file that is no YAML",
        (*_COMPARE, "--tolerance", "t.yaml"),
        2,
        {"t.yaml": "latency_cycles: [1\n"},
    ),
    FaultCase(
        "Reports and tolerances",
        "A tolerance that is none",
        (*_COMPARE, "--tolerance", "t.yaml"),
        2,
        {"t.yaml": "latency_cycles: a little\n"},
    ),
)

_AROUND = (
    FaultCase(
        "Tools and the machine around",
        "A toolchain that is not installed",
        ("run", "model.c", "--toolchain", "gcc"),
        3,
        {"model.c": FINE},
        environment=(("PATH", "/nowhere"),),
    ),
    FaultCase(
        "Tools and the machine around",
        "A report to a full disk",
        ("run", "model.c", "--quiet", "--json", "/dev/full"),
        2,
        {"model.c": FINE},
    ),
)

LIMITS = (*_LIMITS, *_REPORTS[:2])
BAD_INPUT = (*_ELF, *_IMAGES, *_SOURCES, *_OPTIONS, *_BOARDS, *_REPORTS[2:], *_AROUND)
