"""MirrorEnv: files that are kept the same in several directories, for all that a storage holds besides records.

Whoever uses it names paths below the first directory; every change is made below all of them that are in sync, and is
durable in all when it returns. A directory in which a change fails falls out of sync, and the others go on; it comes
back by `restore`, which copies. Reads come from the first. Must not know what the files mean.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import pyarrow as pa

from storage.env import Env, File, Lock

Result = TypeVar("Result")

Names = list[str]
OnLost = Callable[[str, OSError], None]


class MirrorEnv:
    """An `Env` for paths below `root`, with the directories `roots` in sync (`root` need not be one of them).

    `on_lost` is told which of them failed, before the change that it failed in returns; the last one is never given up,
    its error is the caller's.
    """

    def __init__(self, base: Env, root: str, roots: Sequence[str], on_lost: OnLost) -> None:
        self.base = base
        self.mutex = threading.RLock()
        self.root = root
        self._roots = list(roots)
        self._on_lost = on_lost
        self._open: dict[MirrorFile, None] = {}  # in order, so that what happens does not depend on addresses

    @property
    def roots(self) -> tuple[str, ...]:
        """The directories in sync, the first is read from."""
        return tuple(self._roots)

    def _below(self, root: str, path: str) -> str:
        """The place of `path` in one of the directories."""
        if path != self.root and not path.startswith(self.root + "/"):
            raise ValueError(f'"{path}" is not below "{self.root}"')
        return root + path[len(self.root) :]

    def lose(self, root: str, error: OSError) -> bool:
        """Take a directory out; False for the last one."""
        with self.mutex:
            if root not in self._roots or not self.leave(root):
                return False
            self._on_lost(root, error)
            return True

    def leave(self, root: str) -> bool:
        """Keep nothing in step in a directory any more; False for the last one."""
        with self.mutex:
            if root in self._roots:
                if len(self.roots) == 1:
                    return False
                self._roots.remove(root)
                for file in self._open:
                    file.leave(root)
            return True

    def everywhere(self, work: Callable[[str], Result]) -> Result:
        """Do `work` in every directory; what it returned in the first. The error of the last one that is left."""
        with self.mutex:
            results: dict[str, Result] = {}
            for root in self.roots:
                if root not in self._roots:  # the loss of another has shown that it is lost as well
                    continue
                try:
                    results[root] = work(root)
                except OSError as error:
                    if not self.lose(root, error):
                        raise
            return results[self._roots[0]]

    def first(self, work: Callable[[str], Result]) -> Result:
        """Do `work` in the first directory in which it can be done."""
        with self.mutex:
            while True:
                root = self._roots[0]
                try:
                    return work(root)
                except OSError as error:
                    if not self.lose(root, error):
                        raise

    def restore(self, root: str, copy: Callable[[str, str], None]) -> None:
        """Bring a directory back: `copy` (from, to) makes it equal to one in sync. OSError if that fails."""
        with self.mutex:
            copy(self._roots[0], root)
            joined: list[MirrorFile] = []
            try:
                for file in self._open:
                    file.join(root, self._below(root, file.path))
                    joined.append(file)
            except OSError:
                for file in joined:
                    file.leave(root)
                raise
            self._roots.append(root)

    def opened(self, file: MirrorFile) -> None:
        """Note an open file."""
        self._open[file] = None

    def closed(self, file: MirrorFile) -> None:
        """Forget a file."""
        self._open.pop(file, None)

    # --- Env ---

    def now_us(self) -> int:
        """See `Env.now_us`."""
        return self.base.now_us()

    def random_bytes(self, size: int) -> bytes:
        """See `Env.random_bytes`."""
        return self.base.random_bytes(size)

    def absolute(self, path: str) -> str:
        """See `Env.absolute`."""
        return self.base.absolute(path)

    def open(self, path: str, *, create: bool = False) -> File:
        """See `Env.open`. A file that is nowhere is missing; one that is missing in some directories only was lost
        there.
        """
        with self.mutex:
            if not create and not any(self.base.exists(self._below(root, path)) for root in self.roots):
                raise FileNotFoundError(2, "No such file or directory", path)
            file = MirrorFile(self, path)
            self.everywhere(lambda root: file.join(root, self._below(root, path), create=create))
            self.opened(file)
            return file

    def exists(self, path: str) -> bool:
        """See `Env.exists`."""
        with self.mutex:
            return any(self.base.exists(self._below(root, path)) for root in self.roots)

    def list(self, path: str) -> list[str]:
        """See `Env.list`."""
        return self.first(lambda root: self._names(root, path))

    def _names(self, root: str, path: str) -> Names:
        """`list` in one directory; OSError if that directory is gone."""
        if not self.base.exists(root):
            raise FileNotFoundError(2, "No such file or directory", root)
        return self.base.list(self._below(root, path))

    def mkdir(self, path: str) -> None:
        """See `Env.mkdir`."""
        self.everywhere(lambda root: self._make(root, path))

    def _make(self, root: str, path: str) -> None:
        """`mkdir` in one directory, which is not made anew if it has gone."""
        if not self.base.exists(root):
            raise FileNotFoundError(2, "No such file or directory", root)
        self.base.mkdir(self._below(root, path))

    def rename(self, source: str, target: str) -> None:
        """See `Env.rename`."""
        self.everywhere(lambda root: self.base.rename(self._below(root, source), self._below(root, target)))

    def remove(self, path: str) -> None:
        """See `Env.remove`."""
        self.everywhere(lambda root: self.base.remove(self._below(root, path)))

    def sync_dir(self, path: str) -> None:
        """See `Env.sync_dir`."""
        self.everywhere(lambda root: self.base.sync_dir(self._below(root, path)))

    def lock(self, path: str) -> Lock:
        """See `Env.lock`: who locks directories does so one by one."""
        return self.base.lock(path)


class MirrorFile:
    """A file in all directories of a mirror."""

    def __init__(self, env: MirrorEnv, path: str) -> None:
        self.path = path
        self._env = env
        self._files: dict[str, File] = {}

    def join(self, root: str, place: str, *, create: bool = False) -> None:
        """Open it in one more directory."""
        self._files[root] = self._env.base.open(place, create=create)

    def leave(self, root: str) -> None:
        """Close it in one directory."""
        file = self._files.pop(root, None)
        if file is not None:
            file.close()

    def write(self, position: int, pieces: Sequence[Any]) -> None:
        """See `File.write`."""
        self._env.everywhere(lambda root: self._files[root].write(position, pieces))

    def read(self, position: int, size: int) -> bytes:
        """See `File.read`."""
        return self._env.first(lambda root: self._files[root].read(position, size))

    def size(self) -> int:
        """See `File.size`."""
        return self._env.first(lambda root: self._files[root].size())

    def resize(self, size: int) -> None:
        """See `File.resize`."""
        self._env.everywhere(lambda root: self._files[root].resize(size))

    def sync(self) -> None:
        """See `File.sync`. A file that has lost its name is nowhere, however well it was synced."""
        self._env.everywhere(self._sync)

    def _sync(self, root: str) -> None:
        """`sync` in one directory."""
        self._files[root].sync()
        if not self._env.base.exists(root):
            raise FileNotFoundError(2, "No such file or directory", root)

    def map(self, size: int) -> pa.Buffer:
        """See `File.map`."""
        return self._env.first(lambda root: self._files[root].map(size))

    def close(self) -> None:
        """See `File.close`."""
        with self._env.mutex:
            self._env.closed(self)
            for root in list(self._files):
                self.leave(root)
