"""FaultyEnv: an `Env` whose disk fails on command, for tests of everything built on storage.

It can make the n-th operation fail or do anything else, fail altogether, run out of space, and lose power: then
whatever was not fsynced is dropped or torn at sector boundaries, and directory changes that were not followed by a
directory sync may be undone. It works on a real directory through another `Env`. Not for production
use; nothing in the package imports it.
"""

from __future__ import annotations

import errno
import os
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from storage.env import Env, File, Lock, RealEnv

SECTOR_BYTES = 512


@dataclass
class _FileState:
    """What of a file is not durable: (position, old bytes, new bytes) of each write, and the size when last
    synced.
    """

    synced_size: int
    extent: int
    writes: list[tuple[int, bytes, bytes]] = field(default_factory=list)


@dataclass(frozen=True)
class _DirectoryChange:
    """A change of names that is not durable yet; `saved` is where an overwritten or removed entry was put."""

    kind: str
    path: str
    source: str = ""
    saved: str = ""


def _raise(error: int) -> None:
    """Raise the OSError of a number."""
    raise OSError(error, os.strerror(error))


def _lies_in(path: str, place: str) -> bool:
    """Whether `path` is `place` or below it."""
    return path == place or path.startswith(place + "/")


class FaultyEnv:
    """An `Env` with faults. `calls` counts operations by name; `now` replaces the clock when it is not None; `broken`
    is the error of every operation while it is not None.

    Operations: open, read, write, resize, sync, map, mkdir, rename, remove, sync_dir, lock; `any` is all that
    change something. `space` is the number of bytes that files may still grow by, None for no limit.
    """

    def __init__(self, trash: str, *, base: Env | None = None, seed: int = 0) -> None:
        """`trash` is a directory for removed entries, beside the tested one and on the same device."""
        self.base = base or RealEnv()
        self.base.mkdir(trash)
        self.calls: Counter[str] = Counter()
        self.space: int | None = None
        self.now: int | None = None
        self.broken: int | None = None
        self._random = random.Random(seed)
        self._trash = trash
        self._states: dict[str, _FileState] = {}
        self._changes: list[_DirectoryChange] = []
        self._locks: list[Lock] = []
        self._files: set[FaultyFile] = set()
        self._planned: dict[tuple[str, int], Callable[[], None]] = {}

    # --- faults ---

    def fail(self, operation: str, nth: int = 1, error: int = errno.EIO) -> None:
        """Let the `nth` next call of `operation` raise OSError(`error`)."""
        self.plan(operation, nth, lambda: _raise(error))

    def plan(self, operation: str, nth: int, action: Callable[[], None]) -> None:
        """Let `action` happen before the `nth` next call of `operation`."""
        self._planned[operation, self.calls[operation] + nth] = action

    def heal(self) -> None:
        """Forget all planned failures and the space limit."""
        self._planned.clear()
        self.space = self.broken = None

    def kill(self) -> None:
        """The process ends: files are closed and locks fall. Storages open on this env must not be used afterwards."""
        for file in self._files:
            file.end()
        self._files.clear()
        for lock in self._locks:
            lock.release()
        self._locks.clear()

    def vanish(self, path: str) -> None:
        """Somebody removes `path`, for good, whatever is open in it."""
        self.base.remove(path)
        self._forget(path)
        self._changes = [change for change in self._changes if not _lies_in(change.path, path)]

    def power_loss(self) -> None:
        """Lose what was not synced. Storages open on this env must not be used afterwards."""
        self.kill()
        for path, state in self._states.items():
            if state.writes and self.base.exists(path):
                self._tear(path, state)
        self._states.clear()
        kept = self._random.randint(0, len(self._changes))
        for change in reversed(self._changes[kept:]):
            self._undo(change)
        self._changes.clear()

    def _tear(self, path: str, state: _FileState) -> None:
        """Undo the unsynced writes of a file, but keep a random choice of their sectors."""
        file = self.base.open(path)
        for position, old, new in reversed(state.writes):
            file.write(position, [old + bytes(len(new) - len(old))])
        chance = self._random.choice((0.0, 0.5, 1.0))
        for position, _, new in state.writes:
            for start in range(0, len(new), SECTOR_BYTES):
                if self._random.random() < chance:
                    file.write(position + start, [new[start : start + SECTOR_BYTES]])
        if self._random.random() < 0.5:
            file.resize(state.synced_size)
        file.close()

    def _undo(self, change: _DirectoryChange) -> None:
        """Take a directory change back."""
        if change.kind == "rename" and self.base.exists(change.path):
            self.base.rename(change.path, change.source)
        elif change.kind == "create":
            self.base.remove(change.path)
        if change.saved and self.base.exists(change.path.rpartition("/")[0]):
            self.base.rename(change.saved, change.path)

    def count(self, operation: str) -> None:
        """Count a call and raise if it was planned to fail."""
        names = [operation] if operation in ("read", "map") else [operation, "any"]
        for name in names:
            self.calls[name] += 1
            action = self._planned.pop((name, self.calls[name]), None)
            if action is not None:
                action()
        if self.broken is not None:
            _raise(self.broken)

    def state(self, path: str) -> _FileState:
        """The tracked state of a file."""
        return self._states[path]

    # --- Env ---

    def now_us(self) -> int:
        """See `Env.now_us`."""
        return self.base.now_us() if self.now is None else self.now

    def random_bytes(self, size: int) -> bytes:
        """See `Env.random_bytes`; repeatable by the seed."""
        return self._random.randbytes(size)

    def open(self, path: str, *, create: bool = False) -> File:
        """See `Env.open`."""
        self.count("open")
        created = create and not self.base.exists(path)
        file = self.base.open(path, create=create)
        if created:
            self._changes.append(_DirectoryChange("create", path))
        size = file.size()
        self._states.setdefault(path, _FileState(size, size))
        opened = FaultyFile(self, file, path)
        self._files.add(opened)
        return opened

    def closed(self, file: FaultyFile) -> None:
        """Forget a file that was closed."""
        self._files.discard(file)

    def absolute(self, path: str) -> str:
        """See `Env.absolute`."""
        return self.base.absolute(path)

    def exists(self, path: str) -> bool:
        """See `Env.exists`."""
        return self.base.exists(path)

    def list(self, path: str) -> list[str]:
        """See `Env.list`."""
        return self.base.list(path)

    def mkdir(self, path: str) -> None:
        """See `Env.mkdir`."""
        self.count("mkdir")
        if not self.base.exists(path):
            self.base.mkdir(path)
            self._changes.append(_DirectoryChange("create", path))

    def rename(self, source: str, target: str) -> None:
        """See `Env.rename`."""
        self.count("rename")
        saved = self._save(target)
        self.base.rename(source, target)
        for path in [each for each in self._states if _lies_in(each, source)]:
            self._states[target + path[len(source) :]] = self._states.pop(path)
        self._changes.append(_DirectoryChange("rename", target, source, saved))

    def remove(self, path: str) -> None:
        """See `Env.remove`."""
        self.count("remove")
        if self.base.exists(path):
            self._changes.append(_DirectoryChange("remove", path, saved=self._save(path)))

    def _save(self, path: str) -> str:
        """Move an entry that goes away into the trash; returns its place there, empty if there is no such
        entry.
        """
        self._forget(path)
        if not self.base.exists(path):
            return ""
        saved = f"{self._trash}/{self.calls['any']}-{self._random.getrandbits(64):x}"
        self.base.rename(path, saved)
        return saved

    def _forget(self, path: str) -> None:
        """Let an entry that goes away have nothing to lose."""
        for known in [each for each in self._states if _lies_in(each, path)]:
            del self._states[known]

    def sync_dir(self, path: str) -> None:
        """See `Env.sync_dir`."""
        self.count("sync_dir")
        self.base.sync_dir(path)
        self._changes = [c for c in self._changes if c.path.rpartition("/")[0] != path]

    def lock(self, path: str) -> Lock:
        """See `Env.lock`."""
        self.count("lock")
        lock = self.base.lock(path)
        self._locks.append(lock)
        return _FaultyLock(self._locks, lock)


