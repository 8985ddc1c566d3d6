"""NVIC registers at 0xE000_E100 [ARMv7-M B3.4]."""

from __future__ import annotations

from collections.abc import Callable

from emu.system.exception_model import Exc, ExceptionModel

ISER, ICER, ISPR, ICPR, IABR, IPR, STIR = (
    0xE000E100, 0xE000E180, 0xE000E200, 0xE000E280, 0xE000E300, 0xE000E400, 0xE000EF00,
)  # fmt: skip
_BANK_BYTES = 64
_IPR_BYTES = 512


class Nvic:
    """The registers' view of an `ExceptionModel`'s external interrupts."""

    def __init__(self, model: ExceptionModel, now_cycles: Callable[[], int]) -> None:
        self._model, self._now = model, now_cycles
        self._lines = (1 << model.lines_count) - 1

    @staticmethod
    def claims(address: int) -> bool:
        return ISER <= address < IPR + _IPR_BYTES or address == STIR

    def read(self, address: int) -> int:
        model = self._model
        if IPR <= address < IPR + _IPR_BYTES:
            first = Exc.IRQ0 + (address - IPR)
            return int.from_bytes(bytes(self._priority(first + n) for n in range(4)), "little")
        bank, shift = address & ~(_BANK_BYTES - 1), 8 * (address & (_BANK_BYTES - 1))
        if bank in (ISER, ICER):
            bits = model.enabled
        elif bank in (ISPR, ICPR):
            bits = model.pending
        elif bank == IABR:
            bits = sum(1 << number for number in model.active)
        else:
            return 0
        return (bits >> Exc.IRQ0 >> shift) & 0xFFFFFFFF

    def _priority(self, number: int) -> int:
        return self._model.priority[number] if number < len(self._model.priority) else 0

    def write(self, address: int, value: int) -> None:
        model = self._model
        if address == STIR:
            self._pend_lines(1 << (value & 0x1FF))
            return
        if IPR <= address < IPR + _IPR_BYTES:
            for n in range(4):
                number = Exc.IRQ0 + (address - IPR) + n
                if number < len(model.priority):
                    model.priority[number] = (value >> (8 * n)) & model.implemented_priority
            return
        bank, shift = address & ~(_BANK_BYTES - 1), 8 * (address & (_BANK_BYTES - 1))
        lines = (value << shift) & self._lines
        if bank == ISER:
            model.enabled |= lines << Exc.IRQ0
        elif bank == ICER:
            model.enabled &= ~(lines << Exc.IRQ0)
        elif bank == ISPR:
            self._pend_lines(lines)
        elif bank == ICPR:
            # A level that is still high pends again at once [B3.4.1].
            model.pending &= ~(lines << Exc.IRQ0) | model.levels

    def _pend_lines(self, lines: int) -> None:
        lines &= self._lines
        while lines:
            self._model.pend(Exc.IRQ0 + (lines & -lines).bit_length() - 1, self._now())
            lines &= lines - 1
