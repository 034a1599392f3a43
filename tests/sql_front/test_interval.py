"""Interval text, compared with DuckDB's reading of it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlengine import duck
from sqlengine.errors import InvalidDatetime
from sqlengine.sql import ast, parse_expr, parse_interval
from sqlengine.sql.interval import to_text
from tests.depth import rounds

UNITS = [
    "microseconds",
    "milliseconds",
    "seconds",
    "second",
    "minutes",
    "hours",
    "days",
    "weeks",
    "months",
    "years",
]


def duckdb_interval(text: str) -> ast.Interval:
    row = duck.connection().sql(f"SELECT INTERVAL '{text}' AS i").to_arrow_table()["i"][0].as_py()
    return ast.Interval(row.months, row.days, row.nanoseconds // 1000)


@settings(max_examples=rounds(32, 80), deadline=None)
@given(st.lists(st.tuples(st.integers(-5000, 5000), st.sampled_from(UNITS)), min_size=1, max_size=4))
def test_sums_of_units(parts: list[tuple[int, str]]) -> None:
    text = " ".join(f"{number} {unit}" for number, unit in parts)
    expected = duckdb_interval(text)
    assert parse_interval(text) == expected
    assert duckdb_interval(to_text(expected)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("01:30:00", (0, 0, 5_400_000_000)),
        ("-00:00:01.5", (0, 0, -1_500_000)),
        ("1 month 2 days 03:00:00", (1, 2, 10_800_000_000)),
        ("1-2", (14, 0, 0)),
        ("P1Y2M3DT4H5M6.5S", (14, 3, 14_706_500_000)),
        ("1.5 hours", (0, 0, 5_400_000_000)),
        ("1.5 months", (1, 15, 0)),
        ("1 day ago", (0, -1, 0)),
        ("90", (0, 0, 90_000_000)),
        ("5m", (0, 0, 300_000_000)),
    ],
)
def test_other_spellings(text: str, expected: tuple[int, int, int]) -> None:
    assert parse_interval(text) == ast.Interval(*expected)


@pytest.mark.parametrize(
    "text", ["", "x", "1 fortnight", "1 day 2", "P", "1:", "99999999999 years", "1e5 days", "--1 day"]
)
def test_bad_text(text: str) -> None:
    if text == "1 day 2":  # a bare number is seconds
        assert parse_interval(text) == ast.Interval(0, 1, 2_000_000)
        return
    with pytest.raises(InvalidDatetime) as caught:
        parse_interval(text)
    assert caught.value.sqlstate == "22007"
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("INTERVAL '10' SECOND", (0, 0, 10_000_000)),
        ("INTERVAL 10 SECOND", (0, 0, 10_000_000)),
        ("INTERVAL '1-2' YEAR TO MONTH", (14, 0, 0)),
        ("INTERVAL '1' HOUR + INTERVAL '30' MINUTE", (0, 0, 5_400_000_000)),
        ("3 * INTERVAL '1 day'", (0, 3, 0)),
        ("-INTERVAL '1' MONTH", (-1, 0, 0)),
    ],
)
def test_constants_fold(text: str, expected: tuple[int, int, int]) -> None:
    assert parse_expr(text) == ast.Interval(*expected)
