"""Tables in files, for tests of the warehouse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from sqlengine.warehouse import TableDescription, describe, read

Columns = Sequence[tuple[str, str]]
ReadBytes = Callable[..., list[tuple[Any, ...]]]


def described(location: Path | str, columns: Columns, partitions: Columns = (), **more: Any) -> TableDescription:
    """A table of (name, type) columns."""
    return describe(
        "t",
        [(name, hive, "") for name, hive in columns],
        str(location),
        partition_columns=[(name, hive, "") for name, hive in partitions],
        **more,
    )


def tuples(batches: Sequence[pa.RecordBatch]) -> list[tuple[Any, ...]]:
    """The rows; maps as lists of pairs."""
    return [tuple(row.values()) for batch in batches for row in batch.to_pylist()]


@pytest.fixture
def read_bytes(tmp_path: Path) -> ReadBytes:
    """The rows of a file of these bytes."""

    def rows(
        data: bytes, columns: Columns, wanted: list[str] | None = None, *, name: str = "data", **more: Any
    ) -> list[tuple[Any, ...]]:
        path = tmp_path / name
        path.write_bytes(data)
        return tuples(list(read(str(path), described(tmp_path, columns, **more), wanted)))

    return rows
