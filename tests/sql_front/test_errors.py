"""What a user sees after a mistake: SQLSTATE, position in the script, what was expected, a hint."""

from __future__ import annotations

import threading

import pytest

from sqlengine import sql
from sqlengine.errors import Error, TooComplex
from sqlengine.settings import Settings


@pytest.mark.parametrize(
    ("text", "at", "hint"),
    [
        ("CRAETE STREAM x", "CRAETE", "did you mean CREATE?"),
        ("CREATE STREM x", "STREM", "did you mean STREAM?"),
        ("SELECT a FORM t", "t", "did you mean FROM?"),
        ("SELECT a FROM t WHER b = 1", "b", "did you mean WHERE?"),
        ("CREATE VIEW v AS SELECT a FORM t", "t", "did you mean FROM?"),
        ("SELECT 1; SELECT x FRM y z", "y", "did you mean FROM?"),
        ("SELECT a b c", "c", None),
        ("SELECT (a FROM t", "FROM", None),
        ("SELECT * FROM t GROUP BY", "", None),
        ("SELECT 1 +", "", None),
        ("CREATE STREAM s (a BIGINT, b", "", None),
        ("CREATE STREAM s (a INT, WATERMARK FOR a AS )", ")", None),
        ("CREATE STREAM s (a INT b INT)", "b", None),
        ("INSERT INTO t DEFAULT VALUE", "VALUE", None),
        ("SELECT 1 EMIT SOMETIMES", "SOMETIMES", None),
        ("DROP", "", None),
        ("SELECT 'abc", "'abc", None),
        ("SELECT * FROM TUMBLE(t)", "TUMBLE", "write TUMBLE(table, DESCRIPTOR(time), size)"),
        ("SELECT * FROM FOR SYSTEM_TIME AS OF", "", None),
    ],
)
def test_syntax_errors(text: str, at: str, hint: str | None) -> None:
    with pytest.raises(Error) as caught:
        for statement in sql.parse(text):
            sql.lower(statement.query)  # type: ignore[attr-defined]
    err = caught.value
    assert err.sqlstate == "42601"
    assert err.message[0].islower()
    assert not err.message.endswith(".")
    if at:
        assert err.position is not None
        assert text[err.position :].startswith(at)
    if hint:
        assert err.hint == hint


def test_expected_words_are_named() -> None:
    with pytest.raises(Error) as caught:
        sql.parse("SHOW CREATE")
    assert caught.value.detail is not None
    assert "a name" in caught.value.detail
    with pytest.raises(Error) as caught:
        sql.parse("COPY t INTO x")
    assert caught.value.detail == 'expected ".", FROM, "(" or TO'


def options_twice() -> str:
    return "CREATE TOPIC t WITH (a = 1, A = 2)"


@pytest.mark.parametrize(
    "text",
    [
        options_twice(),
        "CREATE STREAM s (a INT PRIMARY KEY)",
        "CREATE TABLE s (a INT PRIMARY KEY, PRIMARY KEY (a))",
        "CREATE STREAM s (a INT, WATERMARK FOR a AS a, WATERMARK FOR a AS a)",
        "CREATE VIEW v AS SELECT 1 EMIT CHANGES",
        "UPDATE t SET a = 1, a = 2",
        "SELECT 1 EMIT CHANGES EVERY INTERVAL '1' SECOND",
        "ALTER TOPIC t ADD PARTITIONS 0",
        "CREATE SINK k FROM t FORMAT AVRO ENCODE JSON",
    ],
)
def test_contradictions(text: str) -> None:
    with pytest.raises(Error) as caught:
        sql.parse(text)
    assert caught.value.sqlstate in ("42601", "42P16")


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("SELECT * FROM TUMBLE(t, ts, INTERVAL '0' SECOND)", "42P20"),
        ("SELECT * FROM HOP(t, ts, INTERVAL '1' DAY, INTERVAL '1' MONTH)", "42P20"),
        ("SELECT * FROM CUMULATE(t, ts, INTERVAL '2' SECOND, INTERVAL '5' SECOND)", "42P20"),
        ("SELECT * FROM TUMBLE(t, ts, a)", "42P20"),
        ("SELECT * FROM TUMBLE(t, ts, INTERVAL '1 fortnight')", "22007"),
        ("SELECT a FROM t GROUP BY 3", "42P10"),
        ("SELECT sum(a) OVER w FROM t", "42704"),
        ("SELECT * FROM t TABLESAMPLE (110 PERCENT)", "2202H"),
        ("SELECT a INTO x FROM t", "0A000"),
    ],
)
def test_errors_of_lowering(text: str, state: str) -> None:
    with pytest.raises(Error) as caught:
        sql.lower(sql.parse_query(text))
    assert caught.value.sqlstate == state


