"""A peripheral that only keeps what is written: enough for those that firmware sets and forgets."""

from __future__ import annotations

from collections.abc import Iterable

from emu.peripherals.peripheral import Peripheral, Register


class RegisterFile(Peripheral):
    """Every access is remembered, and reported as not modelled.

    Settings: `name@0x1c`, a register that firmware reads and its value after reset, such as the
    part's identity.
    """

    def registers(self) -> Iterable[Register]:
        for key, value in self.settings.items():
            name, at, offset = key.partition("@")
            if at and isinstance(value, int):
                yield Register(name, int(offset, 16), reset=value)


MODEL = RegisterFile
