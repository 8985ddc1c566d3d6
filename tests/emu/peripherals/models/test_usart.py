"""USART: what HAL's drivers do with it, and what that takes in modelled time."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emu.board import MappedPeripheral
from emu.peripherals.models.usart import (
    ABREN,
    ABRF,
    BRR,
    BUSY,
    CMF,
    CMIE,
    CR1,
    CR2,
    CR3,
    DMAR,
    DMAT,
    EIE,
    FIFOEN,
    IDLE,
    IDLEIE,
    ISR,
    M0,
    M1,
    ORE,
    OVER8,
    OVRDIS,
    PCE,
    PRESC,
    PS,
    RDR,
    RE,
    REACK,
    RTOEN,
    RTOF,
    RTOIE,
    RTOR,
    RXFF,
    RXFRQ,
    RXFT,
    RXFTIE,
    RXNE,
    RXNEIE,
    TC,
    TCIE,
    TE,
    TEACK,
    TXE,
    TXEIE,
    TXFE,
    TXFT,
    UE,
)
from tests.emu.peripherals.bench import Bench

RQR, ICR, TDR = 0x18, 0x20, 0x28
IRQ = 37
CORE_PER_KERNEL = 2  # F746 at 216 MHz with APB2 at 108 MHz, as the bench starts
DIVIDER = 938  # 115200 baud of 108 MHz
FRAME = 10 * DIVIDER * CORE_PER_KERNEL  # core cycles of 8N1


def port(fifo: int = 0, lpuart: int = 0) -> MappedPeripheral:
    return MappedPeripheral(
        "usart1",
        "usart",
        0x40011000,
        0x400,
        (("global", IRQ),),
        "apb2",
        (("fifo", fifo), ("lpuart", lpuart)),
    )


def started(cr1: int = 0, cr2: int = 0, cr3: int = 0, fifo: int = 0, brr: int = DIVIDER) -> Bench:
    """A port set up as HAL_UART_Init does, and its first idle frame over."""
    bench = Bench("f746", [port(fifo)])
    bench.write("usart1", CR1, cr1 & ~UE | TE | RE)
    bench.write("usart1", CR2, cr2)
    bench.write("usart1", CR3, cr3)
    bench.write("usart1", BRR, brr)
    bench.write("usart1", CR1, cr1 | TE | RE | UE)
    bench.run(20 * brr * CORE_PER_KERNEL)
    return bench


def isr(bench: Bench) -> int:
    return bench.read("usart1", ISR)


def sent(bench: Bench) -> bytes:
    return bytes(bench.output.get("usart1", b""))


def hear(bench: Bench, data: bytes) -> None:
    for byte in data:
        bench.space.serial_in("usart1", byte)


def wait_for(bench: Bench, flag: int, every: int = 7, limit: int = 10**7) -> None:
    """Poll ISR as HAL's UART_WaitOnFlagUntilTimeout does."""
    end = bench.cycles + limit
    while not isr(bench) & flag:
        assert bench.cycles < end, f"flag {flag:#x} never came"
        bench.run(every)


def transmit(bench: Bench, data: bytes, every: int = 7) -> None:
    """HAL_UART_Transmit."""
    for byte in data:
        wait_for(bench, TXE, every)
        bench.write("usart1", TDR, byte)
    wait_for(bench, TC, every)


def until(bench: Bench, happened: Callable[[], bool], limit: int = 10**7) -> None:
    """Event by event until something is so."""
    end = bench.cycles + limit
    while not happened():
        due = bench.space.schedule.next_cycles()
        assert due is not None, "nothing is due any more"
        assert due < end, "it never happened"
        bench.run_to(due)


# Reset and set-up


def test_isr_after_reset_is_the_manuals() -> None:
    assert isr(Bench("f746", [port()])) == 0x020000C0
    assert isr(Bench("f746", [port(fifo=1)])) == 0x000000C0


def test_isr_in_fifo_mode_says_that_the_fifo_is_empty() -> None:
    bench = Bench("f746", [port(fifo=1)])
    bench.write("usart1", CR1, FIFOEN)
    assert isr(bench) == 0x008000C0


