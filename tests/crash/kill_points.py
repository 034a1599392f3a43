"""A database whose process ends before any chosen change of its files, and a reader of what its queries write."""

from __future__ import annotations

import atexit
import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import sqlengine
from storage import Storage
from storage.faults import FaultyEnv

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

        def end() -> None:
            for reader in self.readers:
                for db in opened:
                    reader.poll(db.storage)
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
