"""The cycle at which an instruction that reads a clock register issues."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from emu.backends.code_store import CodeStore, StoredBlock
from emu.backends.constants import (
    W_CYCLES,
    W_INSTRUCTIONS,
    W_MODE,
    W_PREVIOUS,
    W_STALL,
    W_TRANSITION,
)
from emu.backends.core_state import LR, CoreState
from emu.backends.layout import TICKS
from emu.backends.view_words import view_words

_NO_REGISTER, _UNKNOWN = -1, -2


class _Access(NamedTuple):
    """An instruction of a block that accesses memory: at an address, or off a register."""

    row: int
    base: int  # a register, `_NO_REGISTER`, or `_UNKNOWN` where it is not that simple
    offset: int


class AccessClock:
    """Answers for DWT->CYCCNT.

    A block's issue is counted as a whole when it begins, and the emulator does not say which of
    its instructions is asking. The candidates are those whose address it is; the n-th access of a
    block execution is the n-th of them.
    """

    def __init__(self, core: CoreState, machine: npt.NDArray[np.int64], store: CodeStore) -> None:
        self._core, self._words, self._store = core, view_words(machine), store
        self._entered_at = self._block = -1  # instructions at the present block's entry, its number
        self._counts: dict[int, int] = {}  # accesses of the present block, by address
        self._address = 0
        self._at_cycles: int | None = None
        self._accesses: dict[int, tuple[_Access, ...]] = {}  # by number of the block
        self._issues: dict[int, list[int]] = {}  # of each instruction, by transition
        self._generation = 0

    def cycles(self) -> int:
        """Modelled cycles up to and including the present block; instructions without timing."""
        cycles: int = self._words[W_CYCLES] // TICKS
        return cycles

    def begin_access(self, address: int) -> None:
        """A register access is about to be answered; `address` is its word's."""
        words = self._words
        if words[W_INSTRUCTIONS] != self._entered_at or words[W_PREVIOUS] != self._block:
            self._entered_at, self._block = words[W_INSTRUCTIONS], words[W_PREVIOUS]
            self._counts.clear()
        self._counts[address] = self._counts.get(address, -1) + 1
        self._address = address
        self._at_cycles = None

    def access_cycles(self) -> int:
        """Modelled cycles when the instruction issues whose access began last."""
        if self._at_cycles is None:
            self._at_cycles = self._cycles_at(self._address)
        return self._at_cycles

    def _cycles_at(self, address: int) -> int:
        now = self.cycles()
        number = self._words[W_PREVIOUS]
        if number < 0 or self._words[W_MODE] == 0:
            return now
        accesses = self._accesses.get(number)
        if accesses is None:
            accesses = self._accesses[number] = _accesses_of(self._store.stored[number])
        if len(accesses) == 1:
            return now - self._issues_before_end(accesses[0].row)
        rows = [access.row for access in accesses if self._address_of(access) == address]
        if not rows:
            return now
        row = rows[min(self._counts[address], len(rows) - 1)]
        return now - self._issues_before_end(row)

    def _address_of(self, access: _Access) -> int:
        """The word that an instruction accesses now; no word's address where that is unknown."""
        _, base, offset = access
        if base < 0:
            return offset & 0xFFFFFFFC if base == _NO_REGISTER else _UNKNOWN
        return (self._core.get(base) + offset) & 0xFFFFFFFC

    def cycles_of_row(self, row: int) -> int:
        """Modelled cycles when an instruction of the block that was entered last issues."""
        if self._words[W_PREVIOUS] < 0 or self._words[W_MODE] == 0:
            return self.cycles()
        return self.cycles() - self._issues_before_end(row)

    def _issues_before_end(self, row: int) -> int:
        """How many cycles before the end of the present block its `row` issues."""
        if self._generation != self._store.generation:
            self._issues.clear()
            self._generation = self._store.generation
        transition = self._words[W_TRANSITION]
        issues = self._issues.get(transition)
        if issues is None:
            detail = self._store.detail(transition)
            issues = self._issues[transition] = detail[:, 0].tolist()
        count = len(issues)
        if row >= count:
            return 0
        # Stalls are charged when a block begins: on average they fall all along it.
        stall: int = self._words[W_STALL] * (count - row) // count
        return issues[-1] - issues[row] + stall // TICKS


def _accesses_of(stored: StoredBlock) -> tuple[_Access, ...]:
    """The instructions of a block that access memory."""
    found = []
    for row, instruction in enumerate(stored.instructions):
        memory = instruction.memory
        if memory is None:
            continue
        group, offset = stored.addresses.placed[row]
        if group >= 0 and not stored.addresses.groups[group].terms:
            found.append(_Access(row, _NO_REGISTER, offset))
        elif memory.index < 0 <= memory.base <= LR:
            found.append(_Access(row, memory.base, memory.displacement))
        else:
            found.append(_Access(row, _UNKNOWN, 0))
    return tuple(found)
