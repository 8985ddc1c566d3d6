"""How an image is broken: its container, its vectors, its code. Everything follows from a seed."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ci.fuzz.corpus import Seed, hex_record

FLASH, RAM = 0x0800_0000, 0x2000_0000
_EXTREMES = (0, 1, 2, 3, 4, 0x7F, 0x80, 0xFF, 0xFFFF, 0x8000_0000, 0x7FFF_FFFF, 0xFFFF_FFFF)
_ADDRESSES = (
    *(0, 4, 0x0020_0000, FLASH, FLASH + 0xFFFFE, FLASH + 0x20_0000, 0x1FF0_0000, 0x1FFF_0000),
    *(RAM, RAM + 0xFFFE, RAM + 0x4_FFFC, RAM + 0x5_0000, 0x2400_0000, 0x3000_0000, 0x3800_0000),
    *(0x4000_0000, 0x4000_4400, 0x4002_3800, 0x4002_6000, 0x5802_4400, 0x5200_2000, 0xC000_0000),
    *(0xE000_0000, 0xE000_1000, 0xE000_E010, 0xE000_E100, 0xE000_ED00, 0xE000_ED9C, 0xE000_EF00),
    *(0xE000_EF50, 0xE004_1000, 0xFFFF_FFF1, 0xFFFF_FFE9, 0xFFFF_FFFD, 0xEFFF_FFFE, 0xFFFF_FFFF),
)
# Instructions that a random word seldom is and that a machine has special cases for.
_ODD_INSTRUCTIONS = tuple(
    bytes.fromhex(text)
    for text in (
        "00df", "ffdf", "00be", "abbe", "00de", "30bf", "20bf", "40bf", "10bf", "00bf", "72b6",
        "62b6", "71b6", "61b6", "7047", "f746", "0047", "8047", "fee7", "ffe7", "fff7feff", "08bf",
        "18bf", "04bf", "1cbf", "01bf", "05bf", "aabf", "00bd", "ffbd", "ffb5", "02bc", "8d46",
        "8546", "6946", "bff34f8f", "bff35f8f", "bff36f8f", "bff32f8f", "eff30080", "eff30580",
        "eff30980", "eff31080", "eff31180", "eff31480", "80f30088", "80f30888", "80f30988",
        "80f31088", "80f31188", "80f31388", "80f31488", "50e8000f", "41e80020", "d1e8cf0f",
        "c1e84f0f", "51e80001", "40e80010", "f0f700a0", "00f000f8", "fff7fcff", "00f00080",
        "dfe800f0", "dfe811f0", "bde80080", "bde8ffdf", "2de9ff5f", "9de8ff0f", "90e80f80",
        "d0e90001", "c0e90001", "5df804fb", "90e8000c", "b0e80f00", "00eb0000", "fbb0f0f0",
        "90fbf0f0", "00fb00f0", "80fa40f0", "20f00000", "10ee100a", "00ee100a", "10ee900b",
        "30ee000a", "80ee200a", "b1eec00a", "b8eec00a", "b5ee400a", "f1ee10fa", "f1ee100a",
        "e1ee100a", "90ed000a", "80ed000a", "90ed010b", "bdec108b", "2ded108b", "b0ec100a",
        "20ec300a", "30ec300a", "90ec000a", "30ec000a", "ffee100a", "b0ee400b", "fee70000",
        "b0eee00a", "40ff0000", "fef7ffff", "f3af0080", "affff380", "11ee100f", "01ee100f",
        "f0ee100a", "10f8400f", "90f800f0", "10f8000c", "bff00041", "fff7ffef", "ffffffff",
        "00000000", "e9f77fff", "7fe97fe9", "00fe0000", "00fc0000", "d4f800f0", "dff804f0",
    )
)  # fmt: skip
# movw r0, #0xED88; movt r0, #0xE000; mov.w r1, #0xF00000; str r1, [r0]; dsb; isb
_FPU_ON = bytes.fromhex("4ef68850cef200004ff470010160bff34f8fbff36f8f")
_HEX_DIGITS = b"0123456789ABCDEFabcdef"


@dataclass(frozen=True)
class Mutant:
    """A broken image and how it is run.

    `options` are those of `emu run`; `how` says what was done, for a person.
    """

    suffix: str
    data: bytes
    options: tuple[str, ...]
    how: str


def make_mutant(corpus: Sequence[Seed], seed: int, index: int) -> Mutant:
    """The mutant of a number. The same seed and corpus give the same one, in any order."""
    chance = random.Random(f"{seed}/{index}")
    source = chance.choice(corpus)
    kinds: list[Kind] = [_random_program, _random_program]
    kinds += {".elf": _ELF, ".hex": _HEX, ".bin": _RAW}[source.suffix]
    kind = chance.choice(kinds)
    data = kind(source, corpus, chance)
    suffix = ".bin" if kind is _random_program else source.suffix
    board = source.board if chance.random() < 0.9 else chance.choice(("f746", "h743"))
    return Mutant(
        suffix, data, _options(board, suffix, chance), f"{kind.__name__.strip('_')} {source.name}"
    )


def _options(board: str, suffix: str, chance: random.Random) -> tuple[str, ...]:
    options = ["--board", board, "--max-cycles", str(chance.choice((2_000, 20_000, 20_000)))]
    options += ["--timing", chance.choice(("full", "full", "issue", "none"))]
    if chance.random() < 0.25:
        options += ["--accesses", "hook"]
    if chance.random() < (0.03 if suffix == ".bin" else 0.01):
        options += ["--base", hex(_any_word(chance))]
    if chance.random() < 0.05:
        options += ["--measure", hex(FLASH + 2 * chance.randrange(0x1000))]
    if chance.random() < 0.05:
        options += ["--from", hex(FLASH + 0x200 + 2 * chance.randrange(0x100))]
        options += ["--to", hex(FLASH + 2 * chance.randrange(0x1000))]
    if chance.random() < 0.05:
        options += ["--clock", chance.choice(("board", "firmware"))]
    if chance.random() < 0.02:
        options += ["--entry", hex(_any_word(chance))]
    return tuple(options)


def _any_word(chance: random.Random) -> int:
    kind = chance.random()
    if kind < 0.3:
        return chance.choice(_EXTREMES)
    if kind < 0.8:
        return (chance.choice(_ADDRESSES) + chance.choice((0, 0, 1, 2, 4, 0x40, 0x41))) % (1 << 32)
    return chance.getrandbits(32)


Kind = Callable[[Seed, Sequence[Seed], random.Random], bytes]


def _bit_flips(source: Seed, _: Sequence[Seed], chance: random.Random) -> bytes:
    data = bytearray(source.data)
    for _flip in range(chance.choice((1, 1, 2, 8, 64))):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(data)


def _truncated(source: Seed, _: Sequence[Seed], chance: random.Random) -> bytes:
    return source.data[: chance.randrange(len(source.data))]


def _spliced(source: Seed, corpus: Sequence[Seed], chance: random.Random) -> bytes:
    other = chance.choice(corpus).data
    at, start = chance.randrange(len(source.data)), chance.randrange(len(other))
    piece = other[start : start + chance.choice((4, 64, 1024, len(other)))]
    keep = at + (len(piece) if chance.random() < 0.7 else 0)
    return source.data[:at] + piece + source.data[keep:]


def _header_extremes(source: Seed, _: Sequence[Seed], chance: random.Random) -> bytes:
    """Fields of the ELF header, of program headers, section headers and symbols."""
    data = bytearray(source.data)
    places = [chance.randrange(16, 52)]
    programs, sections = struct.unpack_from("<II", data, 28)
    programs_count, sections_count = data[44], data[48]
    if programs_count:
        places.append(programs + 32 * chance.randrange(programs_count) + 4 * chance.randrange(8))
    if sections_count and sections:
        header = sections + 40 * chance.randrange(sections_count)
        offset, size = struct.unpack_from("<II", data, header + 16)
        places += [header + 4 * chance.randrange(10)] * 2
        if size and offset + size <= len(data):
            places.append(offset + chance.randrange(size))
    for _field in range(chance.choice((1, 1, 2, 3))):
        at = min(chance.choice(places), len(data) - 4)
        if chance.random() < 0.3:
            struct.pack_into("<H", data, at, _any_word(chance) & 0xFFFF)
        else:
            struct.pack_into("<I", data, at, _any_word(chance))
    return bytes(data)


def _code_mutation(source: Seed, _: Sequence[Seed], chance: random.Random) -> bytes:
    """Instructions replaced where they are likely to run; the container stays whole."""
    data = bytearray(source.data)
    if not source.code:
        return _hex_code_mutation(source, chance)
    for _place in range(chance.choice((1, 2, 4, 16, 200))):
        start, size = chance.choice(source.code)
        at = start + (chance.randrange(max(size, 4)) & ~1)
        piece = _instruction(chance)
        if at + len(piece) <= len(data):
            data[at : at + len(piece)] = piece
    return bytes(data)


def _instruction(chance: random.Random) -> bytes:
    kind = chance.random()
    if kind < 0.5:
        return chance.choice(_ODD_INSTRUCTIONS)
    if kind < 0.75:
        return struct.pack("<H", chance.getrandbits(16))
    # The upper half of a 32-bit instruction begins with 11101, 11110 or 11111.
    return struct.pack("<HH", chance.randrange(0xE800, 0x1_0000), chance.getrandbits(16))


def _vectors(source: Seed, _: Sequence[Seed], chance: random.Random) -> bytes:
    """The first words of a raw image."""
    data = bytearray(source.data)
    for _word in range(chance.choice((1, 1, 2, 10))):
        at = 4 * chance.choice((0, 1, chance.randrange(16), chance.randrange(100)))
        struct.pack_into("<I", data, min(at, len(data) - 4), _any_word(chance))
    return bytes(data)


def _hex_code_mutation(source: Seed, chance: random.Random) -> bytes:
    lines = source.data.splitlines(keepends=True)
    for _line in range(chance.choice((1, 4, 40))):
        at = chance.randrange(len(lines))
        body = bytearray.fromhex(lines[at][1:-3].decode())
        if len(body) > 8 and body[3] == 0:
            place = 4 + (chance.randrange(len(body) - 8) & ~1)
            piece = _instruction(chance)
            body[place : place + len(piece)] = piece
            lines[at] = hex_record(0, int.from_bytes(body[1:3]), bytes(body[4 : 4 + body[0]]))
    return b"".join(lines)


def _hex_lines(source: Seed, _: Sequence[Seed], chance: random.Random) -> bytes:
    """Lines lost, doubled, moved, or with other digits; often with a checksum that is right."""
    lines = source.data.splitlines(keepends=True)
    for _edit in range(chance.choice((1, 1, 2, 5))):
        at = chance.randrange(len(lines))
        edit = chance.randrange(7)
        if edit == 0:
            del lines[at]
        elif edit == 1:
            lines.insert(at, lines[chance.randrange(len(lines))])
        elif edit == 2:
            lines.insert(at, lines.pop(chance.randrange(len(lines))))
        elif edit == 3:
            line = bytearray(lines[at])
            line[chance.randrange(len(line))] = chance.choice(_HEX_DIGITS)
            lines[at] = bytes(line)
        elif edit == 4:
            kind = chance.choice((0, 1, 2, 3, 4, 5, 6, 255))
            content = chance.randbytes(chance.choice((0, 1, 2, 4, 16, 255)))
            lines[at] = hex_record(kind, chance.getrandbits(16), content)
        elif edit == 5:
            lines[at] = hex_record(4, 0, (_any_word(chance) >> 16).to_bytes(2, "big"))
        else:
            lines[at] = lines[at].rstrip() + chance.choice((b"", b"\r\n", b" \n", b"\n\n", b"\0"))
        if not lines:
            break
    return b"".join(lines)


def _random_program(_: Seed, __: Sequence[Seed], chance: random.Random) -> bytes:
    """A raw image of our own: registers with likely addresses, then instructions as they come.

    0x000 vector table, 0x200 loads of r0 to r12, then the program, 0x1000 handlers.
    """
    image = bytearray(b"\xff" * 0x1100)
    handlers = [FLASH + 0x1001 + 8 * chance.randrange(16) for _ in range(100)]
    top = chance.choice((RAM + 0x8000, RAM + 0x1_0000, RAM + 0x40))
    struct.pack_into("<II100I", image, 0, top, FLASH + 0x201, *handlers)
    for number in range(16):
        piece = chance.choice((b"\x70\x47", b"\xfe\xe7", _instruction(chance)))
        image[0x1000 + 8 * number : 0x1008 + 8 * number] = (piece + b"\x70\x47" * 4)[:8]
    code = bytearray()
    pool = 0x300
    for register in range(13):  # ldr.w rN, [pc, #pool]
        place = 0x200 + len(code)
        code += struct.pack("<HH", 0xF8DF, register << 12 | pool + 4 * register - (place + 4 & ~3))
        struct.pack_into("<I", image, pool + 4 * register, _any_word(chance))
    if chance.random() < 0.7:
        code += _FPU_ON
    while len(code) < 0xF0:
        code += _instruction(chance)
    image[0x200 : 0x200 + len(code)] = code
    body = bytearray()
    while len(body) < 0x400:
        body += _instruction(chance)
    image[0x340 : 0x340 + len(body)] = body
    struct.pack_into("<H", image, 0x200 + len(code) & ~1, 0xE000 | (0x340 - 0x204 - len(code)) // 2)
    return bytes(image)


_ELF: list[Kind] = [
    *(_bit_flips, _truncated, _spliced, _header_extremes, _header_extremes),
    *(_code_mutation, _code_mutation, _code_mutation),
]
_HEX: list[Kind] = [_bit_flips, _truncated, _spliced, _hex_lines, _hex_lines, _code_mutation]
_RAW: list[Kind] = [_bit_flips, _truncated, _spliced, _vectors, _code_mutation, _code_mutation]
