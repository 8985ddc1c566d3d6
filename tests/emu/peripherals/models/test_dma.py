"""Stream DMA: items at requests, copies from memory to memory, and what HAL's driver relies on."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emu.board import MappedPeripheral
from emu.peripherals.models.dma import (
    CHSEL_SHIFT,
    CIRC,
    CR,
    CT,
    DBM,
    DIR_SHIFT,
    DMDIS,
    EN,
    FCR,
    HTIE,
    LIFCR,
    LISR,
    M0AR,
    M1AR,
    MEMORY_TO_MEMORY,
    MEMORY_TO_PERIPHERAL,
    MINC,
    MSIZE_SHIFT,
    NDTR,
    PAR,
    PERIPHERAL_TO_MEMORY,
    PINC,
    PINCOS,
    PL_SHIFT,
    PSIZE_SHIFT,
    STREAM_BYTES,
    STREAMS_START,
    TCIE,
    TEIE,
)
from tests.emu.peripherals.bench import Bench

RAM = Bench.RAM
SOURCE, TARGET = RAM + 0x1000, RAM + 0x8000
ITEM = 4  # core cycles of an item at a request: AHB runs at the core's clock on F746
COPY_ITEM = 2
IRQ = 56  # of stream 0
HTIF, TCIF, TEIF = 16, 32, 8


def controller(**extra: str | int) -> MappedPeripheral:
    wires: dict[str, str | int] = {
        f"stream{stream}_channel0": f"ask{stream}" for stream in range(8)
    }
    wires["stream0_channel3"] = "other first_of_two"
    return MappedPeripheral(
        "dma2",
        "dma",
        0x40026400,
        0x400,
        tuple((f"stream{stream}", IRQ + stream) for stream in range(8)),
        "ahb",
        tuple({**wires, **extra}.items()),
    )


def bench_with(**extra: str | int) -> Bench:
    bench = Bench("f746", [controller(**extra)])
    bench.ram[SOURCE - RAM : SOURCE - RAM + 4096] = bytes(number % 251 for number in range(4096))
    return bench


def offset(register: int, stream: int = 0) -> int:
    return STREAMS_START + STREAM_BYTES * stream + register


def set_up(
    bench: Bench,
    cr: int,
    count: int,
    peripheral: int = SOURCE,
    memory: int = TARGET,
    stream: int = 0,
    fcr: int = 0,
) -> None:
    """As DMA_SetConfig and __HAL_DMA_ENABLE do."""
    bench.write("dma2", offset(NDTR, stream), count)
    bench.write("dma2", offset(PAR, stream), peripheral)
    bench.write("dma2", offset(M0AR, stream), memory)
    bench.write("dma2", offset(FCR, stream), fcr)
    bench.write("dma2", offset(CR, stream), cr)
    bench.write("dma2", offset(CR, stream), cr | EN)


def ask(bench: Bench, times: int = 1, stream: int = 0) -> None:
    """A peripheral that wants `times` items, one a pulse."""
    for _ in range(times):
        bench.space.set_signal(f"ask{stream}", True)
        bench.space.set_signal(f"ask{stream}", False)
        bench.run(ITEM)


def flags(bench: Bench) -> int:
    return bench.read("dma2", LISR) & 0x3F


def remaining(bench: Bench, stream: int = 0) -> int:
    return bench.read("dma2", offset(NDTR, stream))


def is_on(bench: Bench, stream: int = 0) -> bool:
    return bool(bench.read("dma2", offset(CR, stream)) & EN)


def ram(bench: Bench, address: int, size_bytes: int) -> bytes:
    return bytes(bench.ram[address - RAM : address - RAM + size_bytes])


COPY = MEMORY_TO_MEMORY << DIR_SHIFT | PINC | MINC
WORDS = 2 << PSIZE_SHIFT | 2 << MSIZE_SHIFT


# Memory to memory


def test_a_copy_moves_all_in_two_bus_clocks_an_item_with_two_events() -> None:
    bench = bench_with()
    set_up(bench, COPY | WORDS | TCIE, 1000)
    assert bench.space.schedule.next_cycles() == 500 * COPY_ITEM
    bench.run(1000 * COPY_ITEM - 1)
    assert not bench.interrupts.get(IRQ)
    bench.run(1)
    assert bench.interrupts[IRQ]
    assert flags(bench) == HTIF | TCIF
    assert not is_on(bench)
    assert remaining(bench) == 0
    assert ram(bench, TARGET, 4000) == ram(bench, SOURCE, 4000)
    bench.write("dma2", LIFCR, TCIF)
    assert not bench.interrupts[IRQ]
    assert flags(bench) == HTIF


def test_a_copy_can_be_looked_at_on_its_way() -> None:
    bench = bench_with()
    set_up(bench, COPY | WORDS, 100)
    bench.run(30 * COPY_ITEM + 1)
    assert remaining(bench) == 70
    assert ram(bench, TARGET, 400) == ram(bench, SOURCE, 120) + bytes(280)


def test_half_and_end_each_have_their_interrupt() -> None:
    bench = bench_with()
    set_up(bench, COPY | HTIE | TCIE, 100)
    bench.run(50 * COPY_ITEM)
    assert bench.interrupts[IRQ]
    bench.write("dma2", LIFCR, HTIF)
    assert not bench.interrupts[IRQ]
    bench.run(50 * COPY_ITEM)
    assert bench.interrupts[IRQ]


def test_a_copy_stopped_on_its_way_leaves_the_rest_and_says_so() -> None:
    bench = bench_with()
    set_up(bench, COPY, 100)
    bench.run(20 * COPY_ITEM)
    bench.write("dma2", offset(CR), COPY)
    bench.run(1000)
    assert remaining(bench) == 80
    assert flags(bench) == TCIF
    assert ram(bench, TARGET, 100) == ram(bench, SOURCE, 20) + bytes(80)


def test_a_copy_goes_on_at_a_new_clock() -> None:
    bench = bench_with()
    set_up(bench, COPY, 100)
    bench.run(40 * COPY_ITEM)
    bench.space.clocks.change({"ahb": bench.space.clocks.hz("ahb") // 2})
    bench.run(60 * COPY_ITEM * 2 - 1)
    assert remaining(bench) == 1
    bench.run(1)
    assert flags(bench) & TCIF


def test_memory_is_filled_from_one_item() -> None:
    bench = bench_with()
    set_up(bench, MEMORY_TO_MEMORY << DIR_SHIFT | MINC | WORDS, 333)
    bench.run(10**4)
    assert ram(bench, TARGET, 1332) == ram(bench, SOURCE, 4) * 333
    assert ram(bench, TARGET + 1332, 4) == bytes(4)


def test_a_copy_into_one_register_is_one_write_an_item() -> None:
    bench = Bench(
        "f746", [controller(), MappedPeripheral("crc", "register_file", 0x40023000, 0x400)]
    )
    set_up(bench, MEMORY_TO_MEMORY << DIR_SHIFT | PINC | WORDS, 20, memory=0x40023000)
    bench.run(1000)
    assert bench["crc"].unknown == {0: [0, 20]}


def test_dma1_of_f7_cannot_copy_memory() -> None:
    bench = bench_with(memory_to_memory=0)
    set_up(bench, COPY | TEIE, 10)
    assert bench.interrupts[IRQ]
    assert not is_on(bench)
    assert bench.notes == [
        "DMA2 stream 0 is set to copy memory to memory, which this controller cannot: it "
        "stopped with a transfer error."
    ]


# At requests


def test_an_item_moves_four_bus_clocks_after_its_request() -> None:
    bench = bench_with()
    set_up(bench, PINC | MINC, 10)
    bench.run(1000)
    assert remaining(bench) == 10
    bench.space.set_signal("ask0", True)
    bench.run(ITEM - 1)
    assert remaining(bench) == 10
    bench.run(1)
    assert remaining(bench) == 9
    bench.run(ITEM)
    assert remaining(bench) == 8
    bench.space.set_signal("ask0", False)
    bench.run(ITEM)  # the one that was asked for already
    bench.run(1000)
    assert remaining(bench) == 7


def test_a_request_that_is_up_when_the_stream_starts_is_served() -> None:
    bench = bench_with()
    bench.space.set_signal("ask0", True)
    set_up(bench, PINC | MINC, 5)
    bench.run(5 * ITEM)
    assert flags(bench) == HTIF | TCIF


def test_the_channel_selects_the_wires() -> None:
    bench = bench_with()
    set_up(bench, 3 << CHSEL_SHIFT | PINC | MINC, 4)
    ask(bench)
    assert remaining(bench) == 4
    for wire in ("other", "first_of_two"):
        bench.space.set_signal(wire, True)
        bench.space.set_signal(wire, False)
        bench.run(ITEM)
    assert remaining(bench) == 2


def test_normal_mode_ends_with_the_stream_off_and_a_restart_loads_the_count_again() -> None:
    bench = bench_with()
    set_up(bench, PINC | MINC, 3)
    ask(bench, 5)
    assert (remaining(bench), is_on(bench)) == (0, False)
    assert ram(bench, TARGET, 4) == ram(bench, SOURCE, 3) + b"\0"
    bench.write("dma2", offset(CR), PINC | MINC | EN)
    assert (remaining(bench), is_on(bench)) == (3, True)


def test_circular_mode_begins_again() -> None:
    bench = bench_with()
    set_up(bench, CIRC | PINC | MINC | HTIE | TCIE, 4)
    seen = []
    for _ in range(9):
        ask(bench)
        seen.append((remaining(bench), flags(bench)))
        bench.write("dma2", LIFCR, 0x3F)
    one_round = [(3, 0), (2, HTIF), (1, 0), (4, TCIF)]
    assert seen == [*one_round, *one_round, (3, 0)]
    assert is_on(bench)


def test_double_buffering_takes_turns_and_the_idle_buffer_may_move() -> None:
    bench = bench_with()
    second, third = TARGET + 0x100, TARGET + 0x200
    bench.write("dma2", offset(M1AR), second)
    set_up(bench, DBM | PINC | MINC, 2)
    ask(bench, 2)
    assert bench.read("dma2", offset(CR)) & CT
    bench.write("dma2", offset(M1AR), RAM)  # in use: locked
    bench.write("dma2", offset(M0AR), third)
    ask(bench, 4)
    start = ram(bench, SOURCE, 2)
    assert bench.read("dma2", offset(CR)) & CT
    assert [ram(bench, at, 2) for at in (TARGET, second, third)] == [start] * 3
    assert ram(bench, RAM, 2) == bytes(2)


def test_the_more_urgent_stream_goes_first_then_the_lower_number() -> None:
    bench = bench_with()
    order: list[int] = []
    for stream, priority in ((0, 0), (1, 2), (2, 2)):
        set_up(bench, priority << PL_SHIFT | MINC, 1, memory=TARGET + 16 * stream, stream=stream)
    for stream in range(3):
        bench.space.set_signal(f"ask{stream}", True)
    for _ in range(3):
        bench.run(ITEM)
        order += [stream for stream in range(3) if not is_on(bench, stream) and stream not in order]
    assert order == [1, 2, 0]


def test_a_stream_that_is_on_keeps_its_settings() -> None:
    bench = bench_with()
    set_up(bench, PINC | MINC, 4)
    bench.write("dma2", offset(NDTR), 9)
    bench.write("dma2", offset(PAR), 0)
    bench.write("dma2", offset(CR), EN | TCIE)
    assert remaining(bench) == 4
    assert bench.read("dma2", offset(PAR)) == SOURCE
    assert bench.read("dma2", offset(CR)) == PINC | MINC | EN | TCIE


def test_switching_a_stream_off_sets_its_complete_flag() -> None:
    """HAL_DMA_Abort_IT waits for that interrupt."""
    bench = bench_with()
    set_up(bench, PINC | MINC | TCIE, 4)
    ask(bench)
    bench.write("dma2", offset(CR), PINC | MINC | TCIE)
    assert bench.interrupts[IRQ]
    assert (remaining(bench), is_on(bench)) == (3, False)
    ask(bench)
    assert remaining(bench) == 3


def test_a_stream_without_items_does_nothing() -> None:
    bench = bench_with()
    set_up(bench, PINC | MINC, 0)
    ask(bench, 3)
    assert (flags(bench), is_on(bench)) == (0, True)


def test_the_flags_of_every_stream_lie_where_the_manual_has_them() -> None:
    bench = bench_with()
    for stream in range(8):
        set_up(bench, COPY, 1, stream=stream)
    bench.run(100)
    both = HTIF | TCIF
    each = both | both << 6 | both << 16 | both << 22
    assert bench.read("dma2", LISR) == each
    assert bench.read("dma2", 0x04) == each
    bench.write("dma2", 0x0C, 0x3F << 22)
    assert bench.read("dma2", 0x04) == each & ~(0x3F << 22)


# Item sizes


def test_bytes_are_gathered_into_words_and_the_rest_written_at_the_end() -> None:
    bench = bench_with()
    set_up(bench, PINC | MINC | 2 << MSIZE_SHIFT, 10, fcr=DMDIS | 1)  # threshold eight bytes
    ask(bench, 7)
    assert ram(bench, TARGET, 10) == bytes(10)
    assert bench.read("dma2", offset(FCR)) >> 3 & 7 == 1  # a quarter to a half
    ask(bench)
    assert ram(bench, TARGET, 10) == ram(bench, SOURCE, 8) + bytes(2)
    ask(bench, 2)
    assert ram(bench, TARGET, 12) == ram(bench, SOURCE, 10) + bytes(2)


def test_what_was_gathered_is_written_when_the_stream_is_switched_off() -> None:
    bench = bench_with()
    set_up(bench, PINC | MINC | 2 << MSIZE_SHIFT, 10, fcr=DMDIS | 3)
    ask(bench, 5)
    bench.write("dma2", offset(CR), 0)
    assert ram(bench, TARGET, 6) == ram(bench, SOURCE, 5) + b"\0"


def test_direct_mode_has_one_item_size() -> None:
    bench = bench_with()
    set_up(bench, PINC | MINC | 1 << PSIZE_SHIFT | 2 << MSIZE_SHIFT, 3)
    ask(bench, 3)
    assert ram(bench, TARGET, 8) == ram(bench, SOURCE, 6) + bytes(2)


def test_the_peripherals_address_may_step_by_words() -> None:
    bench = bench_with()
    set_up(bench, PINC | PINCOS | MINC, 3)
    ask(bench, 3)
    source = ram(bench, SOURCE, 12)
    assert ram(bench, TARGET, 4) == bytes([source[0], source[4], source[8], 0])


@dataclass(frozen=True)
class Shape:
    direction: int
    peripheral_bytes: int
    memory_bytes: int
    peripheral_steps: bool
    memory_steps: bool
    count: int
    threshold: int

    @property
    def cr(self) -> int:
        return (
            self.direction << DIR_SHIFT
            | (self.peripheral_bytes >> 1) << PSIZE_SHIFT
            | (self.memory_bytes >> 1) << MSIZE_SHIFT
            | (PINC if self.peripheral_steps else 0)
            | (MINC if self.memory_steps else 0)
        )


def moved(shape: Shape, before: bytes, source: int, target: int) -> bytes:
    """The same in plain Python: a row of bytes is read, and written in items."""
    memory = bytearray(before)
    total = shape.count * shape.peripheral_bytes
    from_memory = shape.direction == MEMORY_TO_PERIPHERAL
    read_bytes, write_bytes = shape.peripheral_bytes, shape.memory_bytes
    read_steps, write_steps = shape.peripheral_steps, shape.memory_steps
    if from_memory:
        read_bytes, write_bytes = write_bytes, read_bytes
        read_steps, write_steps = write_steps, read_steps
    row = bytearray()
    while len(row) < total:
        at = source + (len(row) if read_steps else 0)
        row += before[at : at + read_bytes]
    del row[total:]
    for start in range(0, total, write_bytes):
        item = row[start : start + write_bytes]
        at = target + (start if write_steps else 0)
        memory[at : at + len(item)] = item
    return bytes(memory)


shapes = st.builds(
    Shape,
    direction=st.sampled_from([PERIPHERAL_TO_MEMORY, MEMORY_TO_PERIPHERAL, MEMORY_TO_MEMORY]),
    peripheral_bytes=st.sampled_from([1, 2, 4]),
    memory_bytes=st.sampled_from([1, 2, 4]),
    peripheral_steps=st.booleans(),
    memory_steps=st.booleans(),
    count=st.integers(1, 70),
    threshold=st.integers(0, 3),
)


@settings(max_examples=150, deadline=None)
@given(shape=shapes, pauses=st.lists(st.integers(1, 60), max_size=4))
def test_items_of_any_sizes_are_a_row_of_bytes(shape: Shape, pauses: list[int]) -> None:
    bench = bench_with()
    peripheral, memory = SOURCE, TARGET
    if shape.direction == MEMORY_TO_PERIPHERAL:
        peripheral, memory = TARGET, SOURCE
    before = bytes(bench.ram)
    bench.space.set_signal("ask0", True)
    set_up(bench, shape.cr, shape.count, peripheral, memory, fcr=DMDIS | shape.threshold)
    for pause in pauses:
        bench.run(pause)
        remaining(bench)  # looking at it on its way changes nothing
    bench.run(ITEM * 70)
    assert flags(bench) == HTIF | TCIF
    assert bytes(bench.ram) == moved(shape, before, SOURCE - RAM, TARGET - RAM)


@settings(max_examples=60, deadline=None)
@given(count=st.integers(1, 40), asked=st.integers(0, 100), circular=st.booleans())
def test_ndtr_counts_what_is_left(count: int, asked: int, circular: bool) -> None:
    bench = bench_with()
    set_up(bench, PINC | MINC | (CIRC if circular else 0), count)
    ask(bench, asked)
    left = count - asked % count if circular else max(count - asked, 0)
    assert remaining(bench) == left
    assert bool(flags(bench) & TCIF) == (asked >= count)
    assert bool(flags(bench) & HTIF) == (2 * asked >= count)
    assert is_on(bench) == (circular or asked < count)


# Errors


def test_an_address_where_nothing_answers_stops_the_stream_and_is_named() -> None:
    bench = bench_with()
    set_up(bench, MINC | TEIE, 5, peripheral=0x10000000)
    ask(bench, 2)
    assert bench.interrupts[IRQ]
    assert (flags(bench), is_on(bench)) == (TEIF, False)
    assert bench.notes == [
        "DMA2 stream 0 reads 0x10000000, where nothing answers: it stopped with a transfer error."
    ]


def test_a_copy_that_leaves_memory_stops_where_memory_ends() -> None:
    bench = bench_with()
    end = RAM + Bench.RAM_BYTES
    set_up(bench, COPY | WORDS, 100, memory=end - 40)
    bench.run(1000)
    assert flags(bench) & (TEIF | TCIF) == TEIF
    assert ram(bench, end - 40, 40) == ram(bench, SOURCE, 40)
    assert bench.notes == [
        f"DMA2 stream 0 writes {end:#010x}, where nothing takes a write: it stopped with a "
        "transfer error."
    ]


@pytest.mark.parametrize("cr", [COPY, MEMORY_TO_PERIPHERAL << DIR_SHIFT | MINC])
def test_memory_that_the_bus_does_not_lead_to_is_named(cr: int) -> None:
    bench = bench_with(unreachable="ITCM 0x0-0x10000, DTCM 0x20000000-0x20020000")
    set_up(bench, cr, 8)
    ask(bench, 1)
    bench.run(100)
    assert flags(bench) & TEIF
    address = SOURCE if cr == COPY else TARGET
    assert bench.notes == [
        f"DMA2 stream 0 reads DTCM ({address:#010x}), which it cannot reach on this part: it "
        "stopped with a transfer error."
    ]


def test_a_reset_stops_everything() -> None:
    bench = bench_with()
    set_up(bench, COPY | HTIE, 100)
    bench.run(60 * COPY_ITEM)
    assert bench.interrupts[IRQ]
    bench["dma2"].reset()  # as RCC does it
    assert not bench.interrupts[IRQ]
    bench.run(1000)
    assert (flags(bench), is_on(bench), remaining(bench)) == (0, False, 0)
