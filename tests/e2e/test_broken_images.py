"""A few hundred broken images of the fuzzer; `python -m ci.fuzz_images` runs many thousands."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.fuzz.corpus import Seed, build_corpus
from ci.fuzz.mutations import Mutant, make_mutant
from ci.fuzz_images import run_mutant

pytestmark = pytest.mark.needs_compiler

_SEED = 7  # another than the default of long runs
_CHUNK = 30
_BOUND = ("--max-cycles", "100K")


@pytest.fixture(scope="module")
def corpus() -> tuple[Seed, ...]:
    return build_corpus()


@pytest.mark.parametrize("first", range(0, 6 * _CHUNK, _CHUNK))
def test_broken_images_end_in_a_report_or_a_sentence(
    first: int, corpus: tuple[Seed, ...], tmp_path: Path
) -> None:
    results = [
        run_mutant(make_mutant(corpus, _SEED, number), number, tmp_path)
        for number in range(first, first + _CHUNK)
    ]
    assert [result for result in results if result.offence] == []
    assert len({result.ending for result in results}) > 2  # they get far enough to differ


def test_the_same_number_is_the_same_image(corpus: tuple[Seed, ...]) -> None:
    once = [make_mutant(corpus, _SEED, number) for number in range(50)]
    again = [make_mutant(corpus, _SEED, number) for number in reversed(range(50))]
    assert once == again[::-1]
    assert len({mutant.data for mutant in once}) == 50


def test_whole_images_run(corpus: tuple[Seed, ...], tmp_path: Path) -> None:
    """Or the mutants would say nothing."""
    for number, seed in enumerate(corpus):
        mutant = Mutant(seed.suffix, seed.data, ("--board", seed.board, *_BOUND), seed.name)
        result = run_mutant(mutant, number, tmp_path)
        assert (result.ending, result.offence) == ("exited", ""), seed.name
