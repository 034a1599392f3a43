"""The versions tables had, kept beside them: `<table>_versions` has every row that came, in order, and for each that
went its last version once more with `deleted`.  What a join with the version of a time must find is a query over it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from sqlengine.api.database import Database
from tests.fuzz.schema import Table
from tests.fuzz.tree import Node

SUFFIX = "_versions"


def tables_with_history(tables: Sequence[Table], queries: Sequence[Node]) -> list[Table]:
    """Those whose versions some query's oracle reads."""
    text = " ".join(q.oracle for q in queries)
    return [t for t in tables if re.search(rf"\b{t.name}{SUFFIX}\b", text)]


class History:
    """Follows one table from its contents after each tick."""

    def __init__(self, db: Database, table: Table) -> None:
        self.table = table
        self._serial = 0
        self._seen: dict[Any, tuple[Any, ...]] = {}
        columns = ", ".join(f"{c.name} {c.type}" for c in table.columns)
        db.execute(f"CREATE TABLE {table.name}{SUFFIX} ({columns}, seq BIGINT, deleted BOOLEAN)")

    def follow(self, db: Database, contents: pa.Table) -> None:
        """Write down what changed; a stream's rows are known by their places, a table's by their key."""
        rows = [tuple(row.values()) for row in contents.to_pylist()]
        keyed = self.table.kind == "keyed"
        now = {row[0]: row for row in rows} if keyed else dict(enumerate(rows))
        gone = [row for key, row in self._seen.items() if key not in now]
        come = [row for key, row in now.items() if self._seen.get(key) != row]
        versions = [*((row, True) for row in gone), *((row, False) for row in come)]
        if versions:
            numbered = [(*row, self._serial + i, deleted) for i, (row, deleted) in enumerate(versions)]
            db.insert(f"{self.table.name}{SUFFIX}", numbered)
            self._serial += len(numbered)
        self._seen = now


def version_of(table: Table, key: str, wanted: str, moment: str) -> str:
    """A query of the version of `wanted` (a value of the column `key`) that was valid at a moment; no row if none."""
    columns = ", ".join(f"z.{c.name}" for c in table.columns)
    versions = f"SELECT * FROM {table.name}{SUFFIX} AS h WHERE h.{key} = {wanted} AND h.ts <= {moment}"
    last = f"{versions} ORDER BY h.ts DESC, h.seq DESC LIMIT 1"
    return f"SELECT {columns} FROM ({last}) AS z WHERE NOT z.deleted"
