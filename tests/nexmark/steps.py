"""NEXMark's events, brought to the three streams in steps."""

from __future__ import annotations

from collections import Counter

import sqlengine
from benchmarks.nexmark.streams import TABLES
from sqlengine.connectors.nexmark.config import NexmarkConfig
from sqlengine.connectors.nexmark.events import events


def feed(db: sqlengine.Database, count: int, step: int) -> None:
    """Append `count` events, a minute of event time, a tick after every `step` of them."""
    config = NexmarkConfig(event_rate=max(10, count // 60))
    for first in range(0, count, step):
        for table in TABLES:
            batch = events(table, first, min(count, first + step), config)
            if batch.num_rows:
                stored = db.execute(f"SELECT * FROM {table} LIMIT 0").schema if first == 0 else batch.schema
                db._instance.storage.topic(table).partitions[0].append(batch.cast(stored))
        db._instance.catch_up()


def rows(db: sqlengine.Database, text: str) -> Counter[str]:
    """A query's rows as a multiset."""
    return Counter(map(repr, db.execute(text).fetchall()))
