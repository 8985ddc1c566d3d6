"""A quiet register keeps its value and reading it does nothing, so that waits can be skipped."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emu.board import MappedPeripheral
from emu.boardfile import load_board
from emu.peripherals import timer_registers as timer
from emu.peripherals.models import dma2d, rcc_f7, rng, rtc, usart
from emu.peripherals.peripheral import FOREVER, Register
from tests.emu.peripherals import clock_bench
from tests.emu.peripherals.bench import Bench
from tests.emu.peripherals.quiet_setups import SETUPS, Hear, Pass, Step, Write, play

load = cache(load_board)
FAR_CYCLES = 1 << 34
# What others look into; the rest of the chip would only take time to make.
SURROUNDING = ("rcc", "pwr", "flash", "syscfg", "dmamux1", "dmamux2", "adc_common", "adc12_common")


def kinds() -> list[tuple[str, str]]:
    """Board and peripheral: one for each model and each way that a chip's file sets it."""
    found: dict[tuple[str, str, str], str] = {}
    for board in ("f746", "h743"):
        for place in load(board).chip.peripherals:
            variant = ""
            if place.model in ("timer", "usart"):
                shown = ("kind", "bits", "channels", "fifo", "lpuart")
                variant = str([item for item in place.settings if item[0] in shown])
            if place.model != "register_file":
                found.setdefault((board, place.model, variant), place.name)
    return [(board, name) for (board, _, _), name in found.items()]


def bench_of(board: str, name: str) -> Bench:
    places = load(board).chip.peripherals
    return Bench(board, [place for place in places if place.name in (name, *SURROUNDING)])


def registers_of(bench: Bench, name: str) -> list[Register]:
    return list(bench[name].registers())


def random_steps(model: str, registers: list[Register]) -> st.SearchStrategy[list[Step]]:
    offsets = sorted({register.offset for register in registers})
    bits = st.lists(st.integers(0, 31), max_size=4).map(lambda found: sum(1 << b for b in {*found}))
    values = st.one_of(st.integers(0, 0xFFFFFFFF), bits, st.integers(0, 300))
    if model == "dma2d":  # rectangles that are done in no time
        values = values.map(lambda value: value & 0xFF0F00FF)
        offsets.remove(dma2d.NLR)
    write = st.builds(Write, st.sampled_from(offsets), values)
    wait = st.builds(Pass, st.one_of(st.integers(0, 300), st.integers(0, 3_000_000)))
    hear = st.builds(Hear, st.binary(max_size=3))
    steps: st.SearchStrategy[Step] = st.one_of(write, wait)
    if model == "usart":
        steps = st.one_of(steps, hear)
    first = st.sampled_from([[], *SETUPS.get(model, [])])
    return st.builds(lambda begin, rest: [*begin, *rest], first, st.lists(steps, max_size=6))


def seen(bench: Bench, name: str) -> tuple[object, ...]:
    """All that the rest of the chip can notice of a peripheral; last of all, what a read shows."""
    outside = (bench.raised, bench.output, bench.resets, bench.ram, bench.flash, {*bench.notes})
    item = bench[name]
    values = [
        item.read_word(register.offset)
        for register in registers_of(bench, name)
        if item.quiet_until(register.offset) is not None
    ]
    return (*outside, values, bench.space.schedule.next_cycles())


@pytest.mark.parametrize(("board", "name"), kinds())
def test_reads_before_a_quiet_register_changes_are_all_alike_and_do_nothing(
    board: str, name: str
) -> None:
    first = bench_of(board, name)
    registers, model = registers_of(first, name), first[name].place.model

    @settings(max_examples=12, deadline=None)
    @given(random_steps(model, registers), st.lists(st.integers(1, 1_000_000), max_size=3))
    def law(steps: list[Step], waits: list[int]) -> None:
        bench, untouched = bench_of(board, name), bench_of(board, name)
        play(bench, name, steps)
        play(untouched, name, steps)
        # What is computed when somebody looks is brought to this cycle.
        assert seen(bench, name) == seen(untouched, name)
        item, now = bench[name], bench.cycles
        due = bench.space.schedule.next_cycles()
        end = min(due if due is not None else FAR_CYCLES, now + FAR_CYCLES)

        quiet, values = {}, {}
        for register in registers:
            until = item.quiet_until(register.offset)
            if until is not None:
                assert until > now, register.name
                quiet[register] = until
                values[register] = item.read_word(register.offset)
        moments = {until - 1 for until in quiet.values()} | {now + wait for wait in waits}
        for moment in sorted(at for at in {*moments, end - 1} if now <= at < end):
            bench.cycles = moment
            for register, until in quiet.items():
                if moment < until:
                    assert item.read_word(register.offset) == values[register], register.name

        for each in (bench, untouched):
            each.run_to(end)
        assert seen(bench, name) == seen(untouched, name)

    law()


