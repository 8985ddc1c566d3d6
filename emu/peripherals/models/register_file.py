"""A peripheral that only keeps what is written: enough for those that firmware sets and forgets."""

from __future__ import annotations

from emu.peripherals.peripheral import Peripheral


class RegisterFile(Peripheral):
    """No declared registers: every access is remembered, and reported as not modelled."""


MODEL = RegisterFile
