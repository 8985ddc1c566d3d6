"""Loops that only wait: time passes for them without running every turn.

A loop that polls a register, or spins until an interrupt changes a variable, comes back to the same
state every turn. Where a whole turn leaves registers, memory and pipeline as they were, and reads
only registers whose values are known to hold, the turns up to the next event are all alike: they
are counted, not run. Where there is no next event, the loop never ends, and is named.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from emu.backends.layout import TICKS, Tra, Word
from emu.backends.protocol import BusyLoop
from emu.system.exception_model import NO_EXCEPTION

if TYPE_CHECKING:
    from emu.backends.unicorn_machine import Run

_READS_BEFORE_LOOKING = 12  # equal ones in a row
_MOST_POLLED_REGISTERS = 8  # HAL's loops read two to four
_MOST_COMPARED_BYTES = 1 << 21
_LONGEST_TURN_BLOCKS = 400


@dataclass
class _Turn:
    """The machine at one arrival at the watched block."""

    registers: list[int]
    special: tuple[int, ...]
    memory: list[bytes]
    counts: npt.NDArray[np.int64]
    row_stalls: npt.NDArray[np.int64]
    cold: npt.NDArray[np.int64]
    ticks: int
    instructions: int
    words: tuple[int, ...]


class WaitingLoops:
    """Finds and skips the waiting loops of one run."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._last: tuple[int, int] = (-1, -1)  # address, value
        self._values: dict[int, int] = {}  # what the registers read lately gave, by address
        self._equal = 0
        self._wait = _READS_BEFORE_LOOKING
        self._wrote = False
        self._read: dict[int, int] = {}  # registers read in the present turn: address, value
        self._at: int | None = None  # the block at which turns are compared
        self._turn: _Turn | None = None
        self._period = 0
        self._left = 0  # blocks until the turn is given up
        self.poll_pc = 0

    # What the buses tell

    def saw(self, address: int, value: int, _size: int | None) -> None:
        """A register was read."""
        if self._at is not None:
            self._read[address] = value
        self._last = address, value
        if self._values.get(address) == value:
            self._equal += 1
            if self._equal >= self._wait and self._at is None:
                self._equal = 0
                self._run.look_soon()
                self._wanted = True
        else:
            if len(self._values) >= _MOST_POLLED_REGISTERS:
                self._values.clear()
            self._values[address] = value
            self._equal = 0
            self._wait = _READS_BEFORE_LOOKING

    _wanted = False

    def wrote(self) -> None:
        """A register was written: the turn is no waiting."""
        self._wrote = True
        self._last, self._equal = (-1, -1), 0
        self._values.clear()

    # Turns

    def watches(self, address: int) -> bool:
        return self._at == address

    def look(self, pc: int) -> None:
        """The run has stopped at a block because registers were polled: watch that block."""
        if not self._wanted:
            return
        self._wanted = False
        if self._run.store.number_at(pc) < 0:
            return
        self._at, self._turn, self._period = pc, None, 0
        self._run.watch.refresh(pc)

    def _give_up(self) -> None:
        at, self._at = self._at, None
        self._turn = None
        self._wait = min(self._wait * 4, 1 << 16)
        if at is not None:
            self._run.watch.refresh(at)

    def lap(self) -> bool:
        """The watched block comes round. True when the run ends here."""
        now = self._snapshot()
        before, self._turn = self._turn, now
        read, self._read = self._read, {}
        wrote, self._wrote = self._wrote, False
        if before is None:
            return False
        period = now.ticks - before.ticks
        same = (
            not wrote
            and period > 0
            and now.registers == before.registers
            and now.special == before.special
            and now.words == before.words
            and now.memory == before.memory
        )
        if not same:
            self._give_up()
            return False
        if period != self._period:
            # The first turns still warm caches and predictor up.
            self._left = self._left - 1 if self._period else 4
            self._period = period
            if self._left <= 0:
                self._give_up()
            return False
        ended = self._skip(before, now, period, read)
        self._give_up()
        self._wait = _READS_BEFORE_LOOKING
        return ended

    def _skip(self, before: _Turn, now: _Turn, period: int, read: dict[int, int]) -> bool:
        run = self._run
        machine = run.machine
        quiet = self._quiet_until(read)
        if quiet is None:
            return False
        due = run.space.schedule.next_cycles()
        if due is None and quiet >= 1 << 62 and run.exceptions.to_take() == NO_EXCEPTION:
            run.busy_loop = self.describe(read)
            run.ended = "halted"
            return True
        until = min(quiet, due if due is not None else 1 << 62)
        until_ticks = min(until * TICKS, run.max_ticks)
        turns = (until_ticks - now.ticks) // period - 1
        if turns < 2:
            return False
        machine[Word.CYCLES] += turns * period
        machine[Word.INSTRUCTIONS] += turns * (now.instructions - before.instructions)
        count = len(before.counts)
        data = run.store.transitions.data
        data[:count, Tra.COUNT] += turns * (now.counts[:count] - before.counts)
        for table, was, present in (
            (run.store.row_stalls.data, before.row_stalls, now.row_stalls),
            (run.store.cold.data, before.cold, now.cold),
        ):
            # A cold block's first columns say where it is: they differ by nothing.
            table[: len(was)] += turns * (present[: len(was)] - was)
        return False

    def _quiet_until(self, read: dict[int, int]) -> int | None:
        """Up to which cycle every register that was read keeps its value; None: not known."""
        until = 1 << 62
        for address in read:
            found = self._run.space.peripheral_at(address)
            if found is None:
                return None
            bound = found.quiet_until((address - found.place.start) & ~3)
            if bound is None:
                return None
            until = min(until, bound)
        return until

    def _snapshot(self) -> _Turn:
        run, machine = self._run, self._run.machine
        special = run.core.special()
        count = int(machine[Word.TRANSITION_COUNT])
        return _Turn(
            registers=run.core.registers()[:15],
            special=(
                special.xpsr, special.control, special.primask, special.basepri,
                special.faultmask,
            ),
            memory=[
                item.data.tobytes()
                for item in run.memory.stretches
                if item.region.kind == "ram" and item.region.size_bytes <= _MOST_COMPARED_BYTES
            ],
            counts=run.store.transitions.data[:count, Tra.COUNT].copy(),
            row_stalls=run.store.row_stalls.data[: run.store.rows.count].copy(),
            cold=run.store.cold.data[: run.store.blocks.count].copy(),
            ticks=int(machine[Word.CYCLES]),
            instructions=int(machine[Word.INSTRUCTIONS]),
            words=tuple(
                int(machine[word])
                for word in (
                    Word.PREVIOUS, Word.STATE, Word.SHADOW_DEPTH, Word.DCACHE_MISSES,
                    Word.ICACHE_MISSES, Word.RANDOM, Word.TRANSITION_COUNT,
                )
            ),
        )  # fmt: skip

    # Naming

    def describe(self, read: dict[int, int] | None = None) -> BusyLoop | None:
        """The register that the run was polling when it ended; None when it was not."""
        address, value = self._last
        if read:
            address, value = next(iter(read.items()))
        elif self._equal < _READS_BEFORE_LOOKING and self._wait == _READS_BEFORE_LOOKING:
            return None
        if address < 0:
            return None
        run = self._run
        found = run.space.peripheral_at(address)
        name = (
            found.register_name((address - found.place.start) & ~3)
            if found is not None
            else f"{address:#010x}"
        )
        pc = run.core.get(15)
        symbol = run.image.function_at(pc)
        where = f"in {symbol.name}" if symbol is not None else f"at {pc:#010x}"
        return BusyLoop(
            pc=pc,
            address=address,
            register=name,
            value=value,
            sentence=(
                f"The code {where} polls {name} ({address:#010x}), which reads {value:#x} every "
                "time."
            ),
        )
