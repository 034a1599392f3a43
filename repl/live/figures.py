"""What the engine tells of a followed query: watermark, lag, state."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any


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
    """Of the query that the session with a backend id follows; None when it follows none."""
    result = session.execute(
        "SELECT watermark, rows_behind, state_rows, state_bytes FROM system.queries "
        f"WHERE backend = {int(backend)} ORDER BY query_id DESC LIMIT 1"
    )
    rows = result.to_arrow().to_pylist()
    if not rows:
        return None
    row = rows[0]
    lag = None if row["watermark"] is None else (now - row["watermark"]).total_seconds()
    return Figures(row["watermark"], lag, row["rows_behind"], row["state_rows"], row["state_bytes"])
