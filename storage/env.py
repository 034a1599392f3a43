"""Env: everything storage asks of the operating system (clock, files, locks, randomness).

Nothing else in this package touches `os`, `time` or `random`, so that tests can replace the machine: see
`storage.faults.FaultyEnv`. Paths are plain strings; errors are the `OSError` of the system call, translated
by the callers into `storage.errors`.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import shutil
import time
import weakref
from collections.abc import Sequence
from typing import Any, Protocol

import pyarrow as pa

# The kernel refuses more pieces than this in one vectored write (IOV_MAX, 1024 on Linux and macOS).
_MAX_PIECES = 1000


class File(Protocol):
    """An open file, read and written at explicit positions only."""

    path: str

    def write(self, position: int, pieces: Sequence[Any]) -> None:
        """Write all bytes-like `pieces` one after the other from `position`; OSError if not all could be
        written.
        """

    def read(self, position: int, size: int) -> bytes:
        """Up to `size` bytes from `position`; fewer at the end of the file."""

    def size(self) -> int:
        """Length of the file in bytes."""

    def resize(self, size: int) -> None:
        """Cut or extend (with a hole that reads as zeros) to `size` bytes."""

    def sync(self) -> None:
        """Make the content durable; an OSError means that nothing may be assumed about it."""

    def map(self, size: int) -> pa.Buffer:
        """Map the first `size` bytes read-only; slices keep the mapping alive, even after removal."""

    def close(self) -> None:
        """Release the descriptor; mappings stay."""


class Env(Protocol):
    """Clock, directory operations, locks and randomness."""

    def now_us(self) -> int:
        """Wall clock, microseconds since 1970-01-01 UTC."""

    def random_bytes(self, size: int) -> bytes:
        """`size` random bytes (identifiers, not secrets)."""

    def open(self, path: str, *, create: bool = False) -> File:
        """Open for reading and writing; `create` makes a missing file, and never empties an existing one."""

    def absolute(self, path: str) -> str:
        """The path without links and without regard to the current directory."""

    def exists(self, path: str) -> bool:
        """Whether a file or directory of that path exists."""

    def list(self, path: str) -> list[str]:
        """Sorted names in a directory; empty if there is none."""

    def mkdir(self, path: str) -> None:
        """Create a directory; no error if it exists."""

    def rename(self, source: str, target: str) -> None:
        """Atomically move `source` over `target`."""

    def remove(self, path: str) -> None:
        """Remove a file or a whole directory; no error if it is gone."""

    def sync_dir(self, path: str) -> None:
        """Make creations, renames and removals in a directory durable."""

    def lock(self, path: str) -> Lock:
        """Take the lock file, or raise BlockingIOError whose `strerror` is the holder's process id."""


class Lock(Protocol):
    """A held lock file."""

    def release(self) -> None:
        """Give the lock up."""


_mapped: weakref.WeakSet[mmap.mmap] = weakref.WeakSet()


def let_go_mapped() -> None:
    """Have no page of a mapped file in the process's memory; those that are used come back from the system's cache."""
    for mapped in list(_mapped):
        if hasattr(mapped, "madvise"):
            mapped.madvise(mmap.MADV_DONTNEED)


