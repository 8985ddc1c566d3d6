"""One `source` for many peripherals: handed down to the numbers below that have none."""

from __future__ import annotations

from dataclasses import replace

from emu.boardfile.tree import Leaf, Mapping, Node


def hand_down_sources(chip: Mapping) -> Mapping:
    """`chip` with the sources of `peripherals` and `interrupts` at every number below them.

    Elsewhere a source covers the mapping that it stands in and no more. The addresses and
    interrupt numbers of a chip are one table of its manual, so there it reaches further down.
    """
    interrupts = chip.entries.get("interrupts")
    if isinstance(interrupts, Mapping):
        chip = chip.put(("interrupts",), _covered(interrupts, None))
    peripherals = chip.entries.get("peripherals")
    if isinstance(peripherals, Mapping):
        covered = _covered(peripherals, None)
        if isinstance(covered.entries.get("source"), Leaf):  # else a fault, told when it is read
            del covered.entries["source"]
        chip = chip.put(("peripherals",), covered)
    return chip


def _covered(mapping: Mapping, source: Leaf | None) -> Mapping:
    """`mapping` with `source`, or one of its own in its stead, at each number that has none."""
    own = mapping.entries.get("source")
    source = own if isinstance(own, Leaf) else source
    entries: dict[str, Node] = {}
    for name, node in mapping.entries.items():
        if isinstance(node, Mapping):
            node = _covered(node, source)
        elif isinstance(node, Leaf) and node.source is None and source is not None:
            node = replace(node, source=source.text or "", source_place=source.place)
        entries[name] = node
    return Mapping(entries, mapping.place)
