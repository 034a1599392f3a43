"""Operators that let rows pass, wait or repeat, and consolidate."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlengine.delta import Delta
from sqlengine.operators import waiting_rows
from sqlengine.operators.assign_window import AssignWindowOperator
from sqlengine.operators.base import END_OF_TIME, NO_WATERMARK, Times
from sqlengine.operators.consolidate import consolidate
from sqlengine.operators.emit_every import EmitEveryOperator
from sqlengine.operators.release_in_order import ReleaseInOrderOperator
from sqlengine.operators.union_all import UnionAllOperator
from sqlengine.plan import nodes
from tests.depth import rounds
from tests.operators.histories import Contents, cases, delta_of, duckdb_answer, final_inputs, run, source, tuples

SCHEMA = pa.schema([("ts", pa.timestamp("us")), ("v", pa.string())])
NESTED = pa.schema(
    [
        ("f", pa.float64()),
        ("l", pa.list_(pa.int32())),
        ("s", pa.struct([("a", pa.string()), ("b", pa.bool_())])),
        ("d", pa.decimal128(20, 2)),
        ("m", pa.map_(pa.string(), pa.int64())),
        ("u", pa.uuid()),
    ]
)


def stamp(us: int | None) -> object:
    return None if us is None else pa.scalar(us, pa.timestamp("us")).as_py()


def us(value: object) -> int:
    return pa.scalar(value, pa.timestamp("us")).value


ROWS = st.builds(lambda t, v: (stamp(t), v), st.integers(-20, 20), st.sampled_from([None, "", "a", "é"]))


@given(case=cases([ROWS, ROWS], [True, True]))
@settings(max_examples=rounds(12, 30), deadline=None)
def test_union_all(case) -> None:  # type: ignore[no-untyped-def]
    renamed = pa.schema([("x", SCHEMA.field(0).type), ("y", pa.string())])
    node = nodes.UnionAll(schema=renamed, branches=(source(SCHEMA, False), source(SCHEMA, False)))
    got = run(lambda: UnionAllOperator(node), [SCHEMA, SCHEMA], case)
    sql = "SELECT * FROM in0 UNION ALL SELECT * FROM in1"
    assert got == duckdb_answer(sql, final_inputs([SCHEMA] * 2, case.events))


@given(case=cases([ROWS], [True]), slide=st.integers(1, 7), times=st.integers(1, 3), offset=st.integers(0, 5))
@settings(max_examples=rounds(24, 60), deadline=None)
def test_hop_windows_repeat_rows(case, slide: int, times: int, offset: int) -> None:  # type: ignore[no-untyped-def]
    size = slide * times
    stamps = [pa.field(name, pa.timestamp("us")) for name in nodes.WINDOW_COLUMNS]
    node = nodes.AssignWindow(
        schema=pa.schema([*SCHEMA, *stamps]),
        input=source(SCHEMA, False),
        time_column=0,
        window=nodes.Window("hop", (0, size), (0, slide), offset),
    )
    got = run(lambda: AssignWindowOperator(node), [SCHEMA], case)
    sql = f"""
        SELECT ts, v, make_timestamp(w), make_timestamp(w + {size}), make_timestamp(w + {size} - 1)
        FROM in0, (SELECT k * {slide} + {offset} AS w FROM range(-100, 100) g(k))
        WHERE w <= epoch_us(ts) AND epoch_us(ts) < w + {size}
    """
    assert got == duckdb_answer(sql, final_inputs([SCHEMA], case.events))


def test_null_times_fall_in_no_window() -> None:
    stamps = [pa.field(name, pa.timestamp("us")) for name in nodes.WINDOW_COLUMNS]
    node = nodes.AssignWindow(
        schema=pa.schema([*SCHEMA, *stamps]),
        input=source(SCHEMA, False),
        time_column=0,
        window=nodes.Window("tumble", (0, 5), (0, 5)),
    )
    operator = AssignWindowOperator(node)
    assert operator.process(delta_of(SCHEMA, [(None, "a")], [1]), 0, 0) is None
    out = operator.process(delta_of(SCHEMA, [(None, "a"), (stamp(7), "b")], [1, 1]), 0, 0)
    assert out is not None and [us(t) for t in tuples(out.batch)[0][2:]] == [5, 10, 9]


def release() -> ReleaseInOrderOperator:
    return ReleaseInOrderOperator(nodes.ReleaseInOrder(schema=SCHEMA, input=source(SCHEMA, True), time_column=0))


@given(times=st.lists(st.integers(0, 30), max_size=60), every=st.integers(1, 10))
@settings(max_examples=rounds(24, 60), deadline=None)
def test_rows_leave_in_order_once_passed(times: list[int], every: int) -> None:
    operator, left, mark = release(), [], NO_WATERMARK
    for i, t in enumerate(times):
        operator.process(delta_of(SCHEMA, [(stamp(t + i), str(i))], [1]), 0, 0)
        if i % every == 0:
            mark = min([t + i for i, t in enumerate(times)][i + 1 :], default=mark)
            left += _released(operator, mark)
            assert all(t < mark for t, _ in left)
            state = operator.snapshot()
            operator = release()
            operator.restore(state)
    left += _released(operator, END_OF_TIME)
    assert [t for t, _ in left] == sorted(t + i for i, t in enumerate(times))
    assert Counter(v for _, v in left) == Counter(str(i) for i in range(len(times)))
    assert operator.state_size()["rows"] == 0


def _released(operator: ReleaseInOrderOperator, mark: int) -> list[tuple[int, object]]:
    out = operator.advance(Times((mark,), 0))
    return [] if out is None else [(us(t), v) for t, v in tuples(out.batch)]


@given(
    changes=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 2), st.booleans(), st.integers(0, 6))),
    restarts=st.sets(st.integers(0, 40)),
)
@settings(max_examples=rounds(40, 100), deadline=None)
def test_rows_that_come_and_go_while_they_wait(changes: list[tuple[int, int, bool, int]], restarts: set[int]) -> None:
    """What leaves is the net of what came, each time not before it was passed, and little is kept."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(waiting_rows, "CONSOLIDATE_AT", 3)
        patch.setattr("sqlengine.state.time_queue.COMPACT_AT", 2)
        node = nodes.ReleaseInOrder(schema=SCHEMA, input=source(SCHEMA, False), time_column=0)
        operator, mark = ReleaseInOrderOperator(node), 0
        there, left = Counter[tuple[int, str]](), Counter[tuple[int, str]]()
        for number, (time, value, goes, ahead) in enumerate(changes):
            row = (mark + time, str(value))
            sign = -1 if goes and there[row] - left[row] > 0 else 1
            operator.process(delta_of(SCHEMA, [(stamp(row[0]), row[1])], [sign]), 0, 0)
            there[row] += sign
            mark += ahead % 3
            out = operator.advance(Times((mark,), 0))
            rows = _weighted(out)
            assert [us(row[0]) for row, _ in rows] == sorted(us(row[0]) for row, _ in rows)
            for (at, text), weight in rows:
                left[us(at), text] += weight
            assert +left == Counter({row: n for row, n in there.items() if row[0] < mark and n})
            assert operator.state_size()["rows"] <= 2 * len(+there) + 3 + there.total()
            if number in restarts:
                state, operator = operator.snapshot(), ReleaseInOrderOperator(node)
                operator.restore(state)
        for (at, text), weight in _weighted(operator.advance(Times((END_OF_TIME,), 0))):
            left[us(at), text] += weight
        assert +left == +there


