from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest

import storage
from storage.env import File, RealEnv


class QuickEnv(RealEnv):
    """The real thing without fsync, for tests that open many storages and do not cut the power."""

    def open(self, path: str, *, create: bool = False) -> File:
        """See `Env.open`."""
        file = super().open(path, create=create)
        file.sync = lambda: None  # type: ignore[method-assign]
        return file

    def sync_dir(self, path: str) -> None:
        """See `Env.sync_dir`."""


def quick(path: str | None) -> storage.Storage:
    """Open a storage without fsyncs."""
    return storage.Storage.open(path, env=QuickEnv())


SCHEMA = pa.schema([("n", pa.int64()), ("s", pa.string())])


def rows(first: int, count: int) -> pa.RecordBatch:
    """Rows numbered `first`.. so that a log's content tells which appends it holds."""
    numbers = list(range(first, first + count))
    return pa.RecordBatch.from_arrays([pa.array(numbers), pa.array([f"row {n}" for n in numbers])], schema=SCHEMA)


def numbers(log: storage.Log) -> list[int]:
    """Column n of everything readable."""
    return contents(log).column("n").to_pylist()


def contents(log: storage.Log) -> pa.Table:
    """Everything readable, read in steps."""
    offset, batches = log.start_offset, []
    while frames := log.read(offset, max_rows=1000):
        assert frames[0].base_offset == offset
        batches += [frame.batch for frame in frames]
        offset = frames[-1].next_offset
    return pa.Table.from_batches(batches, SCHEMA)


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A directory for thousands of small files, in memory where the system has such a place."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as path:
        yield Path(path)


@pytest.fixture(params=["file", "memory"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[storage.Storage]:
    """A storage of each sort."""
    path = str(tmp_path / "data") if request.param == "file" else None
    with quick(path) as found:
        yield found


@pytest.fixture
def make_log(opened: storage.Storage) -> Callable[..., storage.Log]:
    """Makes topics of one partition; keyword arguments are settings."""

    def make(schema: pa.Schema | None = SCHEMA, **settings: object) -> storage.Log:
        name = f"topic{len(opened.topics())}"
        return opened.create_topic(name, schema, storage.TopicConfig(**settings)).partitions[0]

    return make
