"""SysTick's registers keep their value until `quiet_until`: what skipping of waits rests on."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from emu.system.systick import SYST_CALIB, SYST_CSR, SYST_CVR, SYST_RVR, SysTick

COUNTFLAG = 1 << 16
REGISTERS = (SYST_CSR, SYST_RVR, SYST_CVR, SYST_CALIB)


class Ticker:
    """A SysTick whose time a test moves."""

    def __init__(self) -> None:
        self.now = 0
        self.events: list[tuple[int, Callable[[], None]]] = []
        self.systick = SysTick(lambda: self.now, self._at, lambda: None)

    def _at(self, cycles: int, action: Callable[[], None]) -> Ticker:
        self.events = [(cycles, action)]
        return self

    def cancel(self) -> None:
        self.events = []

    def set_up(self, control: int, reload: int, cycles: int) -> None:
        self.systick.write(SYST_RVR, reload)
        self.systick.write(SYST_CVR, 0)
        self.systick.write(SYST_CSR, control)
        self.now += cycles


@given(st.sampled_from([0, 1, 5]), st.integers(0, 50), st.integers(0, 2000), st.booleans())
def test_reads_before_a_quiet_register_changes_are_all_alike(
    control: int, reload: int, cycles: int, reads_flag: bool
) -> None:
    ticker = Ticker()
    ticker.set_up(control, reload, cycles)
    if reads_flag:
        ticker.systick.read(SYST_CSR)
    now = ticker.now
    for register in REGISTERS:
        ticker.now = now
        until = ticker.systick.quiet_until(register)
        if until is None:
            continue
        assert until > now
        value = ticker.systick.read(register)
        for ticker.now in (*range(now, min(until, now + 100)), until - 1):
            assert ticker.systick.read(register) == value


def test_countflag_is_quiet_until_the_wrap() -> None:
    ticker = Ticker()
    ticker.set_up(5, 999, 10)
    until = ticker.systick.quiet_until(SYST_CSR)
    assert until == 1000
    ticker.now = until
    assert ticker.systick.quiet_until(SYST_CSR) is None  # this read clears it
    assert ticker.systick.read(SYST_CSR) & COUNTFLAG
    assert ticker.systick.quiet_until(SYST_CSR) == 2000


def test_a_running_count_is_never_quiet() -> None:
    ticker = Ticker()
    ticker.set_up(5, 999, 10)
    assert ticker.systick.quiet_until(SYST_CVR) is None
