"""The golden file of instruction forms: encodings and what the decoder says of them.

A form begins at the margin; the further instructions of an IT block are indented. The encodings in
the file are what is decoded, so that reading it needs no compiler.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from emu.core.decode import decode_block
from emu.core.instruction import FIRST_S, FLAGS, FP_STATUS, GE_FLAGS, End, Instruction
from emu.core.timing_table import Need, Producer, TimingTable, load_timing_table

GOLDEN = Path(__file__).parents[2] / "golden" / "instruction_forms.txt"
ADDRESS = 0x0800_0000
_HEAD = """\
# Every form of instruction that C compilers emit for this core, and what the timing model takes it
# for. Written by `pytest tests/emu/core/test_decode.py --emu-update`.
#
#   encoding  text | attributes | issue cycles | register:need ... -> register=producer(latencies)
#             | memory operand | how it ends
#
# Encodings are bytes in memory order, decoded at 0x08000000. Latencies are to the needs of the
# register's kind: core A E EA L X M C S, flags FL, floating point F FC FS; "+1" counts from a cycle
# later. Names are those of boards/cores/cortex-m7.yaml.
"""
_CORE = (Need.A, Need.E, Need.EA, Need.L, Need.X, Need.M, Need.C, Need.S)
_NAMES = {13: "sp", 14: "lr", 15: "pc", FLAGS: "flags", GE_FLAGS: "ge", FP_STATUS: "fpscr"}


def table() -> TimingTable:
    return load_timing_table("cortex-m7")


def register_name(number: int) -> str:
    if number in _NAMES:
        return _NAMES[number]
    return f"s{number - FIRST_S}" if number >= FIRST_S else f"r{number}"


def _latencies(register: int, producer: Producer) -> str:
    needs: tuple[Need, ...] = _CORE
    if register in (FLAGS, GE_FLAGS):
        needs = (Need.FL,)
    elif register >= FIRST_S:
        needs = (Need.F, Need.FC, Need.FS)
    row = table().latency_cycles[producer]
    return " ".join(str(row[need]) for need in needs)


def _made(register: int, producer: Producer, delay: int) -> str:
    later = f"+{delay}" if delay else ""
    text = f"{register_name(register)}={producer.name.lower()}{later}"
    return f"{text}({_latencies(register, producer)})"


def _memory(instruction: Instruction) -> str:
    memory = instruction.memory
    if memory is None:
        return "-"
    index = f" + {register_name(memory.index)}<<{memory.shift}" if memory.index >= 0 else ""
    at = "" if memory.base == 15 else register_name(memory.base)
    move = f", then base {memory.step_bytes:+d}" if memory.step_bytes else ""
    verb = "store" if memory.is_store else "load"
    kind = f"{memory.words}x{memory.word_bytes}{' signed' if memory.signed else ''}"
    offset = f"{memory.displacement:#x}" if memory.base == 15 else f"{memory.displacement:+d}"
    return f"{verb} {kind} [{at}{offset}{index}]{move}"


def _end(instruction: Instruction) -> str:
    if instruction.end is End.FALL:
        return "falls through"
    target = "" if instruction.target is None else f" {instruction.target - ADDRESS:+d}"
    return f"{instruction.end.name.lower()}{target}"


def describe(instruction: Instruction) -> str:
    """Everything that decides the cost of an instruction, in one line."""
    uses = [f"{register_name(r)}:{need.name}" for r, need in instruction.uses] or ["-"]
    defs = [_made(*made) for made in instruction.defs] or ["-"]
    name = instruction.attributes.name or "NONE"
    held = f" holds {instruction.fp_busy.name.lower()}" if instruction.fp_busy else ""
    columns = (
        instruction.text,
        name.lower().replace("|", " "),
        f"{instruction.issue_cycles}{held}",
        f"{' '.join(uses)} -> {' '.join(defs)}",
        _memory(instruction),
        _end(instruction),
    )
    return " | ".join(columns)


def describe_form(code: bytes) -> str:
    """The golden lines of one form."""
    lines = []
    at = 0
    for instruction in decode_block(code, ADDRESS, table()):
        encoding = code[at : at + instruction.size_bytes].hex()
        lines.append(f"{'  ' if at else ''}{encoding} {describe(instruction)}")
        at += instruction.size_bytes
    return "\n".join(lines)


def page(forms: Iterator[tuple[str, bytes]]) -> str:
    """The whole file from `(chapter, encoding)`."""
    parts, current = [_HEAD], ""
    for chapter, code in forms:
        if chapter != current:
            parts.append(f"\n## {chapter}\n\n")
            current = chapter
        parts.append(describe_form(code) + "\n")
    return "".join(parts)


@cache
def golden_forms() -> tuple[tuple[str, bytes, str], ...]:
    """`(chapter, encoding, lines)` of every form in the golden file."""
    forms: list[tuple[str, bytes, str]] = []
    chapter = ""
    for line in GOLDEN.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            chapter = line[3:]
        elif line.startswith("  ") and forms:
            code = bytes.fromhex(line.split()[0])
            forms[-1] = (chapter, forms[-1][1] + code, f"{forms[-1][2]}\n{line}")
        elif line and not line.startswith("#"):
            forms.append((chapter, bytes.fromhex(line.split()[0]), line))
    return tuple(forms)
