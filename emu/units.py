"""Hz, bytes and cycles as people write them, and back to text.

Names carry their unit as the last word, from a closed list: `_bytes _cycles _instructions _hz _ms
_us _count _ratio _bits`.
"""

from __future__ import annotations

import re

from emu.errors import UsageError

_SIZE = re.compile(r"\s*(0[xX][0-9a-fA-F]+|\d+(?:\.\d+)?)\s*([kKmMgG]?)(i?[bB])?\s*")
_FREQUENCY = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kKmMgG]?)\s*(?:[hH][zZ])?\s*")
_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(s|ms|us|ns)\s*")
_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_LONGEST_S = 1e6
_BINARY = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_DECIMAL = {"": 1, "k": 1_000, "m": 1_000_000, "g": 1_000_000_000}


def parse_size_bytes(text: str | int) -> int:
    """Read a size: `320K`, `1M`, `0x4000`, `512`. K and M are powers of 1024, as in linker scripts.

    Raises:
        UsageError: the text is no size, or not a whole number of bytes.
    """
    if isinstance(text, int):
        return text
    match = _SIZE.fullmatch(text)
    if match is None:
        raise UsageError(f"'{text}' is not a size. Write bytes, or K or M: 512, 320K, 1M, 0x4000.")
    number, suffix = match.group(1), match.group(2).lower()
    value = int(number, 16) if number.lower().startswith("0x") else float(number)
    size = value * _BINARY[suffix]
    if size != int(size):
        raise UsageError(f"'{text}' is not a whole number of bytes.")
    return int(size)


def parse_frequency_hz(text: str | int) -> int:
    """Read a frequency: `480M`, `216MHz`, `400000000`. K and M are powers of 1000.

    Raises:
        UsageError: the text is no frequency.
    """
    if isinstance(text, int):
        return text
    match = _FREQUENCY.fullmatch(text)
    if match is None:
        raise UsageError(f"'{text}' is not a frequency. Write Hz, or k or M: 480M, 216MHz.")
    return round(float(match.group(1)) * _DECIMAL[match.group(2).lower()])


def parse_duration_s(text: str) -> float:
    """Read a duration: `2s`, `10ms`, `1.5 us`. Longer than nothing, at most a million seconds.

    Raises:
        UsageError: the text is no such duration.
    """
    match = _DURATION.fullmatch(text)
    value = float(match.group(1)) * _SECONDS[match.group(2)] if match is not None else 0.0
    if not 0 < value <= _LONGEST_S:
        raise UsageError(f"'{text}' is no duration. Write a number and s, ms or us: 2s, 10ms.")
    return value


def format_bytes(size_bytes: int) -> str:
    """Print a size the way a memory map is read: `512 B`, `1.5 KiB`, `320 KiB`."""
    if abs(size_bytes) < 1024:
        return f"{size_bytes} B"
    for unit, scale in (("KiB", 1024), ("MiB", 1024**2)):
        if abs(size_bytes) < scale * 1024 or unit == "MiB":
            return f"{size_bytes / scale:.2f}".rstrip("0").rstrip(".") + f" {unit}"
    raise AssertionError("unreachable")


def format_hz(frequency_hz: int) -> str:
    """Print a clock: `480 MHz`, `32.768 kHz`."""
    for unit, scale in (("MHz", 1_000_000), ("kHz", 1_000)):
        if frequency_hz >= scale:
            return f"{frequency_hz / scale:g} {unit}"
    return f"{frequency_hz} Hz"


def format_duration(seconds: float) -> str:
    """Print a duration as one writes it: `2 s`, `10 ms`, `1.5 us`."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.6g} {unit}"
    return f"{seconds * 1e9:.6g} ns"


def cycles_to_ms(cycles: float, clock_hz: int) -> float:
    """Time that `cycles` take at `clock_hz`, in milliseconds."""
    return cycles * 1000.0 / clock_hz
