"""Caches, flash and TCM, each seen through differences between two runs of one program."""

from __future__ import annotations

from typing import Any

import pytest

from emu.backends.protocol import Cause, Execution
from emu.board import Board
from tests.emu.backends.machine_bench import Bench, board_of

pytestmark = pytest.mark.needs_compiler

# `LINES` lines of `STRIDE` bytes are read (or written) `PASSES` times. All that differs between two
# runs that differ in one of them is what the loop did.
WALK = """
static uint8_t area[64 * 1024] __attribute__((aligned(4096)));
NAKED void walk(volatile void *p, int lines, int passes) {
    __asm__ volatile(
        "1: mov r3, r0\\n mov r12, r1\\n cbz r1, 3f\\n"
        "2: " ACCESS "\\n add.w r3, r3, %0\\n subs.w r12, r12, #1\\n bne.w 2b\\n"
        "3: subs.w r2, r2, #1\\n bne.w 1b\\n bx lr" : : "i"(STRIDE));
}
int main(void) {
#ifdef OFF
    REG(0xE000ED14) &= ~(OFF);
    __asm__ volatile("dsb; isb");
#endif
    walk(area, LINES, PASSES);
    return 0;
}
"""
READ, WRITE = "ldr.w r4, [r3]", "str.w r4, [r3]"


def walk(
    bench: Bench, board: Board, lines: int, passes: int = 1, *, write: bool = False,
    stride: int = 32, off: int | None = None, **options: Any,
) -> Execution:  # fmt: skip
    defines = {"LINES": lines, "PASSES": passes, "STRIDE": stride}
    if off is not None:
        defines["OFF"] = off
    access = f'#define ACCESS "{WRITE if write else READ}"\n'
    done = bench.run(access + WALK, board, defines=defines, **options)
    assert (done.outcome, done.exit_code) == ("exited", 0)
    return done


def more(later: Execution, earlier: Execution, field: str) -> int:
    return int(getattr(later.traffic, field) - getattr(earlier.traffic, field))


MISSES, EVICTIONS, ACCESSES = (
    "dcache_misses_count", "dcache_evictions_count", "dcache_accesses_count",
)  # fmt: skip


@pytest.mark.parametrize("name", ["f746", "h743"])
def test_a_line_misses_once_and_then_hits(bench: Bench, name: str) -> None:
    board = board_of(name, dcache={"replacement": "lru"})
    none, once, often = (walk(bench, board, *counts) for counts in ((0, 1), (64, 1), (64, 5)))
    assert more(once, none, MISSES) == 64
    assert more(often, once, MISSES) == 0
    assert more(often, once, ACCESSES) == 4 * 64


@pytest.mark.parametrize("name", ["f746", "h743"])
@pytest.mark.parametrize("accesses", ["reconstruct", "hook"])
def test_a_miss_stalls_for_a_line_fill_of_its_region(
    bench: Bench, name: str, accesses: str
) -> None:
    board = board_of(name, dcache={"replacement": "lru"})
    none, once = (walk(bench, board, lines, accesses=accesses) for lines in (0, 64))
    region = board.chip.region(board.placement.data[0])
    stall = once.cycles_by_cause[Cause.DCACHE] - none.cycles_by_cause[Cause.DCACHE]
    assert stall == pytest.approx(64 * board.line_fill_cycles(region), abs=0.5)


def test_a_fifth_line_of_a_set_evicts_the_one_least_recently_used(bench: Bench) -> None:
    """Five lines in turn through four ways: with LRU every access misses."""
    board = board_of("h743", dcache={"replacement": "lru"})
    stride = board.chip.dcache.size_bytes // board.chip.dcache.ways
    four = [walk(bench, board, 4, passes, stride=stride) for passes in (1, 11)]
    five = [walk(bench, board, 5, passes, stride=stride) for passes in (1, 11)]
    assert more(four[1], four[0], MISSES) == 0
    assert more(five[1], five[0], MISSES) == 50


def test_pseudo_random_replacement_keeps_some_of_five_lines(bench: Bench) -> None:
    board = board_of("h743", dcache={"replacement": "pseudo_random"})
    stride = board.chip.dcache.size_bytes // board.chip.dcache.ways
    one, many = (walk(bench, board, 5, passes, stride=stride) for passes in (1, 201))
    assert 200 < more(many, one, MISSES) < 900


@pytest.mark.parametrize(("write", "evicted"), [(False, 0), (True, 1024 - 512)])
def test_only_what_was_written_is_written_back(bench: Bench, write: bool, evicted: int) -> None:
    """32 KiB through a cache of 16: the first half leaves, dirty or clean."""
    board = board_of("h743", dcache={"replacement": "lru"})
    none, all_lines = (walk(bench, board, lines, write=write) for lines in (0, 1024))
    assert more(all_lines, none, EVICTIONS) == pytest.approx(evicted, abs=40)
    assert more(all_lines, none, MISSES) == 1024


