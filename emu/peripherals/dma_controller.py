"""What the stream DMA and the BDMA have in common: channels that move items when asked.

::

    request wire --> waiting channels --> by priority, one item each few bus clocks --> flags
    memory to memory ------------------> moved in two halves, counted from the cycles

A model (`models/dma.py`, `models/bdma.py`) decodes its registers into a `Transfer` and sets its
flags when it is told of half, completion and failure.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Protocol, cast

from emu.board import MappedPeripheral
from emu.peripherals.peripheral import FOREVER, BusError, Peripheral, Surroundings
from emu.peripherals.schedule import Event

# assumed: request, arbitration, a read and a write take four AHB clocks an item; a copy from memory
# to memory, whose reads and writes overlap in the FIFO, two. No figure was seen in print.
REQUEST_ITEM_TICKS = 4
MEMORY_ITEM_TICKS = 2
PERIPHERALS = range(0x40000000, 0x60000000)


class RequestMultiplexer(Protocol):
    """What a DMA asks its DMAMUX."""

    def request_signal(self, channel: int) -> str | None:
        """The wire that a channel's requests come from; None for none."""
        ...

    def on_change(self, listener: Callable[[int], None]) -> None:
        """Call `listener` with each channel that was given another request."""
        ...


@dataclass(frozen=True)
class Transfer:
    """What a channel was set to do when it was enabled.

    Attributes:
        to_memory: from the peripheral's address to the memory's, or the other way round.
        on_request: items move at requests; otherwise as fast as the bus takes them.
        memories: one address, or two that take turns.
        packs: bytes are kept whole between unlike item sizes (FIFO); otherwise an item is cut or
            extended with zeros.
        gather_bytes: what is collected before memory is written, a multiple of its item.
    """

    to_memory: bool
    on_request: bool
    peripheral: int
    memories: tuple[int, ...]
    peripheral_bytes: int
    memory_bytes: int
    peripheral_step_bytes: int
    memory_step_bytes: int
    items_count: int
    circular: bool = False
    priority: int = 0
    packs: bool = True
    gather_bytes: int = 1


