"""Ethernet controller [RM0385: ETH, RM0433: ETH] and its PHY, so that initialisation ends.

Settings: version 1 (F7) or 2 (H7), phy_address (0), link 0 or 1: whether the PHY sees a cable (0).
No frame is sent or received. Interrupt output: "global", which stays low.
"""

from __future__ import annotations

from collections.abc import Iterable

from emu.peripherals.peripheral import Peripheral, Register

MACMIIAR, MACMIIDR, DMABMR, DMASR, DMAOMR = 0x10, 0x14, 0x1000, 0x1014, 0x1018  # F7
MACMDIOAR, MACMDIODR, MTLTQOMR = 0x200, 0x204, 0xD00  # H7, whose DMAMR stands where DMABMR does
SOFTWARE_RESET, BUSY, FLUSH_QUEUE, FLUSH_FIFO = 1, 1, 1, 1 << 20

MAC_F7 = ("MACCR", "MACFFR", "MACHTHR", "MACHTLR", "MACMIIAR", "MACMIIDR", "MACFCR", "MACVLANTR")
DMA_F7 = ("DMABMR", "DMATPDR", "DMARPDR", "DMARDLAR", "DMATDLAR", "DMASR", "DMAOMR", "DMAIER")
MAC_H7 = ("MACCR", "MACECR", "MACPFR", "MACWTR", "MACHT0R", "MACHT1R")

# The PHY of ST's boards, a LAN8742A: registers after reset [its data sheet: basic control and
# status, identifiers, special modes].
PHY_CONTROL, PHY_STATUS, PHY_SPECIAL_MODES, PHY_SPECIAL_STATUS = 0, 1, 18, 31
PHY_RESET_VALUES = {PHY_CONTROL: 0x3000, PHY_STATUS: 0x7809, 2: 0x0007, 3: 0xC131, 4: 0x01E1}
PHY_RESET, LINK_UP, NEGOTIATED, FULL_100 = 1 << 15, 1 << 2, 1 << 5, 0x1058
ABSENT = 0xFFFF


class Ethernet(Peripheral):
    """Software resets and flushes end at once; the PHY answers at its address."""

    _phy: dict[int, int]

    def registers(self) -> Iterable[Register]:
        second = self._is_second
        for row, name in enumerate(MAC_H7 if second else MAC_F7):
            yield Register(name, 4 * row)
        for number in range(4):
            base = (0x300 if second else 0x40) + 8 * number
            yield Register(f"MACA{number}HR", base, reset=0x8000FFFF if number == 0 else 0xFFFF)
            yield Register(f"MACA{number}LR", base + 4, reset=0xFFFFFFFF)
        if second:
            yield Register("MACMDIOAR", MACMDIOAR)
            yield Register("MACMDIODR", MACMDIODR)
            yield Register("MTLTQOMR", MTLTQOMR)
            yield Register("DMAMR", DMABMR)
            return
        for row, name in enumerate(DMA_F7):
            clears = 0x0001E7FF if name == "DMASR" else 0
            yield Register(name, DMABMR + 4 * row, reset=0x20101 if row == 0 else 0,
                           writable=0 if clears else 0xFFFFFFFF, clear_by_one=clears)  # fmt: skip

    @property
    def _is_second(self) -> bool:
        return int(self.settings.get("version", 1)) == 2

    def reset(self) -> None:
        super().reset()
        self.store(DMABMR, self.get(DMABMR) & ~SOFTWARE_RESET)
        self._phy_reset()

    # The PHY

    def _phy_reset(self) -> None:
        self._phy = dict(PHY_RESET_VALUES)
        self._phy[PHY_SPECIAL_MODES] = 0x60E0 | self._phy_address
        if int(self.settings.get("link", 0)):
            self._phy[PHY_STATUS] |= LINK_UP | NEGOTIATED
            self._phy[PHY_SPECIAL_STATUS] = FULL_100

    @property
    def _phy_address(self) -> int:
        return int(self.settings.get("phy_address", 0))

    def _phy_access(self, address: int, register: int, data: int | None) -> int | None:
        """A read (no data) or a write over the management interface."""
        if address != self._phy_address:
            return ABSENT if data is None else None
        if data is None:
            return self._phy.get(register, 0)
        if register == PHY_CONTROL and data & PHY_RESET:
            self._phy_reset()
        elif register not in (PHY_STATUS, 2, 3, PHY_SPECIAL_STATUS):
            self._phy[register] = data & 0xFFFF
        return None

    def write_MACMIIAR(self, value: int) -> None:
        self.store(MACMIIAR, value & ~BUSY)
        if value & BUSY:
            data = self.get(MACMIIDR) if value & 2 else None
            found = self._phy_access(value >> 11 & 31, value >> 6 & 31, data)
            if found is not None:
                self.store(MACMIIDR, found)

    def write_MACMDIOAR(self, value: int) -> None:
        self.store(MACMDIOAR, value & ~BUSY)
        if value & BUSY:
            data = self.get(MACMDIODR) & 0xFFFF if value >> 2 & 3 == 1 else None
            found = self._phy_access(value >> 21 & 31, value >> 16 & 31, data)
            if found is not None:
                self.store(MACMDIODR, found)

    # What clears itself

    def write_DMABMR(self, value: int) -> None:
        self.store(DMABMR, value & ~SOFTWARE_RESET)

    def write_DMAMR(self, value: int) -> None:
        self.store(DMABMR, value & ~SOFTWARE_RESET)

    def write_DMAOMR(self, value: int) -> None:
        self.store(DMAOMR, value & ~FLUSH_FIFO)

    def write_MTLTQOMR(self, value: int) -> None:
        self.store(MTLTQOMR, value & ~FLUSH_QUEUE)


MODEL = Ethernet
