"""The emulator's calls and callbacks that every interrupt passes, past its Python layer.

That layer guards against callbacks that raise, which those of this package never do.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import unicorn
from unicorn import unicorn_const

from emu.backends.native_hook import add_native_hook
from emu.backends.register_access import handle_of, library_function

_START = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_size_t, ctypes.c_uint64, ctypes.c_uint64, ctypes.c_uint64,
    ctypes.c_size_t,
)  # fmt: skip
_ON_INTERRUPT = ctypes.CFUNCTYPE(None, ctypes.c_size_t, ctypes.c_uint32, ctypes.c_size_t)
_READ = ctypes.CFUNCTYPE(
    ctypes.c_uint64, ctypes.c_size_t, ctypes.c_uint64, ctypes.c_uint, ctypes.c_size_t
)
_WRITE = ctypes.CFUNCTYPE(
    None, ctypes.c_size_t, ctypes.c_uint64, ctypes.c_uint, ctypes.c_uint64, ctypes.c_size_t
)


def starter(uc: unicorn.Uc, until: int) -> Callable[[int], int]:
    """A function that runs from an address (bit 0: Thumb) and returns the emulator's error code."""
    start = _START(library_function("uc_emu_start"))
    fixed = ctypes.c_size_t(handle_of(uc)), ctypes.c_uint64(until), ctypes.c_uint64(0)
    handle, end, no_timeout = fixed
    no_count = ctypes.c_size_t(0)

    def run_from(address: int) -> int:
        code: int = start(handle, address, end, no_timeout, no_count)
        return code

    return run_from


def hook_interrupts(uc: unicorn.Uc, callback: Callable[[int, int, int], None]) -> Any:
    """Call back with handle, the emulator's exception number and 0; returns what to keep alive."""
    kept = _ON_INTERRUPT(callback)
    address = ctypes.cast(kept, ctypes.c_void_p).value or 0
    add_native_hook(uc, unicorn_const.UC_HOOK_INTR, address, 0)
    return kept


def map_registers(
    uc: unicorn.Uc,
    start: int,
    end: int,
    read: Callable[[int, int, int, int], int],
    write: Callable[[int, int, int, int, int], None],
) -> Any:
    """Have accesses of `[start, end)` answered; returns what to keep alive.

    The callbacks get the emulator's handle, the offset, the size in bytes, the value that is
    written, and `start`.
    """
    from unicorn.unicorn_py3.unicorn import uclib

    kept = _READ(read), _WRITE(write)
    base = ctypes.c_void_p(start)
    status = uclib.uc_mmio_map(
        ctypes.c_void_p(handle_of(uc)), ctypes.c_uint64(start), ctypes.c_uint64(end - start),
        kept[0], base, kept[1], base,
    )  # fmt: skip
    if status != unicorn_const.UC_ERR_OK:
        raise unicorn.UcError(status)
    return kept
