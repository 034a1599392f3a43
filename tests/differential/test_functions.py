"""One meaning everywhere: a function in a view (our kernels) and in a snapshot SELECT (DuckDB) give the same values.

Every example of every function, through a database; and random values for every signature, row by row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from random import Random
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import sqlengine
from sqlengine import duck, errors, sql
from sqlengine.api.database import Database
from sqlengine.expr import tree
from sqlengine.expr.bind import OPERATORS, bind
from sqlengine.expr.compile import compile_exprs
from sqlengine.functions import BUILTINS, Function
from sqlengine.functions.duck_spelling import spelling
from sqlengine.types import INTERVAL, to_sql
from tests.depth import rounds
from tests.expr.scope import SchemaScope
from tests.functions.calls import equal, make_call, plain

EXAMPLES = sorted({f.example for f in BUILTINS.functions() if f.example})
INFIX = {name: op for op, name in reversed(OPERATORS.items())} | {"concat_op": "||"}
NOT_COMPARED = {
    "json_table_rows": "paths and nested columns that fit one another; see functions/test_sql_json_by_postgresql.py",
    "rand_integer": "a new number at each call",
    "json_build_object": "takes keys and values in turn; its example is compared",
    "json_has_key": "? takes a constant; its example is compared",
    "random": "a new number at each call",
    "now": "the moment of the statement or of the tick",
    "proctime": "the moment of the statement or of the tick",
    "map_get": "there is no way to write a map of given types",
    "struct_field": "needs a struct; its example is compared",
    **dict.fromkeys(
        "map_access map_cat map_delete map_insert map_length".split(), "needs a map; in test_other_systems"
    ),
    **dict.fromkeys(
        ("json_elements", "json_values", "jsonb_path_items"),
        "Arrow has no table without rows of JSON[]; examples are compared",
    ),
    "like_escape": "ESCAPE takes a constant; its example is compared",
}
DOUBLE_PRECISION = frozenset({"div"})
"""Snapshot SELECT divides in double precision here."""


# ---------------------------------------------------------------- the examples


@pytest.fixture(scope="module")
def db() -> Iterator[Database]:
    with sqlengine.connect() as made:
        made.execute("CREATE TABLE one (i INT)")
        made.execute("INSERT INTO one VALUES (1)")
        yield made


@pytest.mark.sampled(130)
@pytest.mark.parametrize("example", EXAMPLES)
def test_example_is_true_in_a_snapshot_and_in_a_view(db: Database, example: str) -> None:
    assert db.execute(f"SELECT {example}").fetchall() == [(True,)]
    if "rand" in example:
        return
    if "now()" in example:
        with pytest.raises(errors.InvalidDefinition, match="changes all the time"):
            db.execute(f"CREATE MATERIALIZED VIEW v AS SELECT {example} AS x FROM one")
        return
    db.execute(f"CREATE MATERIALIZED VIEW v AS SELECT {example} AS x FROM one")
    try:
        assert db.execute("SELECT x FROM v").fetchall() == [(True,)]
    finally:
        db.execute("DROP MATERIALIZED VIEW v")


# ---------------------------------------------------------------- random values


def constant(value: Any, dtype: pa.DataType) -> str:
    """A constant in our SQL."""
    if dtype == INTERVAL:
        return f"INTERVAL '{value.months} months {value.days} days {value.nanoseconds // 1000} microseconds'"
    if pa.types.is_string(dtype):
        return "'" + value.replace("'", "''") + "'"
    if dtype == pa.int32():
        return f"({value})"
    text = f"\\x{value.hex()}" if isinstance(value, bytes) else format(value, "f" if isinstance(value, Decimal) else "")
    return f"'{text}'::{to_sql(dtype)}"


def written(function: Function, args: Sequence[str]) -> str:
    """The call as a user writes it."""
    name = function.name
    if function.operator is not None and name in INFIX and len(args) == 2:
        return f"({args[0]} {INFIX[name]} {args[1]})"
    if name in ("and", "or"):
        return "(" + f" {name.upper()} ".join(args) + ")"
    if name in ("not", "negate", "bit_not"):
        return f"({function.operator} {args[0]})"
    if name.startswith("is_") and function.operator is not None:
        return f"({args[0]} {function.operator} {' '.join(args[1:])})"
    if name == "array_get":
        return f"({args[0]})[{args[1]}]"
    return f"ARRAY[{', '.join(args)}]" if name == "array" else f"{name}({', '.join(args)})"


def snapshot(text: str, batch: pa.RecordBatch) -> pa.Array:
    """DuckDB's answer of `SELECT text FROM t`, as a snapshot query runs it."""
    query = sql.parse_query(f"SELECT {text} AS x FROM t")
    columns = {f.name: to_sql(f.type) for f in batch.schema}
    rendered = sql.to_duckdb(query, lambda _: '"parity_in"', columns=lambda _: columns, functions=spelling)
    cursor = duck.connection()
    cursor.register("parity_in", pa.Table.from_batches([batch]))
    try:
        return duck.normalise(cursor.sql(rendered).to_arrow_table()).column(0).combine_chunks()
    except Exception as error:
        raise duck.translate_error(error) from error
    finally:
        cursor.unregister("parity_in")


def of_jsonb(function: Function) -> bool:
    """Whether it is answered by our own operators in a SELECT, too: for DuckDB jsonb is json."""
    return "jsonb" in function.signatures[0].text.partition("(")[2]


def outcome(text: str, row: pa.RecordBatch) -> Any:
    """The snapshot's value of one row, or that it is an error."""
    try:
        return plain(snapshot(text, row))[0]
    except errors.DataError:
        return errors.DataError


@pytest.mark.sampled(100)
@pytest.mark.parametrize(
    "function",
    [f for f in BUILTINS.functions() if f.name not in NOT_COMPARED and f.volatility != "volatile" and not of_jsonb(f)],
    ids=lambda f: f"{f.name}-{f.signatures[0].text.replace(' ', '')}",
)
def test_view_and_snapshot_agree(function: Function) -> None:
    @settings(max_examples=rounds(2, 50), deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.integers(0, 2**32))
    def check(seed: int) -> None:
        call, batch = make_call(function, Random(seed))
        args = [f"c{a.index}" if isinstance(a, tree.InputRef) else constant(a.value, a.type) for a in call.args]  # type: ignore[attr-defined]
        text = written(function, args)
        try:
            evaluator = compile_exprs([bind(sql.parse_expr(text), SchemaScope(batch.schema))])
        except errors.NotSupportedError as refused:
            with pytest.raises(errors.NotSupportedError, match="must be a constant"):
                snapshot(text, batch)
            assert "must be a constant" in str(refused)
            return
        (ours,), good, _ = evaluator.try_eval(batch)
        values = iter(plain(ours))
        mine = [next(values) if fine else errors.DataError for fine in good.to_pylist()]
        try:
            theirs = plain(snapshot(text, batch))
        except errors.DataError:
            theirs = [outcome(text, batch.slice(i, 1)) for i in range(batch.num_rows)]
        for i, (a, b) in enumerate(zip(mine, theirs, strict=True)):
            assert equal(a, b, function.name in DOUBLE_PRECISION and errors.DataError not in (a, b)), (
                f"{text} of {batch.slice(i, 1).to_pylist()}: {a!r} in a view, {b!r} in a snapshot"
            )

    check()
