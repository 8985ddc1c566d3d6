"""The arithmetic of a clock tree: what the codes in prescaler and PLL registers do to a frequency.

Codes: RM0385 (RCC_CFGR, RCC_PLLCFGR), RM0433 (RCC_D1CFGR, RCC_PLLCKSELR, RCC_PLL1DIVR). Frequencies
are whole hertz, rounded down.
"""

from __future__ import annotations

_FRACTION_STEPS = 8192  # FRACN has 13 bits


def ahb_divider(code: int) -> int:
    """Divider of a four-bit HPRE or D1CPRE code: 1, 2, 4, 8, 16, 64, 128, 256 or 512."""
    if code < 8:
        return 1
    power = code - 7
    return 1 << (power if power < 5 else power + 1)  # there is no division by 32


def apb_divider(code: int) -> int:
    """Divider of a three-bit PPRE code: 1, 2, 4, 8 or 16."""
    return 1 if code < 4 else 1 << (code - 3)


def timer_hz(ahb_hz: int, divider: int, high_speed: bool) -> int:
    """Clock of the timers on an APB bus that runs at `ahb_hz / divider`.

    Args:
        ahb_hz: the clock that the bus is divided from.
        divider: of the bus, 1 to 16.
        high_speed: TIMPRE: four times the bus instead of twice, at most `ahb_hz`.
    """
    return min(ahb_hz, ahb_hz * (4 if high_speed else 2) // divider)


def pll_hz(source_hz: int, m: int, n: int, fraction: int, divider: int) -> int:
    """Output of a PLL: `source / m * (n + fraction / 8192) / divider`; 0 where m is 0.

    Args:
        source_hz: input clock, 0 when it does not run.
        m: input divider; 0 switches the input off.
        n: multiplier.
        fraction: FRACN, 0 to 8191.
        divider: of the output, 1 or more.
    """
    if m == 0:
        return 0
    return source_hz * (n * _FRACTION_STEPS + fraction) // (m * _FRACTION_STEPS * divider)
