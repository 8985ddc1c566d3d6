"""`--set` and `--place` as edits of the tree: the same checks then serve files and options."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from emu.boardfile.findings import suggest
from emu.boardfile.spec import (
    ArtSpec,
    CacheSpec,
    PeripheralTimingSpec,
    RegionSpec,
    Spec,
    TcmSpec,
    TimingSpec,
)
from emu.boardfile.tree import Leaf, Place, find, quote
from emu.boardfile.tree import Mapping as Tree
from emu.errors import UsageError

SECTIONS = ("code", "weights", "data", "heap", "stack")
_BOARD_KEYS: dict[str, tuple[str, ...]] = {
    "clock_hz": ("clock_hz",),
    "bus_ratio": ("bus_ratio",),
    "stack_bytes": ("placement", "stack_bytes"),
    "heap_bytes": ("placement", "heap_bytes"),
    "hse_hz": ("oscillators_hz", "hse"),
    "lse_hz": ("oscillators_hz", "lse"),
    "console": ("console",),
}
_PARTS: dict[str, type[Spec]] = {
    "dcache": CacheSpec,
    "icache": CacheSpec,
    "art": ArtSpec,
    "tcm": TcmSpec,
    "peripheral_timing": PeripheralTimingSpec,
}
# What the parts are called that a chip may lack.
_OPTIONAL_PARTS = {"art": "ART accelerator", "peripheral_timing": "timing of peripherals"}
_C_NAME = re.compile(r"[A-Za-z_$.][\w$.]*", re.ASCII)
# What a region is, rather than how it behaves, is the business of a file.
_NOT_SETTABLE = frozenset({"source", "kind", "bus", "alias_of", "art", "timing"})


def parse_assignments(option: str, items: Iterable[str]) -> dict[str, str]:
    """`["clock_hz=400M"]` of `--set` or `--place` as `{"clock_hz": "400M"}`.

    Raises:
        UsageError: an item without `=`, or a key given twice with different values.
    """
    made: dict[str, str] = {}
    for item in items:
        key, equals, value = (part.strip() for part in item.partition("="))
        if not (key and equals and value):
            example = "clock_hz=400M" if option == "--set" else "weights=dtcm"
            raise UsageError(f"{option} '{quote(item)}' is not KEY=VALUE, as {option} {example}.")
        if made.setdefault(key, value) != value:
            raise UsageError(f"{option} gives '{key}' twice: {made[key]} and {value}; keep one.")
    return made


def apply_overrides(tree: Tree, set_: Mapping[str, str], place: Mapping[str, str]) -> Tree:
    """`tree` with the values that the options give.

    Raises:
        UsageError: no such key, or no such section or symbol name.
    """
    for key, value in set_.items():
        option = f"--set {quote(key)}={quote(value)}"
        tree = tree.put(_path(tree, key, option), _leaf(value, option))
    for key, value in place.items():
        option = f"--place {quote(key)}={quote(value)}"
        path: tuple[str, ...]
        if key in SECTIONS:
            path = ("placement", key)
        elif _C_NAME.fullmatch(key):
            path = ("placement", "symbols", key)
        else:
            raise UsageError(
                f"{option}: '{quote(key)}' is neither {', '.join(SECTIONS)} nor the name of a "
                "C object."
            )
        tree = tree.put(path, _leaf(value, option))
    return tree


def _leaf(value: str, option: str) -> Leaf:
    return Leaf(value, Place(option, 0), source="assumed: set on the command line")


def _path(tree: Tree, key: str, option: str) -> tuple[str, ...]:
    if key in _BOARD_KEYS:
        return _BOARD_KEYS[key]
    head, dot, name = key.partition(".")
    regions = find(tree, ("chip", "regions"))
    regions_known = list(regions.entries) if isinstance(regions, Tree) else []
    if dot and head in _PARTS:
        if head in _OPTIONAL_PARTS and not isinstance(find(tree, ("chip", head)), Tree):
            raise UsageError(f"{option}: this chip has no {_OPTIONAL_PARTS[head]}.")
        fields = [field for field in _PARTS[head].model_fields if field != "source"]
        if name in fields:
            return ("chip", head, name)
        raise UsageError(f"{option}: {head} has no '{quote(name)}'; {suggest(name, fields)}")
    if dot and head in regions_known:
        if name in TimingSpec.model_fields and name != "source":
            return ("chip", "regions", head, "timing", name)
        if name in RegionSpec.model_fields and name not in _NOT_SETTABLE:
            return ("chip", "regions", head, name)
        fields = [field for field in RegionSpec.model_fields if field not in _NOT_SETTABLE]
        fields += [field for field in TimingSpec.model_fields if field != "source"]
        raise UsageError(
            f"{option}: region '{head}' has no '{quote(name)}'; {suggest(name, fields)}"
        )
    parts = [part for part in _PARTS if part not in _OPTIONAL_PARTS or find(tree, ("chip", part))]
    raise UsageError(
        f"{option}: '{quote(key)}' cannot be set; settable are {', '.join(_BOARD_KEYS)}, fields "
        f"of {', '.join(parts)} such as dcache.size_bytes, and fields of the regions "
        f"{', '.join(regions_known)} such as flash.wait_states."
    )
