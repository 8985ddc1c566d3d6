"""Trace files: read as written, whole or not at all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from emu.backends.protocol import Trace, TraceRegion
from emu.errors import ReportError, UsageError
from emu.measure.trace import load_trace, save_trace
from emu.measure.write_file import write_file


@pytest.fixture
def trace() -> Trace:
    chance = np.random.default_rng(1)
    region = TraceRegion(
        name="dtcm",
        start=0x20000000,
        size_bytes=1024,
        granule_bytes=64,
        reads=chance.integers(0, 9, (32, 16), dtype=np.uint32),
        writes=chance.integers(0, 9, (32, 16), dtype=np.uint32),
        first_write_cycles=np.full(256, -1, np.int64),
        last_read_cycles=np.arange(256, dtype=np.int64),
    )
    return Trace(
        bin_cycles=1024,
        regions=(region,),
        unwritten_reads=((0x08000100, 0x20000010, 3),),
        stray_writes=(),
    )


def test_a_trace_survives_the_disk(trace: Trace, tmp_path: Path) -> None:
    path = tmp_path / "out.npz"
    save_trace(trace, path)
    read = load_trace(path)
    assert (read.bin_cycles, read.unwritten_reads, read.stray_writes) == (
        trace.bin_cycles,
        trace.unwritten_reads,
        trace.stray_writes,
    )
    (was,), (is_,) = trace.regions, read.regions
    assert (is_.name, is_.start, is_.size_bytes, is_.granule_bytes) == (
        was.name,
        was.start,
        was.size_bytes,
        was.granule_bytes,
    )
    for name in ("reads", "writes", "first_write_cycles", "last_read_cycles"):
        assert np.array_equal(getattr(is_, name), getattr(was, name))
        assert getattr(is_, name).dtype == getattr(was, name).dtype


def test_numpy_alone_can_read_it(trace: Trace, tmp_path: Path) -> None:
    save_trace(trace, tmp_path / "out.npz")
    with np.load(tmp_path / "out.npz", allow_pickle=False) as archive:
        assert archive["format"] == "emu.trace/1"
        assert archive["dtcm.reads"].shape == (32, 16)


def test_the_name_is_kept_as_given(trace: Trace, tmp_path: Path) -> None:
    save_trace(trace, tmp_path / "trace")  # numpy would add .npz
    assert [path.name for path in tmp_path.iterdir()] == ["trace"]


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "other"])
def test_a_bad_trace_gets_one_sentence(trace: Trace, tmp_path: Path, damage: str) -> None:
    path = tmp_path / "out.npz"
    save_trace(trace, path)
    if damage == "other":
        np.savez(path, something=np.zeros(3))
    else:
        whole = path.read_bytes()
        path.write_bytes({"empty": b"", "text": b"not a zip", "cut": whole[:200]}[damage])
    with pytest.raises(ReportError, match=r"out.npz is no emu.trace/1"):
        load_trace(path)


def test_a_missing_trace_gets_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match=r"Cannot read the trace .*: No such file"):
        load_trace(tmp_path / "none.npz")


def test_a_missing_folder_gets_one_sentence(trace: Trace, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Cannot write .*/no/out.npz: No such file"):
        save_trace(trace, tmp_path / "no" / "out.npz")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text("old")

    def fail(_: object) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(UsageError, match=r"Cannot write .*: No space left on device"):
        write_file(path, fail)
    assert [item.name for item in tmp_path.iterdir()] == ["report.json"]
    assert path.read_text() == "old"


@pytest.mark.skipif(sys.platform == "win32", reason="limits of processes are POSIX")
def test_a_full_disk_gets_one_sentence(tmp_path: Path) -> None:
    script = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from emu.errors import EmuError\n"
        "from emu.measure.write_file import write_file\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try:\n"
        "    write_file(Path(sys.argv[1]), b'x' * 100_000)\n"
        "except EmuError as refusal:\n"
        "    print(refusal)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "big")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"Cannot write {tmp_path / 'big'}: File too large.\n"
    assert list(tmp_path.iterdir()) == []
