"""The tree against the models: sentences for what is wrong, and the source of every number."""

from __future__ import annotations

import difflib
import typing
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import UnionType
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from emu.board import Assumption
from emu.boardfile.spec import SOURCE_HELP, BoardSpec, FactMark, FileSpec, is_source
from emu.boardfile.tree import (
    BOARD_FILE,
    FileKind,
    Leaf,
    Mapping,
    Node,
    Path_,
    Place,
    find,
    find_nearest,
    printable,
    quote,
    to_plain,
)
from emu.errors import EmuError, UsageError

_MOST_PROBLEMS_COUNT = 20
_Spec = TypeVar("_Spec", bound=FileSpec)


@dataclass(frozen=True)
class Problem:
    """One sentence about one place."""

    place: Place
    sentence: str

    def __str__(self) -> str:
        return printable(f"{self.place}: {self.sentence}")


def place_problem(tree: Mapping, sentence: str, *paths: Path_) -> Problem:
    """A problem that the values at `paths` make together: at an option that made it, or the first
    of them.
    """
    places = [find_nearest(tree, path).place for path in paths]
    return Problem(next((place for place in places if place.is_option), places[0]), sentence)


def refuse(problems: Iterable[Problem], kind: FileKind = BOARD_FILE) -> EmuError:
    """The exception for some problems. What an option caused is blamed on the option alone."""
    ordered = sorted(
        dict.fromkeys(problems), key=lambda problem: (problem.place.file, problem.place.line)
    )
    for problem in ordered:
        if problem.place.is_option:
            return UsageError(str(problem))
    lines = [str(problem) for problem in ordered]
    if len(lines) > _MOST_PROBLEMS_COUNT:
        rest = len(lines) - _MOST_PROBLEMS_COUNT
        lines[_MOST_PROBLEMS_COUNT:] = [f"{ordered[0].place.file}: and {rest} more."]
    return kind.error("\n".join(lines))


def validate(tree: Mapping) -> BoardSpec:
    """Read the values of a board's `tree`; errors as `read_as`."""
    return read_as(BoardSpec, tree, BOARD_FILE)


def read_as(model: type[_Spec], tree: Mapping, kind: FileKind) -> _Spec:
    """Read the values of `tree` as `model`.

    Raises:
        EmuError: the one of `kind`: unknown or missing keys, values of the wrong kind; one line
            each.
        UsageError: the value of an option is to blame.
    """
    try:
        return model.model_validate(to_plain(tree))
    except ValidationError as error:
        raise refuse(_explain(model, tree, error), kind) from error


def list_facts(tree: Mapping, spec: BoardSpec) -> tuple[list[Assumption], list[Problem]]:
    """Every number that the files give, and what is wrong with their sources."""
    facts: list[Assumption] = []
    problems: list[Problem] = []
    for path in _fact_paths(spec, ()):
        leaf = find(tree, path)
        if not isinstance(leaf, Leaf) or leaf.text is None:
            continue  # a default of the model, no number of a file
        key = dotted(tree, path)
        if leaf.source is None:
            problems.append(
                Problem(leaf.place, f"{key} has no source; add 'source:' beside it: {SOURCE_HELP}.")
            )
        elif not is_source(leaf.source):
            place = leaf.source_place or leaf.place
            problems.append(
                Problem(place, f"the source '{leaf.source}' names none; write {SOURCE_HELP}.")
            )
        else:
            facts.append(
                Assumption(
                    key=".".join(str(step) for step in path),
                    value=leaf.text,
                    source=leaf.source,
                    file=leaf.place.file,
                    line=leaf.place.line,
                )
            )
    return facts, problems


def dotted(tree: Mapping, path: Path_) -> str:
    """`path` as it reads in its own file: a chip's file does not say `chip.`."""
    chip = tree.entries.get("chip")
    if len(path) > 1 and path[0] == "chip" and chip and chip.place.file != tree.place.file:
        path = path[1:]
    return ".".join(str(step) for step in path)