def test_hal_init_finds_teack_and_reack() -> None:
    bench = Bench("f746", [port()])
    bench.write("usart1", CR1, TE | RE)
    assert not isr(bench) & (TEACK | REACK)
    bench.write("usart1", CR1, TE | RE | UE)
    assert isr(bench) & (TEACK | REACK) == TEACK | REACK


def test_the_first_character_waits_for_the_idle_frame_that_te_sends() -> None:
    bench = Bench("f746", [port()])
    bench.write("usart1", BRR, DIVIDER)
    bench.write("usart1", CR1, TE | UE)
    transmit(bench, b"x", every=1)
    assert bench.cycles == 2 * FRAME


def test_fifo_bits_do_not_exist_on_f7() -> None:
    bench = Bench("f746", [port()])
    bench.write("usart1", CR1, FIFOEN)
    assert bench.read("usart1", CR1) == 0
    bench.read("usart1", PRESC)
    assert bench["usart1"].unknown == {PRESC: [1, 0]}


# Time


def test_polling_transmit_takes_ten_bits_a_character() -> None:
    bench = started()
    start = bench.cycles
    transmit(bench, b"hello", every=1)
    assert bench.cycles - start == 5 * FRAME
    assert sent(bench) == b"hello"


def test_a_byte_is_out_when_its_stop_bit_is() -> None:
    bench = started()
    bench.write("usart1", TDR, ord("a"))
    bench.run(FRAME - 1)
    assert sent(bench) == b""
    bench.run(1)
    assert sent(bench) == b"a"


def test_txe_comes_back_at_once_while_the_shift_register_is_free_then_after_a_frame() -> None:
    bench = started()
    bench.write("usart1", TDR, ord("a"))
    assert isr(bench) & (TXE | TC) == TXE
    bench.write("usart1", TDR, ord("b"))
    assert isr(bench) & (TXE | TC) == 0
    bench.run(FRAME - 1)
    assert isr(bench) & (TXE | TC) == 0
    bench.run(1)
    assert isr(bench) & (TXE | TC) == TXE
    bench.run(FRAME)
    assert isr(bench) & (TXE | TC) == TXE | TC


@pytest.mark.parametrize(
    ("cr1", "cr2", "half_bits"),
    [
        pytest.param(0, 0, 20, id="8N1"),
        pytest.param(M0, 0, 22, id="9N1"),
        pytest.param(M0 | PCE, 0, 22, id="8E1"),
        pytest.param(M1, 0, 18, id="7N1"),
        pytest.param(0, 2 << 12, 22, id="8N2"),
        pytest.param(0, 1 << 12, 19, id="8N0.5"),
        pytest.param(0, 3 << 12, 21, id="8N1.5"),
    ],
)
def test_a_frame_is_as_long_as_its_format(cr1: int, cr2: int, half_bits: int) -> None:
    bench = started(cr1, cr2)
    start = bench.cycles
    transmit(bench, b"ab", every=1)
    assert bench.cycles - start == 2 * half_bits * DIVIDER * CORE_PER_KERNEL // 2


def test_oversampling_by_eight_takes_the_low_bits_of_brr_shifted() -> None:
    # BRR 0x0153 is USARTDIV 0x156: 342 half ticks a bit.
    bench = started(OVER8, brr=0x153)
    start = bench.cycles
    transmit(bench, b"z", every=1)
    assert bench.cycles - start == 10 * 0x156 // 2 * CORE_PER_KERNEL


def test_an_lpuart_divides_256_clocks() -> None:
    bench = Bench("f746", [port(fifo=1, lpuart=1)])
    bench.write("usart1", BRR, 256 * DIVIDER)
    bench.write("usart1", CR1, TE | UE)
    bench.run(2 * FRAME)
    start = bench.cycles
    transmit(bench, b"lp", every=1)
    assert bench.cycles - start == 2 * FRAME


def test_the_prescaler_of_h7_slows_the_clock() -> None:
    bench = Bench("f746", [port(fifo=1)])
    bench.write("usart1", PRESC, 4)  # by eight
    bench.write("usart1", BRR, 100)
    bench.write("usart1", CR1, TE | UE)
    bench.run(10**6)
    start = bench.cycles
    transmit(bench, b"p", every=1)
    assert bench.cycles - start == 10 * 100 * 8 * CORE_PER_KERNEL


