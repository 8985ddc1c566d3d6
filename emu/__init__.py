"""Run TinyML firmware on modelled STM32 boards: cycles, stack, heap and SRAM, without hardware.

import emu

report = emu.run("model.c", board="h743", measure="invoke")
print(report.latency_ms, report.provenance.model_error)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emu.boardfile import load_board
    from emu.measure.limits import LimitError
    from emu.measure.report import Report, load_report
    from emu.measure.run import run
    from emu.measure.trace import load_trace

__all__ = ["LimitError", "Report", "load_board", "load_report", "load_trace", "run"]

# Late: `emu --help`, and tests that only use the board descriptions, need neither numpy nor the
# machine.
_HOMES = {
    "LimitError": "emu.measure.limits",
    "Report": "emu.measure.report",
    "load_board": "emu.boardfile",
    "load_report": "emu.measure.report",
    "load_trace": "emu.measure.trace",
    "run": "emu.measure.run",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'emu' has no attribute '{name}'")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
