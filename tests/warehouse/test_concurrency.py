"""Readers and writers of one table on many threads: every reader sees the rows of one moment."""

from __future__ import annotations

import threading
from pathlib import Path

import pyarrow as pa
import pytest

from sqlengine.warehouse import TableDescription, read_table, write_rows
from tests.warehouse.conftest import described

PARTITIONS, ROUNDS, READERS = 4, 25, 3


def write(table: TableDescription, version: int) -> None:
    """All partitions get as many rows of one version."""
    rows = pa.record_batch({"a": [version] * PARTITIONS, "p": list(range(PARTITIONS))})
    write_rows(table, [rows], mode="overwrite")


@pytest.mark.slow
@pytest.mark.parametrize("file_format", ["textfile", "parquet"])
def test_readers_see_one_version(tmp_path: Path, file_format: str) -> None:
    table = described(tmp_path / "t", [("a", "int")], [("p", "int")], file_format=file_format)
    write(table, 0)
    seen: list[list[int]] = []
    failures: list[BaseException] = []
    has_ended = threading.Event()

    def read() -> None:
        last = 0
        try:
            while not has_ended.is_set():
                found = [a for batch in read_table(table) for a in batch["a"].to_pylist()]
                assert len(found) == PARTITIONS and len(set(found)) == 1, found
                assert found[0] >= last, "time goes back"
                last = found[0]
                seen.append(found)
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=read) for _ in range(READERS)]
    for thread in threads:
        thread.start()
    for version in range(1, ROUNDS):
        write(table, version)
    has_ended.set()
    for thread in threads:
        thread.join()
    assert not failures, failures
    assert len({found[0] for found in seen}) > 2, "readers and the writer took turns"
    assert sorted(path.name for path in (tmp_path / "t").iterdir()) == [f"p={i}" for i in range(PARTITIONS)]


def test_writers_do_not_lose_each_others_rows(tmp_path: Path) -> None:
    table = described(tmp_path / "t", [("a", "int")], [("p", "int")], file_format="parquet")
    failures: list[BaseException] = []

    def append(first: int) -> None:
        try:
            for i in range(first, first + 5):
                write_rows(table, [pa.record_batch({"a": [i], "p": [i % 2]})])
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=append, args=(first,)) for first in range(0, 20, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures
    assert sorted(a for batch in read_table(table) for a in batch["a"].to_pylist()) == list(range(20))


def test_two_overwrites_at_once_leave_one(tmp_path: Path) -> None:
    """The second one to commit replaces what the first has written while it was writing."""
    table = described(tmp_path / "t", [("a", "int")], file_format="parquet")

    def rows() -> object:
        yield pa.record_batch({"a": [1]})
        write_rows(table, [pa.record_batch({"a": [2]})], mode="overwrite")

    write_rows(table, rows(), mode="overwrite")  # type: ignore[arg-type]
    assert [a for batch in read_table(table) for a in batch["a"].to_pylist()] == [1]
