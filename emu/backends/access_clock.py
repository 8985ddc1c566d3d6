"""The cycle at which an instruction that reads a clock register issues."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from emu.backends.code_store import CodeStore, StoredBlock
from emu.backends.core_state import CoreState
from emu.backends.layout import TICKS, Word


class AccessClock:
    """Answers for DWT->CYCCNT.

    A block's issue is counted as a whole when it begins, and the emulator does not say which of
    its instructions is asking. The candidates are those whose address it is; the n-th access of a
    block execution is the n-th of them.
    """

    def __init__(self, core: CoreState, machine: npt.NDArray[np.int64], store: CodeStore) -> None:
        self._core, self._machine, self._store = core, machine, store
        self._entered = (-1, -1)
        self._accesses: dict[int, int] = {}  # of the present block, by address
        self._address = 0
        self._at_cycles: int | None = None
        self._rows: dict[int, list[int]] = {}  # of a block: its instructions that access memory
        self._details: dict[int, list[int]] = {}  # of a transition: when its instructions issue
        self._generation = 0

    def cycles(self) -> int:
        """Modelled cycles up to and including the present block; instructions without timing."""
        return int(self._machine[Word.CYCLES]) // TICKS

    def begin_access(self, address: int) -> None:
        """A register access is about to be answered; `address` is its word's."""
        entered = int(self._machine[Word.INSTRUCTIONS]), int(self._machine[Word.PREVIOUS])
        if entered != self._entered:
            self._entered = entered
            self._accesses.clear()
        self._accesses[address] = self._accesses.get(address, -1) + 1
        self._address = address
        self._at_cycles = None

    def access_cycles(self) -> int:
        """Modelled cycles when the instruction issues whose access began last."""
        if self._at_cycles is None:
            self._at_cycles = self._cycles_at(self._address)
        return self._at_cycles

    def _cycles_at(self, address: int) -> int:
        now = self.cycles()
        number = int(self._machine[Word.PREVIOUS])
        if number < 0 or self._machine[Word.MODE] == 0:
            return now
        stored = self._store.stored[number]
        rows = self._rows.get(number)
        if rows is None:
            accesses = enumerate(stored.instructions)
            rows = self._rows[number] = [row for row, item in accesses if item.memory is not None]
        if len(rows) > 1:
            rows = [row for row in rows if self._may_access(stored, row, address)]
        if not rows:
            return now
        row = rows[min(self._accesses[address], len(rows) - 1)]
        return now - self._issues_before_end(row)

    def cycles_of_row(self, row: int) -> int:
        """Modelled cycles when an instruction of the block that was entered last issues."""
        if int(self._machine[Word.PREVIOUS]) < 0 or self._machine[Word.MODE] == 0:
            return self.cycles()
        return self.cycles() - self._issues_before_end(row)

    def _issues_before_end(self, row: int) -> int:
        """How many cycles before the end of the present block its `row` issues."""
        if self._generation != self._store.generation:
            self._details.clear()
            self._generation = self._store.generation
        transition = int(self._machine[Word.TRANSITION])
        issues = self._details.get(transition)
        if issues is None:
            issues = self._details[transition] = self._store.detail(transition)[:, 0].tolist()
        length = len(issues)
        if row >= length:
            return 0
        # Stalls are charged when a block begins: on average they fall all along it.
        stall = int(self._machine[Word.STALL]) * (length - row) // length
        return issues[-1] - issues[row] + stall // TICKS

    def _may_access(self, stored: StoredBlock, row: int, address: int) -> bool:
        memory = stored.instructions[row].memory
        if memory is None:
            return False
        group, offset = stored.addresses.placed[row]
        if group >= 0 and not stored.addresses.groups[group].terms:
            return offset & ~3 == address
        if memory.index >= 0 or memory.base > 14:
            return False
        base = self._core.get(memory.base)
        return (base + memory.displacement) & 0xFFFFFFFC == address
