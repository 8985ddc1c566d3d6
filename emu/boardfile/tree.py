"""YAML text as a tree in which every value knows its file, its line and its source.

The YAML is composed, not constructed: scalars stay the text that was written. The type that
expects `0x0800_0000`, `2M` or `216M` reads it, and a refusal quotes what its reader sees.
"""

from __future__ import annotations

import functools
import io
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode
from ruamel.yaml.nodes import Node as YamlNode

from emu.errors import BoardError, EmuError

_LARGEST_FILE_BYTES = 256 * 1024  # a board file is a few kilobytes; more is another kind of file
_MOST_VALUES_COUNT = 20_000  # anchors can multiply a small file without end
_DEEPEST_COUNT = 12
_NULL_TAG = "tag:yaml.org,2002:null"
# What plain YAML resolves to without a tag being written.
_PLAIN_TAGS = frozenset(
    f"tag:yaml.org,2002:{kind}"
    for kind in ("str", "null", "int", "float", "bool", "timestamp", "map", "seq", "merge", "value")
)


@dataclass(frozen=True)
class FileKind:
    """What a file is for: how refusals call it, and what they are raised as."""

    noun: str
    example: str  # of a line at its top
    error: type[EmuError]


BOARD_FILE = FileKind("board file", "name: f746", BoardError)


@dataclass(frozen=True)
class Place:
    """Where a value stands: a line of a file, or (`line` 0) an option of the command line."""

    file: str
    line: int

    @property
    def is_option(self) -> bool:
        return self.line == 0

    def __str__(self) -> str:
        return self.file if self.is_option else f"{self.file}:{self.line}"


@dataclass(frozen=True)
class Leaf:
    """One scalar as it was written; `text` is None for null."""

    text: str | None
    place: Place
    source: str | None = None
    source_place: Place | None = None


@dataclass(frozen=True)
class Sequence:
    items: tuple[Node, ...]
    place: Place


@dataclass(frozen=True)
class Mapping:
    entries: dict[str, Node]
    place: Place

    def put(self, path: tuple[str, ...], node: Node) -> Mapping:
        """This mapping with `node` at `path`; mappings that lack on the way are made."""
        head, rest = path[0], path[1:]
        if rest:
            below = self.entries.get(head)
            if not isinstance(below, Mapping):
                below = Mapping({}, node.place)
            node = below.put(rest, node)
        return replace(self, entries={**self.entries, head: node})


Node = Leaf | Sequence | Mapping
Path_ = tuple[str | int, ...]
_LONGEST_QUOTE_COUNT = 60  # characters
Plain = str | None | list["Plain"] | dict[str, "Plain"]


def quote(text: str) -> str:
    """A user's text as it may stand in a one-line sentence: short, without control characters."""
    if len(text) > _LONGEST_QUOTE_COUNT:
        text = text[: _LONGEST_QUOTE_COUNT - 3] + "..."
    return printable(text)


