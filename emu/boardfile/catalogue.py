"""Which boards are shipped, what a name or a path means, and the way from there to a `Board`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import boards
from emu.board import Board
from emu.boardfile.findings import validate
from emu.boardfile.override import apply_overrides
from emu.boardfile.resolve import resolve
from emu.boardfile.sources import hand_down_sources
from emu.boardfile.spec import TimingSpec
from emu.boardfile.tree import Leaf, find, merge, printable, quote, read_tree
from emu.boardfile.tree import Mapping as Tree
from emu.errors import BoardError, UsageError

_SHIPPED = Path(boards.__file__).parent
_SUFFIXES = (".yaml", ".yml")
_LONGEST_CHAIN_COUNT = 8  # chips that extend chips


@dataclass(frozen=True)
class BoardSummary:
    """A shipped board in one line of a list."""

    name: str
    title: str
    chip: str
    clock_hz: int
    file: str


def list_boards() -> tuple[BoardSummary, ...]:
    """The shipped boards, by name."""
    loaded = [load_board(str(path)) for path in sorted(_SHIPPED.glob("*.yaml"))]
    summaries = [
        BoardSummary(board.name, board.title, board.chip.name, board.clock_hz, board.files[0])
        for board in loaded
    ]
    return tuple(sorted(summaries, key=lambda summary: summary.name))


def load_board(
    name_or_path: str,
    *,
    set_: Mapping[str, str] | None = None,
    place: Mapping[str, str] | None = None,
) -> Board:
    """Load a shipped board by name (`h743`) or any board by path (`my.yaml`).

    Args:
        name_or_path: a name from `list_boards`, or a path: it has a separator or ends in `.yaml`.
        set_: `--set` values by dotted key, such as `{"flash.wait_states": "2"}`.
        place: `--place` regions by section or C symbol, such as `{"weights": "dtcm"}`.

    Raises:
        BoardError: the file is refused; a sentence a line, each with file and line.
        UsageError: the name is not known, or an override is to blame.
    """
    set_, place = set_ or {}, place or {}
    path = _find_board(name_or_path)
    tree = read_tree(path, _label(path))
    if "regions" in tree.entries and "chip" not in tree.entries:
        raise BoardError(
            f"{tree.place}: this describes a chip; name it in a board file as "
            f"'chip: {path.name}', with clock_hz and placement."
        )
    files = [_label(path)]
    tree = _with_tcm_timing(_with_own_regions(_with_chip(tree, path, files)))
    spec = validate(tree)
    if set_ or place:
        tree = apply_overrides(tree, set_, place)
        spec = validate(tree)
    return resolve(
        spec,
        tree,
        cores=tuple(sorted(core.stem for core in (_SHIPPED / "cores").glob("*.yaml"))),
        overrides=(*set_.items(), *place.items()),
        files=tuple(files),
    )


def _find_board(name_or_path: str) -> Path:
    if name_or_path.endswith(_SUFFIXES) or "/" in name_or_path or "\\" in name_or_path:
        return Path(name_or_path)
    names: dict[str, Path] = {}
    for path in sorted(_SHIPPED.glob("*.yaml")):
        name = read_tree(path, _label(path)).entries.get("name")
        if isinstance(name, Leaf) and name.text:
            names[name.text] = path
    for name_text, path in names.items():
        if name_or_path.lower() in (name_text, path.stem):
            return path
    raise UsageError(
        f"Board '{quote(name_or_path)}' is not known. Known boards: {', '.join(sorted(names))}. "
        "Or pass a file: --board my.yaml."
    )


def _label(path: Path) -> str:
    """A file as refusals and reports name it: shipped ones do not tell where they are installed."""
    if path.is_relative_to(_SHIPPED):
        return f"boards/{path.relative_to(_SHIPPED).as_posix()}"
    return printable(str(path))


def _with_chip(tree: Tree, board_path: Path, files: list[str]) -> Tree:
    """`tree` with the chip that it names put in its place."""
    chip = tree.entries.get("chip")
    if isinstance(chip, Leaf) and chip.text is not None:
        return tree.put(("chip",), _read_chip(chip, board_path, files))
    if isinstance(chip, Tree):
        return tree.put(("chip",), _extended(chip, board_path, files))
    return tree


def _read_chip(reference: Leaf, named_in: Path, files: list[str]) -> Tree:
    """The chip that `reference` names: a shipped one, or a file beside the one that names it."""
    name = reference.text or ""
    if name.endswith(_SUFFIXES):
        path = named_in.parent / name
        if not _is_file(path):
            raise BoardError(f"{reference.place}: there is no chip file '{quote(str(path))}'.")
    else:
        known = {path.stem: path for path in sorted((_SHIPPED / "chips").glob("*.yaml"))}
        if name not in known:
            raise BoardError(
                f"{reference.place}: chip '{quote(name)}' is not known; known are "
                f"{', '.join(known)}, or name a file beside this one, such as my_chip.yaml."
            )
        path = known[name]
    label = _label(path)
    if label in files or len(files) > _LONGEST_CHAIN_COUNT:
        raise BoardError(f"{reference.place}: '{quote(name)}' extends itself in the end.")
    files.append(label)
    return _extended(read_tree(path, label), path, files)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long, a folder that may not be read
        return False


def _extended(chip: Tree, path: Path, files: list[str]) -> Tree:
    chip = hand_down_sources(chip)  # before the merge: a source covers the numbers of its own file
    base = chip.entries.get("extends")
    if isinstance(base, Leaf) and base.text is not None:
        return merge(_read_chip(base, path, files), chip)
    return chip


def _with_own_regions(tree: Tree) -> Tree:
    """`tree` with the board's own memory among the regions of its chip.

    Raises:
        BoardError: the chip has a region of that name.
    """
    own, of_chip = tree.entries.get("regions"), find(tree, ("chip", "regions"))
    if not (isinstance(own, Tree) and isinstance(of_chip, Tree)):
        return tree
    for name, region in own.entries.items():
        if name in of_chip.entries:
            raise BoardError(
                f"{region.place}: the chip has a region '{quote(name)}' itself; give the board's "
                "another name, or change the chip's below 'chip:'."
            )
        tree = tree.put(("chip", "regions", name), region)
    return replace(tree, entries={key: e for key, e in tree.entries.items() if key != "regions"})


def _with_tcm_timing(tree: Tree) -> Tree:
    """A TCM answers without wait [TRM-M7], so its regions may leave their timing out."""
    regions = find(tree, ("chip", "regions"))
    if not isinstance(regions, Tree):
        return tree
    for name, region in regions.entries.items():
        if not isinstance(region, Tree) or "timing" in region.entries:
            continue
        bus, art = region.entries.get("bus"), region.entries.get("art")
        if isinstance(bus, Leaf) and bus.text in ("itcm", "dtcm") and art is None:
            zeros = {
                field: Leaf("0", region.place, "TRM-M7: a TCM has no wait", region.place)
                for field in TimingSpec.model_fields
                if field != "source"
            }
            path = ("chip", "regions", name, "timing")
            tree = tree.put(path, Tree(dict(zeros), region.place))
    return tree
