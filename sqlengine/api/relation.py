"""Relations: queries built up step by step and run when their rows are asked for."""

from __future__ import annotations

import html
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sqlengine import pgtext
from sqlengine.errors import InvalidParameter
from sqlengine.sql import quote_identifier

if TYPE_CHECKING:
    import pandas
    import polars

JOINS = ("inner", "left", "right", "full", "cross", "asof", "asof left")
SHOWN_ROWS = 20

Run = Callable[[str], Any]
"""Runs a statement and gives its Result."""


class Relation:
    """A lazy query: every method gives a new relation; rows are computed by `to_arrow` and its like, each time anew."""

    def __init__(self, run: Run, sql: str) -> None:
        self._run = run
        self.sql = sql

    def _over(self, text: str) -> Relation:
        return Relation(self._run, text)

    # ------------------------------------------------------------ building

    def filter(self, condition: str) -> Relation:
        """Rows where a SQL condition is true."""
        return self._over(f"SELECT * FROM ({self.sql}) AS t WHERE {condition}")

    def select(self, *columns: str) -> Relation:
        """SQL expressions as columns; none = all."""
        return self._over(f"SELECT {', '.join(columns) or '*'} FROM ({self.sql}) AS t")

    def aggregate(self, aggregates: str, by: str = "") -> Relation:
        """Aggregates per group: `aggregate("count(*) AS n", by="page")`."""
        group = f" GROUP BY {by}" if by else ""
        return self._over(f"SELECT {by + ', ' if by else ''}{aggregates} FROM ({self.sql}) AS t{group}")

    def join(self, other: Relation, on: str | None = None, how: str = "inner") -> Relation:
        """Join under the names l and r: `a.join(b, "l.id = r.id", how="left")`."""
        if how not in JOINS:
            raise InvalidParameter(f'unknown join "{how}"', hint="one of: " + ", ".join(JOINS))
        condition = f" ON {on}" if on is not None else ""
        return self._over(f"SELECT * FROM ({self.sql}) AS l {how.upper()} JOIN ({other.sql}) AS r{condition}")

    def order(self, by: str) -> Relation:
        """Rows sorted by SQL expressions."""
        return self._over(f"SELECT * FROM ({self.sql}) AS t ORDER BY {by}")

    def limit(self, count: int, offset: int = 0) -> Relation:
        """At most `count` rows after `offset`."""
        return self._over(f"SELECT * FROM ({self.sql}) AS t LIMIT {int(count)} OFFSET {int(offset)}")

    def distinct(self) -> Relation:
        """Each different row once."""
        return self._over(f"SELECT DISTINCT * FROM ({self.sql}) AS t")

    def union(self, other: Relation) -> Relation:
        """All rows of both."""
        return self._over(f"({self.sql}) UNION ALL ({other.sql})")

    # ------------------------------------------------------------ keeping

    def create_view(self, name: str) -> None:
        """Name the query."""
        self._run(f"CREATE VIEW {_spelt(name)} AS {self.sql}")

    def materialize(self, name: str) -> None:
        """Keep the query's answer up to date as a materialized view."""
        self._run(f"CREATE MATERIALIZED VIEW {_spelt(name)} AS {self.sql}")

    def explain(self) -> str:
        """The plan the query would have as a continuous one."""
        return "\n".join(line for (line,) in self._run(f"EXPLAIN {self.sql}").fetchall())

    # ------------------------------------------------------------ rows

    def to_arrow(self) -> pa.Table:
        """The rows as a pyarrow Table."""
        return self._run(self.sql).to_arrow()

    def fetchall(self) -> list[tuple[Any, ...]]:
        """The rows as Python tuples."""
        rows: list[tuple[Any, ...]] = self._run(self.sql).fetchall()
        return rows

    def to_pandas(self) -> pandas.DataFrame:
        """The rows as a pandas frame (pandas must be installed)."""
        return self.to_arrow().to_pandas()

    def to_polars(self) -> polars.DataFrame:
        """The rows as a Polars frame (Polars must be installed)."""
        import polars  # optional and heavy

        frame: polars.DataFrame = polars.from_arrow(self.to_arrow())  # type: ignore[assignment]
        return frame

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """The Arrow PyCapsule interface: DuckDB, Polars, pandas and pyarrow take a relation as it is."""
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return list(self.limit(0).to_arrow().schema.names)

    def __len__(self) -> int:
        return int(self.to_arrow().num_rows)

    # ------------------------------------------------------------ looking

    def show(self, rows: int = SHOWN_ROWS) -> None:
        """Write the first rows to standard output."""
        sys.stdout.write(_text(*self._head(rows)) + "\n")

    def __repr__(self) -> str:
        return _text(*self._head(SHOWN_ROWS))

    def _repr_html_(self) -> str:
        names, cells = self._head(SHOWN_ROWS)
        head = "".join(f"<th>{html.escape(n)}</th>" for n in names)
        body = "".join(
            "<tr>" + "".join(f"<td>{'NULL' if c is None else html.escape(c)}</td>" for c in row) + "</tr>"
            for row in cells
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def _head(self, rows: int) -> tuple[list[str], list[tuple[str | None, ...]]]:
        table = self.limit(rows).to_arrow().combine_chunks()
        texts = [pgtext.to_text(_one(column)) for column in table.columns]
        return list(table.schema.names), list(zip(*texts))


def _one(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks else pa.array([], column.type)


def _spelt(name: str) -> str:
    return ".".join(quote_identifier(part) for part in name.split("."))


def _text(names: list[str], rows: list[tuple[str | None, ...]]) -> str:
    """A plain aligned table."""
    cells = [names, *([("NULL" if c is None else c) for c in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(names))]
    lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths)).rstrip() for row in cells]
    return "\n".join([lines[0], "  ".join("-" * w for w in widths), *lines[1:]])
