"""What the clock controller asks of the power controller, whichever part it is."""

from __future__ import annotations

from emu.peripherals.peripheral import Peripheral


class PowerControl(Peripheral):
    """The core's voltage and the gate to the backup domain."""

    def core_limit_hz(self) -> int:
        """The highest core clock that the selected voltage allows."""
        raise NotImplementedError

    def backup_domain_is_open(self) -> bool:
        """Whether DBP lets RCC_BDCR and the RTC be written."""
        raise NotImplementedError
