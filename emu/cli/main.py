"""The command `emu`: its sub-commands, and what an exception becomes for who runs it."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from emu.cli import compare, run, validate
from emu.cli.run import EXIT_INTERRUPTED
from emu.cli.termination import EXIT_TERMINATED, Terminated
from emu.errors import EmuError, UsageError

EXIT_PIPE_CLOSED = 141  # 128 + SIGPIPE
EXIT_INTERNAL = 70  # EX_SOFTWARE of sysexits.h
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)

_EPILOG = (
    "Exit codes: 0 fine; 1 a limit or a baseline was exceeded; 2 usage or bad input; "
    "3 a tool is missing; 4 the firmware faulted, timed out, returned other than 0 or did not do "
    "what a script expects; 70 a defect of emu itself; 130 interrupted, 143 terminated."
)


class _Group(TyperGroup):
    """Turns exceptions into one sentence on stderr and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except EmuError as refusal:
            _say(str(refusal))
            code = refusal.exit_code
        except KeyboardInterrupt as stop:
            _say("Interrupted before there was a result.")
            code = EXIT_TERMINATED if isinstance(stop, Terminated) else EXIT_INTERRUPTED
        except BrokenPipeError:
            _discard_stdout()  # what reads us has gone
            code = EXIT_PIPE_CLOSED
        except (typer.Exit, typer.Abort):
            raise
        except Exception as defect:
            if _is_usage_error(defect):
                raise
            if isinstance(defect, OSError) and defect.errno in _DISK_ERRORS:
                _discard_stdout()
                _say(f"Cannot write all of the output: {defect.strerror}.")
                raise typer.Exit(UsageError.exit_code) from defect
            if os.environ.get("EMU_DEBUG"):
                traceback.print_exc()
            where = traceback.extract_tb(defect.__traceback__)[-1]
            _say(
                f"A defect of emu itself: {type(defect).__name__} in {where.name} "
                f"({os.path.basename(where.filename)}:{where.lineno}): {_first_line(defect)}. "  # noqa: PTH119 - a name to print
                "Run again with EMU_DEBUG=1 for the traceback, and please report it."
            )
            code = EXIT_INTERNAL
        raise typer.Exit(code)


class _Boards(TyperGroup):
    """The commands of `emu boards`, imported when one is wanted: reading boards costs time."""

    def list_commands(self, ctx: Any) -> list[str]:
        return self._loaded.list_commands(ctx)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return self._loaded.get_command(ctx, cmd_name)

    @cached_property
    def _loaded(self) -> TyperGroup:
        from emu.cli import boards

        group = typer.main.get_command(boards.app)
        assert isinstance(group, TyperGroup)
        return group


def _discard_stdout() -> None:
    """Forget what was not written: Python would complain once more when it flushes stdout."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _is_usage_error(error: Exception) -> bool:
    # typer's own copy of click is private; its exceptions are told by what they can do.
    return hasattr(error, "format_message") and hasattr(error, "exit_code")


def _first_line(defect: Exception) -> str:
    return next(iter(str(defect).splitlines()), "")[:200].rstrip(".")


def _say(sentence: str) -> None:
    print(f"emu: {sentence}", file=sys.stderr)


app = typer.Typer(
    name="emu",
    cls=_Group,
    help="Run TinyML firmware on modelled STM32 boards: cycles, stack, heap and SRAM, "
    "without hardware.",
    epilog=_EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run", epilog=_EPILOG)(run.run)
app.command("compare", epilog=_EPILOG)(compare.compare)
app.command("validate", epilog=_EPILOG)(validate.validate)
app.add_typer(
    typer.Typer(cls=_Boards, no_args_is_help=True, add_completion=False),
    name="boards",
    help="The boards that firmware can run on, and where their numbers come from.",
)


def _print_version(wanted: bool) -> None:
    if not wanted:
        return
    # Late: looking the version up reads the installation's files.
    from importlib.metadata import version

    typer.echo(f"emu {version('tinyml-emu')}")
    raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and end."
        ),
    ] = False,
) -> None:
    pass


def run_command(arguments: Sequence[str]) -> int:
    """Run `emu` with these arguments; what it would exit with is the result."""
    try:
        app(list(arguments), prog_name="emu")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return 0


def main() -> None:
    """Entry point of the command `emu`."""
    sys.exit(run_command(sys.argv[1:]))
