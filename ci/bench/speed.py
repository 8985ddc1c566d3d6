"""How fast the machine is: ratios to bare Unicorn in one run, kept as JSON.

    python ci/bench/speed.py [--board NAME] [--json PATH] [--rounds N]

Bare Unicorn runs on the machine's memory map, which keeps stores out of its slow path. With RAM
mapped executable, as one maps it without a thought, it is 5 to 9 % slower and the ratios that
much higher.

Times are processor seconds of one core, the best of several rounds in which every mode takes its
turn, so that a noisy machine disturbs all of them alike. Quote the ratios.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import emu
from emu.backends.bare_unicorn import run_bare
from emu.backends.protocol import Execution, RunOptions
from emu.backends.unicorn_machine import UnicornMachine
from emu.firmware.build import BuildOptions, build
from emu.firmware.elf_image import load_elf

HERE = Path(__file__).parent
PROGRAMS = ("gemm_s8", "branchy")
MODES = {
    "none": RunOptions(timing="none"),
    "issue": RunOptions(timing="issue"),
    "full": RunOptions(),
    "hook": RunOptions(accesses="hook"),
}


@dataclass(frozen=True)
class Speed:
    """One program in one mode; `speed_ratio` is to bare Unicorn in the same run."""

    program: str
    mode: str
    instructions_count: int
    host_s: float
    instructions_per_us: float
    speed_ratio: float
    cycles: float | None
    unresolved_ratio: float


def measure(program: str, board: str, rounds: int) -> list[Speed]:
    """All modes of one program, turn by turn."""
    described = emu.load_board(board)
    image = load_elf(build([HERE / f"{program}.c"], described, BuildOptions()).elf)
    best: dict[str, float] = {}
    results: dict[str, Execution] = {}
    for _ in range(rounds):
        best["bare"] = min(best.get("bare", 1e9), run_bare(image, described))
        for mode, options in MODES.items():
            begun = time.process_time()
            results[mode] = UnicornMachine().run(image, described, options)
            best[mode] = min(best.get(mode, 1e9), time.process_time() - begun)
    count = results["none"].instructions
    rows = [Speed(program, "bare", count, best["bare"], count / best["bare"] / 1e6, 1.0, None, 0.0)]
    for mode, result in results.items():
        accesses = result.accesses
        seen = accesses.reconstructed_count + accesses.hooked_count + accesses.unresolved_count
        rows.append(
            Speed(
                program, mode, count, best[mode], count / best[mode] / 1e6,
                best["bare"] / best[mode], result.cycles, accesses.unresolved_count / max(1, seen),
            )
        )  # fmt: skip
    return rows


def main() -> None:
    """Measure, print a table, keep the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--board", default="h743")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the rows here")
    arguments = parser.parse_args()
    rows = [row for name in PROGRAMS for row in measure(name, arguments.board, arguments.rounds)]
    print(
        "| program | mode | million instructions a second | of bare Unicorn | unresolved accesses |"
    )
    print("|---|---|---|---|---|")
    for row in rows:
        print(
            f"| {row.program} | {row.mode} | {row.instructions_per_us:.0f} "
            f"| {row.speed_ratio:.2f} | {row.unresolved_ratio:.3%} |"
        )
    for name in PROGRAMS:
        by_mode = {row.mode: row for row in rows if row.program == name}
        full, hook = by_mode["full"].cycles, by_mode["hook"].cycles
        if full and hook:
            print(f"\n{name}: reconstructed {full:,.0f} cycles, hooked {hook:,.0f}: "
                  f"{abs(full - hook) / hook:.3%} apart")  # fmt: skip
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"\npeak memory of the whole benchmark: {peak_kib / 1024:.0f} MiB")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")


if __name__ == "__main__":
    main()
