"""What runs in the engine at a moment, and how fast it went since an earlier one."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from sqlengine.quick_dataclass import dataclass

QUERIES = """\
SELECT query_id, name, status, rows_in, rows_out, late_rows, errors, state_rows, state_bytes, watermark, rows_behind,
  busy_ms, error, query
FROM system.queries ORDER BY name, query_id"""
OPERATORS = """\
SELECT query_id, operator, node, detail, inputs, rows_in, rows_out, late_rows, state_rows, state_bytes, watermark,
  busy_ms
FROM system.operators ORDER BY query_id, operator"""

_STAMP = pa.timestamp("us", "UTC")
QUERY_COLUMNS = pa.schema(
    [
        ("query", pa.string()), ("status", pa.string()), ("in/s", pa.int64()), ("out/s", pa.int64()),
        ("busy %", pa.float64()), ("lag s", pa.float64()), ("behind", pa.int64()), ("state rows", pa.int64()),
        ("state bytes", pa.int64()), ("late", pa.int64()), ("errors", pa.int64()), ("watermark", _STAMP),
        ("error", pa.string()), ("id", pa.string()),
    ]
)  # fmt: skip
OPERATOR_COLUMNS = pa.schema(
    [
        ("#", pa.int64()), ("operator", pa.string()), ("in/s", pa.int64()), ("out/s", pa.int64()),
        ("busy %", pa.float64()), ("share %", pa.float64()), ("state rows", pa.int64()), ("state bytes", pa.int64()),
        ("late", pa.int64()), ("detail", pa.string()), ("watermark", _STAMP),
    ]
)  # fmt: skip

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Rows of system.queries and system.operators, read at `at` (seconds, monotonic) when the clock said `time`."""

    at: float
    time: datetime.datetime
    queries: Sequence[Row] = ()
    operators: Sequence[Row] = ()

    def operators_of(self, query_id: str) -> list[Row]:
        """A query's operators, inputs before those that read them."""
        return [row for row in self.operators if row["query_id"] == query_id]

    def rows_read(self, query_id: str) -> int:
        """Rows a query's scans have read, of streams, tables and views."""
        return sum(row["rows_in"] for row in self.operators_of(query_id) if not row["inputs"])

    def query(self, query_id: str) -> Row | None:
        """A query by its id."""
        return next((row for row in self.queries if row["query_id"] == query_id), None)


def read_snapshot(session: Any, at: float) -> Snapshot:
    """Ask the engine; raises as the session does."""
    queries = session.execute(QUERIES).to_arrow().to_pylist()
    operators = session.execute(OPERATORS).to_arrow().to_pylist()
    return Snapshot(at, datetime.datetime.now(datetime.UTC), queries, operators)


def query_table(now: Snapshot, before: Snapshot | None) -> pa.Table:
    """A row a query (QUERY_COLUMNS); rates are those since `before`."""
    earlier = {row["query_id"]: row for row in before.queries} if before is not None else {}
    seconds = now.at - before.at if before is not None else 0.0
    rows = []
    for row in now.queries:
        old = earlier.get(row["query_id"])
        rows.append(
            {
                "query": row["name"], "status": row["status"], "in/s": _read_rate(now, before, row["query_id"]),
                "out/s": _rate(row, old, "rows_out", seconds), "busy %": _busy(row, old, seconds),
                "lag s": _lag(row["watermark"], now.time), "behind": row["rows_behind"],
                "state rows": row["state_rows"], "state bytes": row["state_bytes"], "late": row["late_rows"],
                "errors": row["errors"], "watermark": row["watermark"], "error": row["error"], "id": row["query_id"],
            }
        )  # fmt: skip
    return pa.Table.from_pylist(rows, schema=QUERY_COLUMNS)


def operator_table(now: Snapshot, before: Snapshot | None, query_id: str) -> pa.Table:
    """A row an operator of a query (OPERATOR_COLUMNS); rates are those since `before`."""
    earlier = {row["operator"]: row for row in before.operators_of(query_id)} if before is not None else {}
    seconds = now.at - before.at if before is not None else 0.0
    operators = now.operators_of(query_id)
    total = sum(row["busy_ms"] or 0.0 for row in operators)
    rows = []
    for row in operators:
        old = earlier.get(row["operator"])
        rows.append(
            {
                "#": row["operator"], "operator": row["node"], "in/s": _rate(row, old, "rows_in", seconds),
                "out/s": _rate(row, old, "rows_out", seconds), "busy %": _busy(row, old, seconds),
                "share %": round(100 * (row["busy_ms"] or 0.0) / total, 1) if total else 0.0,
                "state rows": row["state_rows"], "state bytes": row["state_bytes"], "late": row["late_rows"],
                "detail": row["detail"], "watermark": row["watermark"],
            }
        )  # fmt: skip
    return pa.Table.from_pylist(rows, schema=OPERATOR_COLUMNS)


def _read_rate(now: Snapshot, before: Snapshot | None, query_id: str) -> int | None:
    """Rows a query reads per second; None when it was not there before."""
    if before is None or before.query(query_id) is None or now.at <= before.at:
        return None
    return max(0, round((now.rows_read(query_id) - before.rows_read(query_id)) / (now.at - before.at)))


def _rate(row: Row, old: Row | None, name: str, seconds: float) -> int | None:
    """Rows per second between two snapshots; None when there is no earlier one."""
    if old is None or seconds <= 0 or row[name] is None or old[name] is None:
        return None
    return max(0, round((row[name] - old[name]) / seconds))


def _busy(row: Row, old: Row | None, seconds: float) -> float | None:
    """Percent of the time between two snapshots that it worked (more than 100 on several threads)."""
    if old is None or seconds <= 0 or row["busy_ms"] is None or old["busy_ms"] is None:
        return None
    return max(0.0, round((row["busy_ms"] - old["busy_ms"]) / seconds / 10, 1))


def _lag(watermark: datetime.datetime | None, time: datetime.datetime) -> float | None:
    return None if watermark is None else round((time - watermark).total_seconds(), 1)
