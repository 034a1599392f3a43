"""Texts as moments, as the thread's statement reads them; and on DuckDB, where `date_of(x)` and its like are CASTs that
read what PostgreSQL reads (moment_text.py).  What is plain, and every value that is no text, DuckDB casts itself.
"""

from __future__ import annotations

import pyarrow as pa

from sqlengine import duck
from sqlengine.errors import InvalidDatetime
from sqlengine.moment_text import PLAIN, all_readable, readable
from sqlengine.reading import clock_of_now, order_of_now

_CLOCK = (
    "CASE typeof(x) WHEN 'TIMESTAMP WITH TIME ZONE' THEN regexp_extract(x::VARCHAR, ' ([0-9:.]+)', 1) "
    "ELSE x::VARCHAR END"
)
"""DuckDB casts no timestamptz to a time."""


def read_moments(texts: pa.Array, kind: str) -> pa.Array:
    """Texts of a kind (date, time, timestamp, timestamptz) as DuckDB reads them; InvalidDatetime for none."""
    return all_readable(texts, kind, order_of_now(), clock_of_now())


def _read(texts: pa.Array, kinds: pa.Array, orders: pa.Array) -> pa.Array:
    """Each text as DuckDB reads it."""
    columns = (texts.to_pylist(), kinds.to_pylist(), orders.to_pylist())
    read = [None if text is None else readable(text, kind, order) for text, kind, order in zip(*columns, strict=True)]
    return pa.array(read, pa.string())


def _try_read(texts: pa.Array, kinds: pa.Array, orders: pa.Array) -> pa.Array:
    """The same, NULL for what is no moment."""

    def one(text: str, kind: str, order: str) -> str | None:
        try:
            return readable(text, kind, order)
        except InvalidDatetime:
            return None

    columns = (texts.to_pylist(), kinds.to_pylist(), orders.to_pylist())
    return pa.array([None if t is None else one(t, k, o) for t, k, o in zip(*columns, strict=True)], pa.string())


def _is_strange(kind: str) -> str:
    return f"typeof(x) = 'VARCHAR' AND NOT regexp_matches(x::VARCHAR, '{PLAIN[kind]}')"


for _safe, _body in (("", _read), ("TRY_", _try_read)):
    _name = f"{_safe.lower()}moment_read"
    duck.at_opening(_name, [pa.string()] * 3, pa.string(), _body)
    for _kind in PLAIN:
        _plain = _CLOCK if _kind == "time" else "x"
        duck.macro_at_opening(
            f"CREATE MACRO {_safe.lower()}{_kind}_of(x) AS CASE WHEN {_is_strange(_kind)} THEN {_safe}CAST({_name}("
            f"x::VARCHAR, '{_kind}', coalesce(getvariable('date_order')::VARCHAR, 'MDY')) AS {_kind}) "
            f"ELSE {_safe}CAST({_plain} AS {_kind}) END"
        )
