"""What the engine tells of a followed query: watermark, lag, state.  Asked once a second by a session of its own."""

from __future__ import annotations

import datetime
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlengine.errors import Error

_EVERY_S = 1.0


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


class Repeater:
    """Calls `work` now and every second on a thread of its own until closed; `failed` is told of an error, once."""

    def __init__(self, work: Callable[[], None], failed: Callable[[Error], None], every_s: float = _EVERY_S) -> None:
        self._work = work
        self._failed = failed
        self._every_s = every_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sqlengine-figures", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                self._work()
            except Error as error:
                self._failed(error)
                return
            self._over.wait(self._every_s)

    def close(self) -> None:
        """End it, after the call that runs."""
        self._over.set()
        self._thread.join()
