"""From what stopped the emulator to a `Fault`: kind, place, registers and a sentence."""

from __future__ import annotations

from typing import Any

import unicorn
from unicorn import arm_const, unicorn_const

from emu.backends.guest_memory import GuestMemory
from emu.backends.protocol import Fault
from emu.backends.register_access import REGISTER_IDS
from emu.board import Board
from emu.core.instruction import Instruction
from emu.firmware.image import Image

_NAMES = (*(f"r{n}" for n in range(13)), "sp", "lr", "pc")


def _count(size_bytes: int) -> str:
    return "1 byte" if size_bytes == 1 else f"{size_bytes} bytes"


class FaultFinder:
    """Builds faults of one run."""

    def __init__(
        self,
        uc: unicorn.Uc,
        board: Board,
        image: Image,
        memory: GuestMemory,
    ) -> None:
        self._uc, self._board, self._image, self._memory = uc, board, image, memory

    def core_registers(self) -> list[int]:
        return [int(self._uc.reg_read(register)) for register in REGISTER_IDS]

    def _fault(
        self, kind: str, sentence: str, pc: int, address: int | None, path: tuple[int, ...]
    ) -> Fault:
        registers = [
            *zip(_NAMES, self.core_registers(), strict=True),
            ("xpsr", int(self._uc.reg_read(arm_const.UC_ARM_REG_XPSR))),
        ]
        registers[15] = ("pc", pc)
        return Fault(kind, sentence, pc, address, tuple(registers), path)

    def _where(self, pc: int) -> str:
        symbol = self._image.function_at(pc)
        return f"in {symbol.name}" if symbol is not None else f"at {pc:#010x}"

    def _place(self, address: int) -> str:
        """An address in words: its region, or what lies nearest."""
        region = self._board.chip.region_at(address)
        if region is not None:
            return f"{region.name} + {address - region.start:#x}"
        below = [r for r in self._board.chip.regions if r.end <= address]
        if below:
            nearest = max(below, key=lambda r: r.end)
            past = address - nearest.end
            if past == 0:
                return f"just past the end of {nearest.name}"
            if past < 1 << 20:
                return f"{past} bytes past the end of {nearest.name}"
        if 0x40000000 <= address < 0x60000000:
            return "in the peripherals' address range, which is not modelled"
        return "far from any memory"

    def memory(self, access: int, address: int, size: int, pc: int, path: tuple[int, ...]) -> Fault:
        """An access that the board has no memory for, or does not allow."""
        board, where = self._board.name, self._where(pc)
        at = f"{address:#010x}"
        c = unicorn_const
        if access in (c.UC_MEM_WRITE_UNMAPPED, c.UC_MEM_READ_UNMAPPED):
            writes = access == c.UC_MEM_WRITE_UNMAPPED
            verb, kind = ("writes", "unmapped_write") if writes else ("reads", "unmapped_read")
            sentence = (
                f"The code {where} {verb} {_count(size)} at {at}, which is no memory of board "
                f"'{board}' ({self._place(address)})."
            )
            return self._fault(kind, sentence, pc, address, path)
        if access == c.UC_MEM_WRITE_PROT:
            sentence = (
                f"The code {where} writes {_count(size)} at {at} ({self._place(address)}): "
                "flash is read-only while it is not being programmed."
            )
            return self._fault("write_to_flash", sentence, pc, address, path)
        if access == c.UC_MEM_FETCH_PROT:
            sentence = (
                f"The program jumped to {at} ({self._place(address)}), where code may not run."
            )
            return self._fault("no_execute", sentence, address, address, path)
        sentence = (
            f"The program jumped to {at}, which is no memory of board '{board}': a broken function "
            "pointer, or a return address that was overwritten."
        )
        return self._fault("unmapped_fetch", sentence, address, address, path)

    def from_error(self, errno: int, pc: int, path: tuple[int, ...]) -> Fault:
        """What the emulator reports without a callback."""
        c: Any = unicorn_const
        if errno == c.UC_ERR_FETCH_UNMAPPED:
            return self.memory(c.UC_MEM_FETCH_UNMAPPED, pc, 2, pc, path)
        if errno == c.UC_ERR_FETCH_PROT:
            return self.memory(c.UC_MEM_FETCH_PROT, pc, 2, pc, path)
        code = self._code(pc)
        sentence = (
            f"The bytes {code} at {pc:#010x} ({self._place(pc)}), {self._where(pc)}, are no "
            "instruction of this core."
        )
        return self._fault("undefined_instruction", sentence, pc, None, path)

    def _code(self, pc: int) -> str:
        return self._memory.read(pc, 4).hex(" ") or "(unmapped)"

    def empty_code(self, pc: int, path: tuple[int, ...]) -> Fault:
        """Kilobytes of zeros were executed."""
        sentence = (
            f"The program runs through zero-filled memory at {pc:#010x} ({self._place(pc)}): it "
            "jumped to where there is no code."
        )
        return self._fault("no_code", sentence, pc, None, path)

    def stack_overflow(self, pc: int, limit: int, path: tuple[int, ...]) -> Fault:
        """The stack pointer passed below the end of the stack."""
        stack = self.core_registers()[13]
        owner = self._image.object_at(limit - 1)
        below = f", into '{owner.name}'" if owner is not None else ""
        sentence = (
            f"The stack grew below its limit {limit:#010x}{below} {self._where(pc)}. Enlarge it "
            "(--set stack_bytes=...) or find the deep call or large local below."
        )
        return self._fault("stack_overflow", sentence, pc, stack, path)

    def unaligned(self, instruction: Instruction, path: tuple[int, ...]) -> Fault:
        """A multiple-word access whose address is no multiple of four."""
        pc = instruction.address
        sentence = (
            f"`{instruction.text}` {self._where(pc)} accesses several words at an address that is "
            "no multiple of 4: this core faults (UsageFault, UNALIGNED)."
        )
        return self._fault("unaligned", sentence, pc, None, path)

    def even_branch(self, pc: int, path: tuple[int, ...]) -> Fault:
        """A bx or blx whose register has bit 0 clear."""
        if pc == 0:
            sentence = "The program called a null function pointer (UsageFault, INVSTATE)."
            return self._fault("undefined_instruction", sentence, pc, pc, path)
        sentence = (
            f"The program branched to the even address {pc:#010x} ({self._place(pc)}): Cortex-M "
            "runs only Thumb code, bit 0 of a function pointer must be set (UsageFault, INVSTATE)."
        )
        return self._fault("undefined_instruction", sentence, pc, pc, path)

    def divide_by_zero(self, pc: int, path: tuple[int, ...]) -> Fault:
        sentence = (
            f"The code {self._where(pc)} divides by zero, which this firmware traps "
            "(CCR.DIV_0_TRP)."
        )
        return self._fault("divide_by_zero", sentence, pc, None, path)

    def breakpoint(self, pc: int, path: tuple[int, ...]) -> Fault:
        sentence = f"The program reached a breakpoint (bkpt) {self._where(pc)} with no debugger."
        return self._fault("breakpoint", sentence, pc, None, path)

    def exception(self, number: int, pc: int, path: tuple[int, ...]) -> Fault:
        """An exception that this machine does not deliver."""
        what = "a supervisor call (svc)" if number == 2 else f"exception {number}"
        if number in (3, 8):
            what = "an exception return outside an exception"
        sentence = f"The program took {what} {self._where(pc)}, which has no handler here."
        return self._fault("exception", sentence, pc, None, path)

    def unhandled(self, name: str, number: int, pc: int, path: tuple[int, ...]) -> Fault:
        """An interrupt whose vector leads to no handler, or to one that only stops."""
        sentence = (
            f"The interrupt '{name}' (exception {number}) was taken, but the firmware has no "
            "handler for it. Is its name spelt as in the vector table?"
        )
        return self._fault("exception", sentence, pc, None, path)

    def no_fpu(self, instruction: Instruction, path: tuple[int, ...]) -> Fault:
        """A floating-point instruction while CPACR denies the FPU."""
        pc = instruction.address
        sentence = (
            f"`{instruction.text}` {self._where(pc)} needs the FPU, which this firmware has not "
            "switched on (CPACR; UsageFault, NOCP)."
        )
        return self._fault("undefined_instruction", sentence, pc, None, path)

    def protected(
        self, address: int, write: bool, fetch: bool, pc: int, path: tuple[int, ...]
    ) -> Fault:
        """An access that the MPU forbids."""
        verb = "runs code" if fetch else "writes" if write else "reads"
        sentence = (
            f"The code {self._where(pc)} {verb} at {address:#010x} ({self._place(address)}), which "
            "the MPU forbids (MemManage)."
        )
        return self._fault("protected", sentence, pc, address, path)

    def no_coprocessor(self, pc: int, path: tuple[int, ...]) -> Fault:
        """An instruction for a coprocessor that this core does not have."""
        sentence = (
            f"The bytes {self._code(pc)} {self._where(pc)} are for a coprocessor that this core "
            "does not have (UsageFault, NOCP)."
        )
        return self._fault("undefined_instruction", sentence, pc, None, path)

    def unaligned_exclusive(self, pc: int, path: tuple[int, ...]) -> Fault:
        """An ldrex or strex to an address that is no multiple of its size."""
        sentence = (
            f"The code {self._where(pc)} makes an exclusive access to an unaligned address: this "
            "core faults (UsageFault, UNALIGNED)."
        )
        return self._fault("unaligned", sentence, pc, None, path)

    def no_vector(self, name: str, table: int, pc: int, path: tuple[int, ...]) -> Fault:
        """The vector table lies where no memory is."""
        sentence = (
            f"The exception '{name}' was taken {self._where(pc)}, but its vector cannot be read: "
            f"VTOR is {table:#010x} ({self._place(table)})."
        )
        return self._fault("exception", sentence, pc, table, path)

    def locked_up(self, pc: int, stack: int, path: tuple[int, ...]) -> Fault:
        """An exception cannot be entered or left, and its fault cannot be taken."""
        sentence = (
            f"An exception's frame at {stack:#010x} ({self._place(stack)}) cannot be stored or "
            f"loaded {self._where(pc)}, and no handler can take that fault: the core locks up "
            "(lockup)."
        )
        return self._fault("exception", sentence, pc, stack, path)