class Channel:
    """A stream or channel at work; idle while `transfer` is None."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.transfer: Transfer | None = None
        self.signals: tuple[str, ...] = ()
        self.remaining_count = 0
        self.memory_index = 0  # which of the two buffers
        self.peripheral_at = 0
        self.memory_at = 0
        self.fifo = bytearray()
        self.half_is_told = False
        # Memory to memory: items moved by `since_cycles`, and the event of the next half.
        self.since_cycles = 0
        self.moved_before_count = 0
        self.event: Event | None = None

    def load(self, transfer: Transfer) -> None:
        """To the start of a round."""
        self.remaining_count = transfer.items_count
        self.peripheral_at = transfer.peripheral
        self.memory_at = transfer.memories[self.memory_index]
        self.half_is_told = False
        self.fifo.clear()

    def stop(self) -> None:
        self.transfer = None
        if self.event is not None:
            self.event.cancel()


class TransferError(Exception):
    """An item could not be moved; the text says why."""


class DmaController(Peripheral):
    """Channels, their requests and the moving of items.

    Settings: `mux` names the DMAMUX whose channels from `mux_first` on (0; 8 for dma2) belong to
    this controller; `unreachable` lists memory that its bus does not lead to, as
    "DTCM 0x20000000-0x20020000, ITCM 0x0-0x10000"; `memory_to_memory: 0` where such copies fail
    (DMA1 of F7).
    """

    CHANNELS_COUNT: ClassVar[int] = 8
    CHANNEL_WORD: ClassVar[str] = "channel"

    def __init__(self, place: MappedPeripheral, around: Surroundings) -> None:
        self.channels: list[Channel] = []
        self._subscribed: set[str] = set()
        self._mux: RequestMultiplexer | None = None
        super().__init__(place, around)
        self._unreachable = _ranges(str(self.settings.get("unreachable", "")))

    def reset(self) -> None:
        super().reset()
        for channel in self.channels:
            channel.stop()
            self.set_irq(f"{self.CHANNEL_WORD}{channel.index}", False)
        self.channels = [Channel(index) for index in range(self.CHANNELS_COUNT)]
        self._waiting: set[int] = set()
        self._service: Event | None = None

    def connect(self) -> None:
        name = self.settings.get("mux")
        if name is not None:
            found = self.around.peripheral(str(name))
            self._mux = cast(RequestMultiplexer, found) if found is not None else None
            if self._mux is not None:
                self._mux.on_change(self._mux_changed)

    # For the models

    @abstractmethod
    def half(self, channel: Channel) -> None:
        """Half of a round is done."""

    @abstractmethod
    def complete(self, channel: Channel) -> None:
        """A round is done. `transfer` is None when there is no next; `memory_index` is the next."""

    @abstractmethod
    def failed(self, channel: Channel) -> None:
        """The bus answered with an error; the channel has stopped."""

    def request_names(self, channel: Channel) -> str | None:
        """The wires, apart by spaces, that ask a channel to move an item."""
        if self._mux is None:
            return None
        return self._mux.request_signal(self._mux_first + channel.index)

    @property
    def _mux_first(self) -> int:
        """The DMAMUX channel of channel 0: DMA2's follow those of DMA1 [RM0433 DMAMUX]."""
        return int(self.settings.get("mux_first", 8 if self.name == "dma2" else 0))

    def begin(self, channel: Channel, transfer: Transfer, memory_index: int = 0) -> None:
        """Enable a channel."""
        channel.stop()
        channel.transfer, channel.memory_index = transfer, memory_index
        channel.load(transfer)
        if transfer.on_request:
            self._find_requests(channel)
        elif not self.settings.get("memory_to_memory", 1):
            self._fail(channel, "is set to copy memory to memory, which this controller cannot")
        else:
            channel.since_cycles, channel.moved_before_count = self.around.now_cycles(), 0
            self._plan_copy(channel)

    def end(self, channel: Channel) -> None:
        """Disable a channel: what was collected is written, the rest stays where it is."""
        self.settle(channel)
        if channel.transfer is not None:
            try:
                self._flush(channel, channel.transfer)
            except TransferError as problem:
                self._fail(channel, str(problem))
        channel.stop()
        self._waiting.discard(channel.index)

    def settle(self, channel: Channel) -> None:
        """A copy from memory to memory up to the present cycle."""
        transfer = channel.transfer
        if transfer is None or transfer.on_request or not channel.remaining_count:
            return
        clocks = self.around.clocks
        ticks = (self.around.now_cycles() - channel.since_cycles) * clocks.hz("ahb")
        done = channel.moved_before_count + ticks // (MEMORY_ITEM_TICKS * clocks.hz("core"))
        due = min(done, transfer.items_count) - (transfer.items_count - channel.remaining_count)
        if due > 0:
            self._move(channel, due)

    def settle_if_due(self, channel: Channel) -> None:
        """As `settle`, but only where half or all is done: before that no flag changes."""
        if channel.event is not None and channel.event.at_cycles <= self.around.now_cycles():
            self.settle(channel)

    def flags_quiet_until(self) -> int:
        """Flags change by events; those of copies are seen at their cycle by who looks then."""
        events = [item.event for item in self.channels if item.transfer is not None]
        return min((event.at_cycles for event in events if event), default=FOREVER)

    def items_quiet_until(self, channel: Channel) -> int:
        """When a copy from memory to memory next moves an item."""
        transfer = channel.transfer
        if transfer is None or transfer.on_request or not channel.remaining_count:
            return FOREVER
        self.settle(channel)
        if channel.transfer is None:  # it was the last, or it failed
            return FOREVER
        clocks = self.around.clocks
        done = transfer.items_count - channel.remaining_count + 1 - channel.moved_before_count
        return channel.since_cycles + -(
            -done * MEMORY_ITEM_TICKS * clocks.hz("core") // clocks.hz("ahb")
        )

    # Requests

    def _find_requests(self, channel: Channel) -> None:
        channel.signals = tuple((self.request_names(channel) or "").replace(",", " ").split())
        for signal in channel.signals:
            if signal not in self._subscribed:
                self._subscribed.add(signal)
                self.around.on_signal(signal, partial(self._requested, signal))
        self._ask(channel)

    def _mux_changed(self, mux_channel: int) -> None:
        index = mux_channel - self._mux_first
        if 0 <= index < len(self.channels):
            channel = self.channels[index]
            if channel.transfer is not None and channel.transfer.on_request:
                self._find_requests(channel)

    def _requested(self, signal: str, level: bool) -> None:
        if level:
            for channel in self.channels:
                if channel.transfer is not None and signal in channel.signals:
                    self._wait(channel)

    def _ask(self, channel: Channel) -> None:
        """Wait for service if a request is up."""
        if any(self.around.signal(signal) for signal in channel.signals):
            self._wait(channel)

    def _wait(self, channel: Channel) -> None:
        transfer = channel.transfer
        if transfer is None or not transfer.on_request or not channel.remaining_count:
            return
        self._waiting.add(channel.index)
        self._plan_service()

    def _plan_service(self) -> None:
        if self._waiting and (self._service is None or not self._service.is_waiting):
            self._service = self.around.after_ticks(
                REQUEST_ITEM_TICKS, self.around.clocks.hz("ahb"), self._serve
            )

    def _serve(self) -> None:
        """One item of the most urgent channel: by priority, then by number."""
        if not self._waiting:
            return

        def urgency(index: int) -> tuple[int, int]:
            transfer = self.channels[index].transfer
            return (-transfer.priority if transfer else 0, index)

        channel = self.channels[min(self._waiting, key=urgency)]
        self._waiting.discard(channel.index)
        self._move(channel, 1)
        self._ask(channel)
        self._plan_service()

    # Memory to memory

    def _plan_copy(self, channel: Channel) -> None:
        """An event where half is done, then one at the end."""
        transfer = channel.transfer
        if transfer is None or not channel.remaining_count:
            return
        half_count = -(-transfer.items_count // 2)
        goal = transfer.items_count if channel.half_is_told else half_count
        clocks = self.around.clocks
        ticks = (goal - channel.moved_before_count) * MEMORY_ITEM_TICKS
        cycles = -(-ticks * clocks.hz("core") // clocks.hz("ahb"))
        channel.event = self.around.at(
            channel.since_cycles + cycles, partial(self._continue_copy, channel)
        )

    def _continue_copy(self, channel: Channel) -> None:
        self.settle(channel)
        self._plan_copy(channel)

    def before_clock_change(self) -> None:
        for channel in self.channels:
            self.settle(channel)

    def after_clock_change(self) -> None:
        for channel in self.channels:
            transfer = channel.transfer
            if transfer is not None and not transfer.on_request and channel.remaining_count:
                channel.since_cycles = self.around.now_cycles()
                channel.moved_before_count = transfer.items_count - channel.remaining_count
                if channel.event is not None:
                    channel.event.cancel()
                self._plan_copy(channel)

    # Items

    def _move(self, channel: Channel, items_count: int) -> None:
        transfer = channel.transfer
        if transfer is None:
            return
        try:
            if transfer.on_request or not self._move_block(channel, transfer, items_count):
                for _ in range(items_count):
                    self._move_item(channel, transfer)
            channel.remaining_count -= items_count
            if not channel.remaining_count:
                self._flush(channel, transfer)
        except TransferError as problem:
            self._fail(channel, str(problem))
            return
        moved = transfer.items_count - channel.remaining_count
        if not channel.half_is_told and 2 * moved >= transfer.items_count:
            channel.half_is_told = True
            self.half(channel)
        if not channel.remaining_count:
            self._finish(channel, transfer)

    def _finish(self, channel: Channel, transfer: Transfer) -> None:
        if transfer.circular or len(transfer.memories) > 1:
            channel.memory_index = (channel.memory_index + 1) % len(transfer.memories)
            channel.load(transfer)
        else:
            channel.stop()
            self._waiting.discard(channel.index)
        self.complete(channel)

    def _fail(self, channel: Channel, sentence: str) -> None:
        channel.stop()
        self._waiting.discard(channel.index)
        self.around.note(
            f"{self.name.upper()} {self.CHANNEL_WORD} {channel.index} {sentence}: it stopped with "
            "a transfer error."
        )
        self.failed(channel)

    def _move_item(self, channel: Channel, transfer: Transfer) -> None:
        if not transfer.packs:
            self._move_unpacked(channel, transfer)
        elif transfer.to_memory:
            size = transfer.peripheral_bytes
            channel.fifo += self._read(channel.peripheral_at, size).to_bytes(size, "little")
            channel.peripheral_at += transfer.peripheral_step_bytes
            if len(channel.fifo) >= transfer.gather_bytes:
                self._empty_fifo(channel, transfer)
        else:
            size = transfer.peripheral_bytes
            while len(channel.fifo) < size:
                word = self._read(channel.memory_at, transfer.memory_bytes)
                channel.fifo += word.to_bytes(transfer.memory_bytes, "little")
                channel.memory_at += transfer.memory_step_bytes
            item = int.from_bytes(channel.fifo[:size], "little")
            del channel.fifo[:size]
            self._write(channel.peripheral_at, item, size)
            channel.peripheral_at += transfer.peripheral_step_bytes

    def _move_unpacked(self, channel: Channel, transfer: Transfer) -> None:
        peripheral, memory = channel.peripheral_at, channel.memory_at
        if transfer.to_memory:
            item = self._read(peripheral, transfer.peripheral_bytes)
            self._write(memory, item, transfer.memory_bytes)
        else:
            item = self._read(memory, transfer.memory_bytes)
            self._write(peripheral, item, transfer.peripheral_bytes)
        channel.peripheral_at += transfer.peripheral_step_bytes
        channel.memory_at += transfer.memory_step_bytes

    def _empty_fifo(self, channel: Channel, transfer: Transfer) -> None:
        """All whole memory items that were collected."""
        size = transfer.memory_bytes
        while len(channel.fifo) >= size:
            self._write(channel.memory_at, int.from_bytes(channel.fifo[:size], "little"), size)
            del channel.fifo[:size]
            channel.memory_at += transfer.memory_step_bytes

    def _flush(self, channel: Channel, transfer: Transfer) -> None:
        """What is left of an incomplete memory item goes out byte by byte."""
        if not transfer.to_memory:
            channel.fifo.clear()
            return
        self._empty_fifo(channel, transfer)
        for offset, byte in enumerate(channel.fifo):
            self._write(channel.memory_at + offset, byte, 1)
        channel.fifo.clear()

    def _move_block(self, channel: Channel, transfer: Transfer, items_count: int) -> bool:
        """Many items at once where they are bytes in a row; False where they are not."""
        alike = transfer.packs or transfer.peripheral_bytes == transfer.memory_bytes
        steps = (transfer.peripheral_step_bytes, transfer.memory_step_bytes)
        rows = (transfer.peripheral_bytes, transfer.memory_bytes)
        source, target = channel.peripheral_at, channel.memory_at
        if not transfer.to_memory:
            source, target, steps, rows = target, source, steps[::-1], rows[::-1]
        if not alike or channel.fifo or steps[1] != rows[1] or steps[0] not in (0, rows[0]):
            return False
        size_bytes = items_count * transfer.peripheral_bytes
        try:
            if steps[0]:
                self._check_reach("reads", source, size_bytes)
                self._check_reach("writes", target, size_bytes)
                self.around.bus_copy(source, target, size_bytes)
            elif source in PERIPHERALS:
                return False  # each read may be another value
            else:
                self._fill(source, rows[0], target, size_bytes)
        except BusError:
            return False  # item by item finds the address, or a register that answers
        moved = (size_bytes if steps[0] else 0, size_bytes)
        to_peripheral, to_memory = moved if transfer.to_memory else moved[::-1]
        channel.peripheral_at += to_peripheral
        channel.memory_at += to_memory
        return True

    def _fill(self, source: int, item_bytes: int, target: int, size_bytes: int) -> None:
        """One item of memory over and over: each copy doubles what there is."""
        self._check_reach("reads", source, item_bytes)
        self._check_reach("writes", target, size_bytes)
        self.around.bus_copy(source, target, item_bytes)
        done = item_bytes
        while done < size_bytes:
            step = min(done, size_bytes - done)
            self.around.bus_copy(target, target + done, step)
            done += step

    # The bus

    def _check_reach(self, verb: str, address: int, size_bytes: int) -> None:
        for name, start, end in self._unreachable:
            if start < address + size_bytes and address < end:
                raise TransferError(
                    f"{verb} {name} ({max(address, start):#010x}), which it cannot reach on this "
                    "part"
                )

    def _read(self, address: int, size_bytes: int) -> int:
        address &= -size_bytes
        self._check_reach("reads", address, size_bytes)
        try:
            return self.around.bus_read(address, size_bytes)
        except BusError as problem:
            raise TransferError(f"reads {problem.address:#010x}, where nothing answers") from None

    def _write(self, address: int, value: int, size_bytes: int) -> None:
        address &= -size_bytes
        self._check_reach("writes", address, size_bytes)
        try:
            self.around.bus_write(address, value & ((1 << 8 * size_bytes) - 1), size_bytes)
        except BusError as problem:
            raise TransferError(
                f"writes {problem.address:#010x}, where nothing takes a write"
            ) from None


def _ranges(text: str) -> tuple[tuple[str, int, int], ...]:
    """Of "DTCM 0x20000000-0x20020000, ITCM 0x0-0x10000": names, starts and ends."""
    found = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, span = part.rpartition(" ")
        start, _, end = span.partition("-")
        found.append((name, int(start, 0), int(end, 0)))
    return tuple(found)
