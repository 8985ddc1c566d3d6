"""Unicorn with nothing attached: the speed that everything else is measured against."""

from __future__ import annotations

import time
from typing import Any

import unicorn
from unicorn import arm_const, unicorn_const

from emu.backends.guest_memory import GuestMemory
from emu.backends.system_space import SYSTEM_BASE, SYSTEM_BYTES
from emu.board import Board
from emu.errors import ImageError
from emu.firmware.image import Image


def run_bare(image: Image, board: Board) -> float:
    """Run an image built by `emu.firmware` to its semihosting exit.

    Nothing is counted and nothing is printed; system registers are plain memory.

    Returns:
        Processor seconds that the emulation took.

    Raises:
        ImageError: the image has no `__vectors`, so it was not built here.
    """
    vectors = image.symbol("__vectors")
    if vectors is None:
        raise ImageError(f"{image.path.name} has no symbol '__vectors': build it with emu.")
    uc = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB)
    uc.ctl_set_cpu_model(arm_const.UC_CPU_ARM_CORTEX_M7)
    memory = GuestMemory(board)
    memory.map_into(uc)
    uc.mem_map(SYSTEM_BASE, SYSTEM_BYTES)
    memory.load(image)
    for section in image.sections:
        if section.kind == "code" and memory.may_execute(section.address):
            for page in range(section.address, section.address + section.size_bytes, 4096):
                memory.allow_execution(uc, page)
    uc.reg_write(arm_const.UC_ARM_REG_C1_C0_2, 0xF << 20)
    uc.reg_write(arm_const.UC_ARM_REG_FPEXC, 1 << 30)

    def on_interrupt(machine: Any, _number: int, _data: Any) -> None:
        pc = machine.reg_read(arm_const.UC_ARM_REG_PC)
        if machine.reg_read(arm_const.UC_ARM_REG_R0) in (0x18, 0x20):
            machine.emu_stop()
        machine.reg_write(arm_const.UC_ARM_REG_PC, (pc + 2) | 1)

    uc.hook_add(unicorn_const.UC_HOOK_INTR, on_interrupt)
    words = memory.read(vectors.address, 8)
    uc.reg_write(arm_const.UC_ARM_REG_SP, int.from_bytes(words[:4], "little"))
    begun = time.process_time()
    uc.emu_start(int.from_bytes(words[4:], "little") | 1, 0)
    return time.process_time() - begun
