"""What the engine tells of a followed query: watermark, lag, state."""

from __future__ import annotations

import datetime
from typing import Any

from sqlengine.quick_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Figures:
    """`watermark`, and how far it is behind the clock (`lag_s`); rows of its sources that wait (`rows_behind`);
    None where there is none."""

    watermark: datetime.datetime | None = None
    lag_s: float | None = None
    rows_behind: int | None = None
    state_rows: int | None = None
    state_bytes: int | None = None


def read_figures(session: Any, backend: int, now: datetime.datetime) -> Figures | None:
    """Of the query that the session with a backend id follows; None when it follows none.

    The state is the query's own or, where it keeps nothing as it only passes on what views tell, that of the views.
    """
    rows = session.execute(
        "SELECT query_id, watermark, rows_behind, state_rows, state_bytes FROM system.queries "
        f"WHERE backend = {int(backend)} ORDER BY length(query_id) DESC, query_id DESC LIMIT 1"
    )
    found = rows.to_arrow().to_pylist()
    if not found:
        return None
    row = found[0]
    if not row["state_rows"]:
        row |= _of_views(session, row["query_id"]) or {}
    lag = None if row["watermark"] is None else (now - row["watermark"]).total_seconds()
    return Figures(row["watermark"], lag, row["rows_behind"], row["state_rows"], row["state_bytes"])


def _of_views(session: Any, query_id: str) -> dict[str, Any] | None:
    """State of the queries behind the views that a query reads, and of them the lowest watermark; None without any."""
    views = session.execute(
        "SELECT min(q.watermark) AS watermark, CAST(sum(q.state_rows) AS BIGINT) AS state_rows, "
        "CAST(sum(q.state_bytes) AS BIGINT) AS state_bytes FROM system.queries q WHERE q.name IN (SELECT "
        f"split_part(o.detail, ' ', 1) FROM system.operators o WHERE o.query_id = '{query_id}' AND len(o.inputs) = 0)"
    )
    found: dict[str, Any] = views.to_arrow().to_pylist()[0]
    return found if found["state_rows"] is not None else None
