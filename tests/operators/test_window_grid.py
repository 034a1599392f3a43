"""Window arithmetic against DuckDB's time_bucket and a brute-force search over all windows."""

from __future__ import annotations

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlengine.operators.base import END_OF_TIME, NO_WATERMARK
from sqlengine.operators.windows import ALL_CLOSED, NONE_CLOSED, WindowGrid, window_ends
from sqlengine.plan.nodes import Window
from tests.depth import rounds

TIMES = st.lists(st.integers(-200, 200), max_size=20)


def brute_force(t: int, kind: str, size: int, slide: int, offset: int) -> list[tuple[int, int]]:
    """Every window of the definition that contains t, by trying all near ones."""
    if kind == "cumulate":
        starts = [k * size + offset for k in range(-500, 500)]
        found = [(s, e) for s in starts for e in range(s + slide, s + size + 1, slide) if s <= t < e]
        return sorted(found, key=lambda w: w[1])
    starts = [k * slide + offset for k in range(-500, 500)]
    return [(s, s + size) for s in starts if s <= t < s + size]


@given(
    times=TIMES,
    kind=st.sampled_from(["tumble", "hop", "cumulate"]),
    a=st.integers(1, 12),
    b=st.integers(1, 5),
    offset=st.integers(-20, 20),
)
@settings(max_examples=rounds(24, 60), deadline=None)
def test_every_window_of_the_definition(times: list[int], kind: str, a: int, b: int, offset: int) -> None:
    size, slide = (a * b, b) if kind == "cumulate" else (a, a if kind == "tumble" else b)
    window = Window(kind, (0, size), (0, slide), offset)
    rows, starts, ends = window_ends(np.array(times, dtype=np.int64), window)
    want = [(i, *w) for i, t in enumerate(times) for w in brute_force(t, kind, size, slide, offset)]
    assert list(zip(rows.tolist(), starts.tolist(), ends.tolist(), strict=True)) == want
    grid = WindowGrid(window)
    for watermark in times:
        closed = grid.closed_by(watermark)
        assert grid.end_us(np.array([closed]))[0] <= watermark < grid.end_us(np.array([closed + 1]))[0]


@given(
    times=st.lists(st.integers(-(10**16), 10**16), min_size=1, max_size=30),
    months=st.sampled_from([1, 3, 12]),
)
@settings(max_examples=rounds(12, 30), deadline=None)
def test_calendar_windows_agree_with_duckdb(times: list[int], months: int) -> None:
    rows, starts, ends = window_ends(np.array(times, dtype=np.int64), Window("tumble", (months, 0), (months, 0)))
    assert rows.tolist() == list(range(len(times)))
    unit = f"INTERVAL '{months} months'"
    query = f"""SELECT epoch_us(s), epoch_us(s + {unit}) FROM (SELECT i, time_bucket({unit}, make_timestamp(t),
                TIMESTAMP '1970-01-01') s FROM (SELECT unnest(?) t, unnest(range(len(?))) i)) ORDER BY i"""
    assert duckdb.sql(query, params=[times, times]).fetchall() == list(zip(starts.tolist(), ends.tolist(), strict=True))


@pytest.mark.parametrize("window", [Window("hop", (0, 10), (0, 3)), Window("cumulate", (12, 0), (3, 0))], ids=str)
def test_extreme_watermarks(window: Window) -> None:
    assert WindowGrid(window).closed_by(NO_WATERMARK) == NONE_CLOSED
    assert WindowGrid(window).closed_by(END_OF_TIME) == ALL_CLOSED
