"""Register accesses: from the emulator's callbacks to whoever answers them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.backends.direct_calls import map_registers
from emu.backends.memory_map import peripheral_holes
from emu.backends.system_space import SYSTEM_BASE, SYSTEM_BYTES
from emu.peripherals.peripheral import FOREVER

_WORD_BYTES = 4
# What firmware polls there.
SYSTEM_NAMES = {
    0xE000E010: "systick.csr", 0xE000E018: "systick.cvr", 0xE0001004: "dwt.cyccnt",
    0xE000ED04: "scb.icsr",
}  # fmt: skip

if TYPE_CHECKING:
    from emu.backends.unicorn_machine import Run


class BusCallbacks:
    """Maps the private peripheral bus and the peripherals of one run."""

    def __init__(self, run: Run) -> None:
        self._run = run
        system = map_registers(
            run.uc, SYSTEM_BASE, SYSTEM_BASE + SYSTEM_BYTES, self._system_read, self._system_write
        )
        peripherals = [
            map_registers(run.uc, start, end, self._peripheral_read, self._peripheral_write)
            for start, end in peripheral_holes(run.memory, run.board)
        ]
        self._kept = system, peripherals  # the emulator holds their addresses

    def _begin_access(self, address: int) -> None:
        self._run.host.is_accessing = True
        self._run.clock.begin_access(address)

    def _system_read(self, _handle: int, offset: int, size: int, _base: int) -> int:
        try:
            address = SYSTEM_BASE + (offset & ~3)
            self._begin_access(address)
            if self._run.space.peripheral_at(address) is not None:
                value = self._run.space.read(SYSTEM_BASE + offset, size)
                self._run.waiting.saw(SYSTEM_BASE + offset, value, size)
                return value
            word = self._run.system.read(address)
            self._run.waiting.saw(address, word, _WORD_BYTES)
            return (word >> (8 * (offset & 3))) & ((1 << (8 * size)) - 1)
        except BaseException as failure:  # a callback must not raise into C
            self._run.traps.fail(failure)
            return 0
        finally:
            self._run.host.is_accessing = False

    def _system_write(self, _handle: int, offset: int, size: int, value: int, _base: int) -> None:
        try:
            self._begin_access(SYSTEM_BASE + (offset & ~3))
            self._run.waiting.disturb()
            if self._run.space.peripheral_at(SYSTEM_BASE + offset) is not None:
                self._run.space.write(SYSTEM_BASE + offset, value, size)
            else:
                self._run.system.write(SYSTEM_BASE + offset, value, size)
        except BaseException as failure:  # a callback must not raise into C
            self._run.traps.fail(failure)
        finally:
            self._run.host.is_accessing = False

    def _peripheral_read(self, _handle: int, offset: int, size: int, base: int) -> int:
        try:
            address = base + offset
            self._begin_access(address & ~3)
            value = self._run.space.read(address, size)
            self._run.waiting.saw(address, value, size)
            return value
        except BaseException as failure:  # a callback must not raise into C
            self._run.traps.fail(failure)
            return 0
        finally:
            self._run.host.is_accessing = False

    def _peripheral_write(
        self, _handle: int, offset: int, size: int, value: int, base: int
    ) -> None:
        try:
            self._begin_access((base + offset) & ~3)
            self._run.waiting.disturb()
            self._run.space.write(base + offset, value, size)
            self._run.flash_stores.wrote_register(base + offset)
        except BaseException as failure:  # a callback must not raise into C
            self._run.traps.fail(failure)
        finally:
            self._run.host.is_accessing = False

    # For waiting loops

    def quiet_until(self, address: int, value: int, size_bytes: int) -> int | None:
        """The cycle before which a register reads that value; None when not known, or not now."""
        run = self._run
        found = run.space.peripheral_at(address)
        if found is None and address < SYSTEM_BASE:
            return FOREVER
        if found is None:
            bound = run.system.quiet_until(address)
            known = address not in run.system.unknown
            same = bound is None or not known or run.system.read(address) == value
        else:
            offset = address - found.place.start
            bound = found.quiet_until(offset & ~3)
            known = offset & ~3 not in found.unknown
            same = bound is None or not known or found.read(offset, size_bytes) == value
        return bound if same else None

    def count_reads(self, address: int, times: int) -> None:
        """Reads of a register that were passed over, where reads are counted."""
        run = self._run
        found = run.space.peripheral_at(address)
        if found is not None:
            counts = found.unknown.get((address - found.place.start) & ~3)
        else:
            strays = run.system.unknown if address >= SYSTEM_BASE else run.space.strays
            counts = strays.get(address & ~3)
        if counts is not None:
            counts[0] += times

    def register_name(self, address: int) -> str:
        """For reports: "usart1.isr", or the address of what is no peripheral's."""
        found = self._run.space.peripheral_at(address)
        if found is None:
            return SYSTEM_NAMES.get(address, f"{address:#010x}")
        return found.register_name((address - found.place.start) & ~3)
