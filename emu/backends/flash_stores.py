"""Stores to flash while the firmware programs it: what the flash interface makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from unicorn import unicorn_const

from emu.backends.layout import TICKS, Word

if TYPE_CHECKING:
    from emu.backends.unicorn_machine import Run

_LONGEST_STORE_BYTES = 64  # stm of fourteen registers, rounded up


class FlashStores:
    """Hands the words that an instruction stores to the flash's model, one by one.

    The instruction runs as it is on a page that takes writes; what it wrote is then taken back and
    given to the model, which programs or refuses it.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._interface: Any = next(
            (item for item in run.space.peripherals if hasattr(item, "write_flash")), None
        )

        self.stall_ticks: dict[int, int] = {}  # by the address of the code that was held up
        self._touched = False

    def wrote_register(self, address: int) -> None:
        """A peripheral's register was written: perhaps one that starts the flash's work."""
        if self._interface is None:
            return
        place = self._interface.place
        if place.start <= address < place.end:
            self._touched = True
            self._run.look_soon()

    def stall(self, pc: int) -> None:
        """Code in a bank that is being programmed or erased stands still until that is done."""
        if not self._touched:
            return
        self._touched = False
        run = self._run
        ticks = self._interface.read_stall_cycles(pc) * TICKS if run.memory.is_flash(pc) else 0
        if ticks and run.machine[Word.MODE]:
            run.machine[Word.CYCLES] += ticks
            self.stall_ticks[pc] = self.stall_ticks.get(pc, 0) + ticks

    def takes(self, address: int) -> bool:
        """Whether a store there is the flash interface's business."""
        return self._interface is not None and self._run.memory.is_flash(address)

    def carry_out(self, address: int, size_bytes: int, pc: int) -> int:
        """Run the storing instruction and the rest of its block; returns the next pc."""
        run = self._run
        stored_at = pc
        size = min(_LONGEST_STORE_BYTES, len(run.memory.read(address, _LONGEST_STORE_BYTES)))
        before = run.memory.read(address, size)
        run.map.open_page(address)
        run.map.open_page(address + size - 1)
        pc = run.watch.step(pc)
        run.map.close_page(address)
        run.map.close_page(address + size - 1)
        after = run.memory.read(address, size)
        run.memory.program(address, before)
        accepted = True
        for offset in range(0, size, size_bytes):
            value = after[offset : offset + size_bytes]
            if offset == 0 or value != before[offset : offset + size_bytes]:
                word = int.from_bytes(value, "little")
                accepted &= self._interface.write_flash(address + offset, word, len(value))
        run.forget_code(address, size)
        self._touched = True
        run.look_soon()
        if not accepted:  # assumed: a bus error; a stray write should not go unseen
            run.traps.raise_memory(unicorn_const.UC_MEM_WRITE_PROT, address, size_bytes, stored_at)
            return stored_at
        block = run.present_block()
        if block is not None and block.address < pc < block.address + block.size_bytes:
            return run.watch.finish_block(pc)
        return pc
