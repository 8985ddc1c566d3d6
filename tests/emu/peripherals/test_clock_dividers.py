"""The arithmetic of clock trees."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emu.peripherals.clock_dividers import ahb_divider, apb_divider, pll_hz, timer_hz


@pytest.mark.parametrize(
    ("code", "divider"),
    [(0, 1), (7, 1), (8, 2), (9, 4), (10, 8), (11, 16), (12, 64), (13, 128), (14, 256), (15, 512)],
)
def test_ahb_codes_skip_division_by_32(code: int, divider: int) -> None:
    assert ahb_divider(code) == divider


@pytest.mark.parametrize(("code", "divider"), [(0, 1), (3, 1), (4, 2), (5, 4), (6, 8), (7, 16)])
def test_apb_codes(code: int, divider: int) -> None:
    assert apb_divider(code) == divider


@pytest.mark.parametrize(
    ("divider", "plain_hz", "high_speed_hz"),
    [(1, 216, 216), (2, 216, 216), (4, 108, 216), (8, 54, 108), (16, 27, 54)],
)
def test_timers_run_at_twice_or_four_times_their_bus_and_at_most_at_ahb(
    divider: int, plain_hz: int, high_speed_hz: int
) -> None:
    assert timer_hz(216_000_000, divider, high_speed=False) == plain_hz * 1_000_000
    assert timer_hz(216_000_000, divider, high_speed=True) == high_speed_hz * 1_000_000


@given(
    source_hz=st.integers(0, 50_000_000),
    m=st.integers(0, 63),
    n=st.integers(2, 512),
    fraction=st.integers(0, 8191),
    divider=st.integers(1, 128),
)
def test_a_pll_is_its_formula_rounded_down(
    source_hz: int, m: int, n: int, fraction: int, divider: int
) -> None:
    found = pll_hz(source_hz, m, n, fraction, divider)
    exact = Fraction(source_hz, m) * (n + Fraction(fraction, 8192)) / divider if m else 0
    assert found <= exact < found + 1
