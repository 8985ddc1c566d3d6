"""EXTI of STM32F7 and H7: edges of pins and internal events to interrupts [RM0385, RM0433 EXTI].

Inputs: the wires of GPIO pins ("gpioa.0", for the port that SYSCFG selects for line 0), and
"exti_line<n>" for lines 16 and up (17 RTC alarm). Outputs: `line0` to `line4`, `line5_9`,
`line10_15`, and those of `INTERNAL_LINES`. The wire "exti_event" pulses for a line whose event mask
is set: it wakes a WFE.

Setting `layout`: "f7" (one register of each) or "h7" (three banks, and masks of the core apart).
assumed: a pending bit is set by an edge whether or not the line is masked, as the block diagram has
its mask behind the pending register.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Literal, cast

from emu.board import MappedPeripheral
from emu.peripherals.peripheral import Peripheral, Register, Surroundings

Kind = Literal["IMR", "EMR", "RTSR", "FTSR", "SWIER", "PR"]
KINDS_F7: tuple[Kind, ...] = ("IMR", "EMR", "RTSR", "FTSR", "SWIER", "PR")
BANK_KINDS_H7: tuple[Kind, ...] = ("RTSR", "FTSR", "SWIER")
CPU_KINDS_H7: tuple[Kind, ...] = ("IMR", "EMR", "PR")
CPU_START, CPU_BANK_BYTES, BANK_BYTES = 0x80, 0x10, 0x20
D3_REGISTERS = ("D3PMR", "D3PCRL", "D3PCRH")  # wake the D3 domain: kept, without effect
PORTS = "abcdefghijk"
PIN_LINES_COUNT = 16

# Which lines can be set to edges: the rest of H7's only wake, by the peripheral's own interrupt.
CONFIGURABLE = {"f7": (0x00FFFFFF,), "h7": (0x003FFFFF, 0x000A0000, 0x00740000)}
# Those others start unmasked.
IMR_RESET = {"f7": (0,), "h7": (0xFFC00000, 0xFFF5DFFF, 0x0081FFFF)}
PIN_OUTPUTS = {
    **{f"line{line}": 1 << line for line in range(5)},
    "line5_9": 0x03E0,
    "line10_15": 0xFC00,
}
INTERNAL_LINES = {
    "f7": {
        "pvd": 1 << 16,
        "rtc_alarm": 1 << 17,
        "otg_fs_wakeup": 1 << 18,
        "eth_wakeup": 1 << 19,
        "otg_hs_wakeup": 1 << 20,
        "rtc_tamper": 1 << 21,
        "rtc_wakeup": 1 << 22,
    },
    "h7": {
        "pvd": 1 << 16,
        "rtc_alarm": 1 << 17,
        "rtc_tamper": 1 << 18,
        "rtc_wakeup": 1 << 19,
        "comp": 3 << 20,
    },
}


class Exti(Peripheral):
    """Edge detectors, masks and pending bits, a bank of 32 lines each."""

    def __init__(self, place: MappedPeripheral, around: Surroundings) -> None:
        self.layout = str(dict(place.settings).get("layout", "f7"))
        self._kinds: dict[int, tuple[Kind, int]] = {}  # of each register: what it is, its bank
        self._offsets: dict[tuple[Kind, int], int] = {}
        super().__init__(place, around)

    def registers(self) -> Iterable[Register]:
        if self.layout == "f7":
            for row, kind in enumerate(KINDS_F7):
                yield self._declare(kind, kind, 0, 4 * row)
            return
        for bank in range(3):
            for row, kind in enumerate(BANK_KINDS_H7):
                yield self._declare(kind, f"{kind}{bank + 1}", bank, BANK_BYTES * bank + 4 * row)
            for row, name in enumerate(D3_REGISTERS, 3):
                yield Register(f"{name}{bank + 1}", BANK_BYTES * bank + 4 * row)
            for row, kind in enumerate(CPU_KINDS_H7):
                offset = CPU_START + CPU_BANK_BYTES * bank + 4 * row
                yield self._declare(kind, f"CPU{kind}{bank + 1}", bank, offset)

    def _declare(self, kind: Kind, name: str, bank: int, offset: int) -> Register:
        self._kinds[offset] = (kind, bank)
        self._offsets[kind, bank] = offset
        edges = CONFIGURABLE[self.layout][bank]
        if kind == "IMR":
            return Register(name, offset, IMR_RESET[self.layout][bank])
        if kind == "PR":
            return Register(name, offset, writable=0, clear_by_one=edges)
        return Register(name, offset, writable=0xFFFFFFFF if kind == "EMR" else edges)

    def reset(self) -> None:
        was_pending = bool(self.values) and bool(self._bits("PR", 0))
        super().reset()
        if was_pending:
            self._drive()

    def connect(self) -> None:
        for line in range(PIN_LINES_COUNT):
            for port in PORTS:
                self.around.on_signal(f"gpio{port}.{line}", partial(self._pin_changed, line, port))
        for bank, edges in enumerate(CONFIGURABLE[self.layout]):
            for bit in range(PIN_LINES_COUNT if bank == 0 else 0, 32):
                if edges >> bit & 1:
                    self.around.on_signal(
                        f"exti_line{32 * bank + bit}", partial(self._edge, bank, 1 << bit)
                    )

    # Registers

    def write_word(self, offset: int, value: int) -> None:
        kind, bank = self._kinds.get(offset, (None, 0))
        if kind == "SWIER":
            raised = value & CONFIGURABLE[self.layout][bank]
            if self.layout == "f7":
                raised &= ~self.get(offset)
                self.store(offset, self.get(offset) | raised)
            self._trigger(bank, raised)
            return
        super().write_word(offset, value)
        if kind == "PR" and self.layout == "f7":
            # Clearing a pending bit clears the software's request for it.
            swier = self._offsets["SWIER", bank]
            self.store(swier, self.get(swier) & ~value)
        if kind in ("IMR", "PR"):
            self._drive()

    def read_word(self, offset: int) -> int:
        if self.layout == "h7" and self._kinds.get(offset, (None, 0))[0] == "SWIER":
            return 0
        return super().read_word(offset)

    def _bits(self, kind: Kind, bank: int) -> int:
        return self.get(self._offsets[kind, bank])

    # Lines

    def _pin_changed(self, line: int, port: str, level: bool) -> None:
        if self._bits("RTSR" if level else "FTSR", 0) >> line & 1:
            if self._selected_port(line) == port:
                self._trigger(0, 1 << line)

    def _selected_port(self, line: int) -> str:
        select = getattr(self.around.peripheral("syscfg"), "exti_port", None)
        # Port A is SYSCFG's choice after reset, and that of a chip without one.
        return cast(Callable[[int], str], select)(line) if select is not None else "a"

    def _edge(self, bank: int, bit: int, level: bool) -> None:
        if self._bits("RTSR" if level else "FTSR", bank) & bit:
            self._trigger(bank, bit)

    def _trigger(self, bank: int, bits: int) -> None:
        if not bits:
            return
        pending = self._offsets["PR", bank]
        self.store(pending, self.get(pending) | bits)
        self._drive()
        if bits & self._bits("EMR", bank):
            self.around.set_signal("exti_event", True)
            self.around.set_signal("exti_event", False)

    def _drive(self) -> None:
        """The interrupts; all that have one are lines of the first bank."""
        active = self._bits("PR", 0) & self._bits("IMR", 0)
        for outputs in (PIN_OUTPUTS, INTERNAL_LINES[self.layout]):
            for name, lines in outputs.items():
                self.set_irq(name, bool(active & lines))


MODEL = Exti
