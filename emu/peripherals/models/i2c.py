"""I2C master of STM32F7 and H7 [RM0385, RM0433: I2C]: a byte takes its time on the wire.

Setting `acknowledges`: 7-bit addresses of the devices that answer, apart by spaces ("0x38 0x1A");
what is written to them is lost, and 0xFF is read. Any other address is not acknowledged. Slave mode
and SMBus are kept as written. Interrupt outputs: "event", "error". DMA requests: "<i2c>_tx", "_rx".
"""

from __future__ import annotations

from emu.peripherals.peripheral import FOREVER, Peripheral, Register
from emu.peripherals.schedule import Event

CR1, CR2, OAR1, OAR2, TIMINGR, TIMEOUTR, ISR, ICR, PECR, RXDR, TXDR = range(0x00, 0x2C, 4)
PE, TXDMAEN, RXDMAEN = 1, 1 << 14, 1 << 15  # CR1
RD_WRN, ADD10, START, STOP, RELOAD, AUTOEND = 1 << 10, 1 << 11, 1 << 13, 1 << 14, 1 << 24, 1 << 25
TXE, TXIS, RXNE, NACKF, STOPF, TC, TCR, BUSY = (
    1, 1 << 1, 1 << 2, 1 << 4, 1 << 5, 1 << 6, 1 << 7, 1 << 15
)  # fmt: skip
CLEARABLE = 0x3F38
# CR1's enables, and the flags of each.
EVENTS = ((1 << 1, TXIS), (1 << 2, RXNE), (1 << 4, NACKF), (1 << 5, STOPF), (1 << 6, TC | TCR))
BYTE_CLOCKS = 9  # of SCL: eight bits and the acknowledge
READ_BYTE = 0xFF


class I2c(Peripheral):
    """One transfer at a time: address, bytes, stop."""

    REGISTERS = (
        Register("CR1", CR1, writable=0x00FFDFFF),
        Register("CR2", CR2, writable=0x07FFFFFF),
        Register("OAR1", OAR1),
        Register("OAR2", OAR2),
        Register("TIMINGR", TIMINGR),
        Register("TIMEOUTR", TIMEOUTR),
        Register("ISR", ISR, reset=TXE),
        Register("ICR", ICR),
        Register("PECR", PECR, writable=0),
        Register("RXDR", RXDR, writable=0),
        Register("TXDR", TXDR, writable=0xFF),
    )
    STEADY = ("ICR",)
    _event: Event | None = None
    _remaining_count: int  # bytes of this NBYTES that are not on the wire yet
    _reads: bool

    def reset(self) -> None:
        super().reset()
        self._stop_event()
        self._remaining_count, self._reads = 0, False

    def _stop_event(self) -> None:
        if self._event is not None:
            self._event.cancel()
            self._event = None

    def _acknowledges(self, address: int) -> bool:
        texts = str(self.settings.get("acknowledges", "")).replace(",", " ").split()
        return address in {int(text, 0) for text in texts}

    # Time on the wire

    def _wire(self, then: str) -> None:
        """Call a method when a byte has passed."""
        timing = self.get(TIMINGR)
        low, high, prescaler = timing & 0xFF, timing >> 8 & 0xFF, timing >> 28
        ticks = BYTE_CLOCKS * (low + high + 2) * (prescaler + 1)
        hz = self.kernel_clock_hz(self.name) or self.clock_hz()
        self._event = self.around.after_ticks(ticks, hz, getattr(self, then))

    def _flag(self, on: int, off: int = 0) -> None:
        self.store(ISR, self.get(ISR) & ~off | on)
        self._update()

    def _update(self) -> None:
        flags, control = self.get(ISR), self.get(CR1)
        self.set_irq("event", any(control & enable and flags & bits for enable, bits in EVENTS))
        self.around.set_signal(f"{self.name}_tx", bool(control & TXDMAEN and flags & TXIS))
        self.around.set_signal(f"{self.name}_rx", bool(control & RXDMAEN and flags & RXNE))

    # A transfer

    def _start(self) -> None:
        self._stop_event()
        self._reads = bool(self.get(CR2) & RD_WRN)
        self._remaining_count = self.get(CR2) >> 16 & 0xFF
        self._flag(BUSY | TXE, off=TC | TCR | TXIS)
        self._wire("_addressed")

    def _addressed(self) -> None:
        self._event = None
        control = self.get(CR2)
        self.store(CR2, control & ~START)
        address = control & 0x3FF if control & ADD10 else control >> 1 & 0x7F
        if not self._acknowledges(address):
            self._flag(NACKF)
            self._stop()  # the master ends a transfer that nobody answers
            return
        self._next_byte()

    def _next_byte(self) -> None:
        if not self._remaining_count:
            self._end_of_count()
        elif self._reads:
            self._wire("_received")
        else:
            self._flag(TXIS | TXE)

    def _received(self) -> None:
        self._event = None
        self._remaining_count -= 1
        self.store(RXDR, READ_BYTE)
        self._flag(RXNE)

    def _sent(self) -> None:
        self._event = None
        self._next_byte()

    def _end_of_count(self) -> None:
        control = self.get(CR2)
        if control & RELOAD:
            self._flag(TCR)
        elif control & AUTOEND:
            self._stop()
        else:
            self._flag(TC)

    def _stop(self) -> None:
        self.store(CR2, self.get(CR2) & ~(STOP | START))
        self._flag(STOPF | TXE, off=BUSY | TC | TCR | TXIS)

    # Registers

    def write_CR1(self, value: int) -> None:
        self.store(CR1, value & 0x00FFDFFF)
        if not value & PE:
            self._stop_event()
            self.store(CR2, self.get(CR2) & ~(START | STOP))
            self.store(ISR, TXE)
        self._update()

    def write_CR2(self, value: int) -> None:
        self.store(CR2, value & 0x07FFFFFF)
        if not self.get(CR1) & PE:
            return
        flags = self.get(ISR)
        if value & STOP and flags & BUSY:
            self._stop_event()
            self._stop()
        elif value & START and self._event is None:
            self._start()
        elif flags & TCR and value >> 16 & 0xFF:
            self._remaining_count = value >> 16 & 0xFF
            self._flag(0, off=TCR)
            self._next_byte()

    def quiet_RXDR(self) -> int | None:
        return None if self.get(ISR) & RXNE else FOREVER

    def read_RXDR(self) -> int:
        if self.get(ISR) & RXNE:
            self._flag(0, off=RXNE)
            self._next_byte()
        return self.get(RXDR)

    def write_TXDR(self, value: int) -> None:
        self.store(TXDR, value & 0xFF)
        if self.get(ISR) & TXIS and self._event is None:
            self._remaining_count -= 1
            self._flag(0, off=TXIS | TXE)
            self._wire("_sent")

    def write_ISR(self, value: int) -> None:
        """TXE empties the transmit register; TXIS may be set by software."""
        if value & TXE:
            self._flag(TXE)

    def write_ICR(self, value: int) -> None:
        self._flag(0, off=value & CLEARABLE)

    def read_ICR(self) -> int:
        return 0


MODEL = I2c