class FaultyFile:
    """A file of a `FaultyEnv`; remembers what it would lose."""

    def __init__(self, env: FaultyEnv, file: File, path: str) -> None:
        self.path = path
        self._env = env
        self._file = file
        self._state = env.state(path)
        self._is_closed = False

    def write(self, position: int, pieces: Sequence[Any]) -> None:
        """See `File.write`; without space the part that fits is written."""
        self._env.count("write")
        data = b"".join(pieces)
        growth = max(position + len(data) - self._state.extent, 0)
        space = self._env.space
        if space is not None and growth > space:
            self._put(position, data[: max(len(data) - growth + space, 0)])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._put(position, data)

    def _put(self, position: int, data: bytes) -> None:
        """Write and note what was there before."""
        old = self._file.read(position, len(data))
        self._state.writes.append((position, old, data))
        self._file.write(position, [data])
        self._grow(max(self._state.extent, position + len(data)))

    def _grow(self, extent: int) -> None:
        """Charge the space limit for a new extent (or refund it)."""
        if self._env.space is not None:
            self._env.space -= extent - self._state.extent
        self._state.extent = extent

    def read(self, position: int, size: int) -> bytes:
        """See `File.read`."""
        self._env.count("read")
        return self._file.read(position, size)

    def size(self) -> int:
        """See `File.size`."""
        return self._file.size()

    def resize(self, size: int) -> None:
        """See `File.resize`. The part cut off is noted like an overwritten one; growing takes no space."""
        self._env.count("resize")
        lost = self._file.read(size, max(self._state.extent - size, 0))
        if lost:
            self._state.writes.append((size, lost, bytes(len(lost))))
            self._grow(size)
        self._file.resize(size)

    def sync(self) -> None:
        """See `File.sync`."""
        self._env.count("sync")
        self._file.sync()
        self._state.writes.clear()
        self._state.synced_size = self._file.size()

    def map(self, size: int) -> pa.Buffer:
        """See `File.map`."""
        self._env.count("map")
        return self._file.map(size)

    def close(self) -> None:
        """See `File.close`."""
        self._env.closed(self)
        self.end()

    def end(self) -> None:
        """Close it, unless the end of the process has done so."""
        if not self._is_closed:
            self._is_closed = True
            self._file.close()


class _FaultyLock:
    """A lock that its env can take away."""

    def __init__(self, held: list[Lock], lock: Lock) -> None:
        self._held = held
        self._lock = lock

    def release(self) -> None:
        """See `Lock.release`."""
        if self._lock in self._held:
            self._held.remove(self._lock)
            self._lock.release()
