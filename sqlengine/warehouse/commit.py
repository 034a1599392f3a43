"""Changes of a table's files that happen wholly or not at all, whenever the process dies.

What a statement writes goes to a hidden directory `.staging-<id>` of the table first. When all of it is on disk a
record of what is to be moved, taken away and removed is written there: from then on the statement has happened, and
whoever finds the record (`recover`) carries it out. Every step can be repeated. Files that are taken away are moved
into the staging directory, and removed once the record is gone and no reader of this process may want them.

A place on another file system (a partition with a location of its own) has a staging directory there; the table's
one knows it.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import field
from typing import Any

from sqlengine.errors import DataCorrupted, DiskFull, FileUnavailable
from sqlengine.quick_dataclass import dataclass
from sqlengine.warehouse.layout import data_files
from sqlengine.warehouse.visibility import Change, changing
from storage.env import Env, Lock, RealEnv, make_dir, read_file, write_file

STAGING = ".staging-"
_RECORD, _ELSEWHERE, _LOCK = "commit.json", "elsewhere.json", "lock"
_VERSION = 1


@dataclass(frozen=True, slots=True)
class _Plan:
    """`takes`: (file or directory, where it goes); `moves`: (file or directory, its new name); `makes`: directories
    that shall exist; `drops`: directories and files that go at the end; `roots`: all staging directories, the
    table's first."""

    takes: list[tuple[str, str]] = field(default_factory=list)
    moves: list[tuple[str, str]] = field(default_factory=list)
    makes: list[str] = field(default_factory=list)
    drops: list[str] = field(default_factory=list)
    roots: list[str] = field(default_factory=list)


class Commit:
    """One statement's changes of the table at `location`. Use it as a context: leaving it without `finish` undoes all.

    OSErrors become DiskFull (53100) and FileUnavailable (58P01).
    """

    def __init__(self, location: str, env: Env | None = None, *, others: Sequence[str] = ()) -> None:
        """`others`: locations of further tables whose files are changed."""
        self.env: Env = env or RealEnv()
        self.location = location
        self.id = self.env.random_bytes(8).hex()
        self._others = others
        self._plan = _Plan()
        self._count = 0
        self._adding = threading.Lock()
        self._lock: Lock | None = None
        self._devices: dict[str, str] = {}

    def __enter__(self) -> Commit:
        with disk(self.location):
            make_dir(self.env, self.location)
            root = f"{self.location}/{STAGING}{self.id}"
            self.env.mkdir(root)
            self._plan.roots.append(root)
            self._lock = self.env.lock(f"{root}/{_LOCK}")
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock is None:
            return
        try:
            # a record that was written has decided, whatever failed after it: `recover` carries it out
            if not self.env.exists(f"{self._plan.roots[0]}/{_RECORD}"):
                # what cannot be removed now is removed by `recover`; why we are here matters more
                with contextlib.suppress(OSError):
                    for root in reversed(self._plan.roots):
                        self.env.remove(root)
        finally:
            self._lock.release()
            self._lock = None

    # ------------------------------------------------------------ what is to happen

    def new_file(self, directory: str, name: str) -> str:
        """A path for a file that will be `directory`/`name`; from any thread."""
        staged = self.staged(directory)
        self._plan.moves.append((staged, f"{directory}/{name}"))
        return staged

    def staged(self, directory: str) -> str:
        """A path for a file that is to be moved to `directory`; from any thread."""
        with self._adding:
            return self._staged(directory)

    def make(self, directory: str) -> None:
        """The directory will exist."""
        self._plan.makes.append(directory)

    def move(self, source: str, target: str) -> None:
        """A file or directory gets another name on the same file system."""
        self._plan.moves.append((source, target))

    def take(self, path: str) -> None:
        """A file goes away; readers that have it listed keep it."""
        self._plan.takes.append((path, self._staged(path.rpartition("/")[0])))

    def drop(self, path: str) -> None:
        """A file or directory is removed at the end."""
        self._plan.drops.append(path)

    def same_device(self, one: str, other: str) -> bool:
        """Whether a rename can lead from one to the other."""
        return _device(one) == _device(other)

    def _staged(self, directory: str) -> str:
        """A new path in the staging directory of the file system that `directory` is on."""
        self._count += 1
        if directory not in self._devices:
            self._devices[directory] = self._root_for(directory)
        return f"{self._devices[directory]}/{self._count:06d}"

    def _root_for(self, directory: str) -> str:
        main = self._plan.roots[0]
        if directory.startswith(self.location + "/") or directory == self.location:
            return main
        for root in self._plan.roots:
            if _device(directory) == _device(root):
                return root
        root = f"{_existing(directory)}/{STAGING}{self.id}"
        with disk(directory):
            write_file(self.env, f"{main}/{_ELSEWHERE}", [json.dumps([*self._plan.roots[1:], root]).encode()])
            self.env.mkdir(root)
        self._plan.roots.append(root)
        return root

    # ------------------------------------------------------------ doing it

    def finish(self, decide: Callable[[], None] | None = None) -> None:
        """Make it happen. What was written to `new_file` paths must be on disk (synced) already. `decide` adds what
        depends on the files there are: nobody else of this process changes them from then on."""
        with disk(self.location), contextlib.ExitStack() as stack:
            changes = [stack.enter_context(changing(place)) for place in sorted({self.location, *self._others})]
            if decide is not None:
                decide()
            for root in self._plan.roots:
                self.env.sync_dir(root)
                self.env.sync_dir(_parent(root))
            record = {"version": _VERSION, **_plain(self._plan)}
            write_file(self.env, f"{self._plan.roots[0]}/{_RECORD}", [json.dumps(record).encode()])
            moved = _moved_files(self._plan)
            _apply(self.env, self._plan)
            self._end(changes, moved)

    def _end(self, changes: Sequence[Change], moved: dict[str, str]) -> None:
        """The record has been carried out: it goes, and later what was taken away."""
        env, roots = self.env, list(self._plan.roots)
        env.remove(f"{roots[0]}/{_RECORD}")
        env.sync_dir(roots[0])
        lock, self._lock = self._lock, None
        left = len(changes)

        def cleanup() -> None:
            nonlocal left
            left -= 1
            if not left:
                for root in reversed(roots):
                    env.remove(root)
                if lock is not None:
                    lock.release()

        for change in changes:
            change.taken(moved, cleanup)


