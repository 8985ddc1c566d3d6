"""A few lines of Unicorn that run firmware for these tests: no timing, console and exit only."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import unicorn.arm_const as arm
import unicorn.unicorn_const as constants
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection
from unicorn import unicorn_py3 as unicorn

from emu.board import Board

SYS_OPEN, SYS_WRITE, SYS_EXIT_EXTENDED = 0x01, 0x05, 0x20
_SYSTEM_SPACE = (0xE0000000, 0x100000)


@dataclass(frozen=True)
class Finished:
    """How a run ended. `objects` holds the final bytes of the objects that were asked for."""

    status: int | None
    output: str
    error: str
    stop: str
    objects: tuple[bytes, ...] = ()


def run_firmware(elf: Path, board: Board, *, read: Sequence[str] = ()) -> Finished:
    """Load an ELF by its load addresses, start at its entry, stop at its exit."""
    machine = unicorn.Uc(constants.UC_ARCH_ARM, constants.UC_MODE_THUMB)
    machine.ctl_set_cpu_model(arm.UC_CPU_ARM_CORTEX_M7)
    for region in sorted(board.chip.regions, key=lambda region: region.kind != "flash"):
        if region.kind != "device":
            machine.mem_map(region.start, region.size_bytes)
    machine.mem_map(*_SYSTEM_SPACE)
    with elf.open("rb") as file:
        image = ELFFile(file)
        for segment in image.iter_segments("PT_LOAD"):
            data = segment.data()
            machine.mem_write(segment["p_paddr"], data)
            for region in board.chip.regions:
                if region.alias_of is not None and data:
                    storage = board.chip.region(region.alias_of)
                    if storage.start <= segment["p_paddr"] < storage.end:
                        offset = segment["p_paddr"] - storage.start
                        machine.mem_write(region.start + offset, data)
        entry = image["e_entry"]
        table = image.get_section_by_name(".symtab")
        assert isinstance(table, SymbolTableSection)
        symbols = {s.name: (s["st_value"], s["st_size"]) for s in table.iter_symbols()}
    console = {1: bytearray(), 2: bytearray()}
    status: list[int] = []
    stop = ["ran on"]

    def words(address: int, count: int) -> tuple[int, ...]:
        return struct.unpack(f"<{count}I", machine.mem_read(address, 4 * count))

    def on_interrupt(uc: unicorn.Uc, number: int, _: object) -> None:
        pc = uc.reg_read(arm.UC_ARM_REG_PC)
        immediate = uc.mem_read(pc, 2)[0]
        if number != 7 or immediate != 0xAB:
            stop[0] = f"interrupt {number} at {pc:#x}"
            uc.emu_stop()
            return
        operation = uc.reg_read(arm.UC_ARM_REG_R0)
        argument = uc.reg_read(arm.UC_ARM_REG_R1)
        result = 0
        if operation == SYS_OPEN:
            name, mode, length = words(argument, 3)
            assert bytes(machine.mem_read(name, length)) == b":tt"
            result = {4: 1, 8: 2}[mode]
        elif operation == SYS_WRITE:
            handle, address, length = words(argument, 3)
            console[handle] += machine.mem_read(address, length)
        elif operation == SYS_EXIT_EXTENDED:
            status.append(struct.unpack("<i", machine.mem_read(argument + 4, 4))[0])
            stop[0] = "exited"
            uc.emu_stop()
            return
        else:
            stop[0] = f"semihosting call {operation:#x}"
            uc.emu_stop()
            return
        uc.reg_write(arm.UC_ARM_REG_R0, result)
        uc.reg_write(arm.UC_ARM_REG_PC, (pc + 2) | 1)

    machine.hook_add(constants.UC_HOOK_INTR, on_interrupt)
    machine.reg_write(arm.UC_ARM_REG_C1_C0_2, 0xF << 20)
    machine.reg_write(arm.UC_ARM_REG_FPEXC, 1 << 30)
    machine.reg_write(arm.UC_ARM_REG_SP, symbols["__stack_top"][0])
    try:
        machine.emu_start(entry | 1, 0xFFFFFFFE, count=200_000_000)
    except unicorn.UcError as error:
        stop[0] = f"{error} at {machine.reg_read(arm.UC_ARM_REG_PC):#x}"
    return Finished(
        status[0] if status else None,
        console[1].decode("utf-8", "replace"),
        console[2].decode("utf-8", "replace"),
        stop[0],
        tuple(bytes(machine.mem_read(*symbols[name])) for name in read),
    )
