"""Every kernel against DuckDB: the same expression over the same random columns, row by row.

DuckDB is the independent implementation; where its meaning differs from PostgreSQL's on purpose, the difference
is listed.
"""

from __future__ import annotations

from random import Random
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sqlengine import duck, errors
from sqlengine.expr.compile import compile_exprs
from sqlengine.functions import BUILTINS, Function
from tests.depth import rounds
from tests.functions.calls import equal, make_call, plain
from tests.functions.duck_text import to_duckdb

OWN_MEANING: dict[str, str] = {
    "random": "a new number at each call",
    "now": "the tick's time",
    "proctime": "the tick's time",
    "struct_field": "needs a struct",
    "map_get": "needs a map",
    "row": "field names differ",
    "regexp_match": "DuckDB has no such function",
    "factorial": "PostgreSQL's numeric result",
    "array_distinct": "no order",
    "hash64": "DuckDB's own",
    "div": "DuckDB divides in double precision; see test_numeric.py",
    "make_timestamp": "tested by its example",
    "to_json": "tested by its example",
    "json_valid": "DuckDB's own",
    "json_build_object": "keys and values in turn; tested by its example",
    "rand_integer": "a new number at each call",
    **dict.fromkeys("map_access map_cat map_delete map_insert map_length".split(), "needs a map"),
    **dict.fromkeys(
        ("json_elements", "json_values", "jsonb_path_items"), "arrays of JSON; see differential/test_other_systems.py"
    ),
}
"""Functions this test cannot compare, and why."""
STRICTER = frozenset({"acosh", "atanh", "power"})
"""Functions that raise outside their domain as PostgreSQL does, where DuckDB answers NaN."""
LOOSE = frozenset({"div"})
"""Functions on numeric that DuckDB computes in double precision."""


def compared(function: Function) -> bool:
    if (
        "jsonb" in function.signatures[0].text.partition("(")[2]
    ):  # DuckDB has no such type: tests/functions/test_jsonb.py
        return False
    return function.duck != "" and function.name not in OWN_MEANING and function.volatility != "volatile"


FUNCTIONS = [f for f in BUILTINS.functions() if compared(f)]


@pytest.mark.sampled(100)
@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f"{f.name}-{f.signatures[0].text.replace(' ', '')}")
def test_kernel_agrees_with_duckdb(function: Function) -> None:
    @settings(max_examples=rounds(4, 50), deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.integers(0, 2**32))
    def check(seed: int) -> None:
        expr, batch = make_call(function, Random(seed))
        arrays, good, failures = compile_exprs([expr]).try_eval(batch)
        assert arrays[0].type == expr.type
        text = to_duckdb(expr, batch.schema.names)
        theirs, raised = by_duckdb(text, expr.type, batch)
        told = [(batch.slice(e.row, 1).to_pylist(), str(e.error)) for e in failures]
        assert bool(failures) <= raised or function.name in STRICTER, (text, told)
        compare(plain(arrays[0]), plain(theirs.filter(good)), text, raised, function.name in LOOSE)

    check()


def by_duckdb(text: str, dtype: pa.DataType, batch: pa.RecordBatch) -> tuple[pa.Array, bool]:
    """DuckDB's answer in our type, and whether some row failed (its value is NULL then)."""
    if not isinstance(dtype, pa.BaseExtensionType):
        text = f"CAST({text} AS {duck.sql_type(dtype)})"
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    try:
        return duck.evaluate([text], columns, batch.num_rows)[0], False
    except errors.DataError:
        return pa.concat_arrays([tried(text, dtype, batch.slice(i, 1)) for i in range(batch.num_rows)]), True


def tried(text: str, dtype: pa.DataType, row: pa.RecordBatch) -> pa.Array:
    """DuckDB's answer for one row, NULL for one that fails (TRY does not take calls of error())."""
    try:
        return duck.evaluate([text], dict(zip(row.schema.names, row.columns, strict=True)), 1)[0]
    except errors.DataError:
        return pa.nulls(1, dtype)


def compare(ours: list[Any], theirs: list[Any], text: str, raised: bool, loose: bool) -> None:
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert equal(a, b, loose), f"{text}: {a!r} here, {b!r} in DuckDB; all: {ours} / {theirs}; it raised: {raised}"