def _weighted(out: Delta | None) -> list[tuple[tuple[object, ...], int]]:
    return [] if out is None else list(zip(tuples(out.batch), out.weight_array().tolist(), strict=True))


def test_a_held_row_that_is_deleted_never_leaves() -> None:
    operator = release()
    operator.process(delta_of(SCHEMA, [(stamp(1), "a"), (stamp(2), "b")], [1, 1]), 0, 0)
    operator.process(delta_of(SCHEMA, [(stamp(1), "a")], [-1]), 0, 0)
    assert _released(operator, END_OF_TIME) == [(2, "b")]


def every(us_: int) -> EmitEveryOperator:
    return EmitEveryOperator(nodes.EmitEvery(schema=SCHEMA, input=source(SCHEMA, False), every_us=us_))


def test_changes_leave_once_per_interval_and_cancel() -> None:
    operator = every(10)
    operator.process(delta_of(SCHEMA, [(stamp(0), "a")], [1]), 0, 0)
    first = operator.advance(Times((0,), 1))
    assert first is not None and first.num_rows == 1
    operator.process(delta_of(SCHEMA, [(stamp(0), "a"), (stamp(0), "b")], [-1, 1]), 0, 0)
    assert operator.advance(Times((5,), 8)) is None
    assert operator.output_watermark(Times((5,), 8)) == 0
    state = operator.snapshot()
    operator = every(10)
    operator.restore(state)
    operator.process(delta_of(SCHEMA, [(stamp(0), "b"), (stamp(0), "c")], [-1, 1]), 0, 0)
    assert operator.advance(Times((6,), 9)) is None
    out = operator.advance(Times((7,), 12))
    assert out is not None
    assert list(zip(tuples(out.batch), out.weight_array().tolist(), strict=True)) == [
        ((stamp(0), "a"), -1),
        ((stamp(0), "c"), 1),
    ]
    assert operator.output_watermark(Times((7,), 12)) == 7


