r"""The section .ARM.attributes: for which core, floating point and instruction sets code was built.

    'A'  { length:4  "aeabi\0"  { tag:uleb  length:4  { tag:uleb  value:uleb or text }* }* }*

[ABI-ADDENDA]. Read here because a length of 0 or a second vendor makes pyelftools'
iterator run for ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_CPU_NAME, _CPU_ARCH, _PROFILE, _ARM_ISA, _FP_ARCH, _HARDFP_USE = 5, 6, 7, 8, 10, 27
_WHOLE_FILE = 1
_COMPATIBILITY = 32  # a number and a text
_TEXTS = (4, 5, 65, 67)
_VENDOR = b"aeabi"
_SINGLE_ONLY = 1  # of Tag_ABI_HardFP_use

# Tag_CPU_arch. Missing: pre-v4 (0) to v6K (9), and v7, which a profile tells apart.
V6_M, V6S_M, V7E_M = 11, 12, 13
V8_M_BASE, V8_M_MAIN, V8_1_M_MAIN = 16, 17, 21
_LAST_CLASSIC = 9
_V8_A_AND_R = (14, 15, 18, 19, 20, 22)


@dataclass(frozen=True)
class BuildAttributes:
    """What compilers and linker wrote down. Numbers are those of the Arm ABI; 0 where unsaid."""

    cpu_name: str = ""
    cpu_arch: int = 0
    profile: str = ""  # "A", "R", "M", "S" (A or R), or nothing
    uses_arm_instructions: bool = False
    uses_double_registers: bool = False
    uses_fpu: bool = False

    @property
    def is_cortex_m(self) -> bool | None:
        """Whether the code is for a Cortex-M; None where nothing tells."""
        if self.profile == "M" or self.cpu_arch in (V6_M, V6S_M, V7E_M):
            return True
        if self.cpu_arch in (V8_M_BASE, V8_M_MAIN, V8_1_M_MAIN):
            return True
        if self.profile in ("A", "R", "S") or self.cpu_arch in _V8_A_AND_R:
            return False
        if 0 < self.cpu_arch <= _LAST_CLASSIC and self.uses_arm_instructions:
            return False
        return None


def parse_build_attributes(data: bytes) -> BuildAttributes | None:
    """Read the section's bytes; None where they are not as the ABI has them."""
    if data[:1] != b"A":
        return None
    try:
        values = {tag: value for section in _sections(data) for tag, value in _values(section)}
    except (IndexError, ValueError):
        return None
    numbers = {tag: value for tag, value in values.items() if isinstance(value, int)}
    name = values.get(_CPU_NAME, "")
    profile = numbers.get(_PROFILE, 0)
    fpu = numbers.get(_FP_ARCH, 0)
    return BuildAttributes(
        cpu_name=name if isinstance(name, str) else "",
        cpu_arch=numbers.get(_CPU_ARCH, 0),
        profile=chr(profile) if profile in b"ARMS" else "",
        uses_arm_instructions=numbers.get(_ARM_ISA, 0) != 0,
        uses_double_registers=fpu != 0 and numbers.get(_HARDFP_USE, 0) != _SINGLE_ONLY,
        uses_fpu=fpu != 0,
    )


def _sections(data: bytes) -> Iterator[bytes]:
    """The attributes of the whole file, without the lengths around them."""
    at = 1
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "little")
        if length < 4 or at + length > len(data):
            raise ValueError("a vendor's part does not fit")
        part = data[at + 4 : at + length]
        at += length
        vendor, _, rest = part.partition(b"\0")
        inner = 0
        while vendor == _VENDOR and inner < len(rest):
            size = int.from_bytes(rest[inner + 1 : inner + 5], "little")
            if size < 5 or inner + size > len(rest):
                raise ValueError("a scope does not fit")
            if rest[inner] == _WHOLE_FILE:
                yield rest[inner + 5 : inner + size]
            inner += size


def _values(data: bytes) -> Iterator[tuple[int, int | str]]:
    at = 0
    while at < len(data):
        tag, at = _uleb(data, at)
        value: int | str = 0
        if tag == _COMPATIBILITY:
            _, at = _uleb(data, at)
        if tag in _TEXTS or (tag >= _COMPATIBILITY and tag % 2) or tag == _COMPATIBILITY:
            end = data.index(b"\0", at)
            value, at = data[at:end].decode("ascii", "replace"), end + 1
        else:
            value, at = _uleb(data, at)
        yield tag, value


def _uleb(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at
        if shift > 63:
            raise ValueError("a number does not end")