# The exact moments


def change(bench: Bench, name: str, offset: int) -> int:
    """The cycle that the register is quiet until; that it reads otherwise then is checked."""
    until = bench[name].quiet_until(offset)
    assert until is not None
    assert until < FOREVER
    before = bench.read(name, offset)
    bench.run_to(until - 1)
    assert bench.read(name, offset) == before
    bench.run_to(until)
    assert bench.read(name, offset) != before
    return until


def test_tc_is_quiet_until_the_frame_ends() -> None:
    place = MappedPeripheral("usart1", "usart", 0x40011000, 0x400, (), "apb2", (("fifo", 0),))
    bench = Bench("f746", [place])
    play(bench, "usart1", [Write(usart.BRR, 938), Write(usart.CR1, usart.UE | usart.TE)])
    preamble_cycles = 10 * 938 * 2  # an idle frame goes first
    assert bench["usart1"].quiet_until(usart.ISR) == preamble_cycles
    bench.run_to(preamble_cycles)
    bench.write("usart1", 0x28, ord("x"))
    assert change(bench, "usart1", usart.ISR) == preamble_cycles + 10 * 938 * 2
    assert bench["usart1"].quiet_until(usart.ISR) == FOREVER


def test_hserdy_is_quiet_until_the_crystal_has_started() -> None:
    bench = clock_bench.f746()
    bench.run(16_000)
    bench.write("rcc", rcc_f7.CR, 0x10083)
    assert change(bench, "rcc", rcc_f7.CR) == 16_000 + 2_000 * 16  # 2 ms at 16 MHz
    assert bench["rcc"].quiet_until(rcc_f7.CR) == FOREVER


def test_a_crystal_that_the_board_lacks_leaves_cr_quiet_for_ever() -> None:
    bench = clock_bench.f746(hse_hz=None)
    bench.write("rcc", rcc_f7.CR, 0x10083)
    assert bench["rcc"].quiet_until(rcc_f7.CR) == FOREVER


def test_a_count_is_quiet_until_the_next_count() -> None:
    place = MappedPeripheral("tim2", "timer", 0x40000000, 0x400, (), "apb1_timer")
    bench = Bench("f746", [place])
    ratio = bench.board.clock_hz // bench.space.clocks.hz("apb1_timer")
    for offset, value in ((timer.PSC, 999), (timer.ARR, 5), (timer.EGR, 1), (timer.CR1, 1)):
        bench.write("tim2", offset, value)
    moments = [change(bench, "tim2", timer.CNT) for _ in range(9)]
    assert {after - before for before, after in pairwise(moments)} == {1000 * ratio}


def test_status_of_a_timer_is_quiet_until_its_update() -> None:
    place = MappedPeripheral("tim2", "timer", 0x40000000, 0x400, (), "apb1_timer")
    bench = Bench("f746", [place])
    ratio = bench.board.clock_hz // bench.space.clocks.hz("apb1_timer")
    for offset, value in ((timer.CCMR1, 3), (timer.PSC, 99), (timer.ARR, 9), (timer.EGR, 1)):
        bench.write("tim2", offset, value)
    for offset in (timer.CCR1, timer.CCR2, timer.CCR3, timer.CCR4):
        bench.write("tim2", offset, 20)  # out of reach
    bench.write("tim2", timer.SR, 0)
    bench.write("tim2", timer.CR1, timer.CEN)
    assert change(bench, "tim2", timer.SR) == ratio * (100 * 10 + timer.START_TICKS)


def test_a_random_number_is_waited_for_but_not_taken() -> None:
    place = MappedPeripheral("rng", "rng", 0x50060800, 0x400, (), "ahb")
    bench = Bench("f746", [place])
    bench.write("rng", rng.CR, rng.RNGEN)
    change(bench, "rng", rng.SR)
    assert bench["rng"].quiet_until(rng.DR) is None


def test_reading_the_time_latches_the_calendar() -> None:
    bench = Bench("f746")
    play(bench, "rtc", SETUPS["rtc"][1])
    bench.write("rtc", rtc.CR, 0)
    assert bench["rtc"].quiet_until(rtc.TR) is None
    bench.read("rtc", rtc.TR)
    assert bench["rtc"].quiet_until(rtc.TR) == FOREVER
    assert bench["rtc"].quiet_until(rtc.DR) is None
