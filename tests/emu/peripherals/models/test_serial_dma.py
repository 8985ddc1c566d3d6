"""A port and a DMA together, on F7 by channel and on H7 by DMAMUX, as HAL's drivers use them."""

from __future__ import annotations

import pytest

from emu.board import MappedPeripheral
from emu.peripherals.models import bdma, dma, usart
from tests.emu.peripherals.bench import Bench

DIVIDER = 100
FRAME = 10 * DIVIDER * 2  # core cycles: the bench's APB runs at half the core clock
ITEM = 4
BUFFER = Bench.RAM + 0x1000
UART_IRQ, DMA_TX_IRQ, DMA_RX_IRQ = 37, 70, 58
TDR, RDR, ICR, PORT = 0x28, 0x24, 0x20, 0x40011000
TX_STREAM, RX_STREAM = 7, 2

UART = MappedPeripheral("usart1", "usart", PORT, 0x400, (("global", UART_IRQ),), "apb2")
IRQS = (("stream7", DMA_TX_IRQ), ("stream2", DMA_RX_IRQ))


def f7() -> Bench:
    requests = (("stream7_channel4", "usart1_tx"), ("stream2_channel4", "usart1_rx"))
    return Bench(
        "f746", [UART, MappedPeripheral("dma2", "dma", 0x40026400, 0x400, IRQS, "ahb", requests)]
    )


def h7() -> Bench:
    """The same streams, given their requests by DMAMUX1 channels 15 and 10."""
    places = [
        UART,
        MappedPeripheral("dma2", "dma", 0x40020400, 0x400, IRQS, "ahb", (("mux", "dmamux1"),)),
        MappedPeripheral(
            "dmamux1",
            "dmamux",
            0x40020800,
            0x400,
            settings=(("request41", "usart1_rx"), ("request42", "usart1_tx")),
        ),
    ]
    bench = Bench("f746", places)
    bench.write("dmamux1", 4 * (8 + TX_STREAM), 42)
    bench.write("dmamux1", 4 * (8 + RX_STREAM), 41)
    return bench


@pytest.fixture(params=[f7, h7], ids=["f7_channels", "h7_dmamux"])
def bench(request: pytest.FixtureRequest) -> Bench:
    made: Bench = request.param()
    made.write("usart1", usart.BRR, DIVIDER)
    made.write("usart1", usart.CR1, usart.UE | usart.TE | usart.RE)
    made.run(2 * FRAME)
    return made


def start_stream(bench: Bench, stream: int, cr: int, register: int, count: int) -> None:
    base = dma.STREAMS_START + dma.STREAM_BYTES * stream
    cr |= 4 << dma.CHSEL_SHIFT | dma.MINC
    bench.write("dma2", base + dma.CR, cr)
    bench.write("dma2", base + dma.NDTR, count)
    bench.write("dma2", base + dma.PAR, PORT + register)
    bench.write("dma2", base + dma.M0AR, BUFFER)
    bench.write("dma2", base + dma.CR, cr | dma.EN)


def test_dma_transmit_keeps_the_wire_full(bench: Bench) -> None:
    """HAL_UART_Transmit_DMA: the stream is done with the last byte in TDR, the port later."""
    data = b"a line of text by DMA\r\n"
    bench.ram[0x1000 : 0x1000 + len(data)] = data
    to_port = dma.MEMORY_TO_PERIPHERAL << dma.DIR_SHIFT | dma.TCIE
    start_stream(bench, TX_STREAM, to_port, TDR, len(data))
    bench.write("usart1", ICR, usart.TC)
    start = bench.cycles
    bench.write("usart1", usart.CR3, usart.DMAT)
    first = start + ITEM
    bench.run_to(first + (len(data) - 2) * FRAME + ITEM - 1)
    assert not bench.interrupts.get(DMA_TX_IRQ)
    bench.run(1)
    assert bench.interrupts[DMA_TX_IRQ]
    bench.write("usart1", usart.CR3, 0)
    bench.write("usart1", usart.CR1, usart.UE | usart.TE | usart.RE | usart.TCIE)
    bench.run_to(first + len(data) * FRAME - 1)
    assert not bench.interrupts.get(UART_IRQ)
    bench.run(1)
    assert bench.interrupts[UART_IRQ]
    assert bytes(bench.output["usart1"]) == data