class RealFile:
    """`File` over a descriptor of the operating system."""

    def __init__(self, path: str, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    def write(self, position: int, pieces: Sequence[Any]) -> None:
        """See `File.write`. A short write is continued, so the error that caused it surfaces."""
        for first in range(0, len(pieces), _MAX_PIECES):
            group = pieces[first : first + _MAX_PIECES]
            total = sum(map(len, group))
            written = os.pwritev(self._descriptor, group, position)
            if written < total:
                self._write_rest(position + written, b"".join(group)[written:])
            position += total

    def _write_rest(self, position: int, data: bytes) -> None:
        """Continue a write that the kernel cut short (signals, nearly full disks, more than 2 GiB)."""
        rest = memoryview(data)
        while rest:
            written = os.pwrite(self._descriptor, rest, position)
            position += written
            rest = rest[written:]

    def read(self, position: int, size: int) -> bytes:
        """See `File.read`."""
        return os.pread(self._descriptor, size, position)

    def size(self) -> int:
        """See `File.size`."""
        return os.fstat(self._descriptor).st_size

    def resize(self, size: int) -> None:
        """See `File.resize`."""
        os.ftruncate(self._descriptor, size)

    def sync(self) -> None:
        """See `File.sync`; fdatasync where there is one, it also makes a changed file size durable."""
        getattr(os, "fdatasync", os.fsync)(self._descriptor)

    def map(self, size: int) -> pa.Buffer:
        """See `File.map`."""
        if size == 0:
            return pa.py_buffer(b"")
        mapped = mmap.mmap(self._descriptor, size, prot=mmap.PROT_READ)
        _mapped.add(mapped)
        return pa.py_buffer(mapped)

    def close(self) -> None:
        """See `File.close`."""
        os.close(self._descriptor)


class RealLock:
    """A lock file held by `flock`, which the kernel drops when the process dies."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def release(self) -> None:
        """See `Lock.release`."""
        os.close(self._descriptor)


class RealEnv:
    """`Env` over the operating system (POSIX)."""

    def now_us(self) -> int:
        """See `Env.now_us`."""
        return time.time_ns() // 1000

    def random_bytes(self, size: int) -> bytes:
        """See `Env.random_bytes`."""
        return os.urandom(size)

    def open(self, path: str, *, create: bool = False) -> File:
        """See `Env.open`."""
        flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0)
        return RealFile(path, os.open(path, flags, 0o644))

    def absolute(self, path: str) -> str:
        """See `Env.absolute`."""
        return os.path.realpath(path)

    def exists(self, path: str) -> bool:
        """See `Env.exists`."""
        return os.path.exists(path)

    def list(self, path: str) -> list[str]:
        """See `Env.list`."""
        try:
            return sorted(os.listdir(path))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def mkdir(self, path: str) -> None:
        """See `Env.mkdir`."""
        os.makedirs(path, exist_ok=True)

    def rename(self, source: str, target: str) -> None:
        """See `Env.rename`."""
        os.replace(source, target)

    def remove(self, path: str) -> None:
        """See `Env.remove`."""
        with contextlib.suppress(FileNotFoundError):
            if os.path.isdir(path):
                shutil.rmtree(path)
            else:
                os.unlink(path)

    def sync_dir(self, path: str) -> None:
        """See `Env.sync_dir`."""
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def lock(self, path: str) -> Lock:
        """See `Env.lock`. The holder's process id is the file's text."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise BlockingIOError(error.errno, holder) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        return RealLock(descriptor)


def make_dir(env: Env, path: str) -> None:
    """Create a directory and its missing parents so that they survive a power failure.

    One that is there and empty may be left by a call that failed, or ended, before its name was durable: that is made
    up for, because nothing is put into it before.
    """
    parent = path.rpartition("/")[0]
    holder = parent or ("/" if path.startswith("/") else ".")
    if not env.exists(path):
        if parent:
            make_dir(env, parent)
        env.mkdir(path)
        env.sync_dir(holder)
    elif not env.list(path):
        with contextlib.suppress(PermissionError):  # it lies in somebody else's, who has made it
            env.sync_dir(holder)


def write_file(env: Env, path: str, pieces: Sequence[Any], *, durable: bool = True) -> None:
    """Replace `path` by `pieces` so that after a crash it holds either the old or the new content, whole.

    Without `durable` a power failure may leave neither: only for checksummed files that can be rebuilt.
    """
    temporary = path + ".tmp"
    env.remove(temporary)
    file = env.open(temporary, create=True)
    try:
        file.write(0, pieces)
        if durable:
            file.sync()
    finally:
        file.close()
    env.rename(temporary, path)
    if durable:
        env.sync_dir(path.rpartition("/")[0] or ".")


def read_file(env: Env, path: str) -> bytes:
    """The whole content of a small file."""
    file = env.open(path)
    try:
        return file.read(0, file.size())
    finally:
        file.close()