def test_frames_do_not_drift_where_a_bit_is_no_whole_number_of_cycles() -> None:
    bench = Bench("f746", [port(fifo=1, lpuart=1)])
    bench.write("usart1", BRR, 0x3A5)  # 933/256 kernel clocks a bit: 72.89 cycles a frame
    bench.write("usart1", CR1, TE | UE | TXEIE)
    bench.run(1000)
    start = bench.cycles
    for _ in range(100):
        bench.write("usart1", TDR, 0x55)
        until(bench, lambda: bool(isr(bench) & TXE))
    wait_for(bench, TC, every=1)
    exact = 100 * 10 * 0x3A5 * CORE_PER_KERNEL / 256
    assert bench.cycles - start == pytest.approx(exact, abs=1)


def test_a_frame_under_way_goes_on_at_the_new_clock() -> None:
    bench = started()
    bench.write("usart1", TDR, ord("a"))
    bench.run(FRAME // 2)
    bench.space.clocks.change({"apb2": 54_000_000})
    bench.run(FRAME - 1)  # the other half, twice as slow
    assert sent(bench) == b""
    bench.run(1)
    assert sent(bench) == b"a"


def test_a_stopped_clock_holds_the_wire() -> None:
    bench = started()
    bench.write("usart1", TDR, ord("a"))
    bench.run(FRAME // 2)
    bench.space.clocks.change({"apb2": 0})
    bench.run(10 * FRAME)
    assert sent(bench) == b""
    bench.space.clocks.change({"apb2": 108_000_000})
    bench.run(FRAME // 2)
    assert sent(bench) == b"a"


def test_a_kernel_clock_of_the_ports_own_name_counts() -> None:
    bench = Bench("f746", [port()])
    bench.space.clocks.change({"usart1": 27_000_000})
    bench.write("usart1", BRR, 100)
    bench.write("usart1", CR1, TE | UE)
    bench.run(10**5)
    start = bench.cycles
    transmit(bench, b"k", every=1)
    assert bench.cycles - start == 10 * 100 * 8


# Sending


def test_interrupt_transmit_as_hal_does() -> None:
    """TXEIE until the last byte is in TDR, then TCIE until it is out."""
    bench, data = started(), b"by interrupt"
    left, start = list(data), bench.cycles
    bench.write("usart1", CR1, UE | RE | TE | TXEIE)
    while bench.interrupts.get(IRQ):
        if isr(bench) & TXE and left:
            bench.write("usart1", TDR, left.pop(0))
        elif not left and isr(bench) & TC:
            bench.write("usart1", CR1, UE | RE | TE)
        if not left and not isr(bench) & TC:
            bench.write("usart1", CR1, UE | RE | TE | TCIE)
        if not bench.interrupts.get(IRQ) and not isr(bench) & TC:
            until(bench, lambda: bench.interrupts[IRQ])
    assert sent(bench) == data
    assert bench.cycles - start == len(data) * FRAME


def test_tc_is_cleared_by_its_bit_of_icr_and_by_a_new_character() -> None:
    bench = started()
    bench.write("usart1", ICR, TC)
    assert not isr(bench) & TC
    transmit(bench, b"a")
    bench.write("usart1", TDR, ord("b"))
    assert not isr(bench) & TC


def test_parity_replaces_the_top_bit_and_the_other_side_reads_the_data() -> None:
    bench = started(PCE | PS)
    transmit(bench, bytes([0xC1]))
    assert sent(bench) == bytes([0x41])


def test_a_character_written_over_another_is_lost_and_noted() -> None:
    bench = started()
    for byte in b"abc":
        bench.write("usart1", TDR, byte)
    wait_for(bench, TC)
    assert sent(bench) == b"ac"
    assert bench.notes == [
        "usart1: TDR was written while it was full (TXE 0), so a character was lost."
    ]


def test_a_port_without_a_baud_rate_sends_nothing_and_says_so() -> None:
    bench = Bench("f746", [port()])
    bench.write("usart1", CR1, TE | UE)
    bench.write("usart1", TDR, ord("a"))
    bench.run(10**6)
    assert sent(bench) == b""
    assert bench.notes == [
        "usart1 has something to send but no baud rate (BRR 0x0, clock 108000000 Hz): nothing "
        "leaves it."
    ]


def test_switching_the_port_off_drops_what_is_under_way_and_resets_flags() -> None:
    bench = started()
    bench.write("usart1", TDR, ord("a"))
    bench.write("usart1", TDR, ord("b"))
    bench.write("usart1", CR1, TE | RE)
    assert isr(bench) == 0x020000C0
    bench.run(10 * FRAME)
    assert sent(bench) == b""


def test_the_fifo_of_h7_takes_sixteen_and_one_in_the_shift_register() -> None:
    bench = started(FIFOEN, fifo=1)
    count = 0
    while isr(bench) & TXE:
        bench.write("usart1", TDR, count)
        count += 1
    assert count == 17
    assert not isr(bench) & TXFE
    wait_for(bench, TC)
    assert isr(bench) & TXFE
    assert sent(bench) == bytes(range(17))


def test_txft_counts_free_places() -> None:
    bench = started(FIFOEN, cr3=2 << 29, fifo=1)  # eight
    for byte in range(17):
        bench.write("usart1", TDR, byte)
    bench.run(8 * FRAME - 1)
    assert not isr(bench) & TXFT
    bench.run(1)
    assert isr(bench) & TXFT


def test_short_frames_that_are_polled_cost_no_event_each() -> None:
    bench = started(brr=16)
    ran = 0
    for byte in bytes(100):
        while not isr(bench) & TXE:
            bench.cycles += 5
            ran += bench.space.schedule.run_due(bench.cycles)
        bench.write("usart1", TDR, byte)
    bench.run(10**5)
    assert ran == 0
    assert sent(bench) == bytes(100)


# Receiving


def test_a_byte_arrives_after_a_frame() -> None:
    bench = started()
    hear(bench, b"q")
    assert isr(bench) & (BUSY | RXNE) == BUSY
    bench.run(FRAME - 1)
    assert not isr(bench) & RXNE
    bench.run(1)
    assert isr(bench) & (BUSY | RXNE) == RXNE
    assert bench.read("usart1", RDR) == ord("q")
    assert not isr(bench) & RXNE


def test_bytes_follow_each_other_a_frame_apart() -> None:
    bench = started(RXNEIE)
    start, got = bench.cycles, []
    hear(bench, b"abc")
    for _ in range(3):
        until(bench, lambda: bench.interrupts.get(IRQ, False))
        got.append((bench.cycles - start, bench.read("usart1", RDR)))
    assert got == [(FRAME, 97), (2 * FRAME, 98), (3 * FRAME, 99)]


def test_a_byte_that_nobody_read_stays_and_the_next_is_lost() -> None:
    bench = started(cr3=EIE)
    hear(bench, b"abc")
    bench.run(2 * FRAME)
    assert isr(bench) & (RXNE | ORE) == RXNE | ORE
    assert bench.interrupts[IRQ]
    bench.write("usart1", ICR, ORE)
    assert not bench.interrupts[IRQ]
    assert bench.read("usart1", RDR) == ord("a")
    bench.run(FRAME)
    assert bench.read("usart1", RDR) == ord("c")


def test_overrun_raises_the_interrupt_of_rxneie_too() -> None:
    bench = started(RXNEIE)
    hear(bench, b"ab")
    bench.run(2 * FRAME)
    bench.read("usart1", RDR)
    assert bench.interrupts[IRQ]
    bench.write("usart1", ICR, ORE)
    assert not bench.interrupts[IRQ]


def test_without_overrun_detection_the_newest_byte_wins() -> None:
    bench = started(cr3=OVRDIS)
    hear(bench, b"ab")
    bench.run(2 * FRAME)
    assert not isr(bench) & ORE
    assert bench.read("usart1", RDR) == ord("b")


def test_bytes_sent_before_the_receiver_is_on_wait_for_it() -> None:
    bench = Bench("f746", [port()])
    hear(bench, b"hi")
    bench.run(10 * FRAME)
    bench.write("usart1", BRR, DIVIDER)
    bench.write("usart1", CR1, UE | RE)
    bench.run(FRAME)
    assert bench.read("usart1", RDR) == ord("h")
    bench.run(FRAME)
    assert bench.read("usart1", RDR) == ord("i")


def test_a_receiver_that_goes_off_within_a_frame_gets_the_byte_later() -> None:
    bench = started()
    hear(bench, b"x")
    bench.run(FRAME // 2)
    bench.write("usart1", CR1, UE | TE)
    bench.run(2 * FRAME)
    assert not isr(bench) & RXNE
    bench.write("usart1", CR1, UE | TE | RE)
    bench.run(FRAME)
    assert bench.read("usart1", RDR) == ord("x")


def test_idle_comes_a_frame_after_the_last_byte_and_once() -> None:
    bench = started(IDLEIE)
    hear(bench, b"ab")
    bench.run(3 * FRAME - 1)
    assert not bench.interrupts.get(IRQ)
    bench.run(1)
    assert bench.interrupts[IRQ]
    assert isr(bench) & IDLE
    bench.write("usart1", ICR, IDLE)
    bench.run(20 * FRAME)
    assert not bench.interrupts[IRQ]


def test_a_byte_before_the_idle_frame_is_over_puts_idle_off() -> None:
    bench = started()
    hear(bench, b"a")
    bench.run(FRAME + FRAME // 2)
    hear(bench, b"b")
    bench.run(FRAME)
    assert not isr(bench) & IDLE
    bench.run(FRAME)
    assert isr(bench) & IDLE


def test_the_receiver_timeout_counts_bits_from_the_last_stop_bit() -> None:
    bench = started(RTOIE, RTOEN)
    bench.write("usart1", RTOR, 35)
    hear(bench, b"m")
    bench.run(FRAME + 35 * FRAME // 10 - 1)
    assert not isr(bench) & RTOF
    bench.run(1)
    assert bench.interrupts[IRQ]
    bench.write("usart1", ICR, RTOF)
    assert not bench.interrupts[IRQ]


def test_the_character_that_cr2_names_is_recognised() -> None:
    bench = started(CMIE, ord("%") << 24)
    hear(bench, b"a%")
    bench.run(FRAME)
    bench.read("usart1", RDR)
    assert not isr(bench) & CMF
    bench.run(FRAME)
    assert bench.interrupts[IRQ]
    bench.write("usart1", ICR, CMF)
    assert not isr(bench) & CMF


def test_parity_is_read_with_the_data() -> None:
    bench = started(PCE)  # seven bits and even parity
    hear(bench, b"\x01")
    bench.run(FRAME)
    assert bench.read("usart1", RDR) == 0x81


def test_baud_rate_detection_is_done_after_a_byte() -> None:
    bench = started(cr2=ABREN)
    hear(bench, b"\x55")
    bench.run(FRAME)
    assert isr(bench) & ABRF


def test_the_receive_fifo_holds_seventeen_and_loses_the_next() -> None:
    bench = started(FIFOEN, cr3=RXFTIE | 2 << 25, fifo=1)  # RXFT at eight
    hear(bench, bytes(range(18)))
    bench.run(8 * FRAME - 1)
    assert not bench.interrupts.get(IRQ)
    bench.run(1)
    assert bench.interrupts[IRQ]
    assert isr(bench) & RXFT
    bench.run(9 * FRAME)
    assert isr(bench) & (RXFF | ORE) == RXFF
    bench.run(FRAME)
    assert isr(bench) & (RXFF | ORE) == RXFF | ORE
    assert [bench.read("usart1", RDR) for _ in range(17)] == list(range(17))
    assert not isr(bench) & RXNE


def test_rxfrq_drops_what_was_received() -> None:
    bench = started()
    hear(bench, b"x")
    bench.run(FRAME)
    bench.write("usart1", RQR, RXFRQ)
    assert not isr(bench) & RXNE


def test_dma_requests_follow_the_flags() -> None:
    bench = started(cr3=DMAT | DMAR)
    assert bench.space.signal("usart1_tx")
    bench.write("usart1", TDR, 1)
    assert bench.space.signal("usart1_tx")
    bench.write("usart1", TDR, 2)
    assert not bench.space.signal("usart1_tx")
    bench.run(FRAME)
    assert bench.space.signal("usart1_tx")
    hear(bench, b"r")
    bench.run(FRAME)
    assert bench.space.signal("usart1_rx")
    bench.read("usart1", RDR)
    assert not bench.space.signal("usart1_rx")


def test_other_modes_are_said_to_be_asynchronous() -> None:
    bench = started(cr2=1 << 11)
    assert bench.notes == [
        "usart1 is set to a synchronous, LIN, smartcard or IrDA mode; it is modelled as an "
        "asynchronous port."
    ]


def test_a_reset_stops_the_port_and_the_other_side_waits() -> None:
    bench = started(RXNEIE, cr3=DMAT)
    hear(bench, b"abc")
    bench.run(FRAME)
    bench.write("usart1", TDR, 1)
    assert bench.interrupts[IRQ]
    bench["usart1"].reset()  # as RCC does it
    assert not bench.interrupts[IRQ]
    assert not bench.space.signal("usart1_tx")
    bench.run(10 * FRAME)
    assert isr(bench) == 0x020000C0
    assert sent(bench) == b""
    bench.write("usart1", BRR, DIVIDER)
    bench.write("usart1", CR1, UE | RE)
    bench.run(FRAME)
    assert bench.read("usart1", RDR) == ord("b")


# Laws


@settings(max_examples=60, deadline=None)
@given(
    data=st.binary(min_size=1, max_size=40),
    pauses=st.lists(st.integers(0, 2000), min_size=1, max_size=8),
    every=st.integers(1, 700),
    divider=st.sampled_from([1, 16, 33, 57, DIVIDER]),
    fifo=st.booleans(),
)
def test_what_is_sent_with_txe_comes_out_once_and_in_order(
    data: bytes, pauses: list[int], every: int, divider: int, fifo: bool
) -> None:
    bench = started(FIFOEN if fifo else 0, fifo=int(fifo), brr=divider)
    for number, byte in enumerate(data):
        bench.run(pauses[number % len(pauses)])
        wait_for(bench, TXE, every)
        bench.write("usart1", TDR, byte)
    wait_for(bench, TC, every)
    assert sent(bench) == data
    assert bench.notes == []


@settings(max_examples=60, deadline=None)
@given(
    bursts=st.lists(st.tuples(st.integers(0, 400), st.binary(max_size=6)), max_size=6),
    every=st.integers(1, 300),
)
def test_what_is_read_in_time_arrives_once_and_in_order(
    bursts: list[tuple[int, bytes]], every: int
) -> None:
    bench = started(brr=16)  # a frame of 320 cycles, longer than the time between two polls
    got = bytearray()

    def poll(cycles: int) -> None:
        for _ in range(cycles // every + 1):
            bench.run(every)
            if isr(bench) & RXNE:
                got.append(bench.read("usart1", RDR))

    for pause, data in bursts:
        poll(pause)
        hear(bench, data)
    poll(40 * 320)
    assert bytes(got) == b"".join(data for _, data in bursts)
    assert not isr(bench) & ORE


@settings(max_examples=40, deadline=None)
@given(
    data=st.binary(min_size=1, max_size=20),
    changes=st.lists(
        st.tuples(st.integers(0, 4000), st.sampled_from([0, 27, 54, 108])), max_size=6
    ),
)
def test_no_change_of_clock_loses_or_doubles_a_byte(
    data: bytes, changes: list[tuple[int, int]]
) -> None:
    bench = started(TXEIE, brr=20)
    todo = list(data)
    hear(bench, data)
    got = bytearray()

    def serve(cycles: int) -> None:
        end = bench.cycles + cycles
        while bench.cycles < end:
            if isr(bench) & TXE and todo:
                bench.write("usart1", TDR, todo.pop(0))
            if isr(bench) & RXNE:
                got.append(bench.read("usart1", RDR))
            bench.run(50)

    for cycles, mhz in changes:
        serve(cycles)
        bench.space.clocks.change({"apb2": mhz * 1_000_000})
    bench.space.clocks.change({"apb2": 108_000_000})
    serve(30 * 400)
    assert sent(bench) == data
    assert bytes(got) == data
