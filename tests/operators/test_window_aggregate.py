"""WindowAggregate and DropLate against DuckDB over random rows, splits, watermarks and restarts."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlengine.delta import Delta
from sqlengine.operators.base import END_OF_TIME, NO_WATERMARK, Operator, Times
from sqlengine.operators.drop_late import DropLateOperator
from sqlengine.operators.window_aggregate import WindowAggregateOperator
from sqlengine.plan.nodes import WINDOW_COLUMNS, AggregateCall, DropLate, Window, WindowAggregate
from tests.depth import rounds
from tests.operators.aggregate_support import (
    COLUMN,
    EPOCH,
    SCHEMA,
    Contents,
    Row,
    batch_of,
    call,
    canonical,
    delta_of,
    duck,
    finals,
    histories,
    restarted,
    rows_strategy,
    source,
    splits,
    tick,
    times,
)

S = 1_000_000
TUMBLE = Window("tumble", (0, 10 * S), (0, 10 * S))
WINDOWS = {
    "tumble": TUMBLE,
    "offset": Window("tumble", (0, 10 * S), (0, 10 * S), 3 * S),
    "hop": Window("hop", (0, 10 * S), (0, 4 * S)),
    "gaps": Window("hop", (0, 4 * S), (0, 10 * S)),
    "cumulate": Window("cumulate", (0, 20 * S), (0, 5 * S)),
    "month": Window("tumble", (1, 0), (1, 0)),
}
CALLS = {
    "cheap": [
        (call("count"), "count(*)"),
        (call("sum", "i", where="flag"), "(sum(i) FILTER (flag))::BIGINT"),
        (call("avg", "f"), "avg(f)"),
        (call("max", "i"), "max(i)"),
    ],
    "rich": [
        (call("count", "i", distinct=True), "count(DISTINCT i)"),
        (call("stddev", "f"), "stddev(f)"),
        (call("min", "s"), "min(s)"),
        (call("last", "s"), "last(s ORDER BY n)"),
        (call("array_agg", "i"), "array_agg(i ORDER BY n)"),
        (call("median", "f"), "quantile_cont(f, 0.5)"),
        (call("bool_or", "b"), "bool_or(b)"),
        (call("sum", "d"), "sum(d)"),
    ],
}


def node_of(
    window: Window,
    keys: tuple[str, ...],
    calls: list[AggregateCall],
    append_only: bool = True,
    schema: pa.Schema = SCHEMA,
    **options: Any,
) -> WindowAggregate:
    fields = [schema.field(k) for k in keys] + [pa.field(n, pa.timestamp("us")) for n in WINDOW_COLUMNS]
    fields += [pa.field(f"a{i}", c.type) for i, c in enumerate(calls)]
    return WindowAggregate(
        schema=pa.schema(fields),
        input=source(append_only, schema),
        time_column=COLUMN["t"],
        window=window,
        keys=tuple(COLUMN[k] for k in keys),
        aggregates=tuple(calls),
        **options,
    )


def starts_sql(window: Window) -> str:
    """A DuckDB list of (window start, window end) in microseconds for the row's time."""
    if window.size[0]:
        return "[{'s': epoch_us(date_trunc('month', t)), 'e': epoch_us(date_trunc('month', t) + INTERVAL 1 MONTH)}]"
    (_, size), (_, slide), offset = window.size, window.slide, window.offset_us
    if window.kind == "cumulate":
        every = f"[{{'s': k * {size} + {offset}, 'e': k * {size} + {offset} + j * {slide}}} FOR k IN range(-30, 30) "
        inner = (
            f"list_transform(range(1, {size // slide + 1}), lambda j: {{'s': k * {size} + {offset}, "
            f"'e': k * {size} + {offset} + j * {slide}}})"
        )
        every = f"flatten(list_transform(range(-30, 30), lambda k: {inner}))"
    else:
        every = (
            f"list_transform(range(-60, 60), lambda k: {{'s': k * {slide} + {offset}, "
            f"'e': k * {slide} + {offset} + {size}}})"
        )
    return f"list_filter({every}, lambda w: w.s <= epoch_us(t) AND epoch_us(t) < w.e)"


def expected(window: Window, keys: tuple[str, ...], selects: list[str], rows: list[Row]) -> Counter[Row]:
    columns = ", ".join([*keys, "make_timestamp(w.s)", "make_timestamp(w.e)", "make_timestamp(w.e - 1)", *selects])
    spread = f"SELECT *, unnest({starts_sql(window)}) AS w FROM t"
    return duck(f"SELECT {columns} FROM ({spread}) GROUP BY {', '.join([*keys, 'w'])}", rows)


