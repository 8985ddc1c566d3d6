"""A content-hashed store on disk, shared by every build of one user.

Two kinds of entries: blobs, named by the SHA-256 of their bytes, and records, small JSON texts
named by the SHA-256 of the question they answer. Every write is a rename of a finished temporary
file, so concurrent builders see whole entries or none. A damaged entry reads as absent.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from emu.errors import BuildError

MAX_CACHE_BYTES = 1 << 30
_PRUNE_INTERVAL_S = 600
_KEEP_S = 3600  # never remove what a running build may be using
_DIGEST = re.compile(r"[0-9a-f]{64}")
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


def sha256_bytes(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def sha256_texts(*texts: str) -> str:
    """Hash of a list of texts; unambiguous, because each is led by its length."""
    digest = hashlib.sha256()
    for text in texts:
        encoded = text.encode("utf-8", "surrogateescape")
        digest.update(len(encoded).to_bytes(8, "little"))
        digest.update(encoded)
    return digest.hexdigest()


def default_cache_dir() -> Path | None:
    """`EMU_CACHE_DIR`, else `tinyml-emu` in the user's cache folder; None without a home."""
    if override := os.environ.get("EMU_CACHE_DIR"):
        return Path(override).absolute()
    if xdg := os.environ.get("XDG_CACHE_HOME"):
        return Path(xdg).absolute() / "tinyml-emu"
    try:
        return Path.home() / ".cache" / "tinyml-emu"
    except RuntimeError:
        return None


@contextlib.contextmanager
def disk_full_as_sentence(folder: Path) -> Iterator[None]:
    """Turn "no space left" into a refusal that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in _DISK_FULL:
            raise BuildError(
                f"The build cache {folder} is full ({error.strerror}). Free some space there, or "
                "set EMU_CACHE_DIR to a folder with space."
            ) from error
        raise


@dataclass(frozen=True)
class BuildCache:
    """The store. Make one with `open_cache`."""

    root: Path
    max_bytes: int = MAX_CACHE_BYTES

    def blob_path(self, digest: str, suffix: str) -> Path:
        return self._path("blobs", digest, suffix)

    def blob(self, digest: str, suffix: str) -> bytes | None:
        """Bytes of a blob, once they were seen to match its name."""
        if _DIGEST.fullmatch(digest) is None:  # from a damaged record: never a path to touch
            return None
        path = self.blob_path(digest, suffix)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        if sha256_bytes(data) != digest:
            with contextlib.suppress(OSError):
                path.unlink()
            return None
        self._touch(path)
        return data

    def add_blob(self, data: bytes, suffix: str) -> str:
        """Store bytes; returns their SHA-256."""
        digest = sha256_bytes(data)
        if self.blob(digest, suffix) is None:
            self._write(self.blob_path(digest, suffix), data)
        return digest

    def record(self, key: str) -> str | None:
        path = self._path("records", key, ".json")
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            return None
        self._touch(path)
        return text

    def add_record(self, key: str, text: str) -> None:
        self._write(self._path("records", key, ".json"), text.encode("utf-8"))

    def place_file(self, folder: str, name: str, data: bytes) -> Path:
        """Store bytes under a readable name in a folder of their own (the linked ELF)."""
        path = self.root / "elf" / folder / name
        try:
            if path.read_bytes() == data:
                self._touch(path)
                return path
        except OSError:
            pass
        self._write(path, data)
        return path

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """A private folder inside the cache, removed at the end."""
        with disk_full_as_sentence(self.root):
            folder = Path(tempfile.mkdtemp(prefix="work-", dir=self._folder("tmp")))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @contextlib.contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Let one process at a time do something costly. Without file locks: no exclusion."""
        try:
            import fcntl  # absent on Windows, where work may be done twice, which is harmless
        except ImportError:
            yield
            return
        with (self._folder("tmp") / f"{name}.lock").open("w") as handle:
            with contextlib.suppress(OSError):  # some network file systems have no locks
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def prune(self) -> None:
        """Remove the entries used longest ago once the cache outgrows `max_bytes`."""
        stamp = self.root / "tmp" / "pruned"
        now = time.time()
        try:
            if now - stamp.stat().st_mtime < _PRUNE_INTERVAL_S:
                return
        except OSError:
            pass
        with contextlib.suppress(OSError):
            self._folder("tmp")
            stamp.touch()
            self._remove_oldest(now)

    def _remove_oldest(self, now: float) -> None:
        entries: list[tuple[float, int, Path]] = []
        for path in self.root.rglob("*"):
            with contextlib.suppress(OSError):
                if path.is_file():
                    stat = path.stat()
                    entries.append((stat.st_mtime, stat.st_size, path))
        excess = sum(size for _, size, _ in entries) - self.max_bytes
        for modified, size, path in sorted(entries):
            if excess <= 0 or now - modified < _KEEP_S:
                return
            with contextlib.suppress(OSError):
                path.unlink()
                excess -= size

    def _path(self, kind: str, digest: str, suffix: str) -> Path:
        return self.root / kind / digest[:2] / f"{digest[2:]}{suffix}"

    def _folder(self, name: str) -> Path:
        folder = self.root / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _touch(self, path: Path) -> None:
        with contextlib.suppress(OSError):
            os.utime(path)

    def _write(self, path: Path, data: bytes) -> None:
        with disk_full_as_sentence(self.root):
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=".new-", dir=path.parent)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                Path(name).replace(path)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".probe-", dir=folder)
        os.close(handle)
        Path(name).unlink()
    except OSError as error:
        # A full disk is told later, where something is written; only a folder that cannot be
        # written at all is replaced in silence.
        return error.errno in _DISK_FULL
    return True


_fallback: list[Path] = []


def open_cache() -> BuildCache:
    """The user's cache, or one of this process alone where the user's cannot be written."""
    folder = default_cache_dir()
    if folder is not None and _is_writable(folder):
        return BuildCache(folder)
    if not _fallback:
        with disk_full_as_sentence(Path(tempfile.gettempdir())):
            _fallback.append(Path(tempfile.mkdtemp(prefix="emu-cache-")))
        atexit.register(shutil.rmtree, _fallback[0], ignore_errors=True)
    return BuildCache(_fallback[0])
