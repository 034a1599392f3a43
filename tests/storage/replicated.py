"""A storage in several directories, for tests: opened, filled, waited for."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import storage
from tests.storage.conftest import SCHEMA, QuickEnv, rows

NAMES = ("a", "b", "c")


def connect(root: Path, names: tuple[str, ...] = NAMES, env: storage.Env | None = None) -> storage.Storage:
    """A storage in `root`/a with replicas in the others."""
    first, *others = (str(root / name) for name in names)
    return storage.Storage.open(first, replicas=others, env=env or QuickEnv())


def settle(opened: storage.Storage, wanted: Callable[[], bool] | None = None) -> None:
    """Wait until every replica is in sync (or until something else is true)."""
    deadline = time.monotonic() + 60  # a loaded machine starves the thread that repairs
    while not (wanted() if wanted else whole(opened)):
        assert time.monotonic() < deadline, f"{opened.replicas()} {opened.directories()}"
        time.sleep(0.02)


def fill(log: storage.Log, count: int, size: int = 10) -> None:
    """Appends of rows that say their offsets."""
    for _ in range(count):
        assert log.append(rows(log.end_offset, size)) == log.end_offset - size


def whole(opened: storage.Storage) -> bool:
    """Whether all directories and all replicas are in use (one that was just deleted is not known to be gone yet)."""
    present = all(d.in_use and (Path(d.path) / "replicas").exists() for d in opened.directories())
    return present and all(r.in_sync for r in opened.replicas())


def topic(opened: storage.Storage, **settings: object) -> storage.Log:
    """A new topic of one partition."""
    return opened.create_topic("t", SCHEMA, storage.TopicConfig(**settings)).partitions[0]  # type: ignore[arg-type]