def test_a_store_that_misses_costs_what_the_region_says(bench: Bench) -> None:
    board = board_of("h743", dcache={"replacement": "lru"})
    none, once = (walk(bench, board, lines, write=True) for lines in (0, 64))
    region = board.chip.region("axi")
    stall = once.cycles_by_cause[Cause.DCACHE] - none.cycles_by_cause[Cause.DCACHE]
    assert stall == pytest.approx(64 * region.timing.store_miss_cycles, abs=0.5)


def test_a_written_line_is_there_to_be_read(bench: Bench) -> None:
    """Write-allocate: a second pass of stores hits."""
    board = board_of("h743", dcache={"replacement": "lru"})
    once, twice = (walk(bench, board, 64, passes, write=True) for passes in (1, 2))
    assert more(twice, once, MISSES) == 0


def test_a_cache_the_firmware_switched_off_is_off(bench: Bench) -> None:
    board = board_of("h743")
    on = [walk(bench, board, lines) for lines in (0, 64)]
    off = [walk(bench, board, lines, off=1 << 16) for lines in (0, 64)]
    assert more(off[1], off[0], MISSES) == 0
    assert more(off[1], off[0], ACCESSES) == 64
    region = board.chip.region("axi")
    read = (region.timing.wait_states + 1) * board.bus_ratio + region.timing.uncached_read_cycles
    stall = off[1].cycles_by_cause[Cause.BUS] - off[0].cycles_by_cause[Cause.BUS]
    assert stall == pytest.approx(64 * read, abs=1)
    assert on[0].cycles is not None
    assert off[0].cycles is not None


@pytest.mark.parametrize("cache", ["dcache", "icache"])
def test_a_cache_that_the_board_does_not_enable_never_hits_nor_misses(
    bench: Bench, cache: str
) -> None:
    board = board_of("h743", **{cache: {"enabled": False}})
    with_cache = walk(bench, board_of("h743"), 64, 3)
    without = walk(bench, board, 64, 3)
    assert getattr(without.traffic, f"{cache}_misses_count") == 0
    assert without.instructions <= with_cache.instructions
    assert without.cycles is not None
    assert with_cache.cycles is not None
    assert without.cycles > with_cache.cycles - 20_000


def test_tcm_has_no_cache_and_no_stall(bench: Bench) -> None:
    board = board_of("h743", place={"data": "dtcm"})
    none, all_lines = (walk(bench, board, lines, 3) for lines in (0, 512))
    assert more(all_lines, none, ACCESSES) == 0
    for cause in (Cause.DCACHE, Cause.BUS, Cause.FLASH):
        assert all_lines.cycles_by_cause[cause] == pytest.approx(none.cycles_by_cause[cause], abs=1)


def test_wait_states_are_paid_a_line(bench: Bench) -> None:
    """Constants in flash: two wait states more are two bus clocks more a missed line."""
    source = """
    const uint8_t weights[8192] __attribute__((aligned(32))) = {1};
    NOINLINE uint32_t sum(const uint8_t *p, int n) {
        uint32_t s = 0; for (int i = 0; i < n; i += 32) s += p[i]; return s;
    }
    int main(void) { sink = sum(weights, SPAN); return 0; }
    """
    stalls = []
    for wait_states in (2, 4):
        board = board_of("h743", set_={"flash.wait_states": str(wait_states)})
        few, many = (bench.run(source, board, defines={"SPAN": n}) for n in (32, 32 * 129))
        assert more(many, few, MISSES) == 128
        dcache = many.cycles_by_cause[Cause.DCACHE] - few.cycles_by_cause[Cause.DCACHE]
        fill = board.line_fill_cycles(board.chip.region("flash"))
        assert dcache == pytest.approx(128 * fill, abs=0.5)
        stalls.append(dcache)
    assert stalls[1] - stalls[0] == pytest.approx(128 * 2 * 2)


CODE = """
#define FOUR(x) x x x x
NAKED void straight(int passes) {
    __asm__ volatile("1:\\n .rept COUNT\\n add.w r1, r1, #1\\n .endr\\n"
        " subs r0, #1\\n beq.w 2f\\n b.w 1b\\n2: bx lr");
}
int main(void) { straight(PASSES); return 0; }
"""


def straight(bench: Bench, board: Board, count: int, passes: int) -> Execution:
    source = CODE.replace("COUNT", str(count))
    done = bench.run(source, board, defines={"PASSES": passes})
    assert done.exit_code == 0
    return done


