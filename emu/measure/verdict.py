"""How a run ended, in a sentence; None where it ended well."""

from __future__ import annotations

from emu.backends.protocol import Execution, RunOptions
from emu.units import format_duration

_ABORTED = 134  # 128 + SIGABRT: what abort of the runtime and of shells returns
_LOOK = "Give it more, or look at the functions it spent {} in."


def verdict(execution: Execution, options: RunOptions, elapsed_cycles: int | None) -> str | None:
    """What went wrong. A firmware that was stopped in a waiting loop is told what it waits for."""
    if execution.script_failure is not None:
        return execution.script_failure + _waiting(execution)
    if execution.fault is not None:
        return execution.fault.sentence
    match execution.outcome:
        case "halted" if execution.busy_loop is not None:
            return f"The firmware waits for what never comes.{_waiting(execution)}"
        case "max_cycles":
            unit = "instructions" if options.timing == "none" else "cycles"
            return (
                f"The firmware was still running after {options.max_cycles:,} {unit} "
                f"(--max-cycles).{_waiting(execution, _LOOK.format('them'))}"
            )
        case "max_time":
            bound = format_duration(options.max_time_s or 0.0)
            return (
                f"The firmware was still running after {bound} of modelled time (--max-time)."
                f"{_waiting(execution, _LOOK.format('it'))}"
            )
        case "timeout":
            return (
                f"The firmware was still running after {options.timeout_s:g} s of this machine's "
                f"time (--timeout).{_waiting(execution, _LOOK.format('it'))}"
            )
        case "interrupted":
            done = (
                f"{elapsed_cycles:,} cycles"
                if elapsed_cycles
                else f"{execution.instructions:,} instructions"
            )
            return (
                f"Interrupted after {done}; its numbers are those until then.{_waiting(execution)}"
            )
    if execution.exit_code == _ABORTED:
        return "The firmware called abort, as a failed assert does."
    if execution.exit_code:
        return f"The firmware returned {execution.exit_code}, where 0 means that all is well."
    return None


def _waiting(execution: Execution, otherwise: str = "") -> str:
    loop = execution.busy_loop
    said = loop.sentence if loop is not None else otherwise
    return f" {said}" if said else ""
