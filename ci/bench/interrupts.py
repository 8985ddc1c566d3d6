"""What interrupts cost in host time: the same work with tickers and without, kept as JSON.

    python ci/bench/interrupts.py [--json PATH] [--rounds N]

Processor seconds of one core, the best of several rounds in which every program takes its turn.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import emu
from emu.backends.protocol import RunOptions
from emu.backends.unicorn_machine import UnicornMachine
from emu.firmware.build import BuildOptions, build
from emu.firmware.elf_image import load_elf

HERE = Path(__file__).parent
CORE_HZ = 216_000_000  # of f746
# SysTick and timer frequencies: none, an operating system's tick, that and a ticker, a fast control
# loop.
TICKERS_HZ = ((0, 0), (1000, 0), (1000, 1000), (0, 10_000), (1000, 20_000))


@dataclass(frozen=True)
class Row:
    """One program; `speed_ratio` is to the one without interrupts."""

    tick_hz: int
    timer_hz: int
    interrupts_count: int
    instructions_count: int
    host_s: float
    speed_ratio: float


def main() -> None:
    """Measure, print a table, keep the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the rows here")
    arguments = parser.parse_args()
    board = emu.load_board("f746")
    images = {}
    for tick_hz, timer_hz in TICKERS_HZ:
        defines = (
            f"TICK_HZ={tick_hz}", f"TIMER_HZ={timer_hz}", f"CORE_HZ={CORE_HZ}",
            f"TIMER_CLOCK_HZ={CORE_HZ}", "RCC_APB1ENR=0x40023840",
        )  # fmt: skip
        built = build([HERE / "ticking.c"], board, BuildOptions(defines=defines))
        images[tick_hz, timer_hz] = load_elf(built.elf)
    best = dict.fromkeys(images, 1e9)
    results = {}
    for _ in range(arguments.rounds):
        for key, image in images.items():
            begun = time.process_time()
            results[key] = UnicornMachine().run(image, board, RunOptions())
            best[key] = min(best[key], time.process_time() - begun)
    alone = best[0, 0] / results[0, 0].instructions
    rows = [
        Row(
            *key,
            sum(item.taken_count for item in result.interrupts),
            result.instructions,
            best[key],
            alone / (best[key] / result.instructions),
        )
        for key, result in results.items()
    ]
    print("| SysTick | timer | interrupts | million instructions a second | of the speed without |")
    print("|---|---|---|---|---|")
    for row in rows:
        print(
            f"| {row.tick_hz} Hz | {row.timer_hz} Hz | {row.interrupts_count} "
            f"| {row.instructions_count / row.host_s / 1e6:.0f} | {row.speed_ratio:.2f} |"
        )
    if arguments.json is not None:
        arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")


if __name__ == "__main__":
    main()
