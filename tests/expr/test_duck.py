"""The door to DuckDB: settings, types of results, errors with SQLSTATE."""

from __future__ import annotations

import threading

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from sqlengine import duck, errors
from sqlengine.snapshot.execute import run
from sqlengine.snapshot.expand import Expanded
from sqlengine.types import INTERVAL, JSON, TIMESTAMP, TIMESTAMPTZ, UUID

ROWS = pa.schema([("i", pa.int64()), ("s", pa.string())])


def fetch(sql: str) -> pa.Table:
    try:
        return duck.normalise(duck.connection().sql(sql).to_arrow_table())
    except duckdb.Error as err:
        raise duck.translate_error(err) from err


TYPES = {
    "1::TINYINT": pa.int16(),
    "1::UTINYINT": pa.int16(),
    "1::USMALLINT": pa.int32(),
    "1::UINTEGER": pa.int64(),
    "1::UBIGINT": pa.decimal128(20, 0),
    "sum(1)": pa.int64(),
    "sum(1.5)": pa.decimal128(38, 1),
    "count(*)": pa.int64(),
    "NULL": pa.string(),
    "uuid()": UUID,
    "'{}'::JSON": JSON,
    "INTERVAL 1 DAY": INTERVAL,
    "TIMESTAMP_NS '2024-01-01'": TIMESTAMP,
    "TIMESTAMPTZ '2024-01-01'": TIMESTAMPTZ,
    "TIME '10:00'": pa.time64("us"),
    "'x'::BLOB": pa.binary(),
    "true": pa.bool_(),
    "[true, NULL]": pa.list_(pa.bool_()),
    "[1::UTINYINT, NULL]": pa.list_(pa.int16()),
    "[sum(1)]": pa.list_(pa.int64()),
    "{'a': 1::HUGEINT, 'b': [true]}": pa.struct([("a", pa.int64()), ("b", pa.list_(pa.bool_()))]),
    "MAP {'a': 1::UTINYINT}": pa.map_(pa.string(), pa.int16()),
    "'a'::ENUM('a', 'b')": pa.string(),
    "7 / 2": pa.int32(),
}


@pytest.mark.parametrize("text", TYPES)
def test_types_described_are_types_delivered(text: str) -> None:
    assert duck.describe(f"SELECT {text} AS v", {}).field("v").type == TYPES[text]
    assert fetch(f"SELECT {text} AS v").schema.field("v").type == TYPES[text]


def test_values_survive_normalising() -> None:
    table = fetch(
        "SELECT * FROM (VALUES "
        "(170141183460469231731687303715884105727 % 1000::HUGEINT, [true, NULL], [1::HUGEINT, NULL]), "
        "(NULL, NULL, NULL), (-9223372036854775808::HUGEINT, [], [])) t(a, b, c)"
    )
    assert table.to_pydict() == {
        "a": [727, None, -(2**63)], "b": [[True, None], None, []], "c": [[1, None], None, []],
    }  # fmt: skip


def test_sums_that_do_not_fit_are_errors() -> None:
    with pytest.raises(errors.OutOfRange) as caught:
        fetch("SELECT sum(x) FROM (VALUES (9223372036854775807), (1)) t(x)")
    assert caught.value.sqlstate == "22003"


ERRORS = {
    "SELECT nope FROM range(1) t(yes)": ("42703", 'column "nope" does not exist'),
    "SELECT * FROM missing": ("42P01", 'relation "missing" does not exist'),
    "SELECT nosuch(1)": ("42883", "function nosuch does not exist"),
    "SELEC 1": ("42601", 'syntax error at or near "SELEC"'),
    "SELECT 'x'::INT": ("22P02", None),
    "SELECT 1 / 0": ("22012", "division by zero"),
    "SELECT 1.5::DOUBLE / 0": ("22012", "division by zero"),
    "SELECT 1 % 0": ("22012", "division by zero"),
    "SELECT 9223372036854775807 + 1": ("22003", None),
    "SELECT 300::TINYINT": ("22003", None),
    "SELECT ln(0)": ("2201E", "cannot take logarithm of zero"),
    "SELECT '2024-13-01'::DATE": ("22008", None),
    "SELECT a, sum(b) FROM (VALUES (1, 2)) t(a, b)": ("42803", None),
    "SELECT * FROM 'nosuch.parquet'": ("58P01", None),
    "SELECT 1::nosuchtype": ("42704", None),
    "SELECT regexp_matches('a', '(')": ("2201B", None),
}