DEEP = {
    "parentheses": "SELECT " + "(" * 10_000 + "1" + ")" * 10_000,
    "unclosed": "SELECT " + "(" * 10_000,
    "not": "SELECT " + "NOT " * 10_000 + "true",
    "minus": "SELECT " + "- " * 10_000 + "1",
    "sub-queries": "SELECT * FROM " + "(SELECT * FROM " * 7_500 + "t" + ")" * 7_500,
    "case": "SELECT " + "CASE WHEN true THEN " * 1_000 + "1" + " END" * 1_000,
    "shell": "CREATE STREAM s (" + "(" * 5_000,
    "in list": "SELECT 1 WHERE a IN (" + ",".join("1" * 30_000) + ")",
    "joins": "SELECT * FROM a" + " JOIN a" * 3_000,
    "length": "SELECT '" + "x" * 1_100_000 + "'",
}


@pytest.mark.parametrize("name", DEEP)
def test_guards(name: str) -> None:
    with pytest.raises(TooComplex) as caught:
        sql.parse(DEEP[name])
    assert caught.value.sqlstate == "54001"
    assert caught.value.position is not None
    assert len(sql.parse("SELECT 1")) == 1


def test_guards_see_through_quotes_and_comments() -> None:
    sql.parse("SELECT '" + "(" * 5_000 + "', \"" + "(" * 5_000 + '" /*' + "(" * 5_000 + "*/ -- " + "(" * 5_000)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT " + "(" * 199 + "1" + ")" * 199,
        "SELECT " + "abs(" * 199 + "1" + ")" * 199,
        "SELECT " + "CASE WHEN true THEN " * 199 + "1" + " END" * 199,
        "SELECT " + "ARRAY[" * 60 + "1" + "]" * 60,
        "SELECT " + "MAP {1: " * 30 + "1" + "}" * 30,
        "SELECT * FROM a" + " JOIN a USING (x)" * 200,
        "SELECT '" + "x" * 900_000 + "'",
        "SELECT a FROM t WHERE a IN (" + ",".join(["1"] * 5_000) + ")",
    ],
)
def test_just_below_the_guards(text: str) -> None:
    """Also from a thread with the smallest of stacks."""
    done: list[object] = []

    def work() -> None:
        done.append(sql.lower(sql.parse_query(text)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done


def test_flat_ors_come_out_shallow() -> None:
    query = sql.parse_query("SELECT * FROM t WHERE " + " OR ".join(f"a = {i}" for i in range(5_000)))
    expr, depth = sql.lower(query).where, 0  # type: ignore[union-attr]
    while getattr(expr, "op", "") == "or":
        expr, depth = expr.left, depth + 1  # type: ignore[union-attr]
    assert depth == 13
    unions = sql.lower(sql.parse_query(" UNION ALL ".join(["SELECT 1"] * 500)))
    depth = 0
    while hasattr(unions, "left"):
        unions, depth = unions.left, depth + 1
    assert depth == 9


def test_long_chains_of_other_operators() -> None:
    with pytest.raises(TooComplex):
        sql.lower(sql.parse_query("SELECT " + "+".join(["1"] * 2_000)))


def test_limits_are_settings() -> None:
    strict = Settings()
    strict.set("nesting_depth_max", 10)
    with pytest.raises(TooComplex):
        sql.parse("SELECT ((((((((((((1))))))))))))", strict)
