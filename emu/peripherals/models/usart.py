"""USART, UART and LPUART of STM32F7 and H7, in asynchronous mode [RM0385, RM0433 USART].

::

    TDR or TXFIFO --> shift register --> one frame on the wire --> the port's output
    RDR or RXFIFO <-- shift register <-- one frame on the wire <-- bytes that the other side sent

A frame is a start bit, the word (its parity bit inside) and the stop bits at the baud rate that
BRR and the kernel clock make, in modelled time. Flags are settled from the cycle count when
somebody looks; an event is scheduled only where an interrupt, a DMA request or the other side of
the wire waits for one.

Settings of the chip's file: `fifo: 1` for the FIFO and prescaler of H7, `lpuart: 1` for an LPUART.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from emu.board import MappedPeripheral
from emu.peripherals.peripheral import FOREVER, Peripheral, Register, Surroundings
from emu.peripherals.schedule import Event

CR1, CR2, CR3, BRR, RTOR, ISR, RDR, PRESC = 0x00, 0x04, 0x08, 0x0C, 0x14, 0x1C, 0x24, 0x2C

# CR1
UE, RE, TE = 1 << 0, 1 << 2, 1 << 3
IDLEIE, RXNEIE, TCIE, TXEIE, PEIE = 1 << 4, 1 << 5, 1 << 6, 1 << 7, 1 << 8
PS, PCE, M0, CMIE, OVER8 = 1 << 9, 1 << 10, 1 << 12, 1 << 14, 1 << 15
RTOIE, M1, FIFOEN, TXFEIE, RXFFIE = 1 << 26, 1 << 28, 1 << 29, 1 << 30, 1 << 31
# CR2
CLKEN, STOP_SHIFT, LINEN, ABREN, RTOEN, ADD_SHIFT = 1 << 11, 12, 1 << 14, 1 << 20, 1 << 23, 24
# CR3
EIE, IREN, SCEN, DMAR, DMAT, OVRDIS = 1 << 0, 1 << 1, 1 << 5, 1 << 6, 1 << 7, 1 << 12
TXFTIE, RXFTCFG_SHIFT, RXFTIE, TXFTCFG_SHIFT = 1 << 23, 25, 1 << 28, 29
# ISR, and ICR where a flag can be cleared
PE, FE, NE, ORE, IDLE, RXNE, TC, TXE = (1 << bit for bit in range(8))
RTOF, ABRF, BUSY, CMF, TEACK, REACK = 1 << 11, 1 << 15, 1 << 16, 1 << 17, 1 << 21, 1 << 22
TXFE, RXFF, TCBGT, RXFT, TXFT = 1 << 23, 1 << 24, 1 << 25, 1 << 26, 1 << 27
CLEARABLE = PE | FE | NE | ORE | IDLE | TC | RTOF | CMF
# RQR
ABRRQ, RXFRQ, TXFRQ = 1 << 0, 1 << 3, 1 << 4

FIFO_DEPTH = 16  # [RM0433 USART]: TXFIFO and RXFIFO; the receiver holds one more in RDR
# Data in the FIFO at which RXFT, or free places at which TXFT, is set: RXFTCFG and TXFTCFG 0..5.
THRESHOLDS = (2, 4, 8, 12, 14, 16, 16, 16)
PRESCALERS = (1, 2, 4, 6, 8, 10, 12, 16, 32, 64, 128, 256)
STOP_HALF_BITS = (2, 1, 4, 3)  # CR2.STOP: 1, 0.5, 2, 1.5
NEVER = Fraction(1 << 100)
PREAMBLE = -1  # the idle frame that setting TE sends first
# Frames shorter than this are sent without an event each when nothing but polling waits for them:
# their bytes then reach the terminal together, less than two frames late (a FIFO's worth on H7).
SHORT_FRAME_CYCLES = 1000


@dataclass
class Moment:
    """When something on the wire ends: core cycles, exact. It keeps its bits across clocks."""

    at: Fraction = NEVER
    bits_left: Fraction | None = None  # while the clock stands still

    def freeze(self, now: int, bit_cycles: Fraction | None) -> None:
        if bit_cycles is not None and self.at < NEVER:
            self.bits_left, self.at = (self.at - now) / bit_cycles, NEVER

    def thaw(self, now: int, bit_cycles: Fraction | None) -> None:
        if bit_cycles is not None and self.bits_left is not None:
            self.at, self.bits_left = now + self.bits_left * bit_cycles, None

    def clear(self) -> None:
        self.at, self.bits_left = NEVER, None


class Usart(Peripheral):
    """One port. Its bytes are those of `Surroundings.serial_out` and `on_serial_in`.

    assumed: the other side speaks at the port's own baud rate and format, so there are no framing,
    noise or parity errors, and automatic baud rate detection keeps BRR; it waits while the
    receiver is off or reset, so that a script loses nothing to a firmware that is still booting;
    CTS is always asserted; TEACK and REACK follow TE and RE at once.
    """

    REGISTERS = tuple(
        Register(name, 4 * row)
        for row, name in enumerate(
            ("CR1", "CR2", "CR3", "BRR", "GTPR", "RTOR", "RQR", "ISR", "ICR", "RDR", "TDR")
        )
    )

    def __init__(self, place: MappedPeripheral, around: Surroundings) -> None:
        self._tx_request, self._rx_request = f"{place.name}_tx", f"{place.name}_rx"
        self._wire: deque[int] = deque()  # bytes that the other side has still to send
        self._receiving: int | None = None
        self._sent, self._received, self._idle, self._timeout = (Moment() for _ in range(4))
        self._moments = (self._sent, self._received, self._idle, self._timeout)
        self._event: Event | None = None
        self._irq_level = False
        super().__init__(place, around)

    def registers(self) -> Iterable[Register]:
        return (*self.REGISTERS, Register("PRESC", PRESC)) if self._has_fifo else self.REGISTERS

    @property
    def _has_fifo(self) -> bool:
        return bool(self.settings.get("fifo"))

    def reset(self) -> None:
        super().reset()
        self._put_back_frame()
        if self._event is not None:
            self._event.cancel()
        self._bit_cycles: Fraction | None = None
        self._frame_cycles = NEVER
        self._stop()
        if self._irq_level:
            self._irq_level = False
            self.set_irq("global", False)
        self.around.set_signal(self._tx_request, False)
        self.around.set_signal(self._rx_request, False)

    def connect(self) -> None:
        self.around.on_serial_in(self.name, self._hear)

    def _stop(self) -> None:
        """What UE 0 does: flags to their reset values, what is under way is dropped."""
        self._flags = TC
        self._waiting: deque[int] = deque()  # TDR or TXFIFO
        self._shifting: int | None = None
        self._arrived: deque[int] = deque()  # RDR and RXFIFO
        self._receiving = None
        self._idle_is_armed = False
        for moment in self._moments:
            moment.clear()
        self._due: int | None = None  # the first cycle at which something here changes

    # Registers

    def read_ISR(self) -> int:
        self._settle()
        return self._isr()

    def read_RDR(self) -> int:
        self._settle()
        if self._arrived:
            self.store(RDR, self._arrived.popleft())
            self._changed()
        return self.get(RDR)

    def quiet_ISR(self) -> int:
        """Until something on the wire ends: a byte leaves then, or a flag is set."""
        self._settle()
        return FOREVER if self._due is None else self._due

    def quiet_RDR(self) -> int | None:
        until = self.quiet_ISR()
        return None if self._arrived else until

    def write_TDR(self, value: int) -> None:
        self._settle()
        if not self.get(CR1) & UE:
            return
        depth = FIFO_DEPTH if self._fifo_mode else 1
        if len(self._waiting) >= depth:
            self.around.note(
                f"{self.name}: TDR was written while it was full (TXE 0), so a character was lost."
            )
            if self._fifo_mode:
                return
            self._waiting.clear()
        self._waiting.append(value & 0x1FF)
        self._flags &= ~TC
        if self._shifting is None:
            self._send_next(Fraction(self.around.now_cycles()))
        self._changed()

    def write_CR1(self, value: int) -> None:
        self._settle()
        old = self.get(CR1)
        if not self._has_fifo:
            value &= ~(FIFOEN | TXFEIE | RXFFIE)
        self.store(CR1, value)
        self._set_format()
        now = Fraction(self.around.now_cycles())
        if old & UE and not value & UE:
            self._put_back_frame()
            self._stop()
        active = value if value & UE else 0
        was_active = old if old & UE else 0
        if active & ~was_active & UE:
            self._refuse_other_modes()
        if was_active & ~active & RE:
            self._put_back_frame()
        if active & ~was_active & TE and self._shifting is None and self._bit_cycles is not None:
            # [RM0385, RM0433 USART transmitter]: setting TE sends an idle frame first.
            self._shifting, self._sent.at = PREAMBLE, now + self._frame_cycles
        if active & ~was_active & RE:
            self._receive_next(now)
        self._changed()

    def write_CR2(self, value: int) -> None:
        self._settle()
        self.store(CR2, value)
        self._set_format()

    def write_CR3(self, value: int) -> None:
        self._settle()
        self.store(CR3, value)
        self._changed()

    def write_BRR(self, value: int) -> None:
        self.store(BRR, value & (0xFFFFF if self.settings.get("lpuart") else 0xFFFF))
        self._set_format()

    def write_PRESC(self, value: int) -> None:
        self.store(PRESC, value & 0xF)
        self._set_format()

    def write_RQR(self, value: int) -> None:
        self._settle()
        if value & RXFRQ:
            self._arrived.clear()
        if value & TXFRQ and self._fifo_mode:
            self._waiting.clear()
        if value & ABRRQ:
            self._flags &= ~ABRF
        self._changed()

    def write_ICR(self, value: int) -> None:
        self._settle()
        self._flags &= ~(value & CLEARABLE)
        self._changed()

    def write_ISR(self, value: int) -> None:
        """Read only."""

    def write_RDR(self, value: int) -> None:
        """Read only."""

    # Format and rate

    @property
    def _fifo_mode(self) -> bool:
        return bool(self.get(CR1) & FIFOEN)

    def kernel_hz(self) -> int:
        """The clock that the baud rate is made of, before the prescaler of H7."""
        try:
            return self.around.clocks.hz(self.name)
        except KeyError:
            return self.clock_hz()

    def _set_format(self) -> None:
        """How long a bit and a frame take; None and NEVER without a rate."""
        divider, kernel_hz = self.get(BRR), Fraction(self.kernel_hz())
        if self._has_fifo:
            kernel_hz /= PRESCALERS[min(self.get(PRESC), 11)]
        if self.settings.get("lpuart"):
            ticks = Fraction(divider, 256)
        elif self.get(CR1) & OVER8:
            ticks = Fraction((divider & 0xFFF0) | (divider & 7) << 1, 2)
        else:
            ticks = Fraction(divider)
        if not ticks or not kernel_hz:
            self._bit_cycles, self._frame_cycles = None, NEVER
            return
        self._bit_cycles = ticks * self.around.clocks.hz("core") / kernel_hz
        half_bits = 2 + 2 * self._word_bits + STOP_HALF_BITS[self.get(CR2) >> STOP_SHIFT & 3]
        self._frame_cycles = self._bit_cycles * half_bits / 2

    @property
    def _word_bits(self) -> int:
        """Data and parity: 7, 8 or 9."""
        cr1 = self.get(CR1)
        return 7 if cr1 & M1 else 9 if cr1 & M0 else 8

    def _with_parity(self, word: int) -> int:
        """A word as it is on the wire: its top bit is the parity where there is one."""
        word &= (1 << self._word_bits) - 1
        cr1 = self.get(CR1)
        if not cr1 & PCE:
            return word
        top = 1 << (self._word_bits - 1)
        data = word & (top - 1)
        odd_ones = data.bit_count() & 1
        return data | (top if odd_ones != bool(cr1 & PS) else 0)

    def _data_of(self, word: int) -> int:
        """The byte that the other side reads of a frame: its eight lower data bits."""
        parity_bits = 1 if self.get(CR1) & PCE else 0
        return word & ((1 << (self._word_bits - parity_bits)) - 1) & 0xFF

    def _refuse_other_modes(self) -> None:
        if self.get(CR2) & (CLKEN | LINEN) or self.get(CR3) & (SCEN | IREN):
            self.around.note(
                f"{self.name} is set to a synchronous, LIN, smartcard or IrDA mode; it is "
                "modelled as an asynchronous port."
            )

    # The wire

    def _send_next(self, at: Fraction) -> None:
        """The next waiting word into the shift register, from that time on."""
        cr1 = self.get(CR1)
        if not (self._waiting and cr1 & TE and cr1 & UE):
            return
        if self._bit_cycles is None:
            self.around.note(
                f"{self.name} has something to send but no baud rate (BRR {self.get(BRR):#x}, "
                f"clock {self.kernel_hz()} Hz): nothing leaves it."
            )
            return
        self._shifting, self._sent.at = self._waiting.popleft(), at + self._frame_cycles

    def _hear(self, byte: int) -> None:
        """The other side puts a byte on the wire."""
        self._settle()
        self._wire.append(byte & 0xFF)
        if self._receiving is None:
            self._receive_next(Fraction(self.around.now_cycles()))
            self._changed()

    def _receive_next(self, at: Fraction) -> None:
        """The next byte of the other side begins to arrive, if the receiver is on."""
        cr1 = self.get(CR1)
        on = cr1 & UE and cr1 & RE and self._bit_cycles is not None
        if on and self._wire and self._receiving is None:
            self._receiving, self._received.at = self._wire.popleft(), at + self._frame_cycles
            self._idle.clear()
            self._timeout.clear()

    def _put_back_frame(self) -> None:
        """The receiver goes off within a frame: the other side sends that byte again."""
        if self._receiving is not None:
            self._wire.appendleft(self._receiving)
        self._receiving = None
        self._received.clear()

    def _deliver(self, byte: int) -> None:
        """A frame has arrived whole."""
        word = self._with_parity(byte)
        self._idle_is_armed = True
        if self.get(CR2) & ABREN:
            self._flags |= ABRF
        if word & 0xFF == self.get(CR2) >> ADD_SHIFT:
            self._flags |= CMF
        depth = FIFO_DEPTH + 1 if self._fifo_mode else 1
        if len(self._arrived) >= depth:
            if not self.get(CR3) & OVRDIS:
                self._flags |= ORE
                return
            self._arrived.pop()
        self._arrived.append(word)

    def _settle(self) -> None:
        """Up to the present cycle."""
        if self._due is not None and self.around.now_cycles() >= self._due:
            self._advance()

    def _advance(self) -> None:
        now = self.around.now_cycles()
        while self._shifting is not None and self._sent.at <= now:
            word, ended = self._shifting, self._sent.at
            self._shifting = None
            self._sent.clear()
            self._send_next(ended)
            if word != PREAMBLE:
                if self._shifting is None and not self._waiting:
                    self._flags |= TC
                self.around.serial_out(self.name, bytes((self._data_of(word),)))
        while self._receiving is not None and self._received.at <= now:
            byte, ended = self._receiving, self._received.at
            self._receiving = None
            self._received.clear()
            self._deliver(byte)
            self._receive_next(ended)
            if self._receiving is None:
                self._quiet_from(ended)
        if self._idle.at <= now:
            self._flags |= IDLE
            self._idle.clear()
            self._idle_is_armed = False
        if self._timeout.at <= now:
            self._flags |= RTOF
            self._timeout.clear()
        self._changed()

    def _quiet_from(self, at: Fraction) -> None:
        """The wire is idle: IDLE after a frame's time, RTOF after the bits of RTOR."""
        assert self._bit_cycles is not None, "a frame was just received at a rate"
        if self._idle_is_armed:
            self._idle.at = at + self._frame_cycles
        if self.get(CR2) & RTOEN:
            self._timeout.at = at + self._bit_cycles * (self.get(RTOR) & 0xFFFFFF)

    # Outputs

    def _isr(self) -> int:
        cr1 = self.get(CR1)
        flags = self._flags | (0 if self._has_fifo else TCBGT)
        if self._fifo_mode:
            cr3, free = self.get(CR3), FIFO_DEPTH - len(self._waiting)
            flags |= TXE if free else 0
            flags |= TXFE if not self._waiting else 0
            flags |= RXFF if len(self._arrived) > FIFO_DEPTH else 0
            if cr1 & UE:
                flags |= TXFT if free >= THRESHOLDS[cr3 >> TXFTCFG_SHIFT & 7] else 0
                wanted = THRESHOLDS[cr3 >> RXFTCFG_SHIFT & 7]
                flags |= RXFT if len(self._arrived) >= wanted else 0
        elif not self._waiting:
            flags |= TXE
        flags |= RXNE if self._arrived else 0
        flags |= BUSY if self._receiving is not None else 0
        if cr1 & UE:
            flags |= (TEACK if cr1 & TE else 0) | (REACK if cr1 & RE else 0)
        return flags

    def _changed(self) -> None:
        """Interrupt, DMA requests and the next event follow the flags."""
        isr, cr1, cr3 = self._isr(), self.get(CR1), self.get(CR3)
        # TC, TXE, RXNE, IDLE and PE have their enables; CR1 bits 4..7 lie as the flags do.
        level = bool(
            isr & cr1 & (IDLE | RXNE | TC | TXE)
            or (isr & ORE and cr1 & RXNEIE)
            or (isr & PE and cr1 & PEIE)
            or (isr & CMF and cr1 & CMIE)
            or (isr & RTOF and cr1 & RTOIE)
            or (isr & (FE | NE | ORE) and cr3 & EIE)
            or (
                self._fifo_mode
                and (
                    (isr & TXFE and cr1 & TXFEIE)
                    or (isr & RXFF and cr1 & RXFFIE)
                    or (isr & RXFT and cr3 & RXFTIE)
                    or (isr & TXFT and cr3 & TXFTIE)
                )
            )
        )
        if level != self._irq_level:
            self._irq_level = level
            self.set_irq("global", level)
        self._plan()
        enabled = bool(cr1 & UE)
        self.around.set_signal(self._tx_request, bool(enabled and isr & TXE and cr3 & DMAT))
        self.around.set_signal(self._rx_request, bool(enabled and isr & RXNE and cr3 & DMAR))

    def _plan(self) -> None:
        """When to look again, and the event if somebody waits for it."""
        cr1, cr3 = self.get(CR1), self.get(CR3)
        soonest = min(moment.at for moment in self._moments)
        self._due = ceil(soonest) if soonest < NEVER else None
        wanted = self._received.at
        if cr1 & IDLEIE:
            wanted = min(wanted, self._idle.at)
        if cr1 & RTOIE:
            wanted = min(wanted, self._timeout.at)
        if self._shifting is not None and self._sent.at < NEVER:
            watched = cr1 & (TCIE | TXEIE | TXFEIE) or cr3 & (DMAT | TXFTIE)
            sent = self._sent.at
            if not watched and self._frame_cycles < SHORT_FRAME_CYCLES:
                sent += len(self._waiting) * self._frame_cycles
            wanted = min(wanted, sent)
        at = ceil(wanted) if wanted < NEVER else None
        if self._event is not None and self._event.is_waiting:
            if self._event.at_cycles == at:
                return
            self._event.cancel()
        self._event = self.around.at(at, self._advance) if at is not None else None

    # Clocks

    def before_clock_change(self) -> None:
        self._settle()
        now = self.around.now_cycles()
        for moment in self._moments:
            moment.freeze(now, self._bit_cycles)

    def after_clock_change(self) -> None:
        self._set_format()
        now = self.around.now_cycles()
        for moment in self._moments:
            moment.thaw(now, self._bit_cycles)
        if self._shifting is None:
            self._send_next(Fraction(now))
        if self._receiving is None:
            self._receive_next(Fraction(now))
        self._changed()


MODEL = Usart
