"""DuckDB text of queries: executed, and compared with hand-written DuckDB SQL or a plain Python reckoning."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlengine import duck, sql
from sqlengine.errors import Error
from sqlengine.sql import ast
from tests.depth import rounds

EPOCH = dt.datetime(1970, 1, 1)
NOW = "TIMESTAMPTZ '2024-01-01 00:01:00+00'"

T = pa.table(
    {
        "a": pa.array(range(30), pa.int64()),
        "k": [f"k{i % 3}" for i in range(30)],
        "ts": pa.array(
            [dt.datetime(2024, 1, 1) + dt.timedelta(seconds=7 * i) for i in range(29)] + [None],
            pa.timestamp("us"),
        ),
        "price": [i * 1.5 for i in range(30)],
    }
)
P = pa.table(
    {
        "k": [f"k{i % 3}" for i in range(9)],
        "ts": pa.array([dt.datetime(2024, 1, 1) + dt.timedelta(seconds=20 * i) for i in range(9)], pa.timestamp("us")),
        "v": pa.array(range(9), pa.int64()),
    }
)
TABLES = {"t": T, "p": P}


def run_text(text: str, tables: dict[str, pa.Table] = TABLES) -> pa.Table:
    cursor = duck.connection()
    try:
        for name, table in tables.items():
            cursor.register(f"in_{name}", table)
        return duck.normalise(cursor.sql(text).to_arrow_table())
    finally:
        for name in tables:
            cursor.unregister(f"in_{name}")


def run(text: str, tables: dict[str, pa.Table] = TABLES) -> pa.Table:
    rendered = sql.to_duckdb(
        sql.parse_query(text), lambda ref: f'"in_{ref.parts[-1]}"', now=NOW, time_column=lambda ref: "ts"
    )
    return run_text(rendered, tables)


def rows(table: pa.Table) -> list[tuple[Any, ...]]:
    """Rows in a comparable order."""
    return sorted(zip(*[column.to_pylist() for column in table.columns]), key=repr)


BUCKET = "time_bucket(INTERVAL 1 MINUTE, ts, TIMESTAMP '1970-01-01')"
SAME = [
    ("SELECT symbol FROM (SELECT K AS Symbol FROM T) x", "SELECT k FROM in_t"),
    (
        "SELECT k, window_start, window_end, window_time, count(*) FROM TABLE(TUMBLE(TABLE t, "
        "DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY 1, 2, 3, 4",
        f"SELECT k, {BUCKET} s, s + INTERVAL 1 MINUTE, s + INTERVAL 1 MINUTE - INTERVAL 1 MICROSECOND, "
        f"count(*) FROM in_t WHERE ts IS NOT NULL GROUP BY ALL",
    ),
    (
        "SELECT k, TUMBLE_START(ts, INTERVAL '1' MINUTE), TUMBLE_END(ts, INTERVAL '1' MINUTE), count(*) "
        "FROM t GROUP BY k, TUMBLE(ts, INTERVAL '1' MINUTE)",
        f"SELECT k, {BUCKET} s, s + INTERVAL 1 MINUTE, count(*) FROM in_t WHERE ts IS NOT NULL GROUP BY ALL",
    ),
    (
        "SELECT window(ts, '1 minute').\"end\", sum(price) FROM t GROUP BY window(ts, '1 minute') HAVING count(*) > 5",
        f"SELECT {BUCKET} + INTERVAL 1 MINUTE s, sum(price) FROM in_t WHERE ts IS NOT NULL GROUP BY s "
        f"HAVING count(*) > 5",
    ),
    (
        "SELECT k, WINDOWSTART, count(*) FROM t x WINDOW TUMBLING (SIZE 1 MINUTE) GROUP BY k",
        f"SELECT k, {BUCKET} s, count(*) FROM in_t WHERE ts IS NOT NULL GROUP BY ALL",
    ),
    (
        "SELECT tumble(INTERVAL '1 minute') AS w, count(*) FROM t GROUP BY w",
        f"SELECT {{'start': {BUCKET}, 'end': {BUCKET} + INTERVAL 1 MINUTE}} s, count(*) FROM in_t "
        "WHERE ts IS NOT NULL GROUP BY ALL",
    ),
    (
        "SELECT window_start, count(*) FROM TUMBLE((SELECT window_time AS wt FROM TUMBLE(t, ts, INTERVAL "
        "'10' SECOND)), wt, INTERVAL '1' MINUTE) GROUP BY 1",
        f"SELECT {BUCKET} s, count(*) FROM in_t WHERE ts IS NOT NULL GROUP BY ALL",
    ),
    (
        "SELECT HOP_END(ts, INTERVAL '25' SECOND, INTERVAL '1' MINUTE), count(*) FROM t GROUP BY HOP(ts, "
        "INTERVAL '25' SECOND, INTERVAL '1' MINUTE)",
        "SELECT w + INTERVAL 1 MINUTE, count(*) FROM in_t, generate_series(time_bucket(INTERVAL 25 SECOND, "
        "TIMESTAMP '2023-12-31 23:58:00', TIMESTAMP '1970-01-01'), TIMESTAMP '2024-01-01 00:04:00', "
        "INTERVAL 25 SECOND) g(w) WHERE ts >= w AND ts < w + INTERVAL 1 MINUTE GROUP BY 1",
    ),
    (
        "SELECT t.a, p.v FROM t LEFT JOIN p FOR SYSTEM_TIME AS OF t.ts ON t.k = p.k",
        "SELECT a, v FROM in_t t ASOF LEFT JOIN in_p p ON t.k = p.k AND t.ts >= p.ts",
    ),
    (
        "SELECT t.a, i.v FROM t JOIN p FOR SYSTEM_TIME AS OF PROCTIME() AS i ON t.k = i.k",
        "SELECT a, v FROM in_t t JOIN in_p p USING (k)",
    ),
    (
        "SELECT a FROM t ASOF JOIN p ON t.k = p.k AND t.ts >= p.ts",
        "SELECT a FROM in_t t ASOF JOIN in_p p ON t.k = p.k AND t.ts >= p.ts",
    ),
    (
        "SELECT a FROM t WHERE ts > now() - INTERVAL '30 seconds'",
        "SELECT a FROM in_t WHERE ts > TIMESTAMP '2024-01-01 00:00:30'",
    ),
    (
        "SELECT CURRENT_DATE, localtimestamp, PROCTIME() = now(), localtime",
        "SELECT DATE '2024-01-01', TIMESTAMP '2024-01-01 00:01:00', true, TIME '00:01:00'",
    ),
    (
        "SELECT -7 / 2, 7 / 2.0, sum(a) / count(*), 2 ^ 3, 5 # 3, 'a' || 1 FROM t",
        "SELECT -3, 3.5::DOUBLE, 14::BIGINT, 8::DOUBLE, 6, 'a1'",
    ),
    (
        "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY a), every(a >= 0), array_agg(a ORDER BY a "
        "DESC)[1:2], count(DISTINCT k) FROM t",
        "SELECT 14.5, true, [29, 28], 3",
    ),
    (
        "SELECT '{\"a\": {\"b\": [1, 2]}}'::json #>> '{a,b,1}', '{\"a.b\": 1}'::json ->> 'a.b', 'x%y' LIKE "
        "'x\\%y', 'xzy' NOT LIKE 'x\\%y', 'abc' ~ 'b', 'abc' !~* 'B'",
        "SELECT '2', '1', true, true, true, false",
    ),
    ("SELECT a, k FROM t ORDER BY k DESC, a LIMIT 3", "SELECT a, k FROM in_t ORDER BY k DESC, a LIMIT 3"),
    ("SELECT a FROM t ORDER BY ts DESC LIMIT 2", "SELECT a FROM in_t ORDER BY ts DESC NULLS FIRST LIMIT 2"),
    ("SELECT column2 FROM (VALUES (1, 'x')) v", "SELECT 'x'"),
    ("WITH T AS (SELECT 5 AS a) SELECT a FROM t", "SELECT 5"),
    ('SELECT public.t.a, "t".k FROM public.t', "SELECT a, k FROM in_t"),
    ("SELECT DISTINCT ON (k) k, a FROM t ORDER BY k, a DESC", "SELECT k, max(a) FROM in_t GROUP BY k"),
    (
        "SELECT CAST('1.5' AS NUMERIC), CAST(ROW(1, 'x') AS ROW<a INT, b STRING>).b, MAP['k', 2]['k'], {'x': 1}.x",
        "SELECT 1.5, 'x', 2, 1",
    ),
    ("SELECT (ARRAY[1, 2, 3])[2], a[1], a[i + 1] FROM (SELECT ARRAY[7, 8] AS a, 1 AS i) x", "SELECT 2, 7, 8"),
    (
        "SELECT TIMESTAMP '2024-01-31 00:00:00' + INTERVAL '1 month 2 days 03:00:00'",
        "SELECT TIMESTAMP '2024-03-02 03:00:00'",
    ),
    (
        'SELECT offset, "end", "Key" FROM (SELECT 1 AS offset, 2 AS "end", 3 AS "Key") AS "table"',
        "SELECT 1, 2, 3",
    ),
    (
        "SELECT a FROM t WHERE a = ANY(ARRAY[1, 2]) OR a > ALL (SELECT a + 27 FROM t WHERE a < 2)",
        "SELECT a FROM in_t WHERE a IN (1, 2, 29)",
    ),
    ("SELECT count(*) FROM t TABLESAMPLE (100 PERCENT)", "SELECT 30"),
    (
        "SELECT k, a, grouping(k) FROM t GROUP BY ROLLUP (k, a)",
        "SELECT k, a, grouping(k) FROM in_t GROUP BY ROLLUP (k, a)",
    ),
    ("SELECT * EXCLUDE (a, ts, price) FROM t", "SELECT k FROM in_t"),
    ("SELECT list_transform(ARRAY[1, 2], x -> x + 1)", "SELECT [2, 3]"),
]


@pytest.mark.parametrize(("text", "by_hand"), SAME, ids=[text[:50] for text, _ in SAME])
def test_same_rows(text: str, by_hand: str) -> None:
    assert rows(run(text)) == rows(run_text(by_hand))


def test_output_names_are_postgresqls() -> None:
    made = run(
        "SELECT count(*), a + 1, a::int, current_date, CASE WHEN true THEN 1 END, sum(a) OVER () AS Total "
        "FROM t GROUP BY a"
    )
    assert made.column_names == ["count", "?column?", "a", "current_date", "case", "total"]
    assert run("VALUES (1, 2)").column_names == ["column1", "column2"]
    assert run("SELECT * FROM TUMBLE(t, ts, INTERVAL '1' DAY)").column_names == [
        *T.column_names,
        "window_start",
        "window_end",
        "window_time",
    ]


def test_now_is_a_parameter() -> None:
    text = sql.to_duckdb(sql.parse_query("SELECT now()"), lambda ref: "")
    assert "$now" in text


def test_the_caller_may_spell_functions() -> None:
    def spelling(name: str, args: Sequence[str]) -> str | None:
        return f"trunc({args[0]} / {args[1]})" if name == "div" else None

    query = sql.parse_query("SELECT div(div(17, 2), 2), sum(DISTINCT x) FROM (VALUES (1)) t(x)")
    text = sql.to_duckdb(query, lambda ref: "", functions=spelling)
    assert rows(run_text(text)) == [(4, 1)]
    assert sql.render_expr(sql.parse_expr("div(a, 2)"), lambda column: "x", functions=spelling) == "(trunc(x / 2))"


def test_files_and_functions_stay() -> None:
    text = sql.to_duckdb(
        sql.parse_query("SELECT * FROM 'data/*.parquet' f, generate_series(1, 2) g"), lambda ref: "never"
    )
    assert "data/*.parquet" in text
    assert "never" not in text


def test_missing_time_column() -> None:
    for text, sqlstate in (
        ("SELECT 1 FROM t WINDOW TUMBLING (SIZE 1 MINUTE)", "42703"),
        ("SELECT 1 FROM t JOIN p FOR SYSTEM_TIME AS OF t.ts ON true", "0A000"),
    ):
        with pytest.raises(Error) as caught:
            sql.to_duckdb(sql.parse_query(text), lambda ref: "t")
        assert caught.value.sqlstate == sqlstate


# ---------------------------------------------------------------- windows against a plain reckoning

TIMES = st.lists(st.integers(-200_000, 200_000), max_size=12)
SIZES = st.integers(1, 60)


def stamps(seconds: list[int], zone: str | None = None) -> dict[str, pa.Table]:
    values = pa.array([EPOCH + dt.timedelta(milliseconds=s * 10) for s in seconds], pa.timestamp("us"))
    return {
        "w": pa.table({"ts": values.cast(pa.timestamp("us", zone)) if zone else values, "k": [s % 2 for s in seconds]})
    }


def as_ms(table: pa.Table) -> list[tuple[int, int]]:
    starts, ends = (
        table[name].cast(pa.timestamp("us")).cast(pa.int64()).to_pylist() for name in ("window_start", "window_end")
    )
    return [(s // 1000, e // 1000) for s, e in zip(starts, ends)]


@settings(max_examples=rounds(16, 40), deadline=None)
@given(TIMES, SIZES, SIZES, st.integers(0, 30), st.sampled_from([None, "UTC"]))
def test_hop_by_definition(times: list[int], size: int, slide: int, offset: int, zone: str | None) -> None:
    made = run(
        f"SELECT window_start, window_end FROM HOP(w, ts, INTERVAL '{slide}' SECOND, INTERVAL '{size}' "
        f"SECOND, INTERVAL '{offset}' SECOND)",
        stamps(times, zone),
    )
    expected = []
    for ms in (s * 10 for s in times):
        start = (ms - offset * 1000) // (slide * 1000) * slide * 1000 + offset * 1000
        while start + size * 1000 > ms:
            expected.append((start, start + size * 1000))
            start -= slide * 1000
    assert Counter(as_ms(made)) == Counter(expected)


@settings(max_examples=rounds(16, 40), deadline=None)
@given(TIMES, st.integers(1, 20), st.integers(1, 5))
def test_cumulate_by_definition(times: list[int], step: int, count: int) -> None:
    size = step * count * 1000
    made = run(
        "SELECT window_start, window_end FROM "
        f"CUMULATE(w, ts, INTERVAL '{step}' SECOND, INTERVAL '{step * count}' SECOND)",
        stamps(times),
    )
    expected = []
    for ms in (s * 10 for s in times):
        start = ms // size * size
        expected += [(start, end) for end in range(start + step * 1000, start + size + 1, step * 1000) if end > ms]
    assert Counter(as_ms(made)) == Counter(expected)


def sessions(times: list[int], gap_ms: int) -> Counter[tuple[int, int, int]]:
    """(key, start, end) of each row, by walking the sorted rows of each key."""
    found: Counter[tuple[int, int, int]] = Counter()
    for key in (0, 1):
        run_: list[int] = []
        for ms in sorted(s * 10 for s in times if s % 2 == key):
            if run_ and ms - run_[-1] >= gap_ms:
                found[key, run_[0], run_[-1] + gap_ms] += len(run_)
                run_ = []
            run_.append(ms)
        if run_:
            found[key, run_[0], run_[-1] + gap_ms] += len(run_)
    return found


@settings(max_examples=rounds(16, 40), deadline=None)
@given(TIMES, st.integers(1, 400))
def test_sessions_by_definition(times: list[int], gap: int) -> None:
    texts = (
        f"SELECT k, window_start, window_end FROM TABLE(SESSION(TABLE w PARTITION BY k, DESCRIPTOR(ts), "
        f"INTERVAL '{gap}' SECOND))",
        f"SELECT x.k AS k, SESSION_START(x.ts, INTERVAL '{gap}' SECOND) AS window_start, SESSION_END(ts, "
        f"INTERVAL '{gap}' SECOND) "
        f"AS window_end, count(*) AS n FROM w AS x WHERE true GROUP BY x.k, SESSION(ts, INTERVAL '{gap}' "
        f"SECOND)",
    )
    expected = sessions(times, gap * 1000)
    each = run(texts[0], stamps(times))
    assert Counter((k, *w) for k, w in zip(each["k"].to_pylist(), as_ms(each))) == expected
    grouped = run(texts[1], stamps(times))
    counted = zip(grouped["k"].to_pylist(), as_ms(grouped), grouped["n"].to_pylist())
    assert {(k, *w): n for k, w, n in counted} == dict(expected)


def test_months() -> None:
    made = run("SELECT window_start FROM TUMBLE(t, ts, INTERVAL '3' MONTH)")
    assert set(made["window_start"].to_pylist()) == {dt.datetime(2024, 1, 1)}


# ---------------------------------------------------------------- expressions

EXPRESSIONS = [
    "a + 1 > 2 AND NOT (k IN ('k1', 'k2')) OR price BETWEEN 3 AND 9",
    "CASE WHEN a > 5 THEN 'big' WHEN a IS NULL THEN NULL ELSE k || '!' END",
    "extract(minute FROM ts) + a % 7 - -a",
    "k LIKE 'k\\_%' OR k SIMILAR TO 'k[01]' OR k ~ '^k2'",
    "coalesce(nullif(a, 3), 100) / 2",
    "CAST(price AS NUMERIC(10, 1)) * 2.5",
    "(ARRAY[a, a + 1])[2] + length(k)",
    "ts + INTERVAL '1 month 1 day' > TIMESTAMP '2024-02-02 00:01:00'",
    "date_trunc('minute', ts) IS DISTINCT FROM ts",
    "ROW(a, k) = ROW(3, 'k0')",
    "list_transform(ARRAY[a], x -> x + t.a)",
    "substring(k FROM 2 FOR 1) || trim(both 'k' from k)",
    "TRY_CAST(k AS INT) IS NULL",
    "{'x': a}.x + (MAP {'y': a})['y']",
    "a NOT BETWEEN 2 AND 4 AND a IS NOT NULL AND (a > 3) IS NOT TRUE",
]


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_expressions_render_to_the_same_value(text: str) -> None:
    whole = run(f"SELECT {text} AS x FROM t")
    rendered = sql.render_expr(sql.parse_expr(text), lambda column: f'"{column.parts[-1]}"', now=NOW)
    alone = run_text(f"SELECT {rendered} AS x FROM in_t")
    assert alone["x"].to_pylist() == whole["x"].to_pylist()


def test_bound_columns_can_be_anything() -> None:
    made = sql.render_expr(sql.parse_expr("t.a + b"), lambda column: {"a": "a0", "b": "(a1).f"}[column.parts[-1]])
    assert made == "a0 + (a1).f"


@pytest.mark.parametrize(
    "expr",
    [ast.Star(), ast.Subquery("scalar", ast.Select((ast.SelectItem(ast.Literal(1, "integer"), "x"),)))],
)
def test_what_cannot_stand_alone(expr: ast.Expr) -> None:
    with pytest.raises(Error) as caught:
        sql.render_expr(expr, lambda column: "")
    assert caught.value.sqlstate == "0A000"
