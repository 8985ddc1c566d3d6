"""Register accesses: from the emulator's callbacks to whoever answers them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emu.backends.memory_map import peripheral_holes
from emu.backends.system_space import SYSTEM_BASE, SYSTEM_BYTES

if TYPE_CHECKING:
    from emu.backends.unicorn_machine import Run


class BusCallbacks:
    """Maps the private peripheral bus and the peripherals of one run."""

    def __init__(self, run: Run) -> None:
        self._run = run
        run.uc.mmio_map(
            SYSTEM_BASE, SYSTEM_BYTES, self._system_read, None, self._system_write, None
        )
        for start, end in peripheral_holes(run.memory, run.board):
            run.uc.mmio_map(
                start, end - start, self._peripheral_read, start, self._peripheral_write, start
            )

    def _begin_access(self, address: int) -> None:
        self._run.host.is_accessing = True
        self._run.clock.begin_access(address)

    def _system_read(self, _uc: Any, offset: int, size: int, _data: Any) -> int:
        try:
            address = SYSTEM_BASE + (offset & ~3)
            self._begin_access(address)
            if self._run.space.peripheral_at(address) is not None:
                return self._run.space.read(SYSTEM_BASE + offset, size)
            word = self._run.system.read(address)
            self._run.waiting.saw(address, word, None)
            return (word >> (8 * (offset & 3))) & ((1 << (8 * size)) - 1)
        except BaseException as failure:  # a callback must not raise into C
            self._run.traps.fail(failure)
            return 0
        finally:
            self._run.host.is_accessing = False

    def _system_write(self, _uc: Any, offset: int, size: int, value: int, _data: Any) -> None:
        try:
            self._begin_access(SYSTEM_BASE + (offset & ~3))
            self._run.waiting.wrote()
            if self._run.space.peripheral_at(SYSTEM_BASE + offset) is not None:
                self._run.space.write(SYSTEM_BASE + offset, value, size)
            else:
                self._run.system.write(SYSTEM_BASE + offset, value, size)
        except BaseException as failure:  # a callback must not raise into C
            self._run.traps.fail(failure)
        finally:
            self._run.host.is_accessing = False

    def _peripheral_read(self, _uc: Any, offset: int, size: int, base: int) -> int:
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

    def _peripheral_write(self, _uc: Any, offset: int, size: int, value: int, base: int) -> None:
        try:
            self._begin_access((base + offset) & ~3)
            self._run.waiting.wrote()
            self._run.space.write(base + offset, value, size)
            self._run.flash_stores.wrote_register(base + offset)
        except BaseException as failure:  # a callback must not raise into C
            self._run.traps.fail(failure)
        finally:
            self._run.host.is_accessing = False
