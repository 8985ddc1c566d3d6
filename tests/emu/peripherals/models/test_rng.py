"""The random number generator: ready in its time, and the same in every run."""

from __future__ import annotations

from emu.board import MappedPeripheral
from emu.peripherals.models.rng import CR, DR, SR
from tests.emu.peripherals.bench import Bench

CORE_HZ = 192_000_000
READY_CYCLES = 40 * 4  # RNG at 48 MHz


def bench(**settings: str | int) -> Bench:
    made = Bench(
        "f746",
        [MappedPeripheral("rng", "rng", 0x50060800, 0x400, (("global", 80),), None,
                          tuple(settings.items()))],
    )  # fmt: skip
    made.space.clocks.change({"core": CORE_HZ, "rng": 48_000_000})
    return made


def numbers(made: Bench, count: int) -> list[int]:
    made.write("rng", CR, 1 << 2)
    found = []
    for _ in range(count):
        made.run(READY_CYCLES)
        found.append(made.read("rng", DR))
    return found


def test_a_number_is_ready_after_forty_clocks_and_again_after_each_read() -> None:
    made = bench()
    made.write("rng", CR, 1 << 2)
    for _ in range(3):
        made.run(READY_CYCLES - 1)
        assert made.read("rng", SR) == 0
        assert made.read("rng", DR) == 0
        made.run(1)
        assert made.read("rng", SR) == 1
        made.read("rng", DR)


def test_two_runs_give_the_same_numbers_and_another_seed_others() -> None:
    first = numbers(bench(), 100)
    assert first == numbers(bench(), 100)
    assert first != numbers(bench(seed=1), 100)
    assert len(set(first)) == 100


def test_the_bits_are_about_balanced() -> None:
    ones = sum(number.bit_count() for number in numbers(bench(), 1000))
    assert abs(ones - 16_000) < 500


def test_an_interrupt_tells_of_each_number() -> None:
    made = bench()
    made.write("rng", CR, 1 << 2 | 1 << 3)
    made.run(READY_CYCLES)
    assert made.interrupts[80]
    made.read("rng", DR)
    assert not made.interrupts[80]
    made.run(READY_CYCLES)
    assert made.raised == [80, 80]


def test_without_a_clock_an_error_comes() -> None:
    made = bench()
    made.space.clocks.change({"rng": 0})
    made.write("rng", CR, 1 << 2)
    made.run(1_000_000)
    assert made.read("rng", SR) == 1 << 1 | 1 << 5  # the clock error, now and latched
    made.write("rng", CR, 1 << 2 | 1 << 5)  # nobody checks
    assert made.read("rng", SR) == 0
