"""USB OTG core [RM0385, RM0433: OTG_FS, OTG_HS] with nothing plugged in: initialisation ends.

Resets and flushes complete at once, and the mode follows what is forced. No host or device is ever
seen. Interrupt output: "global", which stays low.
"""

from __future__ import annotations

from emu.peripherals.peripheral import Peripheral, Register

GOTGCTL, GOTGINT, GAHBCFG, GUSBCFG, GRSTCTL, GINTSTS, GINTMSK = range(0x00, 0x1C, 4)
GRXSTSR, GRXSTSP, GRXFSIZ, DIEPTXF0, HNPTXSTS = range(0x1C, 0x30, 4)
GCCFG, CID, HPTXFSIZ, DIEPTXF1 = 0x38, 0x3C, 0x100, 0x104
HCFG, HFIR, HFNUM, HPRT = 0x400, 0x404, 0x408, 0x440
DCFG, DCTL, DSTS, DIEPMSK, DOEPMSK, DAINT, DAINTMSK = (
    0x800,
    0x804,
    0x808,
    0x810,
    0x814,
    0x818,
    0x81C,
)
DIEPCTL0, DOEPCTL0, ENDPOINT_BYTES, ENDPOINTS_COUNT = 0x900, 0xB00, 0x20, 9
HCCHAR0, CHANNELS_COUNT, PCGCCTL = 0x500, 16, 0xE00

AHB_IDLE, SELF_CLEARING = 1 << 31, 0x37  # GRSTCTL: CSRST PSRST FCRST RXFFLSH TXFFLSH
FORCE_HOST, FORCE_DEVICE = 1 << 29, 1 << 30
HOST_MODE = 1
EPDIS, EPENA = 1 << 30, 1 << 31  # of endpoints; a host's channels have theirs at the same bits
EPDISD = 1 << 1  # DIEPINT, DOEPINT: endpoint disabled
GINTSTS_CLEARED_BY_ONE = 0xF030FC0A


class UsbOtg(Peripheral):
    """The global and device registers that a driver's initialisation waits for."""

    REGISTERS = (
        Register("GOTGCTL", GOTGCTL, reset=0x00010000),
        Register("GOTGINT", GOTGINT, writable=0),
        Register("GAHBCFG", GAHBCFG),
        Register("GUSBCFG", GUSBCFG, reset=0x00001440),
        Register("GRSTCTL", GRSTCTL, reset=AHB_IDLE),
        Register("GINTSTS", GINTSTS, reset=0x04000020, writable=0,
                 clear_by_one=GINTSTS_CLEARED_BY_ONE),
        Register("GINTMSK", GINTMSK),
        Register("GRXSTSR", GRXSTSR, writable=0),
        Register("GRXSTSP", GRXSTSP, writable=0),
        Register("GRXFSIZ", GRXFSIZ, reset=0x200),
        Register("DIEPTXF0", DIEPTXF0, reset=0x02000200),
        Register("HNPTXSTS", HNPTXSTS, reset=0x00080200, writable=0),
        Register("GCCFG", GCCFG),
        Register("CID", CID, reset=0x2000),
        Register("HPTXFSIZ", HPTXFSIZ, reset=0x02000400),
        *(Register(f"DIEPTXF{number}", DIEPTXF1 + 4 * (number - 1), reset=0x02000400)
          for number in range(1, ENDPOINTS_COUNT)),
        Register("HCFG", HCFG), Register("HFIR", HFIR, reset=0xEA60),
        Register("HFNUM", HFNUM, reset=0x3FFF), Register("HPRT", HPRT),
        Register("DCFG", DCFG, reset=0x02200000), Register("DCTL", DCTL),
        Register("DSTS", DSTS, reset=0x10, writable=0),
        Register("DIEPMSK", DIEPMSK), Register("DOEPMSK", DOEPMSK),
        Register("DAINT", DAINT, writable=0), Register("DAINTMSK", DAINTMSK),
        *(Register(f"D{way}EP{what}{number}", base + ENDPOINT_BYTES * number + shift,
                   clear_by_one=0xFFFFFFFF if what == "INT" else 0)
          for way, base in (("I", DIEPCTL0), ("O", DOEPCTL0))
          for what, shift in (("CTL", 0), ("INT", 8), ("TSIZ", 0x10), ("DMA", 0x14))
          for number in range(ENDPOINTS_COUNT)),
        *(Register(f"DTXFSTS{number}", DIEPCTL0 + ENDPOINT_BYTES * number + 0x18, reset=0x200,
                   writable=0) for number in range(ENDPOINTS_COUNT)),
        *(Register(f"HC{what}{number}", HCCHAR0 + ENDPOINT_BYTES * number + shift,
                   clear_by_one=0xFFFFFFFF if what == "INT" else 0)
          for what, shift in (("CHAR", 0), ("INT", 8), ("INTMSK", 12), ("TSIZ", 16), ("DMA", 20))
          for number in range(CHANNELS_COUNT)),
        Register("PCGCCTL", PCGCCTL),
    )  # fmt: skip

    STEADY = ("GINTSTS",)

    def write_GRSTCTL(self, value: int) -> None:
        self.store(GRSTCTL, value & ~SELF_CLEARING | AHB_IDLE)

    def read_GINTSTS(self) -> int:
        """CMOD follows the forced mode; without one, the missing cable makes it a device."""
        host = self.get(GUSBCFG) & FORCE_HOST and not self.get(GUSBCFG) & FORCE_DEVICE
        return self.get(GINTSTS) & ~HOST_MODE | (HOST_MODE if host else 0)

    def write_word(self, offset: int, value: int) -> None:
        stops = value & (EPENA | EPDIS) == EPENA | EPDIS and offset % ENDPOINT_BYTES == 0
        super().write_word(offset, value)
        if stops and HCCHAR0 <= offset < HCCHAR0 + ENDPOINT_BYTES * CHANNELS_COUNT:
            self.store(offset, value & ~(EPENA | EPDIS))
        elif stops and DIEPCTL0 <= offset < PCGCCTL:  # what is told to stop has stopped
            self.store(offset, value & ~(EPENA | EPDIS))
            self.store(offset + 8, self.get(offset + 8) | EPDISD)


MODEL = UsbOtg
