"""Analogue-to-digital converter of STM32F7 [RM0385 ADC] that sees a constant.

Settings: those of `emu.peripherals.converter`. Interrupt output: "global". DMA request: its name.
Analogue watchdogs and the multi-converter modes are kept as written.
"""

from __future__ import annotations

from emu.peripherals.converter import Conversion, SequencedConverter
from emu.peripherals.peripheral import FOREVER, Register

SR, CR1, CR2, SMPR1, SMPR2 = range(0x00, 0x14, 4)
HTR, LTR, SQR1, SQR2, SQR3, JSQR, JDR1 = 0x24, 0x28, 0x2C, 0x30, 0x34, 0x38, 0x3C
DR, COMMON_CCR = 0x4C, 0x04
EOC, JEOC, JSTRT, STRT, OVR = 1 << 1, 1 << 2, 1 << 3, 1 << 4, 1 << 5
EOCIE, JEOCIE, SCAN, OVRIE = 1 << 5, 1 << 7, 1 << 8, 1 << 26  # CR1
ADON, CONT, DMA, EOCS, ALIGN = 1, 1 << 1, 1 << 8, 1 << 10, 1 << 11  # CR2
JSWSTART, EXTEN, SWSTART = 1 << 22, 3 << 28, 1 << 30
SAMPLING_CLOCKS = (3, 15, 28, 56, 84, 112, 144, 480)


class AdcF7(SequencedConverter):
    """Regular sequences in time; injected ones are done at once."""

    REGISTERS = (
        Register("SR", SR),
        Register("CR1", CR1),
        Register("CR2", CR2),
        Register("SMPR1", SMPR1),
        Register("SMPR2", SMPR2),
        *(Register(f"JOFR{number}", 0x10 + 4 * number) for number in range(1, 5)),
        Register("HTR", HTR, reset=0xFFF),
        Register("LTR", LTR),
        Register("SQR1", SQR1),
        Register("SQR2", SQR2),
        Register("SQR3", SQR3),
        Register("JSQR", JSQR),
        *(Register(f"JDR{number}", JDR1 - 4 + 4 * number, writable=0) for number in range(1, 5)),
        Register("DR", DR, writable=0),
    )

    def converter_hz(self) -> int:
        common = self.around.peripheral("adc_common")
        divider = 2 * ((common.get(COMMON_CCR) >> 16 & 3) + 1) if common else 2
        return max(self.clock_hz() // divider, 1)

    @property
    def _bits(self) -> int:
        return 12 - 2 * (self.get(CR1) >> 24 & 3)

    def _regular(self) -> list[Conversion]:
        count = (self.get(SQR1) >> 20 & 15) + 1 if self.get(CR1) & SCAN else 1
        found = []
        for number in range(count):
            register = (SQR3, SQR2, SQR1)[number // 6]
            channel = self.get(register) >> 5 * (number % 6) & 31
            offset, place = (SMPR2, channel) if channel < 10 else (SMPR1, channel - 10)
            sampling = SAMPLING_CLOCKS[self.get(offset) >> 3 * place & 7]
            found.append(Conversion(channel, sampling + self._bits))
        return found

    def _aligned(self, value: int) -> int:
        return value << (16 - self._bits) if self.get(CR2) & ALIGN else value

    def _begin(self) -> None:
        self.store(SR, self.get(SR) | STRT)
        self.start_sequence(self._regular())

    def converted(self, conversion: Conversion, is_last: bool) -> None:
        control, flags = self.get(CR2), self.get(SR)
        each = control & (EOCS | DMA)
        if flags & EOC and each and not control & DMA:
            flags |= OVR
        self.store(DR, self._aligned(self.sample(conversion.channel, self._bits)))
        self.store(SR, flags | (EOC if is_last or each else 0))
        if is_last and control & CONT:
            self.start_sequence(self._regular())
        self._update()
        if control & DMA:
            self.around.set_signal(self.name, True)
            self.around.set_signal(self.name, False)

    def triggered(self, number: int) -> None:
        control = self.get(CR2)
        if control & ADON and control & EXTEN and control >> 24 & 15 == number:
            if not self.is_converting:
                self._begin()

    def _update(self) -> None:
        flags, control = self.get(SR), self.get(CR1)
        self.set_irq(
            "global",
            bool(
                (flags & EOC and control & EOCIE)
                or (flags & JEOC and control & JEOCIE)
                or (flags & OVR and control & OVRIE)
            ),
        )

    # Registers

    def write_CR1(self, value: int) -> None:
        self.store(CR1, value)
        self._update()

    def write_CR2(self, value: int) -> None:
        self.store(CR2, value & ~(SWSTART | JSWSTART))
        if not value & ADON:
            self.stop_sequence()
            return
        if value & SWSTART and not self.is_converting:
            self._begin()
        elif value & EXTEN:
            self.note_trigger(value >> 24 & 15)
        if value & JSWSTART:
            self._inject()

    def _inject(self) -> None:
        """Its sequence ends at the last place of JSQR."""
        count = (self.get(JSQR) >> 20 & 3) + 1
        for number in range(count):
            channel = self.get(JSQR) >> 5 * (4 - count + number) & 31
            self.store(JDR1 + 4 * number, self._aligned(self.sample(channel, self._bits)))
        self.store(SR, self.get(SR) | JSTRT | JEOC)
        self._update()

    def write_SR(self, value: int) -> None:
        self.store(SR, self.get(SR) & value)
        self._update()

    def quiet_DR(self) -> int | None:
        return None if self.get(SR) & EOC else FOREVER

    def read_DR(self) -> int:
        self.store(SR, self.get(SR) & ~EOC)
        self._update()
        return self.get(DR)


MODEL = AdcF7
