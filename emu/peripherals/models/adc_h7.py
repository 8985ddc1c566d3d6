"""Analogue-to-digital converter of STM32H7 [RM0433 ADC] that sees a constant.

Settings: those of `emu.peripherals.converter`, and common: the peripheral that holds the common
CCR. Interrupt output: "global". DMA request: its name. Calibration, regulator and enabling are
acknowledged; oversampling, analogue watchdogs and dual modes are kept as written.
"""

from __future__ import annotations

from collections.abc import Iterable

from emu.peripherals.converter import Conversion, SequencedConverter
from emu.peripherals.peripheral import FOREVER, Register

ISR, IER, CR, CFGR, CFGR2, SMPR1, SMPR2, PCSEL = range(0x00, 0x20, 4)
SQR1, DR, JSQR, JDR1 = 0x30, 0x40, 0x4C, 0x80
DIFSEL, CALFACT, CALFACT2, COMMON_CCR = 0xC0, 0xC4, 0xC8, 0x08
ADRDY, EOSMP, EOC, EOS, OVR, JEOC, JEOS, LDORDY = (
    1, 1 << 1, 1 << 2, 1 << 3, 1 << 4, 1 << 5, 1 << 6, 1 << 12
)  # fmt: skip
ADEN, ADDIS, ADSTART, JADSTART, ADSTP, JADSTP = (1 << bit for bit in range(6))
ADVREGEN, DEEPPWD, ADCAL = 1 << 28, 1 << 29, 1 << 31
COMMANDS = ADEN | ADDIS | ADSTART | JADSTART | ADSTP | JADSTP | ADCAL
CONT, EXTEN, DMNGT, OVRMOD = 1 << 13, 3 << 10, 3, 1 << 12  # CFGR

# Twice the clocks, as half ones occur [RM0433 ADC: SMP, and conversion by resolution].
SAMPLING_HALF_CLOCKS = (3, 5, 17, 33, 65, 129, 775, 1621)
RESOLUTION_BITS = (16, 14, 12, 10, 8, 8, 8, 8)
# assumed: calibration takes 16,384 converter clocks, and a part that long without linearity; the
# manual gives a time for each instance of clock only.
CALIBRATION_CLOCKS = 16_384
OTHER_NAMES = (
    ("LTR1", 0x20), ("HTR1", 0x24), ("JSQR", JSQR), ("OFR1", 0x60), ("OFR2", 0x64),
    ("OFR3", 0x68), ("OFR4", 0x6C), ("AWD2CR", 0xA0), ("AWD3CR", 0xA4), ("LTR2", 0xB0),
    ("HTR2", 0xB4), ("LTR3", 0xB8), ("HTR3", 0xBC), ("DIFSEL", DIFSEL), ("CALFACT", CALFACT),
    ("CALFACT2", CALFACT2),
)  # fmt: skip


