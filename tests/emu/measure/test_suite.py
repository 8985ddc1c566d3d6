"""Suites of `emu validate`: what may be written, and a sentence with file and line for the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from emu.errors import SuiteError
from emu.measure.suite import Suite, load_suite

SHA = "6bb6e1b5f8ad475f4dcf4570fd20a31c9d4405f6ee1a3be61834445398680941"
SUITE = f"""\
name: mine
images: ask me
cases:
  one:
    image: one.elf
    sha256: {SHA}
    board: f746
    class: int8
    measure: {{call: infer}}
    published: {{cycles: 13_298_849, source: a paper}}
    fitted: false
"""
SHIPPED = sorted((Path(__file__).parents[3] / "ci" / "validation").glob("*.yaml"))


def read(tmp_path: Path, text: str) -> Suite:
    path = tmp_path / "suite.yaml"
    path.write_text(text, encoding="utf-8")
    return load_suite(path)


def test_a_case_is_an_image_a_way_to_measure_it_and_what_silicon_took(tmp_path: Path) -> None:
    suite = read(tmp_path, SUITE)
    (case,) = suite.cases
    assert (suite.name, suite.images_help, case.id, case.board) == ("mine", "ask me", "one", "f746")
    assert case.spec.published.cycles == 13_298_849
    assert case.spec.measure.call == "infer"
    assert case.script is None


@pytest.mark.parametrize(
    ("figure", "cycles"),
    [("cycles: 5000", 5000), ("us: 2.5", 500), ("ms: 1", 200_000), ("s: 0.5", 100_000_000)],
)
def test_a_published_time_is_cycles_at_the_clock_of_the_run(
    tmp_path: Path, figure: str, cycles: float
) -> None:
    suite = read(tmp_path, SUITE.replace("cycles: 13_298_849", figure))
    assert suite.cases[0].spec.published.cycles_at(200_000_000) == pytest.approx(cycles)


def test_boards_and_scripts_in_files_lie_beside_the_suite(tmp_path: Path) -> None:
    (tmp_path / "a.uart").write_text('send "x"\n')
    case = read(
        tmp_path, SUITE.replace("board: f746", "board: boards/my.yaml\n    script_file: a.uart")
    ).cases[0]
    assert case.board == str(tmp_path / "boards/my.yaml")
    assert case.script is not None
    assert case.script.name == "a.uart"


@pytest.mark.parametrize(
    ("style", "line"), [("\"send 'x'\"", 12), ("|\n      # go\n      jump", 14)]
)
def test_a_bad_step_is_told_by_its_line_in_the_suite(tmp_path: Path, style: str, line: int) -> None:
    with pytest.raises(SuiteError, match=rf"suite\.yaml:{line}: "):
        read(tmp_path, f"{SUITE}    script: {style}\n")


@pytest.mark.parametrize(
    ("written", "instead", "sentence"),
    [
        ("image: one.elf", "imagee: one.elf", r":5: 'imagee' is not .*did you mean 'image'"),
        ("    fitted: false\n", "", r":4: cases\.one has no 'fitted'; add it\."),
        ("class: int8", "group: int8", r":8: 'group' is not a key of a case"),
        ("class: int8", "class: blind", r":8: every suite has a group 'blind'; take another word"),
        (SHA, "12ab", r":6: cases\.one\.sha256: '12ab' is no SHA-256: give the 64 digits"),
        ("cycles: 13_298_849", "cycles: many", r":10: .*'many' is no number above zero"),
        ("cycles: 13_298_849", "cycles: -5", r":10: .*'-5' is no number above zero"),
        ("cycles: 13_298_849, ", "", r":10: give the figure as one of cycles, us, ms or s\."),
        ("cycles: 13_298_849", "cycles: 1, us: 1", r":10: give the figure as one of"),
        (", source: a paper", "", r":10: cases\.one\.published has no 'source'"),
        ("call: infer", "", r":9: give one of value, call, .*; here is none\."),
        ("call: infer", "call: infer, latency: true", r":9: .* here is call and latency\."),
        ("call: infer", "from: main", r":9: 'from' and 'to' belong together\."),
        ("call: infer", "to_uart: x, call: infer", r":9: 'from_uart' and 'to_uart' belong"),
        ("call: infer", "value: lap", r":9: .*'lap' in 'lap' is neither a number nor NAME"),
        ("call: infer", "value: 'a[0]', figures: {a: '('}", r":9: .*'\(' is no regular expression"),
        ("call: infer", "call: infer, figures: {a: b}", r":9: figures are for 'value'"),
        ("call: infer", "call: infer, pass: hot", r":9: .*pass is 'hot'; it must be cold or warm"),
        ("call: infer", "latency: true}\n    stop_after: {", r":10: .*"),
        ("board: f746", "max_time: 5", r":7: .*'5' is no duration"),
        ("fitted: false", "fitted: perhaps", r":11: cases\.one\.fitted"),
        ("board: f746", "board: f746\n    script: ''", r":8: "),
        ("board: f746", "board: f746\n    script: end\n    script_file: a", r":9: give script or"),
        ("board: f746", "board: f746\n    max_time: 1s\n    stop_after: 1s", r":9: give max_time"),
        ("cases:", "cases: {}\nrest:", r":4: 'rest' is not a key of a suite"),
        ("name: mine", "- name", r":\d+: this is not YAML"),
    ],
)  # fmt: skip
def test_refusals_name_file_and_line(
    tmp_path: Path, written: str, instead: str, sentence: str
) -> None:
    assert written in SUITE
    with pytest.raises(SuiteError, match=r"suite\.yaml" + sentence):
        read(tmp_path, SUITE.replace(written, instead, 1))


def test_no_case_is_no_suite(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match=r"suite\.yaml:2: the suite has no cases\."):
        read(tmp_path, "name: mine\ncases: {}\n")


@pytest.mark.parametrize("name", ["", "missing.yaml"])
def test_a_suite_that_is_not_there(tmp_path: Path, name: str) -> None:
    with pytest.raises(SuiteError, match=r"there is no such file|is a directory; name the suite"):
        load_suite(tmp_path / name)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_suites_can_be_read_and_say_how_to_get_their_images(path: Path) -> None:
    suite = load_suite(path)
    assert suite.images_help is not None
    assert "git clone" in suite.images_help


def test_suites_are_shipped() -> None:
    assert {"mlperf-tiny-v1.1-f746", "fft-h743"} <= {path.stem for path in SHIPPED}
