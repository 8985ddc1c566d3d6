"""pytest plugin: measure firmware in tests, and guard what it costs.

    @pytest.mark.board("h743", "f746")
    def test_conv(emu, board):
        report = emu.run("conv.c", board=board, measure="conv_s8")
        emu.check(report, f"conv.{board}")

`emu.check` holds the numbers against `golden/conv.h743.json` beside the test; `pytest --emu-update`
writes those files. Safe under xdist: each file is written whole, and each name by one test.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

# Everything else is imported late: the plugin is loaded by every pytest of the environment.
if TYPE_CHECKING:
    from emu.backends.serial_script import SerialScript
    from emu.measure.quantity import Number
    from emu.measure.report import Report

_DEFAULT_BOARD = "h743"
_reports: dict[object, _Run] = {}  # runs of this process, which are deterministic
_checked = pytest.StashKey[dict[Path, str]]()


class _Run(NamedTuple):
    """Keeps the options as well: what is told by its identity must stay alive."""

    report: Report
    options: Mapping[str, Any]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("emu").addoption(
        "--emu-update",
        action="store_true",
        help="Write the golden numbers of emu.check instead of holding runs against them.",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_checked] = {}
    config.addinivalue_line(
        "markers",
        "board(*names): run the test once on each of these boards, given by the fixture `board`.",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "board" not in metafunc.fixturenames:
        return
    names = [name for mark in metafunc.definition.iter_markers("board") for name in mark.args]
    if names:
        metafunc.parametrize("board", list(dict.fromkeys(names)), indirect=True)


@pytest.fixture
def board(request: pytest.FixtureRequest) -> str:
    """Name of the board that the test runs on; h743 without `@pytest.mark.board`."""
    return str(getattr(request, "param", _DEFAULT_BOARD))


@pytest.fixture
def emu(request: pytest.FixtureRequest) -> Emu:
    """`emu.run(...)` builds and measures, `emu.check(...)` holds against golden numbers."""
    # With the marker alone, runs are on the marked board even if the test does not ask for it.
    if "board" in request.fixturenames:
        chosen = request.getfixturevalue("board")
    else:
        mark = request.node.get_closest_marker("board")
        chosen = mark.args[0] if mark is not None and mark.args else _DEFAULT_BOARD
    return Emu(request, str(chosen))


class Emu:
    """What the fixture `emu` gives."""

    def __init__(self, request: pytest.FixtureRequest, board: str) -> None:
        self._request = request
        self.board = board
        self._folder = Path(request.path).parent

    def run(self, source: str | Path | Sequence[str | Path], **options: Any) -> Report:
        """`emu.run` with paths relative to the test file, on the test's board.

        A run with equal arguments and unchanged sources is made once in a process. Arguments and
        errors are those of `emu.run`.
        """
        from emu.measure.run import run

        options.setdefault("board", self.board)
        given = (source,) if isinstance(source, str | Path) else tuple(source)
        paths = tuple(self._folder / path for path in given)
        if "include_dirs" in options:
            options["include_dirs"] = [self._folder / path for path in options["include_dirs"]]
        if isinstance(script := options.get("uart_in"), str | Path):
            options["uart_in"] = _read_script(self._folder / script)
        key = _key(paths, options)
        if key is None:
            return run(paths, **options)
        if key not in _reports:
            _reports[key] = _Run(run(paths, **options), options)
        return _reports[key].report

    def check(self, measured: Report | Mapping[str, Number | None], name: str) -> None:
        """Hold numbers against `golden/NAME.json` beside the test; `--emu-update` writes it.

        Args:
            measured: a report, of which totals, memory and measured calls are kept, or numbers by
                key (`{"cycles_per_mac_ratio": 0.87}`).
            name: name of the golden file; one test a name, so put the board into it.
        """
        from emu.measure.golden import differences, golden_of, load_golden, save_golden

        __tracebackhide__ = True
        if Path(name).name != name or not name:
            pytest.fail(f"'{name}' is no name for a golden file: it must not hold a slash.")
        path = self._folder / "golden" / f"{name}.json"
        test = self._request.node.nodeid
        owner = self._request.config.stash[_checked].setdefault(path, test)
        if owner != test:
            pytest.fail(f"golden/{name}.json belongs to {owner}: give this test a name of its own.")
        now = golden_of(measured)
        if self._request.config.getoption("--emu-update"):
            save_golden(now, path)
            return
        if not path.exists():
            pytest.fail(f"There is no golden/{name}.json yet: run pytest --emu-update {test}")
        if lines := differences(load_golden(path), now):
            pytest.fail(
                f"{name} is not what golden/{name}.json holds:\n  "
                + "\n  ".join(lines)
                + f"\nIf that is meant: pytest --emu-update {test}"
            )


def _key(paths: tuple[Path, ...], options: Mapping[str, Any]) -> object | None:
    """What makes two runs the same; None where a run does more than measure."""
    if options.get("trace") or options.get("on_console") or options.get("on_progress"):
        return None
    folders = [Path(folder) for folder in options.get("include_dirs", ())]
    return (
        tuple(_states(paths)),
        tuple(_states(folders)),
        tuple(sorted((name, _identity(value)) for name, value in options.items())),
    )


def _read_script(path: Path) -> SerialScript:
    from emu.backends.read_serial_script import read_serial_script

    return read_serial_script(path)


def _identity(value: object) -> str:
    """Values by what they say, others by which object they are."""
    # Late, as everything here. A script is a value too: its steps, with the bytes of its files.
    from emu.backends.serial_script import SerialScript

    plain = isinstance(
        value, str | int | float | Path | list | tuple | Mapping | SerialScript | None
    )
    return repr(value) if plain else f"{type(value).__name__} {id(value)}"


def _states(paths: Sequence[Path]) -> Iterator[tuple[str, int, int]]:
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else (path,):
            if file.is_file():
                state = file.stat()
                yield str(file), state.st_mtime_ns, state.st_size
