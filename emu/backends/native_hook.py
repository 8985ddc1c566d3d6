"""Adding a compiled callback to the emulator, past its Python layer."""

from __future__ import annotations

import ctypes

import unicorn
from unicorn import unicorn_const

from emu.backends.register_access import handle_of


def add_native_hook(
    uc: unicorn.Uc, kind: int, callback: int, user: int, begin: int = 1, end: int = 0
) -> int:
    """Add a compiled callback by address; `begin > end` means everywhere. Returns the hook."""
    from unicorn.unicorn_py3.unicorn import uclib

    hook = ctypes.c_size_t()
    status = uclib.uc_hook_add(
        ctypes.c_void_p(handle_of(uc)), ctypes.byref(hook), ctypes.c_int(kind),
        ctypes.c_void_p(callback), ctypes.c_void_p(user),
        ctypes.c_uint64(begin), ctypes.c_uint64(end),
    )  # fmt: skip
    if status != unicorn_const.UC_ERR_OK:
        raise unicorn.UcError(status)
    return hook.value
