"""Texts as moments, as the thread's statement reads them; and on DuckDB, where `date_of(x)` and its like are CASTs that
read what PostgreSQL reads (moment_text.py).  What is plain, and every value that is no text, DuckDB casts itself.
"""

from __future__ import annotations

from collections.abc import Callable

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


def _readable_or_null(text: str, kind: str, order: str) -> str | None:
    try:
        return readable(text, kind, order)
    except InvalidDatetime:
        return None


def _reader(one: Callable[[str, str, str], str | None]) -> Callable[[pa.Array, pa.Array, pa.Array], pa.Array]:
    """A function of DuckDB: each text, of a kind and in an order, as DuckDB reads it."""

    def read(*columns: pa.Array) -> pa.Array:
        rows = zip(*(column.to_pylist() for column in columns), strict=True)
        return pa.array([None if text is None else one(text, kind, order) for text, kind, order in rows], pa.string())

    return read


def _is_strange(kind: str) -> str:
    return f"typeof(x) = 'VARCHAR' AND NOT regexp_matches(x::VARCHAR, '{PLAIN[kind]}')"


for _safe, _one in (("", readable), ("TRY_", _readable_or_null)):
    _name = f"{_safe.lower()}moment_read"
    duck.at_opening(_name, [pa.string()] * 3, pa.string(), _reader(_one))
    for _kind in PLAIN:
        _plain = _CLOCK if _kind == "time" else "x"
        duck.run_at_opening(
            f"CREATE MACRO {_safe.lower()}{_kind}_of(x) AS CASE WHEN {_is_strange(_kind)} THEN {_safe}CAST({_name}("
            f"x::VARCHAR, '{_kind}', coalesce(getvariable('date_order')::VARCHAR, 'MDY')) AS {_kind}) "
            f"ELSE {_safe}CAST({_plain} AS {_kind}) END"
        )
