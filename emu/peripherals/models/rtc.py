"""Real-time clock of STM32F7 and H7 [RM0385, RM0433: RTC]: calendar, alarms, wakeup timer, backup.

    RTCCLK --> / (PREDIV_A+1) --> SSR: PREDIV_S .. 0 --> seconds --> TR, DR
       +-----> / 2, 4, 8, 16 ------------------+
                         seconds --------------+--> wakeup timer

Counts the clock that RCC_BDCR selects, or the board's LSE where the chip has no clock controller.
Interrupts leave by EXTI: wires "exti_line17" (alarms) and that of setting wakeup_line (22; H7: 19).
A reset of the chip leaves the calendar, the alarms and the backup registers alone. Time stamps,
tamper inputs and calibration are kept as written and never happen.
"""

from __future__ import annotations

from collections.abc import Iterable

from emu.peripherals.calendar import DAY_SECONDS, Moment
from emu.peripherals.peripheral import FOREVER, WORD, Register
from emu.peripherals.ticking import TickingPeripheral

TR, DR, CR, ISR, PRER, WUTR = 0x00, 0x04, 0x08, 0x0C, 0x10, 0x14
ALRMAR, ALRMBR, WPR, SSR, SHIFTR = 0x1C, 0x20, 0x24, 0x28, 0x2C
TSTR, TSDR, TSSSR, CALR, TAMPCR, ALRMASSR, ALRMBSSR, OR = range(0x30, 0x50, 4)
BKP0R, BACKUP_COUNT = 0x50, 32

# CR
WUCKSEL, BYPSHAD, FMT, ALRAE, WUTE, ALRAIE, WUTIE = (
    7,
    1 << 5,
    1 << 6,
    1 << 8,
    1 << 10,
    1 << 12,
    1 << 14,
)
ADD1H, SUB1H = 1 << 16, 1 << 17
# ISR
ALRAWF, WUTWF, INITS, RSF, INITF, INIT, ALRAF, WUTF = (
    1, 1 << 2, 1 << 4, 1 << 5, 1 << 6, 1 << 7, 1 << 8, 1 << 10,
)  # fmt: skip
EVENT_FLAGS = 0x1F << 8
LATE_FLAGS_TICKS = 2  # until RSF, INITF, ALRxWF and WUTWF follow [RM0385 RTC: about two RTCCLK]
KEYS = (0xCA, 0x53)
UNPROTECTED = (ISR, WPR, TAMPCR, OR)
RESET_MOMENT = Moment(0, 1, 0)  # DR 0x2101


