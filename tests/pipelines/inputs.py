"""What tables and streams hold after some statements, as DuckDB says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import duckdb
import pyarrow as pa

from tests.fuzz.check import rows
from tests.fuzz.schema import Table

Rows = Counter[tuple[Any, ...]]


class Inputs:
    """The same statements on tables of DuckDB."""

    def __init__(self, tables: Sequence[Table]) -> None:
        self.tables = tables
        self._duck = duckdb.connect(config={"threads": "1"})
        for table in tables:
            columns = [f"{c.name} {c.type}" for c in table.columns]
            if table.kind == "keyed":
                columns[0] += " PRIMARY KEY"
            self._duck.execute(f"CREATE TABLE {table.name} ({', '.join(columns)})")

    def apply(self, statements: Iterable[str]) -> None:
        """What a unit says, all of it; DuckDB cannot write a key twice in a transaction."""
        for statement in statements:
            if statement not in ("BEGIN", "COMMIT"):
                self._duck.execute(statement)

    def contents(self) -> dict[str, pa.Table]:
        """All tables."""
        return {t.name: self._duck.sql(f"SELECT * FROM {t.name}").to_arrow_table() for t in self.tables}

    def rows(self) -> dict[str, Rows]:
        """All tables as multisets of rows."""
        return {name: rows(table) for name, table in self.contents().items()}

    def close(self) -> None:
        self._duck.close()