def test_the_end_of_the_input_releases_at_once() -> None:
    operator = every(10**9)
    operator.advance(Times((0,), 0))
    operator.process(delta_of(SCHEMA, [(stamp(0), "a")], [1]), 0, 0)
    assert operator.advance(Times((0,), 5)) is None
    assert operator.advance(Times((END_OF_TIME,), 6)) is not None


def test_history_in_pieces_does_not_wait_for_the_interval() -> None:
    operator = every(10**9)
    for second in range(3):
        operator.process(delta_of(SCHEMA, [(stamp(second), "a")], [1]), 0, 5)
        assert operator.advance(Times((0,), 5, history=True)) is not None
    operator.process(delta_of(SCHEMA, [(stamp(3), "a")], [1]), 0, 6)
    assert operator.advance(Times((0,), 6)) is None


@given(case=cases([ROWS], [True]), every_us=st.integers(1, 20))
@settings(max_examples=rounds(16, 40), deadline=None)
def test_emit_every_keeps_the_sum(case, every_us: int) -> None:  # type: ignore[no-untyped-def]
    operator, contents = every(every_us), Contents()
    for i, (_, row, weight) in enumerate(case.events):
        operator.process(delta_of(SCHEMA, [row], [weight]), 0, i)
        contents.add(operator.advance(Times((0,), i)))
        contents.settled()
    contents.add(operator.advance(Times((END_OF_TIME,), len(case.events))))
    assert contents.settled() == duckdb_answer("FROM in0", final_inputs([SCHEMA], case.events))


NESTED_ROWS = st.tuples(
    st.sampled_from([None, 0.0, -0.0, 1.5]),
    st.sampled_from([None, [], [None], [1], [1, 2]]),
    st.sampled_from([None, {"a": None, "b": True}, {"a": "x", "b": None}]),
    st.sampled_from([None, 1, -1]),
    st.sampled_from([None, [], [("a", 1)], [("a", None)]]),
    st.sampled_from([None, b"0123456789abcdef", b"0123456789abcdeF"]),
)


@given(st.lists(st.tuples(NESTED_ROWS, st.sampled_from([-2, -1, 1, 2])), max_size=30))
@settings(max_examples=rounds(32, 80), deadline=None)
def test_consolidate_nets_rows_of_any_type(entries: list[tuple[tuple[object, ...], int]]) -> None:
    columns = [pa.array([row[i] for row, _ in entries], f.type) for i, f in enumerate(NESTED)]
    batch = pa.RecordBatch.from_arrays(columns, schema=NESTED)
    out = consolidate(Delta(batch, np.array([w for _, w in entries], dtype=np.int64)))
    expected: Counter[str] = Counter()
    for row, weight in entries:
        expected[repr((0.0 if row[0] == 0 else row[0], *row[1:]))] += weight
    got: Counter[str] = Counter()
    if out is not None:
        positive = all(w > 0 for _, w in entries)
        keys = [repr((0.0 if r[0] == 0 else r[0], *r[1:3], *_plain(r[3:]))) for r in tuples(out.batch)]
        assert positive or len(set(keys)) == len(keys)
        for key, weight in zip(keys, out.weight_array().tolist(), strict=True):
            got[key] += weight
    assert got == Counter({k: w for k, w in expected.items() if w})


def _plain(values: tuple[object, ...]) -> list[object]:
    """Decimals and UUIDs as the strategy wrote them."""
    decimal, pairs, uuid = values
    return [None if decimal is None else int(decimal), pairs, None if uuid is None else uuid.bytes]  # type: ignore[call-overload,attr-defined]
