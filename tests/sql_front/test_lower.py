"""Queries as plain data, and which tables they read."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from sqlengine import sql
from sqlengine.errors import NotSupportedError
from sqlengine.sql import ast
from sqlengine.sql.references import named_in


def lower(text: str) -> Any:
    return sql.lower(sql.parse_query(text))


def col(*parts: str) -> ast.Column:
    return ast.Column(parts)


def lit(value: Any, name: str = "integer") -> ast.Literal:
    return ast.Literal(value, name)


MINUTE = ast.Interval(0, 0, 60_000_000)
TEN_SECONDS = ast.Interval(0, 0, 10_000_000)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", lit(1)),
        ("3000000000", lit(3_000_000_000, "bigint")),
        ("99999999999999999999", lit(Decimal("99999999999999999999"), "numeric")),
        ("-2147483649", lit(-2_147_483_649, "bigint")),
        ("1.50", lit(Decimal("1.50"), "numeric")),
        ("1e3", lit(Decimal("1e3"), "numeric")),
        ("'it''s'", lit("it's", "text")),
        ("'a' 'b'", lit("ab", "text")),
        ("NULL", lit(None, "unknown")),
        ("TRUE", lit(True, "boolean")),
        ("X'00ff'", lit(b"\x00\xff", "bytea")),
        ('a."B".C', col("a", "B", "c")),
        ("`Some Name`", col("Some Name")),
        ("a + b * 2", ast.Binary("+", col("a"), ast.Binary("*", col("b"), lit(2)))),
        ("a || 'x'", ast.Binary("||", col("a"), lit("x", "text"))),
        ("a ^ 2", ast.Binary("^", col("a"), lit(2))),
        ("a # 2", ast.Binary("#", col("a"), lit(2))),
        ("a ~ 'x'", ast.Binary("~", col("a"), lit("x", "text"))),
        ("a !~* 'x'", ast.Unary("not", ast.Binary("~*", col("a"), lit("x", "text")))),
        ("a NOT LIKE 'x'", ast.Unary("not", ast.Binary("like", col("a"), lit("x", "text")))),
        ("a -> 'x.y' ->> 0", ast.Binary("->>", ast.Binary("->", col("a"), lit("x.y", "text")), lit(0))),
        ("a IS NOT NULL", ast.IsTest(col("a"), "null", True)),
        ("a IS NOT TRUE", ast.IsTest(col("a"), "true", True)),
        ("a IS DISTINCT FROM b", ast.Binary("is distinct from", col("a"), col("b"))),
        ("a NOT BETWEEN 1 AND 2", ast.Between(col("a"), lit(1), lit(2), True)),
        ("a NOT IN (1, 2)", ast.InList(col("a"), (lit(1), lit(2)), True)),
        ("a = ANY(ARRAY[1, 2])", ast.InList(col("a"), (lit(1), lit(2)))),
        ("CASE a WHEN 1 THEN 2 END", ast.Case(col("a"), ((lit(1), lit(2)),), None)),
        ("CAST(a AS NUMERIC(10, 2))", ast.Cast(col("a"), "decimal(10, 2)")),
        ("a::TIMESTAMP_LTZ(3)", ast.Cast(col("a"), "timestamptz(3)")),
        ("TRY_CAST(a AS STRING)", ast.Cast(col("a"), "text", True)),
        ("CAST(a AS ROW<x INT, y ARRAY<TEXT>>)", ast.Cast(col("a"), "struct<x int, y text[]>")),
        ("count(*)", ast.Call("count", (), star=True)),
        ("COUNT(DISTINCT a)", ast.Call("count", (col("a"),), distinct=True)),
        ("date_trunc('hour', ts)", ast.Call("date_trunc", (lit("hour", "text"), col("ts")))),
        ("now()", ast.Call("now", ())),
        ("extract(hour FROM ts)", ast.Call("extract", (lit("hour", "text"), col("ts")))),
        ("position('x' IN a)", ast.Call("strpos", (col("a"), lit("x", "text")))),
        ("substring(a FROM 2 FOR 3)", ast.Call("substring", (col("a"), lit(2), lit(3)))),
        ("trim(LEADING 'x' FROM a)", ast.Call("ltrim", (col("a"), lit("x", "text")))),
        ("ts AT TIME ZONE 'UTC'", ast.Call("timezone", (lit("UTC", "text"), col("ts")))),
        ("pg_catalog.upper(a)", ast.Call("upper", (col("a"),))),
        ("sum(a) FILTER (WHERE b)", ast.Call("sum", (col("a"),), filter=col("b"))),
        ("a[1]", ast.Subscript(col("a"), lit(1))),
        ("a[i + 1]", ast.Subscript(col("a"), ast.Binary("+", col("i"), lit(1)))),
        ("a['k']", ast.Subscript(col("a"), lit("k", "text"))),
        ("(a).b", ast.FieldAccess(col("a"), "b")),
        ("ARRAY[1, 2]", ast.ArrayLiteral((lit(1), lit(2)))),
        ("ROW(1, a)", ast.Row((lit(1), col("a")))),
        ("{'x': 1}", ast.Row((lit(1),), ("x",))),
        ("?", ast.Param(0)),
        ("$2", ast.Param(1)),
        (":name", ast.Param("name")),
        ("tumble(ts, INTERVAL '1' MINUTE)", ast.Call("tumble", (col("ts"), MINUTE))),
        ("window(ts, '1 minute')", ast.Call("window", (col("ts"), lit("1 minute", "text")))),
    ],
)
def test_expressions(text: str, expected: ast.Expr) -> None:
    made = sql.parse_expr(text)
    assert made == expected
    assert type(made) is type(expected)


def test_aggregates_and_over() -> None:
    made = sql.parse_expr("string_agg(DISTINCT a, ',' ORDER BY b DESC, c NULLS FIRST)")
    assert made == ast.Call(
        "string_agg",
        (col("a"), lit(",", "text")),
        distinct=True,
        order_by=(ast.OrderItem(col("b"), True, True), ast.OrderItem(col("c"), False, True)),
    )
    made = lower("SELECT sum(a) OVER (w ROWS 1 PRECEDING) FROM t WINDOW w AS (PARTITION BY b ORDER BY c)").items[0].expr
    assert made.over.partition_by == (col("b"),)
    assert made.over.order_by == (ast.OrderItem(col("c"), False, False),)
    assert made.over.frame_text == "ROWS BETWEEN 1 PRECEDING AND CURRENT ROW"
    bounds = ast.FrameBound("preceding", lit(1)), ast.FrameBound("current row")
    assert made.over.frame == ast.FrameClause("rows", *bounds)
    made = lower("SELECT lag(a) IGNORE NULLS OVER () FROM t").items[0].expr
    assert made == lower("SELECT lag(a IGNORE NULLS) OVER () FROM t").items[0].expr
    assert made.ignore_nulls
    made = sql.parse_expr("percentile_cont(0.5) WITHIN GROUP (ORDER BY a)")
    assert made.within_group == (ast.OrderItem(col("a"), False, False),)


WINDOWS = {
    "SELECT * FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE))": ("tumble", MINUTE, None),
    "SELECT * FROM TABLE(TUMBLE(DATA => TABLE t, TIMECOL => DESCRIPTOR(ts), SIZE => INTERVAL '1' MINUTE))": (
        "tumble",
        MINUTE,
        None,
    ),
    "SELECT * FROM TUMBLE(t, ts, INTERVAL '1 minute')": ("tumble", MINUTE, None),
    "SELECT * FROM TUMBLE(t, ts, '60 seconds')": ("tumble", MINUTE, None),
    "SELECT * FROM TABLE(HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '1' MINUTE))": (
        "hop",
        MINUTE,
        TEN_SECONDS,
    ),
    "SELECT * FROM HOP(t, ts, INTERVAL '10' SECOND, INTERVAL '1' MINUTE)": ("hop", MINUTE, TEN_SECONDS),
    "SELECT * FROM TABLE(CUMULATE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '1' MINUTE))": (
        "cumulate",
        MINUTE,
        TEN_SECONDS,
    ),
    "SELECT * FROM TABLE(SESSION(TABLE t PARTITION BY k, j, DESCRIPTOR(ts), INTERVAL '10' SECOND))": (
        "session",
        TEN_SECONDS,
        None,
    ),
    "SELECT * FROM TABLE(SESSION(DATA => TABLE t PARTITION BY (k, j), TIMECOL => DESCRIPTOR(ts), GAP => "
    "INTERVAL '10' SECOND))": (
        "session",
        TEN_SECONDS,
        None,
    ),
}


@pytest.mark.parametrize("text", WINDOWS)
def test_window_table_functions(text: str) -> None:
    kind, size, slide = WINDOWS[text]
    made = lower(text).from_
    assert made.window == ast.WindowSpec(kind, size, slide)
    assert made.input.parts == ("t",)
    assert made.time == col("ts")
    assert made.partition_by == ((col("k"), col("j")) if kind == "session" else ())
    assert text[made.input.position] == "t"
    assert text[made.time.position : made.time.position + 2] == "ts"


def test_windows_over_queries_and_names() -> None:
    assert isinstance(lower("SELECT * FROM TUMBLE((SELECT 1), ts, INTERVAL '1' DAY) w").from_.input, ast.SubqueryRef)
    made = lower("SELECT k, WINDOWEND FROM t x WINDOW HOPPING (SIZE 1 MINUTE, ADVANCE BY 10 SECONDS) GROUP BY k")
    assert made.from_.window == ast.WindowSpec("hop", MINUTE, TEN_SECONDS)
    assert (made.from_.time, made.from_.alias) == (col("$rowtime"), "x")
    assert made.group_by == (col("window_start"), col("window_end"), col("k"))
    assert made.items[1].expr == col("window_end")


@pytest.mark.parametrize(
    ("text", "kind", "size", "slide"),
    [
        ("tumble(ts, INTERVAL '1' MINUTE)", "tumble", MINUTE, None),
        ("TUMBLE_START(ts, INTERVAL '1' MINUTE)", "tumble", MINUTE, None),
        ("hop(ts, INTERVAL '10' SECOND, INTERVAL '1' MINUTE)", "hop", MINUTE, TEN_SECONDS),
        ("session(ts, INTERVAL '10' SECOND)", "session", TEN_SECONDS, None),
        ("window(ts, '1 minute')", "tumble", MINUTE, None),
        ("window(ts, '1 minute', '10 seconds')", "hop", MINUTE, TEN_SECONDS),
        ("session_window(ts, '10 seconds')", "session", TEN_SECONDS, None),
    ],
)
def test_grouping_windows(text: str, kind: str, size: ast.Interval, slide: ast.Interval | None) -> None:
    call = sql.parse_expr(text)
    assert isinstance(call, ast.Call)
    assert sql.grouping_window(call) == (col("ts"), ast.WindowSpec(kind, size, slide))


def test_joins() -> None:
    def join(text: str) -> ast.Join:
        made = lower(f"SELECT * FROM t {text}").from_
        assert isinstance(made, ast.Join)
        return made

    on = ast.Binary("=", col("t", "a"), col("p", "a"))
    kinds = {
        "JOIN": "inner",
        "LEFT OUTER JOIN": "left",
        "RIGHT JOIN": "right",
        "FULL JOIN": "full",
        "SEMI JOIN": "semi",
        "ANTI JOIN": "anti",
        "ASOF JOIN": "asof",
        "ASOF LEFT JOIN": "asof_left",
    }
    for spelt, kind in kinds.items():
        assert join(f"{spelt} p ON t.a = p.a") == ast.Join(
            kind,
            ast.TableRef(("t",), position=14),
            join(f"{spelt} p ON t.a = p.a").right,
            on,
            position=join(f"{spelt} p ON t.a = p.a").position,
        )
    assert join("CROSS JOIN p").kind == join(", p").kind == "cross"
    assert join("JOIN p USING (a, b)").using == ("a", "b")
    assert join("NATURAL JOIN p").natural
    made = join("LEFT JOIN p FOR SYSTEM_TIME AS OF t.ts AS i ON t.a = i.a").right
    assert (made.alias, made.as_of) == ("i", col("t", "ts"))  # type: ignore[attr-defined]
    assert join("JOIN p FOR SYSTEM_TIME AS OF PROCTIME() ON t.a = p.a").right.as_of == "proctime"  # type: ignore[attr-defined]
    assert join(", LATERAL (SELECT 1) x").right.lateral  # type: ignore[attr-defined]
    assert join("CROSS JOIN UNNEST(t.a) AS u(x)").right == ast.FunctionRef(
        "unnest", (col("t", "a"),), "u", ("x",), True
    )


def test_select_clauses() -> None:
    made = lower(
        "WITH c(x) AS MATERIALIZED (SELECT 1) SELECT DISTINCT ON (a) a, sum(b) AS s FROM t GROUP BY 1 "
        "HAVING sum(b) > 1 "
        "QUALIFY row_number() OVER () = 1 ORDER BY a DESC, s LIMIT 5 OFFSET 2"
    )
    assert made.distinct_on == (col("a"),)
    assert made.group_by == (col("a"),)
    assert (made.limit, made.offset) == (lit(5), lit(2))
    assert made.order_by == (ast.OrderItem(col("a"), True, True), ast.OrderItem(col("s"), False, False))
    assert made.ctes[0].column_aliases == ("x",)
    assert made.ctes[0].materialized is True
    assert lower("SELECT a FROM t FETCH FIRST 3 ROWS ONLY").limit == lit(3)
    assert lower("SELECT * FROM 'x/*.parquet' AS f").from_ == ast.FileRef("x/*.parquet", "f")
    assert lower("VALUES (1, 'a')").from_.column_aliases == ("column1", "column2")
    assert lower("SELECT * EXCLUDE (a) REPLACE (b + 1 AS b) FROM t").items[0].expr == ast.Star(
        None, ("a",), (("b", ast.Binary("+", col("b"), lit(1))),)
    )
    made = lower("(SELECT 1) EXCEPT ALL SELECT 2 ORDER BY 1")
    assert (made.op, made.all, len(made.order_by)) == ("except", True, 1)


def test_grouping_sets_expand() -> None:
    made = lower("SELECT 1 FROM t GROUP BY a, ROLLUP (b, c)")
    assert [tuple(expr.parts[0] for expr in one.exprs) for one in made.grouping_sets] == [
        ("a", "b", "c"),
        ("a", "b"),
        ("a",),
    ]
    made = lower("SELECT 1 FROM t GROUP BY CUBE (a, b)")
    assert [len(one.exprs) for one in made.grouping_sets] == [2, 1, 1, 0]
    assert len(lower("SELECT 1 FROM t GROUP BY GROUPING SETS ((a, b), (a), ())").grouping_sets) == 3


@pytest.mark.parametrize(
    ("item", "name"),
    [
        ("a.B", "b"),
        ('a AS "X"', "X"),
        ("count(*)", "count"),
        ("1 + 1", "?column?"),
        ("a::int", "a"),
        ("'x'::date", "date"),
        ("1::bigint", "int8"),
        ("CASE WHEN a THEN 1 END", "case"),
        ("(SELECT b FROM t)", "b"),
        ("EXISTS (SELECT 1)", "exists"),
        ("sum(a) OVER ()", "sum"),
        ("(a).f", "f"),
        ("ARRAY[1]", "array"),
        ("ARRAY[1]::text", "array"),
        ("(ARRAY[1])[1]", "array"),
        ("'{1}'::int[]", "int4"),
        ("NULL::text[]", "text"),
        ("'x'::char(3)", "bpchar"),
        ("1::numeric(10, 2)", "numeric"),
        ("'1'::decimal", "numeric"),
        ("true::int", "int4"),
        ("INTERVAL '1 day'::text", "text"),
        ("(SELECT 1::int)::text", "text"),
        ("(SELECT b FROM t)::text", "b"),
        ("CASE WHEN a THEN 1 END::int", "int4"),
        ("coalesce(a, 1)::text", "coalesce"),
        ("'1'::text::float8", "float8"),
        ("a::int[]", "a"),
        ("current_date", "current_date"),
        ("now()", "now"),
    ],
)
def test_output_names(item: str, name: str) -> None:
    assert lower(f"SELECT {item} FROM t").items[0].name == name


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM t PIVOT (sum(a) FOR b IN (c || 'x'))",
        "SELECT list_transform(array_agg(a), x -> x + 1) FROM t",
    ],
)
def test_shapes_without_words_say_so(text: str) -> None:
    with pytest.raises(NotSupportedError) as caught:
        lower(text)
    assert caught.value.sqlstate == "0A000"


def test_opaque_expressions() -> None:
    made = sql.parse_expr("list_transform(a, x -> x + t.b)")
    assert isinstance(made, ast.Opaque)
    assert made.columns == (col("a"), col("t", "b"))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("SELECT * FROM a, b.c JOIN 'x.parquet' p ON true", ["a", "b.c"]),
        (
            "WITH a AS (SELECT * FROM a), b AS (SELECT * FROM a) SELECT * FROM b, a, c WHERE x IN (SELECT y FROM d)",
            ["a", "c", "d"],
        ),
        ("WITH RECURSIVE a AS (SELECT 1 UNION ALL SELECT * FROM a) SELECT * FROM a", []),
        (
            "SELECT * FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' DAY)), HOP((SELECT * FROM "
            "u), ts, INTERVAL '1' DAY, INTERVAL '2' DAY)",
            ["t", "u"],
        ),
        ("WITH c AS (SELECT 1) SELECT * FROM TUMBLE(c, ts, INTERVAL '1' MINUTE)", []),
        ('SELECT * FROM "A" FOR SYSTEM_TIME AS OF x.ts UNION SELECT (SELECT 1 FROM b)', ["A", "b"]),
    ],
)
def test_tables(text: str, names: list[str]) -> None:
    assert sorted(".".join(ref.parts) for ref in sql.tables(sql.parse_query(text))) == sorted(names)


def test_references_name_files_and_functions() -> None:
    found = named_in(sql.parse_query("SELECT * FROM 'x.csv', generate_series(1, 2) g, t"))
    assert [type(ref).__name__ for ref in found] == ["FileRef", "FunctionRef", "TableRef"]
