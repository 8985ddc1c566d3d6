"""Boards as YAML: read, checked, changed by `--set` and `--place`, resolved to a frozen `Board`.

catalogue   which boards are shipped, what a name or a path means
tree        YAML text -> a tree in which every value knows its file, line and source
override    `--set` and `--place` are edits of that tree, so one set of checks serves both
spec        what may be written: pydantic models, and the JSON Schema made from them
sources     one source for many peripherals, handed down to their numbers
findings    models against the tree: sentences for what is wrong, sources of every number
check       numbers against each other; check_peripherals the same for peripherals and interrupts
resolve     models -> `emu.board.Board`, with the checks that need more than one number
"""

from emu.boardfile.catalogue import BoardSummary, list_boards, load_board
from emu.boardfile.override import parse_assignments
from emu.boardfile.spec import schema

__all__ = ["BoardSummary", "list_boards", "load_board", "parse_assignments", "schema"]