def suggest(word: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown word."""
    names = list(known)
    nearest = difflib.get_close_matches(word, names, n=1)
    return f"did you mean '{nearest[0]}'?" if nearest else f"known are {', '.join(names)}."


def _explain(root: type[FileSpec], tree: Mapping, error: ValidationError) -> Iterator[Problem]:
    details = error.errors(include_url=False)
    unknown_in = {
        (tuple(detail["loc"][:-1]), known)
        for detail in details
        if detail["type"] == "extra_forbidden"
        for known in difflib.get_close_matches(
            str(detail["loc"][-1]), _keys(_model_at(root, tuple(detail["loc"][:-1]))), n=1
        )
    }
    for detail in details:
        loc, kind = tuple(detail["loc"]), detail["type"]
        if kind == "missing" and (loc[:-1], loc[-1]) in unknown_in:
            continue  # the misspelt key is told already
        node = find_nearest(tree, loc)
        key = dotted(tree, loc)
        model = _model_at(root, loc[:-1])
        sentence = _sentence(tree, model, node, loc, key, detail["msg"], kind)
        yield Problem(node.place, sentence)


def _sentence(
    tree: Mapping,
    model: type[FileSpec] | None,
    node: Node,
    loc: Path_,
    key: str,
    message: str,
    kind: str,
) -> str:
    word = str(loc[-1]) if loc else ""
    if kind == "extra_forbidden":
        what = model.what if model else "this mapping"
        return f"'{quote(word)}' is not a key of {what}; {suggest(word, _keys(model))}"
    if kind == "missing":
        where = dotted(tree, loc[:-1]) or (model.what if model else "the file")
        return f"{where} has no '{word}'; add it."
    if kind in ("refused", "value_error"):
        return f"{key}: {message.removeprefix('Value error, ')}"
    if kind in ("model_type", "dict_type"):
        return f"{key} must be a mapping of keys, not {_found(node)}."
    if kind == "tuple_type":
        return f"{key} must be a list, not {_found(node)}."
    if kind == "string_type":
        return f"{key} must be text, not {_found(node)}."
    if kind == "literal_error":
        choices = message.removeprefix("Input should be ").replace("'", "")
        return f"{key} is {_found(node)}; it must be {choices}."
    if kind == "string_pattern_mismatch":
        return f"{key} is {_found(node)}; use letters, digits, '_', '-' and '.'."
    return f"{key}: {message[:1].lower()}{message[1:]}."


def _found(node: Node) -> str:
    if isinstance(node, Leaf):
        return "empty" if node.text is None else f"'{quote(node.text)}'"
    return "a mapping" if isinstance(node, Mapping) else "a list"


def _keys(model: type[FileSpec] | None) -> list[str]:
    if model is None:
        return []
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_at(root: type[FileSpec], loc: Path_) -> type[FileSpec] | None:
    """The model that the mapping at `loc` is read by."""
    annotation: Any = root
    for step in loc:
        if isinstance(annotation, type) and issubclass(annotation, FileSpec):
            field = next(
                (
                    field
                    for name, field in annotation.model_fields.items()
                    if (field.alias or name) == step
                ),
                None,
            )
            annotation = None if field is None else _without_none(field.annotation)
        else:  # dict[str, X] or tuple[X, ...]
            arguments = typing.get_args(annotation)
            position = 1 if typing.get_origin(annotation) is dict else 0
            annotation = arguments[position] if len(arguments) > position else None
    return annotation if isinstance(annotation, type) and issubclass(annotation, FileSpec) else None


def _without_none(annotation: Any) -> Any:
    if typing.get_origin(annotation) in (typing.Union, UnionType):
        return next(arg for arg in typing.get_args(annotation) if arg is not type(None))
    return annotation


def _fact_paths(value: object, path: Path_) -> Iterator[Path_]:
    if isinstance(value, BaseModel):
        for name, field in type(value).model_fields.items():
            below = getattr(value, name)
            if _is_fact(field) and isinstance(below, dict):
                yield from ((*path, name, key) for key in below)
            elif _is_fact(field):
                yield (*path, name)
            else:
                yield from _fact_paths(below, (*path, name))
    elif isinstance(value, dict):
        for name, below in value.items():
            yield from _fact_paths(below, (*path, name))
    elif isinstance(value, tuple):
        for position, below in enumerate(value):
            yield from _fact_paths(below, (*path, position))


def _is_fact(field: FieldInfo) -> bool:
    marks = list(field.metadata)
    for argument in typing.get_args(field.annotation):  # X | None keeps its marks inside
        marks += getattr(argument, "__metadata__", ())
    return any(isinstance(mark, FactMark) for mark in marks)