class RealTimeClock(TickingPeripheral):
    """The calendar is an origin, and ticks since then."""

    STEADY = ("WPR", "SHIFTR")
    _origin: Moment  # at _origin_tick, sub-second counter full
    _origin_tick: int
    _init_since: int | None  # tick at which initialisation mode was asked for
    _synchronised_tick: int  # when RSF comes
    _disabled_tick: dict[int, int]  # of ALRAE, ALRBE, WUTE: when they went off
    _wakeup_tick: int  # when the wakeup timer was started
    _seen_tick: int  # up to which alarms and wakeups were looked for
    _frozen: tuple[int, int] | None  # TR and DR as latched by reading SSR or TR
    _keys_given: int
    _connected: bool

    def registers(self) -> Iterable[Register]:
        yield Register("TR", TR)
        yield Register("DR", DR, reset=0x2101)
        yield Register("CR", CR, writable=0x00FFFF7F)
        yield Register("ISR", ISR, reset=7)
        yield Register("PRER", PRER, reset=0x7F00FF, writable=0x7F7FFF)
        yield Register("WUTR", WUTR, reset=0xFFFF, writable=0xFFFF)
        yield Register("ALRMAR", ALRMAR)
        yield Register("ALRMBR", ALRMBR)
        yield Register("WPR", WPR)
        yield Register("SSR", SSR)
        yield Register("SHIFTR", SHIFTR)
        for name, offset in (("TSTR", TSTR), ("TSDR", TSDR), ("TSSSR", TSSSR)):
            yield Register(name, offset, writable=0)
        yield Register("CALR", CALR, writable=0xE1FF)
        yield Register("TAMPCR", TAMPCR)
        yield Register("ALRMASSR", ALRMASSR, writable=0x0F007FFF)
        yield Register("ALRMBSSR", ALRMBSSR, writable=0x0F007FFF)
        yield Register("OR", OR)
        for number in range(BACKUP_COUNT):
            yield Register(f"BKP{number}R", BKP0R + 4 * number)

    def reset(self) -> None:
        """The backup domain's reset; `chip_reset` for that of the chip."""
        super().reset()
        self._origin, self._init_since = RESET_MOMENT, None
        self._origin_tick = self._seen_tick = self._wakeup_tick = 0
        self._disabled_tick, self._connected = {}, getattr(self, "_connected", False)
        if self._connected:
            self._origin_tick = self._seen_tick = self.ticks()
            self._update_outputs()
        self._after_any_reset()

    def chip_reset(self) -> None:
        self.settle()
        self._leave_init()
        self._after_any_reset()
        self._drop_event()
        self._update_outputs()
        self.reschedule()

    def _after_any_reset(self) -> None:
        self._frozen, self._keys_given = None, 0
        self._synchronised_tick = (self.ticks() if self._connected else 0) + LATE_FLAGS_TICKS

    def connect(self) -> None:
        self._connected = True
        super().connect()

    def tick_hz(self) -> int:
        return self.kernel_clock_hz("rtc", "lse")

    # The calendar

    @property
    def _second_ticks(self) -> int:
        prescalers = self.get(PRER)
        return ((prescalers >> 16 & 0x7F) + 1) * ((prescalers & 0x7FFF) + 1)

    @property
    def _in_init(self) -> bool:
        return self._init_since is not None

    def _elapsed(self, tick: int) -> int:
        return 0 if self._in_init else max(tick - self._origin_tick, 0)

    def _moment(self, tick: int) -> Moment:
        return self._origin.later(self._elapsed(tick) // self._second_ticks)

    def _subsecond(self, tick: int) -> int:
        """SSR: counts down from PREDIV_S in each second."""
        step_ticks = (self.get(PRER) >> 16 & 0x7F) + 1
        return (self.get(PRER) & 0x7FFF) - self._elapsed(tick) % self._second_ticks // step_ticks

    def _set_origin(self, moment: Moment) -> None:
        """The calendar goes on from here at a full second."""
        self._origin, self._origin_tick = moment, self.ticks()

    def _leave_init(self) -> None:
        if self._in_init:
            self._init_since = None
            self._origin_tick = self._seen_tick = self.ticks()

    def _step_tick(self, step_ticks: int) -> int | None:
        """The next tick that ends a stretch of so many since the origin; None when time stands."""
        if self._in_init:
            return None
        return self._origin_tick + (self._elapsed(self.ticks()) // step_ticks + 1) * step_ticks

    def _midnight_tick(self) -> int | None:
        if self._in_init:
            return None
        now_tick, second_ticks = self.ticks(), self._second_ticks
        seconds = self._elapsed(now_tick) // second_ticks
        seconds += DAY_SECONDS - self._moment(now_tick).second
        return self._origin_tick + seconds * second_ticks

    # Alarms and wakeup

    def settle(self) -> None:
        now_tick, flags = self.ticks(), self.get(ISR)
        for which in (0, 1):
            if not flags & ALRAF << which and (due := self._alarm_tick(which)) is not None:
                flags |= ALRAF << which if due <= now_tick else 0
        if not flags & WUTF and (due := self._next_wakeup_tick()) is not None:
            flags |= WUTF if due <= now_tick else 0
        self._seen_tick = max(self._seen_tick, now_tick)
        self.store(ISR, flags)
        self._update_outputs()

    def next_tick(self) -> int | None:
        enabled, flags = self.get(CR), self.get(ISR)
        found = [
            self._alarm_tick(which)
            for which in (0, 1)
            if enabled & ALRAIE << which and not flags & ALRAF << which
        ]
        if enabled & WUTIE and not flags & WUTF:
            found.append(self._next_wakeup_tick())
        return min((tick for tick in found if tick is not None), default=None)

    def _update_outputs(self) -> None:
        both = self.get(ISR) & self.get(CR) >> 4  # ALRxIE and WUTIE stand four above their flags
        self.around.set_signal("exti_line17", bool(both & 3 * ALRAF))
        self.around.set_signal(
            f"exti_line{self.settings.get('wakeup_line', 22)}", bool(both & WUTF)
        )

    def _alarm_tick(self, which: int) -> int | None:
        """The first tick after those seen at which an alarm is met."""
        if not self.get(CR) & ALRAE << which or self._in_init:
            return None
        alarm, fine = self.get(ALRMAR + 4 * which), self.get(ALRMASSR + 4 * which)
        offsets = self._alarm_offsets(fine)
        if offsets is None:
            return None
        first, step = offsets
        second_ticks = self._second_ticks
        passed = self._elapsed(self._seen_tick) // second_ticks
        twelve = bool(self.get(CR) & FMT)
        for _ in range(2):
            seconds = self._origin.later(passed).seconds_to(alarm, twelve)
            if seconds is None:
                return None
            passed += seconds
            begin = self._origin_tick + passed * second_ticks
            into = self._seen_tick - (begin + first)
            if into < 0:
                return begin + first
            tick = begin + first + (into // step + 1) * step
            if tick < begin + second_ticks:
                return tick
            passed += 1
        return None

    def _alarm_offsets(self, fine: int) -> tuple[int, int] | None:
        """Where in a matching second an alarm lies: ticks from its begin, and to the next such."""
        bits, top = min(fine >> 24 & 15, 15), self.get(PRER) & 0x7FFF
        step_ticks = (self.get(PRER) >> 16 & 0x7F) + 1
        if not bits:
            return 0, self._second_ticks
        first = (top - (fine & 0x7FFF)) % (1 << bits)
        return (first * step_ticks, step_ticks << bits) if first <= top else None

    def _next_wakeup_tick(self) -> int | None:
        """The first end of the wakeup timer's period after the ticks seen."""
        if not self.get(CR) & WUTE:
            return None
        select, counts = self.get(CR) & WUCKSEL, self.get(WUTR) + 1
        if select < 4:
            period = counts * (16 >> select)
        else:
            period = (counts + (0x10000 if select & 2 else 0)) * self._second_ticks
        periods = (self._seen_tick - self._wakeup_tick) // period + 1
        return self._wakeup_tick + periods * period

    # Registers

    def write_word(self, offset: int, value: int) -> None:
        protected = offset < BKP0R and offset not in UNPROTECTED
        if protected and self._keys_given < len(KEYS):
            return
        super().write_word(offset, value)

    def write_WPR(self, value: int) -> None:
        given = self._keys_given % len(KEYS)
        self._keys_given = given + 1 if value & 0xFF == KEYS[given] else 0

    def read_WPR(self) -> int:
        return 0

    def _now_registers(self) -> tuple[int, int]:
        moment = self._moment(self.ticks())
        return moment.time_register(bool(self.get(CR) & FMT)), moment.date_register()

    def read_SSR(self) -> int:
        if self._frozen is None and not self.get(CR) & BYPSHAD:
            self._frozen = self._now_registers()
        return self._subsecond(self.ticks()) & 0xFFFF

    def read_TR(self) -> int:
        if self._in_init:
            return self.get(TR)
        if self.get(CR) & BYPSHAD:
            return self._now_registers()[0]
        if self._frozen is None:
            self._frozen = self._now_registers()
        return self._frozen[0]

    def read_DR(self) -> int:
        if self._in_init:
            return self.get(DR)
        found = self._frozen or self._now_registers()
        self._frozen = None
        return found[1]

    def quiet_SSR(self) -> int | None:
        if self._frozen is None and not self.get(CR) & BYPSHAD:
            return None  # reading latches the calendar
        return self.quiet_to(self._step_tick((self.get(PRER) >> 16 & 0x7F) + 1))

    def quiet_TR(self) -> int | None:
        if self._in_init:
            return FOREVER
        if self.get(CR) & BYPSHAD:
            return self.quiet_to(self._step_tick(self._second_ticks))
        return None if self._frozen is None else FOREVER

    def quiet_DR(self) -> int | None:
        if self._frozen is not None and not self._in_init:
            return None  # reading lets the calendar go
        return self.quiet_to(self._midnight_tick())

    def write_TR(self, value: int) -> None:
        self._write_calendar(TR, value & 0x007F7F7F)

    def write_DR(self, value: int) -> None:
        self._write_calendar(DR, value & 0x00FFFF3F)

    def _write_calendar(self, offset: int, value: int) -> None:
        """Only in initialisation mode, where the calendar stands."""
        if self._in_init:
            self.store(offset, value)
            twelve = bool(self.get(CR) & FMT)
            self._origin = Moment.of(self.get(TR), self.get(DR), twelve)

    def write_PRER(self, value: int) -> None:
        if self._in_init:
            self.store(PRER, value & 0x7F7FFF)

    def read_ISR(self) -> int:
        self.settle()
        now_tick, enabled = self.ticks(), self.get(CR)
        flags = self.get(ISR) & EVENT_FLAGS
        for enable, writable in ((ALRAE, ALRAWF), (ALRAE << 1, ALRAWF << 1), (WUTE, WUTWF)):
            since = self._disabled_tick.get(enable, now_tick - LATE_FLAGS_TICKS)
            if not enabled & enable and now_tick - since >= LATE_FLAGS_TICKS:
                flags |= writable
        if self._init_since is not None:
            flags |= INIT
            flags |= INITF if now_tick - self._init_since >= LATE_FLAGS_TICKS else 0
        elif now_tick >= self._synchronised_tick:
            flags |= RSF
        if self._moment(now_tick).date_register() >> 16 & 0xFF:
            flags |= INITS  # the year is not 0
        return flags

    def quiet_ISR(self) -> int:
        self.settle()
        now_tick, flags, enabled = self.ticks(), self.get(ISR), self.get(CR)
        found = [self._alarm_tick(which) for which in (0, 1) if not flags & ALRAF << which]
        found.append(None if flags & WUTF else self._next_wakeup_tick())
        late = [tick for bit, tick in self._disabled_tick.items() if not enabled & bit]
        if self._init_since is not None:
            late.append(self._init_since)
        found += [tick + LATE_FLAGS_TICKS for tick in late if tick + LATE_FLAGS_TICKS > now_tick]
        if self._init_since is None and self._synchronised_tick > now_tick:
            found.append(self._synchronised_tick)
        return self.quiet_to(*found, self._midnight_tick())

    def write_ISR(self, value: int) -> None:
        self.settle()
        protected = self._keys_given < len(KEYS)
        self.store(ISR, self.get(ISR) & (value | ~EVENT_FLAGS))
        if not protected:
            if value & INIT and not self._in_init:
                moment = self._moment(self.ticks())
                self.store(TR, moment.time_register(bool(self.get(CR) & FMT)))
                self.store(DR, moment.date_register())
                self._set_origin(moment)
                self._init_since = self.ticks()
            elif not value & INIT:
                if self._in_init:
                    self._synchronised_tick = self.ticks() + LATE_FLAGS_TICKS
                self._leave_init()
            if not value & RSF:
                self._synchronised_tick = self.ticks() + LATE_FLAGS_TICKS
                self._frozen = None
        self._update_outputs()
        self.reschedule()

    def write_CR(self, value: int) -> None:
        self.settle()
        old, now_tick = self.get(CR), self.ticks()
        for enable in (ALRAE, ALRAE << 1, WUTE):
            if old & enable and not value & enable:
                self._disabled_tick[enable] = now_tick
        if value & WUTE and not old & WUTE:
            self._wakeup_tick = now_tick
        self.store(CR, value & 0x00FCFF7F)
        if value & (ADD1H | SUB1H) and not self._in_init:
            # Summer time: the hour moves, the seconds and what is below stay in step.
            self._origin = self._origin.later(3600 if value & ADD1H else -3600)
            self._frozen = None
        self._update_outputs()
        self.reschedule()

    def write_WUTR(self, value: int) -> None:
        if not self.get(CR) & WUTE:
            self.store(WUTR, value & 0xFFFF)

    def _write_alarm(self, offset: int, value: int) -> None:
        self.settle()
        self.store(offset, value & WORD)
        self.reschedule()

    def write_ALRMAR(self, value: int) -> None:
        self._write_alarm(ALRMAR, value)

    def write_ALRMBR(self, value: int) -> None:
        self._write_alarm(ALRMBR, value)

    def write_ALRMASSR(self, value: int) -> None:
        self._write_alarm(ALRMASSR, value & 0x0F007FFF)

    def write_ALRMBSSR(self, value: int) -> None:
        self._write_alarm(ALRMBSSR, value & 0x0F007FFF)

    def write_SHIFTR(self, value: int) -> None:
        """A second on (ADD1S), and fractions of PREDIV_S+1 back (SUBFS)."""
        self.settle()
        step_ticks = (self.get(PRER) >> 16 & 0x7F) + 1
        if value >> 31:
            self._origin = self._origin.later(1)
        self._origin_tick += (value & 0x7FFF) * step_ticks
        self._frozen = None
        self.reschedule()

    def read_SHIFTR(self) -> int:
        return 0


MODEL = RealTimeClock
