"""What the reset and clock controllers (RCC) of the STM32 families have in common.

    oscillators, PLLs --SW--> SYSCLK --prescalers--> core, AHB/AXI, APB --> timers
            |                                                       |
            +------------------ kernel clock selectors -------------+--> usart1, rng, ...

A family's model says where the bits are (`SOURCES`, `GATES`, `MUXES`) and how frequencies follow
from them (`bus_clocks`, `kernel_inputs`). This class keeps time (ready flags, the switch of SYSCLK
that waits for its source), resets peripherals, protects the backup domain, and tells the clock
tree.

Whose clock it is: with `publish` the registers rule from then on. Without, the board's own clock
stands until the registers say something about core or buses that they did not say after reset;
kernel clocks follow their selectors all the while.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from emu.board import MappedPeripheral
from emu.peripherals.clock_gates import GateRegister
from emu.peripherals.clock_sources import BusClocks, ClockSource, KernelMux
from emu.peripherals.delay import FEMTOSECONDS_PER_US, Delay
from emu.peripherals.flash_interface import FlashInterface
from emu.peripherals.peripheral import FOREVER, Peripheral, Register, Surroundings
from emu.peripherals.power_control import PowerControl

LSE_START_UP_US = 2_000
"""assumed: as HSE. The datasheets' typical time is 2 s, which firmware would spend polling LSERDY
at every boot, at the emulator's expense. `lse_start_up_us` in a chip's settings changes it."""

BDRST = 1 << 16
RTCEN = 1 << 15
_RTCSEL = 0b11 << 8


class ClockController(Peripheral):
    """RCC without its registers' places."""

    SOURCES: ClassVar[tuple[ClockSource, ...]]
    GATES: ClassVar[tuple[GateRegister, ...]]
    MUXES: ClassVar[tuple[KernelMux, ...]]
    CLOCK_REGISTERS: ClassVar[tuple[str, ...]]  # whose writes decide frequencies
    BDCR: ClassVar[int] = 0x70
    RESET_FLAGS: ClassVar[tuple[tuple[str, int], ...]]  # reason's beginning to flags
    RESET_FLAGS_OFFSET: ClassVar[int]
    RESET_FLAGS_MASK: ClassVar[int]
    POWER_ON_FLAGS: ClassVar[int]
    LSI_HZ: ClassVar[int] = 32_000

    def __init__(self, place: MappedPeripheral, around: Surroundings) -> None:
        self._rules = False
        self._said: set[str] = set()
        self._starting = {source.name: Delay(around) for source in self.SOURCES}
        self._by_name = {source.name: source for source in self.SOURCES}
        self._settling = Delay(around)
        self._announced: set[str] = set()
        self._polled: dict[int, tuple[int, int]] = {}  # words with ready bits, and until when
        self._gates: dict[str, list[tuple[int, int]]] = {}
        self._resets: dict[int, list[tuple[int, str]]] = {}
        for gate in self.GATES:
            for bit, names in gate.bits:
                for name in names:
                    self._gates.setdefault(name, []).append((gate.enable_offset, 1 << bit))
                    if name not in gate.clocked_only:
                        self._resets.setdefault(gate.reset_offset, []).append((1 << bit, name))
        super().__init__(place, around)
        clock_registers = {item.offset for item in self._by_offset.values()
                           if item.name in self.CLOCK_REGISTERS}  # fmt: skip
        self._deciding = clock_registers | {self.BDCR}
        standing = self._standing()
        around.clocks.declare({**self.nominal_hz(), **self._kernel_clocks(standing)})
        self._last_buses = self.bus_clocks()
        self._last_kernels = self._kernel_clocks(standing)

    def registers(self) -> tuple[Register, ...]:
        gates = []
        for gate in self.GATES:
            gates += [
                Register(f"{gate.name}RSTR", gate.reset_offset),
                Register(f"{gate.name}ENR", gate.enable_offset, gate.enable_reset),
                Register(f"{gate.name}LPENR", gate.low_power_offset, gate.low_power_reset),
            ]
        return (*self.REGISTERS, *gates)

    def reset(self) -> None:
        """A system reset: the backup domain and the reset flags stay."""
        first = not self.values
        backup = self.values.get(self.BDCR, 0)
        flags = self.values.get(self.RESET_FLAGS_OFFSET, 0) & self.RESET_FLAGS_MASK
        super().reset()
        self.values[self.BDCR] = backup
        self.values[self.RESET_FLAGS_OFFSET] |= self.POWER_ON_FLAGS if first else flags
        self._settling.cancel()
        self._announced.clear()
        for source in self.SOURCES:
            if source.register != self.BDCR:
                self._starting[source.name].cancel()
        self._source = 0
        self._polled.clear()
        if not first:
            self._set_interrupt_output()
            self._decide()

    # For the machine

    @property
    def rules(self) -> bool:
        """Whether the registers decide the core clock, and not the board's file."""
        return self._rules

    def publish(self) -> None:
        """From now on the registers decide, flash wait states included."""
        self._take_over()
        self._decide()

    def is_enabled(self, name: str) -> bool:
        """Whether a peripheral's clock is on; True for those without a gate."""
        gates = self._gates.get(name)
        return gates is None or any(self.get(offset) & bit for offset, bit in gates)

    def reset_by(self, reason: str) -> None:
        """After a reset of the chip: the flags that say why ("iwdg", "wwdg", else software)."""
        self._polled.clear()
        flags = next((bits for begin, bits in self.RESET_FLAGS if reason.startswith(begin)),
                     self.RESET_FLAGS[-1][1])  # fmt: skip
        self.values[self.RESET_FLAGS_OFFSET] |= flags

    # For the families

    @abstractmethod
    def bus_clocks(self) -> BusClocks:
        """What the registers say of SYSCLK and the buses."""

    @abstractmethod
    def source_hz(self, name: str) -> int:
        """Frequency of a source of SYSCLK as its registers stand; 0 when its output is off."""

    @abstractmethod
    def kernel_inputs(self, buses: BusClocks) -> dict[str, int]:
        """Frequencies that selectors choose from, by input name; what is missing is 0."""

    @abstractmethod
    def fixed_kernels(self) -> Mapping[str, str]:
        """Kernel clocks without a selector: name and input."""

    @abstractmethod
    def nominal_hz(self) -> dict[str, int]:
        """Oscillators of the chip, whether they run or not."""

    @abstractmethod
    def wanted_source(self) -> str | None:
        """The name of the source that SW selects; None for a reserved code."""

    @abstractmethod
    def pll_input(self, name: str) -> str | None:
        """The source that a PLL runs from; None when it has none or divides it by 0."""

    @abstractmethod
    def interrupt_enables(self) -> int:
        """Ready-interrupt enables, a bit a source."""

    @abstractmethod
    def ready_flags(self) -> int:
        """Ready-interrupt flags, a bit a source."""

    @abstractmethod
    def set_ready_flag(self, number: int) -> None: ...

    def system_source(self) -> str:
        """The source that SYSCLK runs from."""
        return self.SYSTEM_SOURCES[self._source]

    SYSTEM_SOURCES: ClassVar[tuple[str, ...]]  # by their SW code

    def crystal_hz(self, name: str) -> int:
        """Frequency of the board's crystal or clock input; 0 without one."""
        return dict(self._crystals()).get(name, 0)

    def is_on(self, name: str) -> bool:
        source = self._by_name[name]
        return bool(self.get(source.register) & 1 << source.on_bit)

    def is_ready(self, name: str) -> bool:
        return self._remaining_fs(name) == 0

    # Registers

    def write_word(self, offset: int, value: int) -> None:
        self._polled.clear()
        if offset in self._resets:
            self._reset_peripherals(offset, value)
        super().write_word(offset, value)
        if offset in self._deciding:
            self._arm()
            self._decide()

    def with_ready_bits(self, offset: int) -> int:
        """The stored word of a register and the ready bits of its sources."""
        found, until = self._polled.get(offset, (0, 0))
        if self.around.now_cycles() < until:
            return found
        value = self.get(offset)
        for source in self.SOURCES:
            if source.register == offset:
                ready = 1 << source.ready_bit
                value = value | ready if self.is_ready(source.name) else value & ~ready
        self._polled[offset] = value, self.quiet_ready_bits(offset)
        return value

    def quiet_ready_bits(self, offset: int) -> int:
        """When the next ready bit of a register changes by itself."""
        waits = [
            self._remaining_fs(source.name) for source in self.SOURCES if source.register == offset
        ]
        soonest = min((wait for wait in waits if wait), default=None)
        if soonest is None:
            return FOREVER
        return self.around.cycles_at(self.around.time_fs() + soonest)

    def write_switches(self, offset: int, value: int, writable: int) -> None:
        """Store a register with on bits and start what is newly on.

        What SYSCLK runs from cannot be switched off (RM0385 and RM0433, RCC_CR).
        """
        old = self.get(offset)
        new = (old & ~writable) | (value & writable)
        for name in self._in_use():
            source = self._by_name[name]
            if source.register == offset:
                new |= old & 1 << source.on_bit
        self.store(offset, new)
        for source in self.SOURCES:
            if source.register == offset and (old ^ new) & 1 << source.on_bit:
                self._switch(source, bool(new & 1 << source.on_bit))

    def write_BDCR(self, value: int) -> None:
        """RCC_BDCR: protected by DBP; RTCSEL is chosen once until BDRST."""
        power = self.around.peripheral("pwr")
        if isinstance(power, PowerControl) and not power.backup_domain_is_open():
            self.note_once(
                f"The firmware wrote {self.name}.bdcr with the backup domain protected: silicon "
                "ignores that. Set DBP in PWR_CR1 first."
            )
            return
        old = self.get(self.BDCR)
        if value & BDRST:
            for source in self.SOURCES:
                if source.register == self.BDCR:
                    self._switch(source, on=False)
            self.store(self.BDCR, BDRST)
            rtc = self.around.peripheral("rtc")
            if rtc is not None and not old & BDRST:
                rtc.reset()
            return
        if old & _RTCSEL:
            value = (value & ~_RTCSEL) | (old & _RTCSEL)
        self.write_switches(self.BDCR, value & ~BDRST, 0xFFFFFFFF)

    def read_BDCR(self) -> int:
        return self.with_ready_bits(self.BDCR)

    def quiet_BDCR(self) -> int:
        return self.quiet_ready_bits(self.BDCR)

    # Interrupts and the switch of SYSCLK

    def write_interrupt_enables(self, offset: int, value: int) -> None:
        """Store them; a source that was ready before sets no flag."""
        self._settle()
        self.store(offset, value)
        self._arm()

    def _arm(self) -> None:
        """Come back when a source is ready that somebody waits for."""
        self._settle()
        waits = [self._remaining_fs(name) for name in self._awaited()]
        known = [wait for wait in waits if wait]
        if known:
            self._settling.start(min(known), self._settled)
        else:
            self._settling.cancel()

    def _settled(self) -> None:
        self._arm()
        self._decide()

    def _settle(self) -> None:
        wanted = self.wanted_source()
        if wanted is not None and self.is_ready(wanted) and self.source_hz(wanted):
            self._source = self.SYSTEM_SOURCES.index(wanted)
        enables = self.interrupt_enables()
        for source in self.SOURCES:
            if source.name not in self._announced and self.is_ready(source.name):
                self._announced.add(source.name)
                if enables & 1 << source.interrupt:
                    self.set_ready_flag(source.interrupt)
        self._set_interrupt_output()

    def _set_interrupt_output(self) -> None:
        self.set_irq("global", bool(self.ready_flags() & self.interrupt_enables()))

    def _awaited(self) -> list[str]:
        enables = self.interrupt_enables()
        names = [item.name for item in self.SOURCES if enables & 1 << item.interrupt]
        wanted = self.wanted_source()
        if wanted is not None and wanted != self.system_source():
            names.append(wanted)
        return names

    def _in_use(self) -> list[str]:
        """SYSCLK's source, and that one's own."""
        names = [self.system_source()]
        if names[0].startswith("pll") and (feed := self.pll_input(names[0])):
            names.append(feed)
        return names

    def _switch(self, source: ClockSource, on: bool) -> None:
        delay = self._starting[source.name]
        if not on:
            delay.cancel()
            self._announced.discard(source.name)
            return
        if source.crystal and not self.crystal_hz(source.name):
            self.note_once(
                f"The firmware switches {source.name.upper()} on, which this board does not have: "
                f"{source.name.upper()}RDY never sets. Name its frequency under oscillators_hz "
                "in the board's file."
            )
        start_up_us = int(self.settings.get(f"{source.name}_start_up_us", source.start_up_us))
        delay.start(start_up_us * FEMTOSECONDS_PER_US)

    def _remaining_fs(self, name: str) -> int | None:
        """Until a source is ready; None when it never is."""
        source = self._by_name[name]
        if not self.is_on(name) or (source.crystal and not self.crystal_hz(name)):
            return None
        own = self._starting[name].remaining_fs
        if not name.startswith("pll"):
            return own
        feed = self.pll_input(name)
        fed = None if feed is None else self._remaining_fs(feed)
        return None if fed is None else max(own, fed)

    # Frequencies

    def _crystals(self) -> tuple[tuple[str, int], ...]:
        found = []
        for source in self.SOURCES:
            if source.crystal:
                try:
                    found.append((source.name, self.around.clocks.hz(source.name)))
                except KeyError:  # the board does not name one
                    continue
        return tuple(found)

    def _standing(self) -> BusClocks:
        """The clocks as they are, whoever set them."""
        clocks = self.around.clocks
        now = self.bus_clocks()
        return BusClocks(
            sysclk_hz=clocks.hz("core"),
            core_hz=clocks.hz("core"),
            bus_ratio=now.bus_ratio,
            ahb_hz=clocks.hz("ahb"),
            apb_hz=tuple((name, clocks.hz(name)) for name, _ in now.apb_hz),
            timers_hz=tuple((name, clocks.hz(name)) for name, _ in now.timers_hz),
        )

    def _kernel_clocks(self, buses: BusClocks) -> dict[str, int]:
        inputs = self.kernel_inputs(buses)
        found = {name: inputs.get(source, 0) for name, source in self.fixed_kernels().items()}
        for mux in self.MUXES:
            code = self.get(mux.register) >> mux.shift & ((1 << mux.width_bits) - 1)
            chosen = inputs.get(mux.inputs[code], 0) if code < len(mux.inputs) else 0
            found.update(dict.fromkeys(mux.names, chosen))
        found["rtc"] = inputs.get("rtc", 0) if self.get(self.BDCR) & RTCEN else 0
        return found

    def rtc_hz(self, hse_divided_hz: int) -> int:
        """What RTCSEL selects: nothing, LSE, LSI or HSE divided by RTCPRE."""
        code = (self.get(self.BDCR) & _RTCSEL) >> 8
        lse_hz = self.crystal_hz("lse") if self.is_on("lse") else 0
        lsi_hz = self.LSI_HZ if self.is_on("lsi") else 0
        return (0, lse_hz, lsi_hz, hse_divided_hz)[code]

    def _decide(self) -> None:
        """Tell the clock tree what the registers say now."""
        self._settle()
        buses = self.bus_clocks()
        if not buses.core_hz:
            self.note_once(
                f"The firmware stops {self.system_source()} while the core runs from it: silicon "
                "stands still, the emulator goes on at the last clock."
            )
            return
        if buses != self._last_buses and not self._rules:
            self._take_over()
        self._last_buses = buses
        if not self._rules:
            kernels = self._kernel_clocks(self._standing())
            if kernels != self._last_kernels:
                self._last_kernels = kernels
                self.around.clocks.change(kernels)
            return
        self.around.clocks.change(
            {**self.nominal_hz(), **buses.named(), **self._kernel_clocks(buses)},
            bus_ratio=buses.bus_ratio,
        )
        self._check(buses)

    def _take_over(self) -> None:
        self._rules = True
        flash = self.around.peripheral("flash")
        if isinstance(flash, FlashInterface):
            flash.publish()

    def _check(self, buses: BusClocks) -> None:
        """Say what would not work on silicon."""
        power = self.around.peripheral("pwr")
        if isinstance(power, PowerControl) and buses.core_hz > power.core_limit_hz():
            self.note_once(
                f"The firmware sets a core clock of {buses.core_hz / 1e6:g} MHz at a voltage "
                f"scale that allows {power.core_limit_hz() / 1e6:g} MHz: silicon may fail."
            )
        flash = self.around.peripheral("flash")
        if isinstance(flash, FlashInterface):
            flash.check_wait_states()

    def after_clock_change(self) -> None:
        self._polled.clear()
        self._settling.rearm()

    def _reset_peripherals(self, offset: int, value: int) -> None:
        rising = value & ~self.get(offset)
        for bit, name in self._resets[offset]:
            if rising & bit and (found := self.around.peripheral(name)) is not None:
                found.reset()

    def note_once(self, sentence: str) -> None:
        if sentence not in self._said:
            self._said.add(sentence)
            self.around.note(sentence)
