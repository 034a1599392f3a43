"""What a statement answers: rows (finite or endless), a tag, notices."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

from sqlengine import types
from sqlengine.errors import InterfaceError, OutOfRange


def python_values(column: pa.Array | pa.ChunkedArray) -> list[Any]:
    """The values as Python has them; OutOfRange (22008) for an infinite date or one beyond the year 9999."""
    try:
        return column.to_pylist()  # type: ignore[no-any-return]
    except (OverflowError, ValueError) as error:
        raise OutOfRange(
            f"a value of type {types.to_sql(column.type)} is out of Python's range of years: {error}",
            sqlstate="22008",
            hint="cast it to text, or read the result as Arrow",
        ) from None


class Notice(str):
    """What a statement tells beside its answer. `severity`: NOTICE or WARNING, each with its SQLSTATE."""

    __slots__ = ("severity", "sqlstate")

    severity: str
    sqlstate: str

    def __new__(cls, text: str, severity: str = "NOTICE", sqlstate: str = "00000") -> Notice:
        """A text with its severity."""
        made = super().__new__(cls, text)
        made.severity, made.sqlstate = severity, sqlstate
        return made


class Result:
    """The answer of one statement.

    `schema` is None for statements without rows; `tag` is PostgreSQL's command tag ("SELECT 5", "CREATE STREAM");
    an `endless` result must be read through `batches()` and closed; `tick`: of a SELECT, the number of the tick after
    which everything it read was so; `is_binary`: of a cursor that was declared BINARY.
    """

    def __init__(
        self,
        tag: str = "",
        table: pa.Table | None = None,
        *,
        schema: pa.Schema | None = None,
        batches: Iterator[pa.RecordBatch] | None = None,
        endless: bool = False,
        notices: list[Notice] | None = None,
        row_count: int | None = None,
        on_close: Callable[[], None] | None = None,
        tick: int | None = None,
        is_binary: bool = False,
    ) -> None:
        self.schema = table.schema if table is not None else schema
        self.endless = endless
        self.notices = notices or []
        self.tick = tick
        self.is_binary = is_binary
        self._table = table
        self._batches = batches
        self._on_close = on_close
        self.tag = tag or (f"SELECT {table.num_rows}" if table is not None else "")
        self.row_count = row_count if row_count is not None else (table.num_rows if table is not None else -1)

    @property
    def columns(self) -> list[str]:
        """Column names; empty without rows."""
        return list(self.schema.names) if self.schema is not None else []

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows, batch by batch; of an endless result until it is closed or its query cancelled."""
        if self._table is not None:
            return iter(self._table.to_batches())
        if self._batches is not None:
            return self._batches
        return iter(())

    def to_arrow(self) -> pa.Table:
        """All rows as one table; InterfaceError for endless or rowless results."""
        if self.schema is None:
            raise InterfaceError("the statement returned no rows")
        if self.endless:
            raise InterfaceError("the result is endless", hint="read it with batches()")
        if self._table is None:
            self._table = pa.Table.from_batches(list(self.batches()), self.schema)
        return self._table

    def fetchall(self) -> list[tuple[Any, ...]]:
        """All rows as Python tuples."""
        columns = [python_values(c) for c in self.to_arrow().columns]
        return list(zip(*columns, strict=True)) if columns else []

    def fetchone(self) -> tuple[Any, ...] | None:
        """The first row, or None."""
        rows = self.to_arrow().slice(0, 1)
        return tuple(python_values(c)[0] for c in rows.columns) if rows.num_rows else None

    def close(self) -> None:
        """End an endless result; idempotent."""
        if self._on_close is not None:
            on_close, self._on_close = self._on_close, None
            on_close()
