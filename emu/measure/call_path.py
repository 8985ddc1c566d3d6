"""Call paths for people: recursion is told once, with how often it happened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from emu.measure.report import Frame

_LONGEST_PERIOD = 8  # functions that call each other in turn
_MOST_STEPS = 40


@dataclass(frozen=True)
class Step:
    """Frames that follow each other `times` times; no frames stand for `times` left out."""

    frames: tuple[Frame, ...]
    times: int = 1


def fold(frames: Sequence[Frame], most_steps: int = _MOST_STEPS) -> tuple[Step, ...]:
    """Tell repetition once, and leave out the middle of what is still long.

    Args:
        frames: outermost first.
        most_steps: how many steps to keep, 2 or more.
    """
    steps: list[Step] = []
    at = 0
    while at < len(frames):
        step = _repetition(frames, at)
        steps.append(step)
        at += len(step.frames) * step.times
    if len(steps) <= most_steps:
        return tuple(steps)
    head, tail = steps[: most_steps // 2], steps[-(most_steps // 2) :]
    shown = sum(len(step.frames) * step.times for step in (*head, *tail))
    return (*head, Step((), len(frames) - shown), *tail)


def _repetition(frames: Sequence[Frame], start: int) -> Step:
    """The longest stretch at `start` that says the same again and again."""
    best = Step((frames[start],))
    for period in range(1, _LONGEST_PERIOD + 1):
        turn = tuple(frames[start : start + period])
        times = 1
        while tuple(frames[start + period * times : start + period * (times + 1)]) == turn:
            times += 1
        if times > 1 and period * times > len(best.frames) * best.times:
            best = Step(turn, times)
    return best