@pytest.mark.sampled(6)
@pytest.mark.parametrize("kind", WINDOWS)
@pytest.mark.parametrize("family", CALLS)
@given(data=st.data(), keys=st.sampled_from([(), ("k",), ("g", "k")]), emit=st.sampled_from(["changes", "close"]))
@settings(max_examples=12, deadline=None)
def test_equals_duckdb(kind: str, family: str, data: st.DataObject, keys: tuple[str, ...], emit: str) -> None:
    calls = [c for c, _ in CALLS[family]]
    delete = data.draw(st.booleans())
    events = data.draw(rows_strategy(25).flatmap(lambda rows: histories(rows, delete, oldest_first=True)))
    lateness = data.draw(st.sampled_from([0, 5 * S])) if emit == "close" else 0
    node = node_of(WINDOWS[kind], keys, calls, not delete, emit=emit, lateness_us=lateness)
    operator: Operator = WindowAggregateOperator(node)
    contents = Contents()
    restart = data.draw(st.integers(0, 4))
    for i, (start, stop) in enumerate(data.draw(splits(len(events)))):
        contents.add(operator.process(delta_of(events[start:stop]), 0, 0))
        if i == restart or data.draw(st.booleans()):
            contents.add(operator.advance(times(NO_WATERMARK)))
        if i == restart:
            operator = restarted(operator, WindowAggregateOperator(node))
    contents.add(operator.advance(times(END_OF_TIME)))
    assert contents.rows == expected(WINDOWS[kind], keys, [s for _, s in CALLS[family]], finals(events))
    assert not operator.take_late()


def on_time(rows: list[Row], delay_s: int) -> list[tuple[Row, int]]:
    """Rows with the watermark before each: the greatest time so far minus the delay."""
    marked, watermark = [], NO_WATERMARK
    for row in rows:
        marked.append((row, watermark))
        watermark = max(watermark, micros(row) - delay_s * S)
    return marked


def micros(row: Row) -> int:
    return round((row[COLUMN["t"]] - EPOCH).total_seconds()) * S


WITH_MARK = SCHEMA.append(pa.field("$watermark", pa.int64()))


@pytest.mark.parametrize("kind", ["tumble", "hop", "cumulate"])
@given(
    data=st.data(),
    rows=rows_strategy(40, seconds=40),
    delay=st.sampled_from([0, 7]),
    lateness=st.sampled_from([0, 6]),
)
@settings(max_examples=rounds(12, 30), deadline=None)
def test_late_rows_do_not_depend_on_batching(
    kind: str, data: st.DataObject, rows: list[Row], delay: int, lateness: int
) -> None:
    """Rows enter exactly the windows their watermark leaves open; each split gives that same answer."""
    window, marked = WINDOWS[kind], on_time(rows, delay)
    drop = DropLate(
        schema=WITH_MARK,
        input=source(True, WITH_MARK),
        time_column=COLUMN["t"],
        watermark_column=len(SCHEMA),
        window=window,
        lateness_us=lateness * S,
    )
    node = node_of(
        window,
        ("k",),
        [call("count"), call("max", "i")],
        schema=WITH_MARK,
        emit="close",
        lateness_us=lateness * S,
    )
    dropper, operator, contents = DropLateOperator(drop), WindowAggregateOperator(node), Contents()
    for start, stop in data.draw(splits(len(rows))):
        batch = batch_of([(*row, mark) for row, mark in marked[start:stop]], WITH_MARK)
        kept = dropper.process(Delta(batch), 0, 0)
        if kept is not None:
            contents.add(operator.process(kept, 0, 0))
        mark = max([m for _, m in marked[: stop + 1]], default=NO_WATERMARK)
        contents.add(operator.advance(Times((mark,), 0)))
    contents.add(operator.advance(times(END_OF_TIME)))
    want, lost = by_hand(window, marked, lateness * S)
    assert contents.rows == want
    late = [row for batch in [*dropper.take_late(), *operator.take_late()] for row in batch.to_pylist()]
    assert len(late) == lost and all("$watermark" not in row for row in late)