@pytest.mark.parametrize("sql", ERRORS)
def test_errors_have_sqlstate(sql: str) -> None:
    with pytest.raises(errors.Error) as caught:
        fetch(sql)
    state, message = ERRORS[sql]
    assert caught.value.sqlstate == state, caught.value.message
    assert message is None or caught.value.message == message
    assert "Error:" not in caught.value.message and "LINE" not in caught.value.message
    assert not caught.value.message.endswith((".", "!"))


def test_candidates_for_unknown_columns() -> None:
    with pytest.raises(errors.UndefinedColumn) as caught:
        duck.describe("SELECT ii FROM t", {"t": ROWS})
    assert caught.value.hint == 'did you mean "i"?'


def test_nothing_is_run_to_describe() -> None:
    assert duck.describe("SELECT 1 / 0 AS v, error('no')::INT AS w", {}).names == ["v", "w"]


def test_python_variables_are_not_tables() -> None:
    rows = pa.table({"a": [1]})
    with pytest.raises(errors.UndefinedTable):
        duck.describe("SELECT * FROM rows", {})
    assert rows.num_rows == 1


def test_an_open_result_does_not_stand_in_the_way() -> None:
    reader = duck.connection().execute("SELECT * FROM range(100000)")
    assert duck.describe("SELECT i FROM t", {"t": ROWS}) == pa.schema([("i", pa.int64())])
    assert duck.evaluate(["a + 1"], {"a": pa.array([1, 2])}, 2)[0].to_pylist() == [2, 3]
    assert reader.fetchone() == (0,)
    reader.fetchall()


def test_threads_have_cursors_of_their_own() -> None:
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(duck.connection()))
    thread.start()
    thread.join()
    assert found[0] is not duck.connection()
    assert duck.connection() is duck.connection()


def test_another_database_takes_the_place_of_one_that_is_lost() -> None:
    def doubled(values: pa.Array) -> pa.Array:
        return pc.multiply(values, 2)

    duck.create_function("doubled_of_test", [pa.int64()], pa.int64(), doubled, volatile=False)
    question = (["doubled_of_test(a)", "text_repeat('x', 2)"], {"a": pa.array([1])}, 1)
    before = duck.evaluate(*question)
    duck._database().close()
    assert isinstance(duck.translated(RuntimeError("FATAL Error: the database has been invalidated")), errors.Error)
    assert duck.evaluate(*question) == before


@pytest.mark.parametrize("value", ["plain", "it's", "nul\0in", "☃", ""])
def test_text_literals(value: str) -> None:
    assert fetch(f"SELECT {duck.literal(value, pa.string())} AS v")["v"].to_pylist() == [value]


def test_other_literals() -> None:
    for value, dtype in [
        (b"\x00\xffa", pa.binary()), (-5, pa.int64()), (-(2**31), pa.int32()), ([1, None], pa.list_(pa.int64())),
        ({"a": 1, "b": "x"}, pa.struct([("a", pa.int64()), ("b", pa.string())])), (None, TIMESTAMP),
        (1e300, pa.float64()), (pa.MonthDayNano([1, -2, 3000]), INTERVAL),
    ]:  # fmt: skip
        table = fetch(f"SELECT {duck.literal(value, dtype)} AS v")
        assert table.schema.field("v").type == dtype
        assert table["v"].to_pylist() == [value]


def test_an_error_of_ours_stays_as_it_is() -> None:
    """A statement whose time is up as DuckDB begins is one that was cancelled, not a fault of ours."""
    expanded = Expanded("SELECT 1 AS a", {})

    def begins(connection: object) -> None:
        raise errors.QueryCanceled("canceling statement due to statement timeout")

    with pytest.raises(errors.QueryCanceled, match="statement timeout"):
        run(expanded, {}, 0, begins)
