"""Where a measured stretch begins and ends, as people write it, and what a script may talk to."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence

from emu.backends.protocol import AddressRange, RunOptions, SerialRange
from emu.backends.serial_script import CONSOLE, CONSOLE_SOURCES, SerialScript
from emu.board import Board
from emu.errors import UsageError
from emu.firmware.image import Image

Ends = tuple[str, str]

_ADDRESS = re.compile(r"0[xX][0-9a-fA-F]+|\d+")
_OFFSET = re.compile(r"(.+?)\s*\+\s*(0[xX][0-9a-fA-F]+|\d+)")
_NAMED = re.compile(r"([A-Za-z_][\w-]*)?=(.*)", re.DOTALL)


def pair_ends(
    starts: Sequence[str], stops: Sequence[str], options: tuple[str, str]
) -> dict[str, Ends]:
    """Stretches by name from options that come in pairs: the first start with the first stop.

    A start may carry a name, `infer=0x08000400`; else the stretch goes by its ends. Where a text
    begins like a name, an `=` before it keeps it whole: `=t=5`.

    Raises:
        UsageError: a start without its stop or the other way round, or a name given twice.
    """
    if len(starts) != len(stops):
        raise UsageError(
            f"{options[0]} is given {len(starts)} times and {options[1]} {len(stops)} times: a "
            "stretch needs both."
        )
    found: dict[str, Ends] = {}
    for start, stop in zip(starts, stops, strict=True):
        named = _NAMED.fullmatch(start)
        begin = named.group(2) if named else start
        name = (named.group(1) if named else None) or f"{begin}..{stop}"
        if name in found:
            raise UsageError(f"{options[0]}: two stretches are called '{name}'. Name one of them.")
        found[name] = (begin, stop)
    return found


def address_ranges(wanted: Mapping[str, Ends], image: Image) -> tuple[AddressRange, ...]:
    """Resolve ends such as `0x08000400`, `infer` or `infer+0x24`.

    Raises:
        UsageError: an end is no address and no symbol of the image.
    """
    return tuple(
        AddressRange(
            name, _code_address("--from", start, image), _code_address("--to", stop, image)
        )
        for name, (start, stop) in wanted.items()
    )


def serial_ranges(wanted: Mapping[str, Ends]) -> tuple[SerialRange, ...]:
    """Stretches between two texts of the output.

    Raises:
        UsageError: a text is empty or goes over the end of a line.
    """
    for ends in wanted.values():
        for option, text in zip(("--from-uart", "--to-uart"), ends, strict=True):
            if not text or "\n" in text:
                raise UsageError(f"{option} {text!r} is no text within one line of output.")
    return tuple(SerialRange(name, start, stop) for name, (start, stop) in wanted.items())


def check_names(options: RunOptions) -> None:
    """Everything that is measured needs a name of its own.

    Raises:
        UsageError: two have one name.
    """
    stretches = [wanted.name for wanted in options.ranges]
    stretches += [wanted.name for wanted in options.serial_ranges]
    for name in stretches:
        if stretches.count(name) > 1 or name in options.measure:
            raise UsageError(f"Two stretches to measure are called '{name}'. Rename one of them.")


def check_ports(script: SerialScript, board: Board) -> None:
    """Refuse a script that talks to a port which the board does not have.

    Raises:
        UsageError: there is no such port, or bytes are sent where none can be received.
    """
    known = [place.name for place in board.chip.peripherals if place.model == "usart"]
    listed = ", ".join(known) or "none"
    for port in script.ports:
        if port not in (*known, CONSOLE, *CONSOLE_SOURCES):
            raise UsageError(
                f"{script.name}: board '{board.name}' has no serial port '{port}'. Ports: {listed}."
            )
    for port in script.sending_ports:
        if port in CONSOLE_SOURCES:
            raise UsageError(f"{script.name}: nothing can be sent to {port}. Ports: {listed}.")
        if port == CONSOLE and board.console is None:
            raise UsageError(
                f"{script.name}: board '{board.name}' does not say which port its console is. "
                f"Write for instance 'port {known[0] if known else 'usart1'}' before the first "
                f"send; ports: {listed}."
            )


def _code_address(option: str, text: str, image: Image) -> int:
    wanted, offset = text.strip(), 0
    if _ADDRESS.fullmatch(wanted) is None:
        if match := _OFFSET.fullmatch(wanted):
            wanted, offset = match.group(1), int(match.group(2), 0)
        symbol = image.symbol(wanted)
        if symbol is None:
            raise UsageError(_missing(option, text, wanted, image))
        base = symbol.address
    else:
        base = int(wanted, 0)
    address = (base + offset) & ~1  # bit 0 says Thumb in tables of functions
    if address >= 1 << 32:
        raise UsageError(f"{option} {text} lies beyond the address space. Write it as 0x08000400.")
    return address


def _missing(option: str, text: str, symbol: str, image: Image) -> str:
    names = [function.name for function in image.functions]
    near = difflib.get_close_matches(symbol, names, n=3)
    hint = f"Did you mean {', '.join(near)}?" if near else "Write 0x08000400, NAME or NAME+0x10."
    return f"{option} {text} is no address, and the program has no symbol '{symbol}'. {hint}"
