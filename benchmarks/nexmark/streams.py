"""The benchmark's three streams in our engine: their declaration, and their events appended to the topics."""

from __future__ import annotations

import pyarrow as pa

from sqlengine.api.database import Database
from sqlengine.connectors.nexmark.config import NexmarkConfig
from sqlengine.connectors.nexmark.events import events, schema
from sqlengine.types import to_sql

TABLES = ("person", "auction", "bid")
STEP_EVENTS = 500_000


def declare(db: Database) -> None:
    """The three streams, with the benchmark's four seconds of watermark delay."""
    for table in TABLES:
        columns = ", ".join(f"{f.name} {to_sql(f.type)}" for f in schema(table, "snake"))
        db.execute(
            f"CREATE STREAM {table} ({columns}, WATERMARK FOR date_time AS date_time - INTERVAL '4 seconds')"
            f" WITH (topic = '{table}', durability = 'os')"
        )


def append(db: Database, table: str, rows: pa.Table, batch_rows: int) -> None:
    """Append rows to a stream's topic in frames of at most `batch_rows` rows."""
    stored = db.execute(f"SELECT * FROM {table} LIMIT 0").schema
    log = db._instance.storage.topic(table).partitions[0]
    for batch in rows.cast(stored).combine_chunks().to_batches(max_chunksize=batch_rows):
        log.append(batch)


def table_rows(table: str, first: int, last: int, config: NexmarkConfig) -> pa.Table:
    """The table's rows among the events of those numbers."""
    steps = [events(table, start, min(last, start + STEP_EVENTS), config) for start in range(first, last, STEP_EVENTS)]
    return pa.Table.from_batches(steps)


def fill(db: Database, count: int, batch_rows: int, config: NexmarkConfig | None = None) -> None:
    """Append `count` events to the three topics in frames of `batch_rows` rows."""
    for table in TABLES:
        append(db, table, table_rows(table, 0, count, config or NexmarkConfig()), batch_rows)