class AdcH7(SequencedConverter):
    """Regular sequences in time; injected ones are done at once."""

    BITS = 16
    _calibrated_cycles: int

    def registers(self) -> Iterable[Register]:
        for row, name in enumerate(("ISR", "IER", "CR", "CFGR", "CFGR2", "SMPR1", "SMPR2")):
            reset = {"CR": DEEPPWD, "CFGR": 0x80000000}.get(name, 0)
            yield Register(name, 4 * row, reset=reset)
        yield Register("PCSEL", PCSEL)
        for number in range(4):
            yield Register(f"SQR{number + 1}", SQR1 + 4 * number)
            yield Register(f"JDR{number + 1}", JDR1 + 4 * number, writable=0)
        yield Register("DR", DR, writable=0)
        for name, offset in OTHER_NAMES:
            yield Register(name, offset)

    def reset(self) -> None:
        super().reset()
        self._calibrated_cycles = 0

    def converter_hz(self) -> int:
        common = self.around.peripheral(str(self.settings.get("common", "adc12_common")))
        control = common.get(COMMON_CCR) if common else 0
        if mode := control >> 16 & 3:  # CKMODE: from the bus
            return max(self.clock_hz() >> (mode - 1), 1)
        code = control >> 18 & 15
        divider = (1, 2, 4, 6, 8, 10, 12, 16, 32, 64, 128, 256)[min(code, 11)]
        kernel_hz = self.kernel_clock_hz("adc") or self.clock_hz()
        # The kernel clock is halved inside, from revision V on [RM0433 ADC clocks].
        return max(kernel_hz // 2 // divider, 1)

    @property
    def _bits(self) -> int:
        return RESOLUTION_BITS[self.get(CFGR) >> 2 & 7]

    def _regular(self) -> list[Conversion]:
        found = []
        for place in range(1, (self.get(SQR1) & 15) + 2):
            channel = self.get(SQR1 + 4 * (place // 5)) >> 6 * (place % 5) & 31
            offset, row = (SMPR1, channel) if channel < 10 else (SMPR2, channel - 10)
            sampling = SAMPLING_HALF_CLOCKS[self.get(offset) >> 3 * row & 7]
            found.append(Conversion(channel, (sampling + self._bits + 1) // 2))
        return found

    def converted(self, conversion: Conversion, is_last: bool) -> None:
        config, flags = self.get(CFGR), self.get(ISR)
        if flags & EOC and not config & DMNGT:
            flags |= OVR
        if not flags & OVR or config & OVRMOD or config & DMNGT:
            self.store(DR, self.sample(conversion.channel, self._bits))
        self.store(ISR, flags | EOSMP | EOC | (EOS if is_last else 0))
        if is_last:
            if config & CONT:
                self.start_sequence(self._regular())
            elif not config & EXTEN:
                self.store(CR, self.get(CR) & ~ADSTART)
        self._update()
        if config & DMNGT in (1, 3):
            self.around.set_signal(self.name, True)
            self.around.set_signal(self.name, False)

    def triggered(self, number: int) -> None:
        config = self.get(CFGR)
        if self.get(CR) & ADSTART and config & EXTEN and config >> 5 & 31 == number:
            if not self.is_converting:
                self.start_sequence(self._regular())

    def _update(self) -> None:
        self.set_irq("global", bool(self.get(ISR) & self.get(IER) & 0x7FF))

    # Registers

    def read_ISR(self) -> int:
        return self.get(ISR) | (LDORDY if self.get(CR) & ADVREGEN else 0)

    def write_ISR(self, value: int) -> None:
        self.store(ISR, self.get(ISR) & ~value)
        self._update()

    def write_IER(self, value: int) -> None:
        self.store(IER, value)
        self._update()

    def read_CR(self) -> int:
        calibrates = self.around.now_cycles() < self._calibrated_cycles
        return self.get(CR) | (ADCAL if calibrates else 0)

    def quiet_CR(self) -> int:
        calibrates = self.around.now_cycles() < self._calibrated_cycles
        return self._calibrated_cycles if calibrates else FOREVER

    def write_CR(self, value: int) -> None:
        """Commands are set by ones and cleared by the converter; the rest is kept."""
        commands = self.get(CR) & (ADEN | ADSTART)
        if value & ADCAL:
            core_hz = self.around.clocks.hz("core")
            cycles = -(-CALIBRATION_CLOCKS * core_hz // self.converter_hz())
            self._calibrated_cycles = self.around.now_cycles() + cycles
        if value & ADEN and not commands & ADEN:
            commands |= ADEN
            self.store(ISR, self.get(ISR) | ADRDY)
        if value & ADSTP:
            commands &= ~ADSTART
            self.stop_sequence()
        elif value & ADSTART and commands & ADEN and not commands & ADSTART:
            commands |= ADSTART
            if self.get(CFGR) & EXTEN:
                self.note_trigger(self.get(CFGR) >> 5 & 31)
            else:
                self.start_sequence(self._regular())
        if value & ADDIS:
            commands &= ~(ADEN | ADSTART)
            self.stop_sequence()
        self.store(CR, value & ~COMMANDS | commands)
        if value & JADSTART and commands & ADEN:
            self._inject()
        self._update()

    def _inject(self) -> None:
        if self.get(JSQR) >> 7 & 3:
            self.around.note(
                f"{self.name.upper()} waits for an external trigger of its injected channels, "
                "which is not modelled: they never convert."
            )
            return
        for number in range((self.get(JSQR) & 3) + 1):
            channel = self.get(JSQR) >> (9 + 6 * number) & 31
            self.store(JDR1 + 4 * number, self.sample(channel, self._bits))
        self.store(ISR, self.get(ISR) | JEOC | JEOS)

    def quiet_DR(self) -> int | None:
        return None if self.get(ISR) & EOC else FOREVER

    def read_DR(self) -> int:
        self.store(ISR, self.get(ISR) & ~EOC)
        self._update()
        return self.get(DR)


MODEL = AdcH7
