"""The SRAM trace: what it holds, and that it does not grow with the run."""

from __future__ import annotations

import pytest

from emu.backends.protocol import Trace, TraceRegion
from tests.emu.backends.machine_bench import Bench, board_of

pytestmark = pytest.mark.needs_compiler


def region_of(trace: Trace | None, name: str) -> TraceRegion:
    assert trace is not None
    (found,) = [region for region in trace.regions if region.name == name]
    return found


WRITES = """
uint32_t first[64] __attribute__((aligned(32))), second[64] __attribute__((aligned(32)));
int main(void) {
    for (int i = 0; i < 64; i++) ((volatile uint32_t *)first)[i] = i;
    for (int r = 0; r < ROUNDS; r++)
        for (int i = 0; i < 64; i++) sink += ((volatile uint32_t *)first)[i];
    for (int i = 0; i < 64; i++) ((volatile uint32_t *)second)[i] = i;
    return 0;
}
"""


def test_counts_lie_where_and_when_the_accesses_were(bench: Bench) -> None:
    board = board_of()
    image = bench.image(WRITES, board, {"ROUNDS": 10})
    done = bench.run(WRITES, board, defines={"ROUNDS": 10}, trace=True)
    axi = region_of(done.trace, "axi")
    first, second = image.symbol("first"), image.symbol("second")
    assert first is not None
    assert second is not None

    def words(address: int) -> slice:
        return slice((address - axi.start) // 4, (address - axi.start) // 4 + 64)

    assert (axi.first_write_cycles[words(first.address)] >= 0).all()
    last_of_first = axi.last_read_cycles[words(first.address)]
    first_of_second = axi.first_write_cycles[words(second.address)]
    assert (last_of_first > axi.first_write_cycles[words(first.address)]).all()
    # start-up clears both; what is written afterwards is not first any more
    assert (first_of_second <= last_of_first).all()
    assert (axi.last_read_cycles[words(second.address)] == -1).all()
    granule = axi.granule_bytes
    low = (first.address - axi.start) // granule
    high = (first.address + 256 - axi.start + granule - 1) // granule
    assert axi.reads[:, low:high].sum() >= 640
    trace = done.trace
    assert trace is not None
    total = sum(int(region.reads.sum() + region.writes.sum()) for region in trace.regions)
    assert 0 < total <= done.accesses.hooked_count


@pytest.mark.parametrize("rounds", [1, 100, 10_000])
def test_the_trace_is_bounded_and_loses_no_count(bench: Bench, rounds: int) -> None:
    done = bench.run(WRITES, defines={"ROUNDS": rounds}, trace=True)
    trace = done.trace
    assert trace is not None
    assert done.cycles is not None
    axi = region_of(trace, "axi")
    bins, granules = axi.reads.shape
    assert axi.writes.shape == (bins, granules)
    assert bins * granules <= 1 << 20
    assert bins * trace.bin_cycles >= done.cycles
    assert int(axi.reads.sum()) >= 64 * rounds
    assert granules * axi.granule_bytes >= axi.size_bytes
    assert len(axi.first_write_cycles) == axi.size_bytes // 4


def test_bins_double_with_the_run(bench: Bench) -> None:
    sizes = []
    for rounds in (1, 10_000):
        trace = bench.run(WRITES, defines={"ROUNDS": rounds}, trace=True).trace
        assert trace is not None
        sizes.append(trace.bin_cycles)
    assert sizes[1] > sizes[0]
    assert sizes[1] % sizes[0] == 0


def test_a_read_of_what_nobody_wrote_is_found(bench: Bench) -> None:
    source = """
    NOINLINE uint32_t peek(volatile uint32_t *p) { return *p; }
    int main(void) { uint32_t *a = malloc(64); sink = peek(a + 3); return 0; }
    """
    board = board_of()
    image = bench.image(source, board)
    trace = bench.run(source, board, trace=True).trace
    assert trace is not None
    peek, heap = image.symbol("peek"), image.symbol("__heap_start")
    assert peek is not None
    assert heap is not None
    found = [(pc, address) for pc, address, _ in trace.unwritten_reads if pc & ~1 == peek.address]
    assert [address for _, address in found] == [heap.address + 8 + 12]


def test_a_write_outside_every_symbol_is_found(bench: Bench) -> None:
    source = """
    NOINLINE void poke(volatile uint32_t *p) { *p = 1; }
    int main(void) { poke((volatile uint32_t *)0x2407FF00); return 0; }
    """
    board = board_of()
    image = bench.image(source, board)
    trace = bench.run(source, board, trace=True).trace
    assert trace is not None
    poke = image.symbol("poke")
    assert poke is not None
    assert [a for pc, a, _ in trace.stray_writes if image.function_at(pc) == poke] == [0x2407FF00]


def test_tracing_hooks_every_access_and_changes_no_cycle(bench: Bench) -> None:
    traced = bench.run(WRITES, defines={"ROUNDS": 50}, trace=True)
    hooked = bench.run(WRITES, defines={"ROUNDS": 50}, accesses="hook")
    assert traced.cycles == hooked.cycles
    assert traced.accesses == hooked.accesses
    assert hooked.trace is None