def _plain(plan: _Plan) -> dict[str, Any]:
    return {name: getattr(plan, name) for name in ("takes", "moves", "makes", "drops", "roots")}


def _moved_files(plan: _Plan) -> dict[str, str]:
    """Where the files are that somebody may have listed."""
    moved = dict(plan.takes)
    for path, kept in plan.takes:
        for file in data_files(path, has_subdirectories=True) if os.path.isdir(path) else []:
            moved[file.path] = kept + file.path[len(path) :]
    staged = tuple(f"{root}/" for root in plan.roots)
    for source, target in plan.moves:
        if not source.startswith(staged):
            moved[source] = target
            for file in data_files(source, has_subdirectories=True) if os.path.isdir(source) else []:
                moved[file.path] = target + file.path[len(source) :]
    return moved


def _apply(env: Env, plan: _Plan) -> None:
    """Carry out a plan, or what is left of it."""
    changed: set[str] = set()
    for path, kept in plan.takes:
        if env.exists(path) and not env.exists(kept):
            env.rename(path, kept)
            changed |= {_parent(path), _parent(kept)}
    for directory in plan.makes:
        make_dir(env, directory)
    for source, target in plan.moves:
        if env.exists(source):
            make_dir(env, _parent(target))
            env.rename(source, target)
        changed |= {_parent(source), _parent(target)}
    for directory in sorted(changed):
        if env.exists(directory):
            env.sync_dir(directory)
    for path in plan.drops:
        if env.exists(path):
            env.remove(path)
            env.sync_dir(_parent(path))


def recover(location: str, env: Env | None = None) -> None:
    """Finish or undo what processes that have died have left of their statements. Those of living ones are left alone.

    DataCorrupted (XX001) when a record cannot be read.
    """
    env = env or RealEnv()
    for name in env.list(location):
        root = f"{location}/{name}"
        if not name.startswith(STAGING) or not os.path.isdir(root):
            continue
        try:
            lock = env.lock(f"{root}/{_LOCK}")
        except BlockingIOError:
            continue
        try:
            with disk(location), changing(location):
                _recover_one(env, root)
        finally:
            lock.release()


def _recover_one(env: Env, root: str) -> None:
    roots = [root]
    if env.exists(f"{root}/{_ELSEWHERE}"):
        roots += _read(env, f"{root}/{_ELSEWHERE}")
    if env.exists(f"{root}/{_RECORD}"):
        found = _read(env, f"{root}/{_RECORD}")
        if found.get("version") != _VERSION:
            raise DataCorrupted(f'the record "{root}/{_RECORD}" is of an unknown version')
        _apply(env, _Plan(**{name: found[name] for name in _plain(_Plan())}))
        env.remove(f"{root}/{_RECORD}")
        env.sync_dir(root)
    for each in reversed(roots):
        env.remove(each)


def _read(env: Env, path: str) -> Any:
    try:
        return json.loads(read_file(env, path))
    except ValueError as error:
        raise DataCorrupted(f'the record "{path}" is damaged: {error}') from None


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _existing(path: str) -> str:
    while not os.path.exists(path):
        path = _parent(path) or "/"
    return path


def _device(path: str) -> int:
    return os.stat(_existing(path)).st_dev


@contextlib.contextmanager
def disk(path: str) -> Iterator[None]:
    """The operating system's complaints as ours."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise DiskFull(f'could not write to "{path}": no space left on device') from None
        reason = (error.strerror or str(error)).lower()
        raise FileUnavailable(f'could not change "{error.filename or path}": {reason}') from error
