"""The SRAM trace as one compressed file, and back.

Keys of the archive, which `numpy.load` reads without this module:

- `format`: `emu.trace/1`; `bin_cycles`: width of a time bin; `regions`: names, in order.
- `unwritten_reads`, `stray_writes`: `[n, 3]` rows of (code address, data address, count).
- for each region: `NAME.start`, `NAME.granule_bytes`, `NAME.size_bytes`;
  `NAME.reads`, `NAME.writes`: `[time bins, granules]` accesses;
  `NAME.first_write_cycles`, `NAME.last_read_cycles`: `[words]`, -1 where there was none.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from emu.backends.protocol import Trace, TraceRegion
from emu.errors import ReportError
from emu.measure.write_file import write_file

FORMAT = "emu.trace/1"


def save_trace(trace: Trace, path: Path) -> None:
    """Write a trace; the file is as bounded as the trace is.

    Raises:
        UsageError: the file cannot be written.
    """
    arrays: dict[str, object] = {
        "format": np.array(FORMAT),
        "bin_cycles": np.array(trace.bin_cycles, np.int64),
        "regions": np.array([region.name for region in trace.regions], np.str_),
        "unwritten_reads": np.array(trace.unwritten_reads, np.int64).reshape(-1, 3),
        "stray_writes": np.array(trace.stray_writes, np.int64).reshape(-1, 3),
    }
    for region in trace.regions:
        arrays |= {
            f"{region.name}.start": np.array(region.start, np.int64),
            f"{region.name}.size_bytes": np.array(region.size_bytes, np.int64),
            f"{region.name}.granule_bytes": np.array(region.granule_bytes, np.int64),
            f"{region.name}.reads": region.reads,
            f"{region.name}.writes": region.writes,
            f"{region.name}.first_write_cycles": region.first_write_cycles,
            f"{region.name}.last_read_cycles": region.last_read_cycles,
        }
    # numpy's stubs take the first keyword for a flag of its own.
    write_file(path, lambda file: np.savez_compressed(file, **arrays))  # type: ignore[arg-type]


def load_trace(path: Path) -> Trace:
    """Read a trace that `emu run --trace` wrote.

    Raises:
        ReportError: the file cannot be read or is no trace.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            if str(archive["format"]) != FORMAT:
                raise ReportError(f"{path} is no {FORMAT}. Make it again with emu run --trace.")
            return Trace(
                bin_cycles=int(archive["bin_cycles"]),
                regions=tuple(_region(archive, str(name)) for name in archive["regions"]),
                unwritten_reads=_rows(archive, "unwritten_reads"),
                stray_writes=_rows(archive, "stray_writes"),
            )
    except OSError as problem:
        raise ReportError(
            f"Cannot read the trace {path}: {problem.strerror or problem}."
        ) from problem
    # A zip cut short, another archive, an array of the wrong shape: all the same to the reader.
    except (
        ValueError,
        KeyError,
        EOFError,
        TypeError,
        AttributeError,
        zipfile.BadZipFile,
    ) as problem:
        raise ReportError(
            f"{path} is no {FORMAT}. Make it again with emu run --trace."
        ) from problem


def _region(archive: np.lib.npyio.NpzFile, name: str) -> TraceRegion:
    return TraceRegion(
        name=name,
        start=int(archive[f"{name}.start"]),
        size_bytes=int(archive[f"{name}.size_bytes"]),
        granule_bytes=int(archive[f"{name}.granule_bytes"]),
        reads=archive[f"{name}.reads"],
        writes=archive[f"{name}.writes"],
        first_write_cycles=archive[f"{name}.first_write_cycles"],
        last_read_cycles=archive[f"{name}.last_read_cycles"],
    )


def _rows(archive: np.lib.npyio.NpzFile, key: str) -> tuple[tuple[int, int, int], ...]:
    return tuple((int(row[0]), int(row[1]), int(row[2])) for row in archive[key])
