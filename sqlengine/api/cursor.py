"""DB-API 2.0 cursors (PEP 249) over a session of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from sqlengine import types
from sqlengine.engine import Params
from sqlengine.errors import InterfaceError
from sqlengine.result import Result, python_values

if TYPE_CHECKING:
    from sqlengine.session import Session

Row = tuple[Any, ...]
Description = tuple[str, str, None, None, int | None, int | None, bool | None]


class Cursor:
    """Rows of the last statement, fetched batch by batch; an endless result (EMIT, SUBSCRIBE) never runs out.

    Statements take effect at once unless BEGIN was executed in the cursor's session, or `commit`/`rollback` of the
    database it came from ends what it began.
    """

    arraysize = 1

    def __init__(self, session: Session) -> None:
        self._session = session
        self._result: Result | None = None
        self._rows: Iterator[Row] = iter(())
        self.closed = False

    # ------------------------------------------------------------ running

    def execute(self, operation: str, parameters: Params = None) -> Cursor:
        """Run a script; `parameters` take the places of `?`, `$1` (a sequence) or `:name` (a mapping)."""
        self._require_open()
        self._drop_result()
        self._result = self._session.execute(operation, parameters)
        self._rows = _rows(self._result)
        return self

    def executemany(self, operation: str, seq_of_parameters: Sequence[Params]) -> Cursor:
        """Run once per parameter set; the row count is their sum.  An INSERT of parameters writes the rows of all sets
        together: all of them or none."""
        self._require_open()
        self._drop_result()
        seq_of_parameters = list(seq_of_parameters)
        written = self._session.execute_many(operation, seq_of_parameters)
        if written is not None:
            self._result, self._rows = written, iter(())
            return self
        total = 0
        for parameters in seq_of_parameters:
            self.execute(operation, parameters)
            total += max(self.rowcount, 0)
        if self._result is not None:
            self._result.row_count = total
        return self

    @property
    def description(self) -> list[Description] | None:
        """(name, SQL type, None, None, precision, scale, nullable) per column; None without rows."""
        if self._result is None or self._result.schema is None:
            return None
        return [
            (f.name, types.to_sql(f.type), None, None, getattr(f.type, "precision", None),
             getattr(f.type, "scale", None), f.nullable)
            for f in self._result.schema
        ]  # fmt: skip

    @property
    def rowcount(self) -> int:
        """Rows written or selected by the last statement; -1 when that means nothing."""
        return -1 if self._result is None else self._result.row_count

    # ------------------------------------------------------------ fetching

    def fetchone(self) -> Row | None:
        """The next row, or None."""
        self._require_rows()
        return next(self._rows, None)

    def fetchmany(self, size: int | None = None) -> list[Row]:
        """The next `size` (default `arraysize`) rows, fewer at the end."""
        self._require_rows()
        wanted = self.arraysize if size is None else size
        return [row for _, row in zip(range(wanted), self._rows)]

    def fetchall(self) -> list[Row]:
        """All rows that are left; InterfaceError for an endless result."""
        self._require_rows()
        if self._result is not None and self._result.endless:
            raise InterfaceError("the result is endless", hint="iterate over the cursor, or use fetchmany")
        return list(self._rows)

    def __iter__(self) -> Iterator[Row]:
        self._require_rows()
        return self._rows

    # ------------------------------------------------------------ the rest of PEP 249

    def setinputsizes(self, sizes: Sequence[Any]) -> None:
        """Sizes are not needed."""

    def setoutputsize(self, size: int, column: int | None = None) -> None:
        """Sizes are not needed."""

    def close(self) -> None:
        """End the cursor and an endless result; idempotent."""
        self._drop_result()
        if not self.closed:
            self.closed = True
            self._session.close()

    def __enter__(self) -> Cursor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _drop_result(self) -> None:
        if self._result is not None:
            self._result.close()
        self._result = None

    def _require_open(self) -> None:
        if self.closed:
            raise InterfaceError("the cursor is closed")

    def _require_rows(self) -> None:
        self._require_open()
        if self._result is None or self._result.schema is None:
            raise InterfaceError("the last statement returned no rows")


def _rows(result: Result) -> Iterator[Row]:
    """Rows as tuples, converted a batch at a time."""
    for batch in result.batches():
        yield from zip(*(python_values(column) for column in batch.columns), strict=True)
