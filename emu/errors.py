"""The exception tree. Each branch is one exit code, so the roof needs no table of its own."""

from __future__ import annotations


class EmuError(Exception):
    """Anything `emu` refuses to do, as one sentence: what was asked, what was found, what to do."""

    exit_code = 2


class UsageError(EmuError):
    """The request itself cannot be met: an unknown name, a contradiction, a bad option value."""


class BoardError(EmuError):
    """A board description was refused. The message names file and line."""


class SuiteError(EmuError):
    """A suite of `emu validate` was refused. The message names file and line."""


class ImageError(EmuError):
    """A firmware image is broken, for another core, or does not fit the board."""


class BuildError(EmuError):
    """The compiler or linker refused the sources. The message carries what it said."""


class ReportError(EmuError):
    """A report or baseline file is broken or of another schema."""


class ToolMissingError(EmuError):
    """A tool outside Python is needed and absent. The message says how to get it."""

    exit_code = 3


class LimitExceededError(EmuError):
    """A limit or a baseline was exceeded."""

    exit_code = 1


class FirmwareError(EmuError):
    """The firmware faulted, ran away or timed out."""

    exit_code = 4