def test_code_that_fits_the_instruction_cache_is_filled_once(bench: Bench) -> None:
    board = board_of("h743", icache={"replacement": "lru"})
    one, many = (straight(bench, board, 1024, passes) for passes in (2, 12))
    assert more(many, one, "icache_misses_count") == 0
    assert many.cycles_by_cause[Cause.ICACHE] == one.cycles_by_cause[Cause.ICACHE]


def test_code_twice_as_large_as_the_instruction_cache_never_hits(bench: Bench) -> None:
    board = board_of("h743", icache={"replacement": "lru"})
    one, many = (straight(bench, board, 8192, passes) for passes in (2, 12))
    misses = more(many, one, "icache_misses_count")
    assert misses == pytest.approx(10 * 1024, rel=0.01)
    stall = many.cycles_by_cause[Cause.ICACHE] - one.cycles_by_cause[Cause.ICACHE]
    fill = board.code_fill_cycles(board.chip.region("flash"))
    assert stall == pytest.approx(misses * fill, rel=1e-3)


def test_code_in_itcm_needs_no_cache(bench: Bench) -> None:
    board = board_of("h743", place={"code": "itcm"})
    one, many = (straight(bench, board, 4096, passes) for passes in (2, 12))
    assert more(many, one, "icache_misses_count") == 0
    assert many.cycles_by_cause[Cause.ICACHE] == one.cycles_by_cause[Cause.ICACHE]


def test_the_flash_accelerator_hits_in_loops_and_prefetches_in_a_line(bench: Bench) -> None:
    """F746, code at the ITCM address of the flash: ART instead of the I-cache."""
    board = board_of("f746", place={"code": "flash_itcm"})
    small = [straight(bench, board, 200, passes) for passes in (2, 12)]
    assert more(small[1], small[0], "icache_misses_count") == 0
    assert small[1].cycles_by_cause[Cause.FLASH] == small[0].cycles_by_cause[Cause.FLASH]
    large = [straight(bench, board, 2048, passes) for passes in (2, 12)]
    lines = more(large[1], large[0], "icache_misses_count")
    assert lines == pytest.approx(10 * 2048 * 4 / 32, rel=0.02)
    waits = large[1].cycles_by_cause[Cause.FLASH] - large[0].cycles_by_cause[Cause.FLASH]
    # All but the jump back is sequential, and so prefetched.
    assert 0 < waits < 10 * 4 * 8


def test_without_the_accelerator_the_same_code_waits_more(bench: Bench) -> None:
    from dataclasses import replace

    board = board_of("f746", place={"code": "flash_itcm"})
    accelerator = board.chip.accelerator
    assert accelerator is not None
    off = replace(board, chip=replace(board.chip, accelerator=replace(accelerator, enabled=False)))
    with_it, without = (straight(bench, b, 200, 50) for b in (board, off))
    assert without.cycles is not None
    assert with_it.cycles is not None
    assert without.cycles > 1.5 * with_it.cycles
    assert without.cycles_by_cause[Cause.FLASH] > with_it.cycles_by_cause[Cause.FLASH]


def test_byte_stores_to_a_tcm_with_ecc_wait(bench: Bench) -> None:
    """H743 reads, changes and writes a word for each byte stored; F746's TCM writes bytes alone."""
    source = """
    static uint8_t area[64];
    NAKED void fill(void *p, int n) {
        __asm__ volatile("1: .rept 16\\n strb.w r2, [r0]\\n .endr\\n"
                         " subs r1, #1\\n bne 1b\\n bx lr");
    }
    int main(void) { fill(area, N); return 0; }
    """
    costs = {}
    for name in ("f746", "h743"):
        board = board_of(name, place={"data": "dtcm"})
        few, many = (bench.run(source, board, defines={"N": n}) for n in (100, 200))
        assert few.cycles is not None
        assert many.cycles is not None
        costs[name] = (many.cycles - few.cycles) / 1600
    assert costs["h743"] == pytest.approx(4, rel=0.05)
    assert costs["f746"] < 1.3


def test_maintenance_by_address_forgets_a_line(bench: Bench) -> None:
    """DCCIMVAC on each line: the next pass misses again."""
    source = """
    static volatile uint32_t area[512] __attribute__((aligned(32)));
    NOINLINE uint32_t sum(void) {
        uint32_t s = 0; for (int i = 0; i < 512; i += 8) s += area[i]; return s;
    }
    int main(void) {
        sink = sum();
    #if CLEAN
        for (int i = 0; i < 64; i++) REG(0xE000EF70) = (uint32_t)(area + 8 * i);
    #endif
        sink = sum();
        return 0;
    }
    """
    board = board_of("h743", dcache={"replacement": "lru"})
    kept, forgotten = (bench.run(source, board, defines={"CLEAN": clean}) for clean in (0, 1))
    assert more(forgotten, kept, MISSES) == 64
