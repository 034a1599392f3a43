"""Who runs the SQL of a text test: one small protocol, so the same files run embedded, over the wire and on
DuckDB.

An executor takes one statement and gives back an Answer whose values are already PostgreSQL's text, or raises
Failure. It must not know what the test expects.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa

from sqlengine import pgtext
from sqlengine.errors import Error

NULL = "NULL"
EMPTY = "(empty)"


class Failure(Exception):
    """A statement failed: `sqlstate` (five characters) and `message`."""

    def __init__(self, sqlstate: str, message: str) -> None:
        super().__init__(f"{sqlstate}: {message}")
        self.sqlstate = sqlstate
        self.message = message


@dataclass(frozen=True, slots=True)
class Answer:
    """What a statement gave: column names, their types, and rows of PostgreSQL text (None = NULL)."""

    names: tuple[str, ...] = ()
    types: tuple[pa.DataType, ...] = ()
    rows: tuple[tuple[str | None, ...], ...] = ()


class Executor(Protocol):
    """Runs SQL somewhere; `name` is what skipif and onlyif speak of."""

    name: str

    def execute(self, sql: str) -> Answer:
        """One statement; raises Failure."""
        ...

    def close(self) -> None:
        """Release everything; idempotent."""
        ...


def answer_of(table: pa.Table) -> Answer:
    """The text form of an Arrow table."""
    texts = [pgtext.to_text(column) for column in table.columns]
    rows = tuple(zip(*texts)) if texts else ()
    return Answer(tuple(table.column_names), tuple(table.schema.types), rows)


@contextmanager
def failures() -> Iterator[None]:
    """The engine's errors as Failure."""
    try:
        yield
    except Error as error:
        raise Failure(error.sqlstate, str(error)) from error


class EmbeddedExecutor:
    """Runs statements in one session of a Database of this process."""

    name = "sqlengine"

    def __init__(self, database: Any) -> None:
        self.database = database

    def execute(self, sql: str) -> Answer:
        """One statement or a script, whose last answer counts."""
        with failures():
            result = self.database.execute(sql)
            return Answer() if result.schema is None else answer_of(result.to_arrow())

    def close(self) -> None:
        """Close the database."""
        self.database.close()


class DuckDBExecutor:
    """Runs statements on a fresh DuckDB: what the tests of the collectors and the oracle lines use."""

    name = "duckdb"
    _SQLSTATES = {"ParserException": "42601", "CatalogException": "42P01", "BinderException": "42703"}

    def __init__(self) -> None:
        import duckdb  # lazy: heavy

        self.duckdb = duckdb
        self.connection = duckdb.connect()

    def execute(self, sql: str) -> Answer:
        """One statement; the SQLSTATE of a failure is only a rough one."""
        try:
            relation = self.connection.sql(sql)
            return Answer() if relation is None else answer_of(relation.to_arrow_table())
        except self.duckdb.Error as error:
            state = self._SQLSTATES.get(type(error).__name__, "XX000")
            raise Failure(state, str(error).splitlines()[0]) from error

    def register(self, name: str, table: pa.Table) -> None:
        """Make `table` readable under `name`."""
        self.connection.register(name, table)

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()


def cell_text(value: str | None) -> str:
    """One value as a text test spells it: NULL, (empty), and backslashes for what would break the line."""
    if value is None:
        return NULL
    if value == "":
        return EMPTY
    text = value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
    return "\\" + text if text in (NULL, EMPTY) else text


def row_lines(rows: Sequence[Sequence[str | None]], separator: str = "\t") -> list[str]:
    """Rows as lines of a text test; a separator inside a value is written with a backslash before its first
    sign."""
    mark = separator.strip()
    lines = []
    for row in rows:
        cells = [cell_text(value) for value in row]
        if mark:
            cells = [cell.replace(mark, "\\" + mark) for cell in cells]
        lines.append(separator.join(cells))
    return lines