def printable(text: str) -> str:
    """`text` with line breaks and control characters as their escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def find(node: Node, path: Path_) -> Node | None:
    """The node at `path`, or None."""
    for step in path:
        if isinstance(node, Mapping) and isinstance(step, str) and step in node.entries:
            node = node.entries[step]
        elif isinstance(node, Sequence) and isinstance(step, int) and step < len(node.items):
            node = node.items[step]
        else:
            return None
    return node


def find_nearest(node: Node, path: Path_) -> Node:
    """The deepest node that exists on the way to `path`."""
    for length in range(len(path), 0, -1):
        found = find(node, path[:length])
        if found is not None:
            return found
    return node


def to_plain(node: Node) -> Plain:
    """The values alone, as pydantic takes them."""
    if isinstance(node, Leaf):
        return node.text
    if isinstance(node, Sequence):
        return [to_plain(item) for item in node.items]
    return {key: to_plain(value) for key, value in node.entries.items()}


def merge(base: Mapping, changes: Mapping) -> Mapping:
    """`changes` over `base`: mappings merge by key, everything else replaces, null removes."""
    entries = dict(base.entries)
    for key, node in changes.entries.items():
        below = entries.get(key)
        if isinstance(below, Mapping) and isinstance(node, Mapping):
            entries[key] = merge(below, node)
        elif isinstance(node, Leaf) and node.text is None and below is not None:
            del entries[key]
        else:
            entries[key] = node
    return Mapping(entries, changes.place)


def read_tree(path: Path, label: str, kind: FileKind = BOARD_FILE) -> Mapping:
    """Read a YAML file whose top is a mapping. `label` names it in refusals.

    Raises:
        EmuError: the one of `kind`: no such file, not text, not YAML, a duplicate key, not a
            mapping.
    """
    return _parse(_read_text(path, label, kind), label, kind)


@functools.lru_cache(maxsize=16)  # trees are not changed, and a chip's file takes a while to read
def _parse(text: str, label: str, kind: FileKind) -> Mapping:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an anchor given twice is odd, and allowed by YAML
            root = YAML(typ="safe", pure=True).compose(io.StringIO(text))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = 1 if mark is None else mark.line + 1
        what = error.problem or error.context or "the text is broken"
        raise kind.error(f"{label}:{line}: this is not YAML: {_one_line(what)}.") from error
    except RecursionError as error:
        raise kind.error(f"{label}:1: the file is nested too deeply for a {kind.noun}.") from error
    except (YAMLError, ValueError, LookupError, AttributeError, TypeError, AssertionError) as error:
        # On broken text ruamel.yaml also lets exceptions of Python's own escape.
        raise kind.error(f"{label}:1: this is not YAML: {_one_line(str(error))}.") from error
    if root is None:
        raise kind.error(f"{label}:1: the file is empty; a {kind.noun} is a mapping of keys.")
    tree = _Converter(label, kind).convert(root, Place(label, root.start_mark.line + 1), 0)
    if not isinstance(tree, Mapping):
        raise kind.error(
            f"{tree.place}: the file must be a mapping of keys such as '{kind.example}'."
        )
    return tree


def _read_text(path: Path, label: str, kind: FileKind) -> str:
    try:
        if path.is_dir():
            raise kind.error(f"{label}: this is a directory; name the {kind.noun} in it.")
        size_bytes = path.stat().st_size
        if size_bytes > _LARGEST_FILE_BYTES:
            raise kind.error(
                f"{label}:1: the file has {size_bytes} bytes, and no {kind.noun} needs more "
                f"than {_LARGEST_FILE_BYTES}; is it another kind of file?"
            )
        with path.open("rb") as stream:  # bounded also where st_size says nothing, as for a device
            data = stream.read(_LARGEST_FILE_BYTES)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise kind.error(f"{label}: there is no such file.") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise kind.error(f"{label}: the file cannot be read: {reason}.") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise kind.error(f"{label}:{line}: this is not UTF-8 text; is it a {kind.noun}?") from error
    unprintable = re.search(
        r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", text
    )
    if unprintable is not None:
        line = text[: unprintable.start()].count("\n") + 1
        code = ord(unprintable.group())
        raise kind.error(f"{label}:{line}: the byte 0x{code:02x} is not text; is it a {kind.noun}?")
    return text


class _Converter:
    """Composed YAML nodes -> our tree. Counts values, because aliases share nodes."""

    def __init__(self, label: str, kind: FileKind) -> None:
        self._label = label
        self._kind = kind
        self._values_count = 0

    def convert(self, node: YamlNode, place: Place, depth: int) -> Node:
        self._values_count += 1
        if self._values_count > _MOST_VALUES_COUNT or depth > _DEEPEST_COUNT:
            raise self._kind.error(f"{place}: the file holds too many or too deeply nested values.")
        if str(node.tag) not in _PLAIN_TAGS:
            raise self._kind.error(
                f"{place}: the tag '{quote(str(node.tag))}' has no meaning in a {self._kind.noun}."
            )
        if isinstance(node, ScalarNode):
            return Leaf(None if str(node.tag) == _NULL_TAG else str(node.value), place)
        if isinstance(node, SequenceNode):
            return Sequence(
                tuple(self.convert(item, self._place(item), depth + 1) for item in node.value),
                place,
            )
        assert isinstance(node, MappingNode)
        return self._mapping(node, place, depth)

    def _mapping(self, node: MappingNode, place: Place, depth: int) -> Node:
        entries: dict[str, Node] = {}
        for key_node, value_node in node.value:
            key_place = self._place(key_node)
            if not isinstance(key_node, ScalarNode):
                raise self._kind.error(f"{key_place}: a key must be a plain word.")
            key = str(key_node.value)
            if key in entries:
                first = entries[key].place.line
                raise self._kind.error(
                    f"{key_place}: '{quote(key)}' is given twice, first in line {first}."
                )
            # An alias stands where it is used, not where its anchor was.
            entries[key] = self.convert(value_node, key_place, depth + 1)
        if entries.keys() == {"value", "source"}:
            value, source = entries["value"], entries["source"]
            if isinstance(value, Leaf) and isinstance(source, Leaf):
                return Leaf(value.text, place, source.text or "", source.place)
        return Mapping(dict(_with_source(entries)), place)

    def _place(self, node: YamlNode) -> Place:
        return Place(self._label, node.start_mark.line + 1)


def _with_source(entries: dict[str, Node]) -> Iterator[tuple[str, Node]]:
    """A mapping's `source` covers the values directly in it that have none of their own."""
    source = entries.get("source")
    for key, node in entries.items():
        if isinstance(source, Leaf) and isinstance(node, Leaf) and node.source is None:
            yield key, replace(node, source=source.text or "", source_place=source.place)
        else:
            yield key, node


def _one_line(text: str) -> str:
    return printable(" ".join(text.split()).rstrip("."))
