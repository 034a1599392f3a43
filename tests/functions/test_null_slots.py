"""What stands in memory where a value is NULL changes nothing: other libraries leave there whatever was before."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import sqlengine
from sqlengine.expr import tree
from sqlengine.expr.compile import compile_exprs
from sqlengine.functions import BUILTINS, Function
from tests.functions.calls import make_call, plain
from tests.functions.test_same_meaning import OWN_MEANING

NEED_CONSTANTS = frozenset({"parse_time", "unix_timestamp"})
UNEVEN = frozenset({"jsonb_build_object"})
"""What raises for a random number of arguments."""
FUNCTIONS = [
    f for f in BUILTINS.functions() if f.kernel is not None and f.name not in {*OWN_MEANING, *NEED_CONSTANTS, *UNEVEN}
]
WIDTHS = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64, 16: np.uint64}


def with_garbage(array: pa.Array, bits: int) -> pa.Array:
    """The same values, with `bits` repeated at the NULLs of what has a fixed width."""
    width = 0 if pa.types.is_boolean(array.type) or pa.types.is_nested(array.type) else _width(array.type)
    if not array.null_count or width not in WIDTHS or isinstance(array, pa.ExtensionArray):
        return array
    array = pa.concat_arrays([array])  # without an offset
    validity, values = array.buffers()
    words = max(1, width // 8)
    changed = np.frombuffer(values, WIDTHS[width], len(array) * words).copy()
    missing = np.repeat(array.is_null().to_numpy(zero_copy_only=False), words)
    changed[missing] = np.array([bits & (2**64 - 1)], np.uint64).astype(WIDTHS[width])[0]
    return pa.Array.from_buffers(array.type, len(array), [validity, pa.py_buffer(changed)])


def with_constants(call: tree.Expr, batch: pa.RecordBatch, r: Random) -> tuple[tree.Expr, pa.RecordBatch]:
    """Some columns as constants."""
    assert isinstance(call, tree.Call)
    args = [
        tree.Const(a.type, whole_days(batch.column(a.index)[0].as_py()))
        if isinstance(a, tree.InputRef) and batch.num_rows and batch.column(a.index)[0].is_valid and r.random() < 0.5
        else a
        for a in call.args
    ]
    return tree.Call(call.type, call.function, tuple(args)), batch


def whole_days(value: Any) -> Any:
    """An interval without months, which is the kind that is quick."""
    return pa.MonthDayNano([0, value.days, 0]) if isinstance(value, pa.MonthDayNano) else value


def _width(dtype: pa.DataType) -> int:
    try:
        return int(dtype.bit_width) // 8
    except ValueError:
        return 0


LOWEST = {1: 0x80, 2: 0x8000, 4: 0x8000_0000, 8: 1 << 63, 16: 1 << 63}


@pytest.mark.sampled(70)
@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f"{f.name}-{f.signatures[0].text.replace(' ', '')}")
def test_nothing_is_read_at_nulls(function: Function) -> None:
    for seed in range(30):
        expr, batch = make_call(function, Random(seed))
        run = compile_exprs([expr])
        clean = pa.RecordBatch.from_arrays([with_garbage(c, 0) for c in batch.columns], schema=batch.schema)
        (want,), good, failed = run.try_eval(clean)
        for lowest in (True, False):
            columns = [
                with_garbage(c, LOWEST.get(_width(c.type), 0) if lowest else -1) if c.null_count else c
                for c in batch.columns
            ]
            dirty = pa.RecordBatch.from_arrays(columns, schema=batch.schema)
            if not failed:  # what raises for a batch is looked at row by row otherwise
                assert repr(plain(run(dirty, 0)[0])) == repr(plain(want))
            (got,), still_good, failed_too = run.try_eval(dirty)
            assert [e.row for e in failed_too] == [e.row for e in failed], (expr, [str(e.error) for e in failed_too])
            assert still_good == good and repr(plain(got)) == repr(plain(want)), (expr, dirty.to_pylist())


def test_a_watermark_behind_times_of_which_some_are_null() -> None:
    """DuckDB leaves the least number there is at NULLs."""
    values = pa.py_buffer(np.array([-(2**63), 60_000_000], np.int64))
    times = pa.Array.from_buffers(pa.timestamp("us"), 2, [pa.py_buffer(b"\x02"), values])
    with sqlengine.connect() as db:
        db.execute("CREATE STREAM s (ts timestamp, WATERMARK FOR ts AS ts - INTERVAL '5 seconds')")
        db.insert("s", pa.table({"ts": times}))
        db.execute("CREATE MATERIALIZED VIEW v AS SELECT ts - INTERVAL '1 second' AS t FROM s")
        assert {str(t) for (t,) in db.execute("SELECT t FROM v").fetchall()} == {"None", "1970-01-01 00:00:59"}
