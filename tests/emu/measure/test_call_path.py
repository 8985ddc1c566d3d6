"""Call paths as people read them: nothing lost, recursion told once."""

from __future__ import annotations

import pytest

from emu.measure.call_path import Step, fold
from emu.measure.report import Frame


def frame(name: str) -> Frame:
    return Frame(address=0x08000000 + ord(name[0]), function=name, file="model.c", line=1)


def path(names: str) -> list[Frame]:
    return [frame(name) for name in names]


def told(steps: tuple[Step, ...]) -> list[tuple[str, int]]:
    return [("".join(str(frame.function) for frame in step.frames), step.times) for step in steps]


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        ("", []),
        ("a", [("a", 1)]),
        ("abc", [("a", 1), ("b", 1), ("c", 1)]),
        ("abbbc", [("a", 1), ("b", 3), ("c", 1)]),
        ("abcbcbcd", [("a", 1), ("bc", 3), ("d", 1)]),
        ("abcabcab", [("abc", 2), ("a", 1), ("b", 1)]),
        ("aabaab", [("aab", 2)]),
    ],
)
def test_repetition_is_told_once(names: str, wanted: list[tuple[str, int]]) -> None:
    assert told(fold(path(names))) == wanted


@pytest.mark.parametrize("most", [2, 7, 40])
def test_of_a_long_path_the_ends_stay_and_nothing_is_uncounted(most: int) -> None:
    frames = [
        Frame(address=number, function=f"f{number}", file=None, line=None) for number in range(999)
    ]
    steps = fold(frames, most)
    assert len(steps) <= most + 1
    assert steps[0].frames == (frames[0],)
    assert steps[-1].frames == (frames[-1],)
    assert sum(max(1, len(step.frames)) * step.times for step in steps) == len(frames)


def test_frames_of_other_lines_are_not_the_same() -> None:
    here, there = frame("a"), frame("a").model_copy(update={"line": 2})
    assert told(fold([here, there, there])) == [("a", 1), ("a", 2)]
