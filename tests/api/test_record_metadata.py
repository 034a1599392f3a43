"""METADATA columns over a topic of bytes: every type they can be declared with, what is not text, wrong types."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pytest

import sqlengine
from sqlengine import Database, errors
from storage.config import BYTES_SCHEMA

RECORDS = [
    {"key": b"a", "value": b'{"id": 1}', "timestamp": 5, "headers": [{"name": "x", "value": b"1"}]},
    {"key": b"\xff", "value": b'{"id": 2}', "timestamp": 6, "headers": None},
    {"key": None, "value": b'{"id": 3}', "timestamp": 7, "headers": [{"name": "y", "value": b"\xff"}]},
    {"key": b"d", "value": b'{"id": 4}', "timestamp": 8, "headers": []},
]


@pytest.fixture(scope="module")
def db() -> Iterator[Database]:
    with sqlengine.connect() as database:
        database.execute("CREATE TOPIC raw WITH (cleanup = 'delete')")
        yield database


def declared(database: Database, name: str, metadata: str) -> list[object]:
    """The values of one metadata column over the four records, and over a view of it."""
    text = f"CREATE STREAM {name} (id BIGINT, m {metadata}) WITH (topic = 'raw', format = 'json')"
    database.execute(text)
    topic = database.storage.topic("raw")
    if not topic.partitions[0].end_offset:
        topic.partitions[0].append(pa.RecordBatch.from_pylist(RECORDS, schema=BYTES_SCHEMA))
    found = [value for _, value in database.execute(f"SELECT id, m FROM {name} ORDER BY id").fetchall()]
    database.execute(f"CREATE MATERIALIZED VIEW {name}_v AS SELECT id, m FROM {name}")
    assert [v for _, v in database.execute(f"SELECT id, m FROM {name}_v ORDER BY id").fetchall()] == found
    return found


@pytest.mark.parametrize(
    ("metadata", "values"),
    [
        ("BYTEA METADATA FROM 'key'", [b"a", b"\xff", None, b"d"]),
        ("TEXT METADATA FROM 'key'", ["a", None, None, "d"]),
        ("MAP(TEXT, BYTEA) METADATA FROM 'headers'", [[("x", b"1")], None, [("y", b"\xff")], []]),
        ("MAP(TEXT, TEXT) METADATA FROM 'headers'", [[("x", "1")], None, [("y", None)], []]),
        ("TEXT METADATA FROM 'topic'", ["raw"] * 4),
        ("BIGINT METADATA FROM 'offset'", [0, 1, 2, 3]),
        ("INT METADATA FROM 'partition'", [0] * 4),
        ("BIGINT METADATA FROM 'timestamp_ms'", [0] * 4),
    ],
)
def test_values(db: Database, metadata: str, values: list[object]) -> None:
    name = "s" + "".join(c for c in metadata.lower() if c.isalnum())
    assert declared(db, name, metadata) == values


@pytest.mark.parametrize("metadata", ["INT METADATA FROM 'headers'", "MAP(TEXT, INT) METADATA FROM 'offset'"])
def test_a_type_it_cannot_have_is_refused(db: Database, metadata: str) -> None:
    with pytest.raises(errors.DatatypeMismatch) as caught:
        db.execute(f"CREATE STREAM wrong (id BIGINT, m {metadata}) WITH (topic = 'raw', format = 'json')")
    assert caught.value.sqlstate == "42804" and caught.value.hint
