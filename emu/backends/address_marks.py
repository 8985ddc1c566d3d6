"""Stretches of code between two addresses (`--from`, `--to`), measured to the instruction."""

from __future__ import annotations

from dataclasses import dataclass

from emu.backends.code_store import StoredBlock
from emu.backends.protocol import AddressRange, CallStats


@dataclass
class _Meter:
    range: AddressRange
    began: tuple[int, int] | None = None  # cycles, instructions
    count: int = 0
    cold: tuple[int, int] | None = None
    warm_cycles: int = 0
    warm_instructions: int = 0
    warm_min: int = 0
    warm_max: int = 0

    def pass_start(self, at: tuple[int, int]) -> None:
        if self.began is None:
            self.began = at

    def pass_stop(self, at: tuple[int, int]) -> None:
        if self.began is None:
            return
        cycles, instructions = at[0] - self.began[0], at[1] - self.began[1]
        self.began = None
        self.count += 1
        if self.cold is None:
            self.cold = cycles, instructions
            return
        first = self.count == 2
        self.warm_min = cycles if first else min(self.warm_min, cycles)
        self.warm_max = cycles if first else max(self.warm_max, cycles)
        self.warm_cycles += cycles
        self.warm_instructions += instructions

    def stats(self, timed: bool) -> CallStats:
        warm = max(self.count - 1, 0)
        cold_cycles, cold_instructions = self.cold or (None, None)
        seen = timed and warm > 0
        return CallStats(
            name=self.range.name,
            address=self.range.start,
            calls_count=self.count,
            cold_cycles=cold_cycles if timed else None,
            cold_instructions=cold_instructions,
            warm_count=warm,
            warm_mean_cycles=self.warm_cycles / warm if seen else None,
            warm_min_cycles=self.warm_min if seen else None,
            warm_max_cycles=self.warm_max if seen else None,
            warm_mean_instructions=self.warm_instructions / warm if warm else None,
            stack_peak_bytes=None,
        )


class AddressMarks:
    """All address ranges of one run. From the first start to the next stop counts as one."""

    def __init__(self, ranges: tuple[AddressRange, ...]) -> None:
        self._meters = [_Meter(item) for item in ranges]
        self._addresses = {address & ~1 for item in ranges for address in (item.start, item.stop)}

    def rows_of(self, block: StoredBlock) -> tuple[int, ...]:
        """Instructions of a block that are marks."""
        return tuple(
            row
            for row, instruction in enumerate(block.instructions)
            if instruction.address in self._addresses
        )

    def touches(self, address: int, size_bytes: int) -> bool:
        return any(address <= mark < address + size_bytes for mark in self._addresses)

    def passed(self, address: int, cycles: int, instructions: int) -> None:
        """The instruction at a mark is about to issue."""
        for meter in self._meters:
            if address == meter.range.stop & ~1:
                meter.pass_stop((cycles, instructions))
            if address == meter.range.start & ~1:
                meter.pass_start((cycles, instructions))

    def stats(self, timed: bool) -> tuple[CallStats, ...]:
        return tuple(meter.stats(timed) for meter in self._meters)
