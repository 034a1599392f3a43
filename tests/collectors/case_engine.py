"""What a stream case needs of an engine, and the embedded engine that gives it.

The runner sees only the protocol, so the mechanics of cases are tested on plain DuckDB (test_case_run.py).
"""

from __future__ import annotations

from typing import Any, Protocol

import pyarrow as pa

from sqlengine.errors import UndefinedTable
from sqlengine.runtime.clock import VirtualClock
from tests.collectors.clock import START_US
from tests.collectors.executor import Answer, EmbeddedExecutor, answer_of, failures


class CaseEngine(Protocol):
    """One open database with a virtual clock."""

    clock: VirtualClock

    def execute(self, sql: str) -> Answer:
        """One statement; raises Failure."""
        ...

    def schema(self, target: str) -> pa.Schema:
        """The columns of a stream, table or topic."""
        ...

    def insert(self, target: str, table: pa.Table) -> None:
        """One batch."""
        ...

    def append(self, target: str, table: pa.Table, partition: int) -> None:
        """One batch straight to a partition of a topic, or of the topic below a stream or table."""
        ...

    def relation(self, name: str) -> pa.Table:
        """All rows of anything that can be read."""
        ...

    def follow(self, view: str) -> None:
        """Begin to note the changes of `view`, if it exists and is not followed yet."""
        ...

    def changes(self, view: str) -> list[tuple[str | None, ...]]:
        """(sign, row...) of every change since the last call, sorted within a tick."""
        ...

    def settle(self) -> None:
        """The clock has moved: let everything that waits for it happen."""
        ...

    def reopen(self, how: str) -> None:
        """`checkpoint`, `restart` or `crash`."""
        ...

    def close(self) -> None:
        """Release everything; idempotent."""
        ...


class EmbeddedEngine:
    """A Database of this process under `path` (":memory:" when nothing is opened again)."""

    def __init__(self, path: str, threads: int = 1, memory_limit: str = "none") -> None:
        self.path = path
        self.threads = threads
        self.memory_limit = memory_limit
        self.clock = VirtualClock(START_US)
        self._followed: dict[str, Any] = {}
        self._open()

    def _open(self) -> None:
        import sqlengine  # lazy: the formats are tested without an engine

        self.database = sqlengine.connect(
            self.path, clock=self.clock, threads=self.threads, memory_limit=self.memory_limit
        )
        self._executor = EmbeddedExecutor(self.database)
        self._followed.clear()

    def execute(self, sql: str) -> Answer:
        """One statement; raises Failure."""
        return self._executor.execute(sql)

    def schema(self, target: str) -> pa.Schema:
        """The columns of `SELECT *`."""
        with failures():
            return self.database.execute(f"SELECT * FROM {target} LIMIT 0").to_arrow().schema

    def insert(self, target: str, table: pa.Table) -> None:
        """One batch; raises Failure."""
        with failures():
            self.database.insert(target, table)

    def append(self, target: str, table: pa.Table, partition: int) -> None:
        """As another producer would, past the engine; missing columns are NULL."""
        instance = self.database._instance
        found = instance.catalog.find((target,))
        topic = instance.storage.topic(target) if found is None else instance.topic_of(found)
        columns = [
            table[f.name].cast(f.type) if f.name in table.column_names else pa.nulls(table.num_rows, f.type)
            for f in topic.schema
        ]
        (batch,) = pa.table(columns, schema=topic.schema).combine_chunks().to_batches()
        topic.partitions[partition].append(batch, timestamp_us=self.clock.now_us())
        self.settle()

    def relation(self, name: str) -> pa.Table:
        """`SELECT *`."""
        with failures():
            return self.database.execute(f"SELECT * FROM {name}").to_arrow()

    def follow(self, view: str) -> None:
        """Subscribe without the snapshot: changes from now on."""
        if view not in self._followed:
            try:
                self._followed[view] = self.database.subscribe(view, snapshot=False)
            except UndefinedTable:
                return  # not created yet: the next statement may do it

    def changes(self, view: str) -> list[tuple[str | None, ...]]:
        """Under a virtual clock a follower ends its iteration when nothing more is due now."""
        found: list[tuple[str | None, ...]] = []
        for change in self._followed[view]:
            rows = answer_of(pa.Table.from_batches([change.rows])).rows
            lines = [("+" if op in ("insert", "update_after") else "-", *row) for op, *row in rows]
            found.extend(sorted(lines, key=_deletions_first))
        return found

    def settle(self) -> None:
        """Run what is due now."""
        with failures():
            self.database.tick()

    def reopen(self, how: str) -> None:
        """`checkpoint`, `restart` or `crash`."""
        if how == "checkpoint":
            self.database.checkpoint()
            return
        if how == "restart":
            self.database.close()
        else:
            self.database.crash()
        self._open()

    def close(self) -> None:
        """Close the database."""
        self.database.close()


def _deletions_first(line: tuple[str | None, ...]) -> tuple[bool, tuple[str, ...]]:
    return line[0] == "+", tuple(str(value) for value in line)