def by_hand(window: Window, marked: list[tuple[Row, int]], lateness_us: int) -> tuple[Counter[Row], int]:
    """The definition, row by row and window by window; and how many rows fell in no open window."""
    size, slide = window.size[1], window.slide[1]
    groups: dict[Any, list[Row]] = {}
    lost = 0
    for row, mark in marked:
        t = micros(row)
        if window.kind == "cumulate":
            start = t // size * size
            ends = [(start, e) for e in range(start + slide, start + size + 1, slide) if e > t]
        else:
            ends = [(s, s + size) for s in range((t - size) // slide * slide, t + 1, slide) if s <= t < s + size]
        opened = [w for w in ends if mark == NO_WATERMARK or w[1] > mark - lateness_us]
        lost += not opened
        for w in opened:
            groups.setdefault((row[COLUMN["k"]], w), []).append(row)
    want: Counter[Row] = Counter()
    for (k, (s, e)), members in groups.items():
        stamps = (EPOCH + (np.array([s, e, e - 1]) * np.timedelta64(1, "us")).astype(object)).tolist()
        greatest = max((r[COLUMN["i"]] for r in members if r[COLUMN["i"]] is not None), default=None)
        want[tuple(canonical(v) for v in (k, *stamps, len(members), greatest))] += 1
    return want, lost


def test_windows_leave_once_in_order_and_state_goes() -> None:
    operator = WindowAggregateOperator(node_of(WINDOWS["hop"], ("k",), [call("count")], emit="close"))
    rng = np.random.default_rng(0)
    seen: list[Any] = []
    for second in range(40):
        n = 3_000
        t = rng.integers(second * S, (second + 1) * S, n)
        columns = {f.name: pa.nulls(n, f.type) for f in SCHEMA}
        columns |= {"t": pa.array(t, pa.timestamp("us")), "k": pa.array(rng.integers(0, 2_000, n))}
        assert operator.process(Delta(pa.RecordBatch.from_pydict(columns, schema=SCHEMA)), 0, 0) is None
        out = operator.advance(times((second + 1) * S))
        if out is not None:
            assert out.weights is None
            ends = out.batch.column("window_end").cast(pa.int64()).to_pylist()
            assert ends == sorted(ends) and (not seen or ends[0] > seen[-1]) and ends[-1] <= (second + 1) * S
            seen += ends
        assert operator.state_size()["rows"] < 2_000 * 16
    assert len(seen) > 9 * 1_000


def test_retention_forgets_silently_and_reports_what_comes_after() -> None:
    node = node_of(TUMBLE, (), [call("count")], emit="changes", retention_us=5 * S)
    operator, contents = WindowAggregateOperator(node), Contents()
    rows = [(None,) * 8 + (EPOCH + np.timedelta64(s, "s").astype(object),) for s in (1, 12, 2, 13)]
    contents.add(operator.process(delta_of([(r, 1) for r in rows[:2]]), 0, 0))
    contents.add(operator.advance(times(15 * S)))
    contents.add(tick(operator, delta_of([(r, 1) for r in rows[2:]]), 15 * S))
    assert sorted(row[-1] for row in contents.rows) == [1, 2]
    assert [b.num_rows for b in operator.take_late()] == [1]


def test_lateness_holds_the_output_watermark_back() -> None:
    node = node_of(TUMBLE, (), [call("count")], emit="close", lateness_us=5 * S)
    operator = WindowAggregateOperator(node)
    assert operator.output_watermark(times(20 * S)) == 15 * S
    assert operator.output_watermark(times(END_OF_TIME)) == END_OF_TIME
    assert operator.output_watermark(times(NO_WATERMARK)) == NO_WATERMARK


def test_null_times_are_late_for_drop_late_and_ignored_by_the_aggregate() -> None:
    node = DropLate(
        schema=SCHEMA,
        input=source(True, WITH_MARK),
        time_column=COLUMN["t"],
        watermark_column=len(SCHEMA),
        window=None,
    )
    operator = DropLateOperator(node)
    batch = batch_of([(None,) * 9 + (NO_WATERMARK,), (None,) * 8 + (EPOCH, 0), (None,) * 8 + (EPOCH, 1)], WITH_MARK)
    kept = operator.process(Delta(batch), 0, 0)
    assert kept is not None and kept.batch.schema == SCHEMA and kept.num_rows == 1
    assert [b.num_rows for b in operator.take_late()] == [2] and operator.take_late() == []
    aggregate = WindowAggregateOperator(node_of(TUMBLE, (), [call("count")]))
    assert aggregate.process(delta_of([((None,) * 9, 1)]), 0, 0) is None
