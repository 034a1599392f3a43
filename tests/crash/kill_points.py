"""A database whose process ends before any chosen change of its files, and a reader of what its queries write."""

from __future__ import annotations

import atexit
import errno
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import sqlengine
from storage import Storage, StorageError
from storage.faults import FaultyEnv

LOOK_S = 0.2

Work = Callable[[sqlengine.Database], object]


class Killed(BaseException):
    """The process is gone."""


class Reader:
    """Follows a topic by offsets, from one process to the next: what it has once read it must not get again."""

    def __init__(self, topic: str) -> None:
        self.rows: list[tuple[Any, ...]] = []
        self._topic = topic
        self._id = ""
        self._position = 0

    def poll(self, storage: Storage) -> None:
        """Read on; a topic that is there no more, or another one by now, must have shown nothing."""
        found = next((topic for topic in storage.topics() if topic.name == self._topic), None)
        if found is None or found.id != self._id:
            assert not self.rows, "what was read is gone"
            self._position = 0
        if found is None:
            return
        self._id, log = found.id, found.partitions[0]
        self._position = max(self._position, log.start_offset)
        while frames := log.read(self._position):
            self.rows += [tuple(row.values()) for frame in frames for row in frame.batch.to_pylist()]
            self._position = frames[-1].next_offset


class _Look:
    """What a reader sees at the last moment. Whoever ends may hold a lock that reading wants: what it cannot see before
    they let go it does not see."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._thread: threading.Thread | None = None
        self._failure: AssertionError | None = None

    def begin(self, storage: Storage) -> None:
        self._thread = threading.Thread(target=self._poll, args=(storage,), daemon=True)
        self._thread.start()
        self._thread.join(LOOK_S)

    def end(self) -> None:
        """Raises what the reader found wrong."""
        if self._thread is not None:
            self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _poll(self, storage: Storage) -> None:
        try:
            self._reader.poll(storage)
        except AssertionError as failure:
            self._failure = failure
        except (OSError, StorageError):
            return  # there is nothing to read from any more


class Doomed:
    """Opens a database in `path` under a clock of its own, again and again."""

    def __init__(self, path: Path, readers: tuple[Reader, ...] = ()) -> None:
        self.path = path
        self.clock = sqlengine.VirtualClock()
        self.readers = readers
        self._processes = 0

    def open(self) -> sqlengine.Database:
        """As it is after whatever has happened."""
        return sqlengine.connect(self.path, clock=self.clock)

    def changes(self, work: Work) -> int:
        """How often `work` changes files; the process ends after it."""
        env = self._env()
        db = self._within(env)
        try:
            before = env.calls["any"]
            work(db)
            return env.calls["any"] - before
        finally:
            db.crash()

    def killed(self, nth: int, work: Work, *, opening: bool = False) -> bool:
        """Have the process end before the `nth` change that `work`, or that `opening` with it, makes; False when it
        does not come to that."""
        env = self._env()
        opened: list[sqlengine.Database] = []

        looks = [_Look(reader) for reader in self.readers]

        def end() -> None:
            for look in looks:
                for db in opened:
                    look.begin(db.storage)
            env.broken = errno.EIO
            raise Killed

        if opening:
            env.plan("any", nth, end)
        try:
            opened.append(self._within(env))
            if not opening:
                env.plan("any", nth, end)
            work(opened[0])
        except BaseException:
            if env.broken is None:
                raise
        survived = env.broken is None
        for look in looks:
            look.end()
        if survived:
            env.heal()
        for db in opened:
            if survived:
                db.crash()
            atexit.unregister(db._instance.close)
        env.kill()
        return not survived

    def _env(self) -> FaultyEnv:
        self._processes += 1
        return FaultyEnv(f"{self.path}-trash-{self._processes}")

    def _within(self, env: FaultyEnv) -> sqlengine.Database:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("storage.facade.RealEnv", lambda: env)
            return self.open()
