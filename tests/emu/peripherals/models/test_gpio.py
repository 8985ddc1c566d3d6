"""GPIO ports: levels of pins, and what the outside sees."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emu.board import MappedPeripheral
from emu.peripherals.models.gpio import (
    AFRH,
    ANALOG,
    BSRR,
    IDR,
    INPUT,
    LCKK,
    LCKR,
    MODER,
    ODR,
    OSPEEDR,
    OTYPER,
    OUTPUT,
    PULL_UP,
    PUPDR,
)
from tests.emu.peripherals.bench import Bench


def ports(starts_analog: int = 0) -> Bench:
    settings = (("starts_analog", starts_analog),)
    places = [
        MappedPeripheral(
            f"gpio{letter}", "gpio", 0x40020000 + 0x400 * row, 0x400, settings=settings
        )
        for row, letter in enumerate("abc")
    ]
    return Bench("f746", places)


@pytest.mark.parametrize(
    ("starts_analog", "moder"),
    [
        pytest.param(0, (0xA8000000, 0x00000280, 0), id="f7"),
        pytest.param(1, (0xABFFFFFF, 0xFFFFFEBF, 0xFFFFFFFF), id="h7"),
    ],
)
def test_reset_leaves_the_debug_pins_to_the_debugger(
    starts_analog: int, moder: tuple[int, int, int]
) -> None:
    bench = ports(starts_analog)
    assert tuple(bench.read(f"gpio{letter}", MODER) for letter in "abc") == moder
    assert bench.read("gpioa", PUPDR) == 0x64000000
    assert bench.read("gpioa", OSPEEDR) == 0x0C000000
    assert bench.read("gpiob", PUPDR) == 0x00000100
    assert bench.read("gpioa", IDR) == 0xA000  # PA13 and PA15 pulled up, PA14 down


def test_an_output_is_read_back_and_drives_its_wire() -> None:
    bench = ports()
    bench.write("gpioc", MODER, OUTPUT << 2 * 5)
    bench.write("gpioc", BSRR, 1 << 5)
    assert bench.read("gpioc", IDR) == bench.read("gpioc", ODR) == 1 << 5
    assert bench.space.signal("gpioc.5")
    bench.write("gpioc", BSRR, 1 << 21)
    assert bench.read("gpioc", IDR) == 0
    assert not bench.space.signal("gpioc.5")
    assert bench.read("gpioc", BSRR) == 0


def test_an_output_register_alone_moves_no_pin() -> None:
    bench = ports()
    bench.write("gpioc", ODR, 0xFFFF)
    assert bench.read("gpioc", IDR) == 0
    bench.write("gpioc", MODER, OUTPUT)
    assert bench.read("gpioc", IDR) == 1


def test_an_open_drain_output_lets_the_pin_go() -> None:
    bench = ports()
    bench.write("gpioc", OTYPER, 1)
    bench.write("gpioc", ODR, 1)
    bench.write("gpioc", MODER, OUTPUT)
    assert bench.read("gpioc", IDR) == 0
    bench.write("gpioc", PUPDR, PULL_UP)
    assert bench.read("gpioc", IDR) == 1
    bench.write("gpioc", ODR, 0)
    assert bench.read("gpioc", IDR) == 0


def test_the_world_outside_overrides_a_pull_resistor() -> None:
    bench = ports()
    bench.write("gpioc", PUPDR, PULL_UP << 2 * 13)
    assert bench.read("gpioc", IDR) == 1 << 13
    bench.space.set_signal("pin_pc13", True)
    bench.space.set_signal("pin_pc13", False)
    assert bench.read("gpioc", IDR) == 0
    assert not bench.space.signal("gpioc.13")


def test_an_analog_pin_reads_low() -> None:
    bench = ports()
    bench.space.set_signal("pin_pc2", True)
    assert bench.read("gpioc", IDR) == 4
    bench.write("gpioc", MODER, ANALOG << 4)
    assert bench.read("gpioc", IDR) == 0


@pytest.mark.parametrize("broken_step", [None, 0, 1, 2])
def test_only_the_whole_lock_sequence_locks(broken_step: int | None) -> None:
    """HAL_GPIO_LockPin: LCKK with the pins, the pins, LCKK with the pins, a read."""
    bench, pins = ports(), 1 << 9
    sequence = [LCKK | pins, pins, LCKK | pins]
    if broken_step is not None:
        sequence[broken_step] ^= LCKK
    for word in sequence:
        bench.write("gpioc", LCKR, word)
    locked = broken_step is None
    assert bool(bench.read("gpioc", LCKR) & LCKK) == locked
    bench.write("gpioc", MODER, OUTPUT << 18 | OUTPUT)
    bench.write("gpioc", AFRH, 0x77)
    assert bench.read("gpioc", MODER) == (OUTPUT if locked else OUTPUT << 18 | OUTPUT)
    assert bench.read("gpioc", AFRH) == (0x07 if locked else 0x77)


@given(
    moder=st.integers(0, 2**32 - 1),
    otyper=st.integers(0, 0xFFFF),
    pupdr=st.integers(0, 2**32 - 1),
    odr=st.integers(0, 0xFFFF),
    driven=st.dictionaries(st.integers(0, 15), st.booleans()),
)
def test_every_pin_is_what_drives_it(
    moder: int, otyper: int, pupdr: int, odr: int, driven: dict[int, bool]
) -> None:
    bench = ports()
    for offset, value in ((MODER, moder), (OTYPER, otyper), (PUPDR, pupdr), (ODR, odr)):
        bench.write("gpioc", offset, value)
    for pin, level in driven.items():
        bench.space.set_signal(f"pin_pc{pin}", not level)
        bench.space.set_signal(f"pin_pc{pin}", level)
    idr = bench.read("gpioc", IDR)
    for pin in range(16):
        mode, high = moder >> 2 * pin & 3, bool(odr >> pin & 1)
        idle = driven.get(pin, pupdr >> 2 * pin & 3 == PULL_UP)
        if mode == OUTPUT and not (high and otyper >> pin & 1):
            expected = high
        else:
            expected = idle and mode != ANALOG
        assert bool(idr >> pin & 1) == expected
        assert bench.space.signal(f"gpioc.{pin}") == expected


def test_inputs_outlive_a_reset_of_the_chip() -> None:
    bench = ports()
    bench.space.set_signal("pin_pc0", True)
    bench.write("gpioc", MODER, ANALOG)
    bench.space.reset()
    assert bench.read("gpioc", MODER) == INPUT
    assert bench.read("gpioc", IDR) == 1


def test_a_reset_by_rcc_lets_outputs_go() -> None:
    bench = ports()
    bench.write("gpioc", MODER, OUTPUT)
    bench.write("gpioc", ODR, 1)
    bench["gpioc"].reset()
    assert not bench.space.signal("gpioc.0")
    bench.space.reset()
    assert bench.space.signal("gpioa.13")  # its pull-up