def test_circular_receive_tells_half_end_and_idle(bench: Bench) -> None:
    """HAL_UARTEx_ReceiveToIdle_DMA with a ring of eight."""
    from_port = dma.CIRC | dma.HTIE | dma.TCIE
    start_stream(bench, RX_STREAM, from_port, RDR, 8)
    bench.write("usart1", usart.CR3, usart.DMAR)
    bench.write("usart1", usart.CR1, usart.UE | usart.TE | usart.RE | usart.IDLEIE)
    start = bench.cycles
    for byte in b"0123456789":
        bench.space.serial_in("usart1", byte)
    happened: list[tuple[int, int]] = []
    for _ in range(200):
        bench.run(FRAME // 10)
        at = (bench.cycles - start) // (FRAME // 10)
        irqs = (DMA_RX_IRQ, UART_IRQ)
        happened += [(irq, at) for irq in irqs if bench.interrupts.get(irq)]
        bench.write("dma2", dma.LIFCR, 0x3F << 16)
        bench.write("usart1", ICR, usart.IDLE)
    # Four frames and an item; eight; ten and an idle frame.
    assert happened == [(DMA_RX_IRQ, 41), (DMA_RX_IRQ, 81), (UART_IRQ, 110)]
    ndtr = dma.STREAMS_START + dma.STREAM_BYTES * RX_STREAM + dma.NDTR
    assert bench.read("dma2", ndtr) == 6
    assert bytes(bench.ram[0x1000:0x1008]) == b"89234567"
    assert not bench.read("usart1", usart.ISR) & usart.ORE


def test_a_stream_given_its_request_later_starts_then() -> None:
    bench = h7()
    bench.write("dmamux1", 4 * (8 + TX_STREAM), 0)
    bench.write("usart1", usart.BRR, DIVIDER)
    bench.write("usart1", usart.CR1, usart.UE | usart.TE)
    bench.write("usart1", usart.CR3, usart.DMAT)
    bench.ram[0x1000:0x1002] = b"ok"
    start_stream(bench, TX_STREAM, dma.MEMORY_TO_PERIPHERAL << dma.DIR_SHIFT, TDR, 2)
    bench.run(10 * FRAME)
    assert "usart1" not in bench.output
    bench.write("dmamux1", 4 * (8 + TX_STREAM), 42)
    bench.run(10 * FRAME)
    assert bytes(bench.output["usart1"]) == b"ok"


def test_dmamux_names_its_requests_and_keeps_its_other_registers() -> None:
    bench = h7()
    mux = bench["dmamux1"]
    assert getattr(mux, "request_signal")(15) == "usart1_tx"  # noqa: B009 - not of every peripheral
    assert getattr(mux, "request_signal")(0) is None  # noqa: B009 - as above
    bench.write("dmamux1", 0x100, 0x00010003)
    assert bench.read("dmamux1", 0x100) == 0x00010003
    assert mux.unknown == {}


# The shipped boards


def test_f746_connects_port_and_stream_as_its_manual_has_them() -> None:
    bench = Bench("f746")
    bench.write("usart1", usart.BRR, DIVIDER)
    bench.write("usart1", usart.CR1, usart.UE | usart.TE | usart.TCIE)
    bench.write("usart1", usart.CR3, usart.DMAT)
    bench.ram[0x1000:0x1003] = b"F7\n"
    to_port = dma.MEMORY_TO_PERIPHERAL << dma.DIR_SHIFT | dma.TCIE
    start_stream(bench, TX_STREAM, to_port, TDR, 3)
    bench.run(10**5)
    assert bytes(bench.output["usart1"]) == b"F7\n"
    assert bench.interrupts[UART_IRQ]
    assert bench.interrupts[DMA_TX_IRQ]


def test_h743_tells_that_dma_cannot_reach_dtcm() -> None:
    """The classic of a port from F7 to H7: a buffer where the linker puts data by default."""
    bench = Bench("h743")
    bench.write("usart1", usart.BRR, DIVIDER)
    bench.write("usart1", usart.CR1, usart.UE | usart.TE)
    bench.write("usart1", usart.CR3, usart.DMAT)
    bench.write("dmamux1", 4 * (8 + TX_STREAM), 42)
    to_port = dma.MEMORY_TO_PERIPHERAL << dma.DIR_SHIFT | dma.TEIE
    start_stream(bench, TX_STREAM, to_port, TDR, 3)
    bench.run(10**5)
    assert bench.interrupts[DMA_TX_IRQ]
    assert [note for note in bench.notes if "DMA" in note] == [
        "DMA2 stream 7 reads DTCM (0x20001000), which it cannot reach on this part: it stopped "
        "with a transfer error."
    ]


# BDMA

LPUART = MappedPeripheral(
    "lpuart1", "usart", 0x58000C00, 0x400, (("global", 142),), "apb4", (("fifo", 1), ("lpuart", 1))
)
CHANNEL1 = bdma.CHANNELS_START + bdma.CHANNEL_BYTES


def d3() -> Bench:
    places = [
        LPUART,
        MappedPeripheral(
            "bdma", "bdma", 0x58025400, 0x400, (("channel1", 130),), "ahb", (("mux", "dmamux2"),)
        ),
        MappedPeripheral(
            "dmamux2",
            "dmamux",
            0x58025800,
            0x400,
            settings=(("channels", 8), ("request10", "lpuart1_tx")),
        ),
    ]
    return Bench("h743", places)


def start_channel(bench: Bench, ccr: int, count: int, peripheral: int, memory: int) -> None:
    bench.write("bdma", CHANNEL1 + bdma.CNDTR, count)
    bench.write("bdma", CHANNEL1 + bdma.CPAR, peripheral)
    bench.write("bdma", CHANNEL1 + bdma.CM0AR, memory)
    bench.write("bdma", CHANNEL1 + bdma.CCR, ccr | bdma.EN)


def test_bdma_sends_by_lpuart() -> None:
    bench = d3()
    bench.ram[0x1000:0x1005] = b"bdma!"
    bench.write("dmamux2", 4, 10)
    bench.write("lpuart1", usart.BRR, 256 * 20)
    bench.write("lpuart1", usart.CR1, usart.UE | usart.TE)
    bench.write("lpuart1", usart.CR3, usart.DMAT)
    start_channel(bench, bdma.DIR | bdma.MINC | bdma.TCIE, 5, 0x58000C00 + TDR, BUFFER)
    bench.run(10**5)
    assert bytes(bench.output["lpuart1"]) == b"bdma!"
    assert bench.interrupts[130]
    assert bench.read("bdma", bdma.ISR) == (bdma.GIF | bdma.TCIF | bdma.HTIF) << 4
    bench.write("bdma", bdma.IFCR, bdma.GIF << 4)
    assert bench.read("bdma", bdma.ISR) == 0
    assert not bench.interrupts[130]


def test_a_finished_bdma_channel_stays_enabled_and_does_not_begin_again() -> None:
    bench = d3()
    start_channel(bench, bdma.MEM2MEM | bdma.PINC | bdma.MINC, 4, BUFFER, BUFFER + 16)
    bench.run(1000)
    assert bench.read("bdma", CHANNEL1 + bdma.CCR) & bdma.EN
    assert bench.read("bdma", CHANNEL1 + bdma.CNDTR) == 0
    bench.write("bdma", bdma.IFCR, 0xF0)
    ccr = bdma.MEM2MEM | bdma.PINC | bdma.MINC
    bench.write("bdma", CHANNEL1 + bdma.CCR, ccr)
    bench.write("bdma", CHANNEL1 + bdma.CCR, ccr | bdma.EN)
    bench.run(1000)
    assert bench.read("bdma", bdma.ISR) == 0


@pytest.mark.parametrize(
    ("peripheral_bytes", "memory_bytes", "written"),
    [(1, 2, "01000200"), (2, 1, "0103"), (4, 1, "0105"), (1, 4, "0100000002000000")],
)
def test_bdma_cuts_or_extends_items(peripheral_bytes: int, memory_bytes: int, written: str) -> None:
    bench = d3()
    bench.ram[0x1000:0x1008] = bytes(range(1, 9))
    ccr = bdma.MEM2MEM | bdma.PINC | bdma.MINC
    ccr |= (peripheral_bytes >> 1) << bdma.PSIZE_SHIFT | (memory_bytes >> 1) << bdma.MSIZE_SHIFT
    start_channel(bench, ccr, 2, BUFFER, BUFFER + 0x100)
    bench.run(1000)
    expected = bytes.fromhex(written)
    assert bytes(bench.ram[0x1100 : 0x1100 + len(expected) + 1]) == expected + b"\0"


def test_bdma_stops_at_an_address_where_nothing_answers() -> None:
    bench = d3()
    start_channel(bench, bdma.MEM2MEM | bdma.PINC | bdma.MINC | bdma.TEIE, 4, 0x1000, BUFFER)
    bench.run(1000)
    assert bench.interrupts[130]
    assert not bench.read("bdma", CHANNEL1 + bdma.CCR) & bdma.EN
    assert bench.notes == [
        "BDMA channel 1 reads 0x00001000, where nothing answers: it stopped with a transfer error."
    ]
