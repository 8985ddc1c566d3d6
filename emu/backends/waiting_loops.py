"""Loops that only wait: time passes for them without running every turn.

A loop that polls a register, or spins until an interrupt changes a variable, comes back to the same
state every turn. Where a whole turn leaves core, memory, pipeline and caches as they were, and only
reads registers whose values are known to hold, the turns up to the next event are all alike: they
are counted, not run. Where there is no next event, the loop never ends, and is named.

Loops are looked for where registers read the same again and again, where an interrupt returns to,
and where a long stretch without events is interrupted. Looking costs two or three stops, so that
what was looked at in vain is looked at ever more seldom.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from emu.backends.describe_loop import describe_loop
from emu.backends.layout import TICKS, Block, BlockFlag, Reason, Word
from emu.backends.loop_turns import Lap, LoopTurns, Turn
from emu.backends.protocol import BusyLoop
from emu.peripherals.peripheral import FOREVER
from emu.system.exception_model import NO_EXCEPTION

if TYPE_CHECKING:
    from emu.backends.unicorn_machine import Run

_FEW_READS, _FIRST_READS, _MANY_READS = 3, 8, 1 << 16  # equal ones in a row before a look
_READS_WITHOUT_LAP = 32  # equal ones, after which the watched block is none of the loop
_MOST_POLLED_REGISTERS = 8  # HAL's loops read two to four
_MOST_LAPS = 12  # while caches and predictor warm up
_SHORTEST_WAIT_CYCLES = 20_000  # without polled registers; less is run as fast as it is looked at
_MOST_SPARED = 256  # interrupts that are not looked at after those that were in vain
_MOST_KNOWN = 4096
_FRESH_INSTRUCTIONS = 5_000  # since a wait, within which a run counts as waiting still
_POLLED_READS = 12  # equal ones that make a loop, for its name


@dataclass
class Reading:
    """Reads of a register within one turn, all of one value."""

    value: int
    size_bytes: int
    count: int = 1


@dataclass(frozen=True)
class Wait:
    """The wait that was passed over last."""

    pc: int
    turn: Turn
    read: dict[int, Reading]
    turn_instructions: int
    ended_instructions: int


class WaitingLoops:
    """Finds and skips the waiting loops of one run.

    Attributes:
        enabled: whether turns are passed over; without, every turn is run, for comparison.
    """

    enabled: ClassVar[bool] = True

    def __init__(self, run: Run) -> None:
        self._run = run
        self._turns = LoopTurns(run)
        # Polling
        self._values: dict[int, int] = {}  # what the registers read lately gave, by address
        self._equal_count = 0  # reads in a row that gave what they gave before
        self._last_read = (0, 0)  # register, instructions run by then
        self._patience = self._look_at_count = _FIRST_READS
        self._look_wanted = False
        # The loop that is looked at
        self._at: int | None = None
        self._by_polling = False
        self._turn: Turn | None = None
        self._before: Lap | None = None
        self._laps_left = 0
        self._read: dict[int, Reading] = {}
        self._disturbances = 0
        self._storing: tuple[int, ...] = ()  # blocks of it that are watched for what they store
        # What is known
        self._known: dict[int, Turn] = {}
        self._spare, self._spared = 1, 0
        self._wait: Wait | None = None

    # What the buses and traps tell

    def saw(self, address: int, value: int, size_bytes: int) -> None:
        """A register was read."""
        if self._at is not None:
            reading = self._read.get(address)
            if reading is None:
                self._read[address] = Reading(value, size_bytes)
            elif reading.value == value and reading.size_bytes == size_bytes:
                reading.count += 1
            else:
                self._disturbances += 1
        self._last_read = address, int(self._run.machine[Word.INSTRUCTIONS])
        if self._values.get(address) == value:
            self._equal_count += 1
            if self._equal_count >= self._look_at_count and self.enabled:
                self._look_at_count = self._equal_count + self._patience
                self._look_wanted = True
                self._run.look_soon()
            return
        if len(self._values) >= _MOST_POLLED_REGISTERS:
            self._values.clear()
        self._values[address] = value
        self._count_anew()

    def disturb(self) -> None:
        """Something happened that no turn of a waiting loop does, such as a register's write."""
        self._disturbances += 1
        self._values.clear()
        self._count_anew()

    def _count_anew(self) -> None:
        if self._equal_count and self._patience > _FIRST_READS:
            self._patience = max(self._patience // 4, _FIRST_READS)  # it may be another loop
        self._equal_count, self._look_at_count = 0, self._patience

    def stopped(self, reason: int) -> None:
        """The emulator has stopped; for some reasons it does within any turn."""
        if reason not in (Reason.EVENT, Reason.BUDGET, Reason.RESUME, Reason.NEW_BLOCK):
            self._disturbances += 1

    # Where to look

    def watches(self, address: int) -> bool:
        return self._at == address or address in self._storing

    def look(self, pc: int) -> None:
        """The run has stopped at a block: because registers were polled, or after a long time."""
        if self._look_wanted:
            self._look_wanted = False
            if self._at is not None:
                self._give_up()
            self._begin(pc, by_polling=True)
        else:
            self.resumed(pc)

    def resumed(self, pc: int) -> None:
        """An interrupt returns to a block: it may be one of a loop that waits for interrupts."""
        if not self.enabled or self._run.exceptions.running:
            return
        due = self._run.space.schedule.next_cycles()
        if due is not None and due - self._run.clock.cycles() < _SHORTEST_WAIT_CYCLES:
            return
        if self._at is not None:
            if self._by_polling or self._laps_left < _MOST_LAPS:
                return
            self._give_up()  # it did not come round
        if pc not in self._known:
            self._spared -= 1
            if self._spared > 0:
                return
        self._begin(pc, by_polling=False)

    def _begin(self, pc: int, *, by_polling: bool) -> None:
        """Watch the block that is about to run."""
        run = self._run
        number = run.store.number_at(pc)
        if number < 0 or run.machine[Word.TRACE]:
            return
        if run.store.blocks.data[number, Block.FLAGS] & BlockFlag.EVENT:
            return  # it is watched already, for what happens there
        turn = self._known.get(pc)
        if turn is not None and self._turns.is_watched(turn, pc):
            return
        self._at, self._by_polling, self._turn = pc, by_polling, turn
        self._laps_left, self._read = _MOST_LAPS, {}
        run.watch.refresh(pc)
        self._arrive()
        run.machine[Word.SKIP_EVENT] = 1

    def _arrive(self) -> Lap:
        self._look_at_count = self._equal_count + max(self._patience, _READS_WITHOUT_LAP)
        lap = self._before = self._turns.arrive(self._turn, self._disturbances)
        if lap.turn is None:
            self._turn = None
        elif not self._storing and lap.turn.storing:
            self._storing = lap.turn.storing
            for address in self._storing:
                self._run.watch.refresh(address)
        if self._at is not None and self._at in self._storing:
            self._turns.keep_stored(lap, self._at)
        return lap

    def _leave(self) -> None:
        """Look at this loop no more."""
        at, storing = self._at, self._storing
        self._at, self._before, self._storing = None, None, ()
        for address in {*storing, *(() if at is None else (at,))}:
            self._run.watch.refresh(address)

    def _give_up(self) -> None:
        at = self._at
        self._leave()
        if self._by_polling:
            self._patience = min(self._patience * 4, _MANY_READS)
        else:
            self._spare = min(self._spare * 2, _MOST_SPARED)
            self._spared = self._spare
            self._known.pop(at or 0, None)

    # Turns

    def passes(self, pc: int) -> bool:
        """A watched block is about to run. True when the run ends here."""
        if pc != self._at:
            if self._before is not None:
                self._turns.keep_stored(self._before, pc)
            return False
        before, turn = self._before, self._turn
        now = self._arrive()
        read, self._read = self._read, {}
        self._laps_left -= 1
        if before is None:
            return False
        if not self._turns.comes_back(before, now):
            # In the first turn the loop may have read what the interrupt has changed.
            if self._by_polling or self._laps_left < _MOST_LAPS - 1:
                self._give_up()
            return False
        if not self._laps_left:
            self._give_up()
            return False
        if turn is None:
            self._learn(before, now)
            return False
        if not self._turns.is_whole(before, now):
            self._turn = None
            self._arrive()
            return False
        return self._turns.repeats(before, now) and self._pass_over(pc, before, now, read)

    def _learn(self, before: Lap, now: Lap) -> None:
        """A turn was run from end to end: it is the one to count."""
        turn = self._turns.between(before, now)
        if turn is None or self._turns.is_watched(turn, self._at or 0):
            self._give_up()
        else:
            self._turn = turn
            self._arrive()

    def _pass_over(self, pc: int, before: Lap, now: Lap, read: dict[int, Reading]) -> bool:
        """Count the turns up to the next event or change of a register that is read."""
        run, machine = self._run, self._run.machine
        assert now.turn is not None, "the turn is known"
        period = now.ticks - before.ticks
        length = now.instructions - before.instructions
        quiet = self._quiet_until(read)
        due = run.space.schedule.next_cycles()
        if quiet == FOREVER and due is None and run.exceptions.to_take() == NO_EXCEPTION:
            self._wait = Wait(pc, now.turn, read, length, now.instructions)
            run.busy_loop = self.describe()
            run.ended = "halted"
            return True
        until = min(quiet, FOREVER if due is None else due)
        turns = (min(until * TICKS, run.max_ticks) - now.ticks) // period - 1
        if turns < 2:
            self._give_up()
            return False
        self._turns.add(before, now, turns)
        for address, reading in read.items():
            run.buses.count_reads(address, turns * reading.count)
        self._wait = Wait(pc, now.turn, read, length, int(machine[Word.INSTRUCTIONS]))
        self._leave()
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[pc] = now.turn
        if self._by_polling:
            self._patience = _FEW_READS
        else:
            self._spare = 1
        # The turn or two that are left are not looked at.
        left = 2 * sum(reading.count for reading in read.values())
        self._look_at_count = self._equal_count + left + self._patience
        return False

    def _quiet_until(self, read: dict[int, Reading]) -> int:
        """The cycle before which every register that was read gives what it gave; 0: not known."""
        until = FOREVER
        for address, reading in read.items():
            bound = self._run.buses.quiet_until(address, reading.value, reading.size_bytes)
            if bound is None:
                return 0
            until = min(until, bound)
        return until

    # Naming

    def describe(self) -> BusyLoop | None:
        """The loop in which the run was waiting when it ended; None when it was not."""
        run = self._run
        now, wait = int(run.machine[Word.INSTRUCTIONS]), self._wait
        if wait is not None:
            fresh = _FRESH_INSTRUCTIONS + 4 * wait.turn_instructions
            if now - wait.ended_instructions <= fresh:
                registers = [(address, found.value) for address, found in wait.read.items()]
                return describe_loop(run, wait.pc, registers, wait.turn)
        address, at = self._last_read
        if self._equal_count < _POLLED_READS or now - at > _FRESH_INSTRUCTIONS:
            return None
        return describe_loop(run, run.core.get(15), [(address, self._values[address])], None)
