"""Reading the emulator's registers from a native hook.

The registers lie in the emulator's own memory as sixteen 32-bit words. Where that memory can be
searched safely (Linux), a pattern written through the public interface is found there and the hook
reads the words in place. Elsewhere, or when the search finds nothing, the hook copies them with
`uc_reg_read_batch`: the same numbers, more slowly.
"""

from __future__ import annotations

import ctypes
import functools
import platform
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import unicorn
from unicorn import arm_const

from emu.backends.layout import Word

REGISTER_IDS = (
    *(arm_const.UC_ARM_REG_R0 + n for n in range(13)),
    arm_const.UC_ARM_REG_SP,
    arm_const.UC_ARM_REG_LR,
    arm_const.UC_ARM_REG_PC,
)
_PATTERN = tuple(0x5A000000 + n * 0x01010101 for n in range(13))
_SEARCHED_BYTES = 0x800
_CPU_BYTES = 0x10000
_NEAR_BYTES = 0x3000  # of the CPU's state that begins with r0
# Offset of `skip_sync_pc_on_exit` in unicorn 2.1.4's handle on Linux x86-64 (measured). It only
# saves a restore of the program counter that the exact mode does not read; guarded by version and
# by what `skip_sync_offset` sees there.
_SKIP_SYNC_OFFSETS = {("2.1.4", "linux", 8): 0x3A32}


def handle_of(uc: unicorn.Uc) -> int:
    """The emulator's C handle as an integer."""
    handle: Any = uc._uch
    return int(getattr(handle, "value", handle))


def library_function(name: str) -> int:
    """Address of a function of the emulator's library."""
    from unicorn.unicorn_py3.unicorn import uclib

    return int(ctypes.cast(getattr(uclib, name), ctypes.c_void_p).value or 0)


def find_registers(uc: unicorn.Uc) -> int | None:
    """Host address of r0, found by a pattern; None where it cannot be searched."""
    for number, value in enumerate(_PATTERN):
        uc.reg_write(REGISTER_IDS[number], value)
    try:
        found = _search(handle_of(uc), struct.pack("<13I", *_PATTERN))
    except OSError:
        found = None
    if found is not None:  # moving one register must move one word
        uc.reg_write(REGISTER_IDS[7], 0x12345678)
        if ctypes.c_uint32.from_address(found + 28).value != 0x12345678:
            found = None
    for number in range(13):
        uc.reg_write(REGISTER_IDS[number], 0)
    return found


def _search(handle: int, needle: bytes) -> int | None:
    with Path("/proc/self/mem").open("rb", buffering=0) as memory:

        def read(address: int, size: int) -> bytes:
            try:
                memory.seek(address)
                return memory.read(size) or b""
            except (OSError, ValueError, OverflowError):
                return b""

        handle_bytes = read(handle, _SEARCHED_BYTES)
        for offset in range(0, len(handle_bytes) - 7, 8):
            (candidate,) = struct.unpack_from("<Q", handle_bytes, offset)
            if candidate < 0x10000 or candidate >> 47:
                continue
            at = read(candidate, _CPU_BYTES).find(needle)
            if at >= 0:
                return int(candidate + at)
    return None


@functools.cache
def exclusive_offset() -> int | None:
    """Where the exclusive monitor's address lies, in bytes from r0; None where it is not found.

    An emulator of its own runs one ldrex from a marked address, which is then looked for.
    """
    marked = 0x5A5A5A40
    uc = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB)
    uc.ctl_set_cpu_model(arm_const.UC_CPU_ARM_CORTEX_M7)
    registers = find_registers(uc)
    if registers is None:
        return None
    uc.mem_map(0x1000, 0x1000)
    uc.mem_map(marked & ~0xFFF, 0x1000)
    uc.mem_write(0x1000, bytes.fromhex("51e8000f"))  # ldrex r0, [r1]
    uc.reg_write(arm_const.UC_ARM_REG_R1, marked)
    before = ctypes.string_at(registers, _NEAR_BYTES)
    uc.emu_start(0x1001, 0x1004)
    after = ctypes.string_at(registers, _NEAR_BYTES)
    needle = struct.pack("<Q", marked)
    found = [
        at
        for at in range(64, _NEAR_BYTES - 8, 8)
        if after[at : at + 8] == needle and before[at : at + 8] != needle
    ]
    return found[0] if len(found) == 1 else None


class RegisterAccess:
    """Sets the hook's words up for one emulator; keeps the buffers of the slow way alive."""

    def __init__(
        self, uc: unicorn.Uc, machine: npt.NDArray[np.int64], *, in_place: bool = True
    ) -> None:
        found = find_registers(uc) if in_place else None
        self.in_place = found is not None
        self.address = found  # of r0, None when the registers are copied
        if found is not None:
            machine[Word.REGISTERS] = found
            return
        self._values = np.zeros(16, np.uint32)
        self._ids = np.array(REGISTER_IDS, np.int32)
        first = self._values.ctypes.data
        self._pointers = np.array([first + 4 * n for n in range(16)], np.int64)
        machine[Word.REGISTERS] = first
        machine[Word.READ_BATCH] = library_function("uc_reg_read_batch")
        machine[Word.BATCH_IDS] = self._ids.ctypes.data
        machine[Word.BATCH_POINTERS] = self._pointers.ctypes.data


def skip_sync_offset(uc: unicorn.Uc) -> int:
    """Where the flag that makes native memory hooks fast lies, 0 when this build is not known.

    Setting the program counter of an emulator that does not run raises the flag; a byte that does
    not answer so is something else.
    """
    version = ".".join(str(part) for part in unicorn.uc_version()[:2])
    wheel = unicorn.__version__
    if not wheel.startswith(version):
        return 0
    if platform.machine() != "x86_64":
        return 0
    offset = _SKIP_SYNC_OFFSETS.get((wheel, sys.platform, ctypes.sizeof(ctypes.c_void_p)), 0)
    if not offset:
        return 0
    flag = ctypes.c_uint8.from_address(handle_of(uc) + offset)
    before = flag.value
    uc.reg_write(arm_const.UC_ARM_REG_PC, 1)
    return offset if (before, flag.value) == (0, 1) else 0
