"""What may be typed at a place: a table of texts (| is the cursor) and kinds; no prefix of a statement is an error."""

from __future__ import annotations

import pytest

from repl.completion.scope import scope_at
from repl.completion.suggest import suggest
from repl.completion.wanted import Place
from sqlengine.sql import lex
from tests.depth import rounds
from tests.markdown_blocks import blocks
from tests.source_tree import ROOT


def at(text: str) -> Place:
    cursor = text.index("|")
    return suggest(text.replace("|", "", 1), cursor)


EXPRESSION = ("column", "function", "keyword")
KINDS: list[tuple[str, tuple[str, ...]]] = [
    ("|", ("keyword",)),
    ("CREATE |", ("keyword",)),
    ("CREATE STREAM |", ("keyword",)),
    ("CREATE STREAM s (a |", ("type", "keyword")),
    ("CREATE STREAM s (ts timestamp, WATERMARK FOR |", ("column",)),
    ("CREATE TABLE t (a bigint, PRIMARY KEY (|", ("column",)),
    ("CREATE TABLE t (a bigint, b AS |", EXPRESSION),
    ("CREATE STREAM s (a bigint) WITH (|", ("option",)),
    ("CREATE STREAM s (a bigint) WITH (format = 'json', |", ("option",)),
    ("CREATE STREAM s (a bigint) WITH (connector = |", ("option value", "keyword")),
    ("CREATE STREAM s (a bigint) WITH (connector = '|", ("option value",)),
    ("CREATE STREAM s (a bigint) WITH (path = '|", ("path",)),
    ("CREATE SINK k FROM |", ("relation",)),
    ("CREATE SUBSCRIPTION u FROM |", ("relation",)),
    ("CREATE ROLE r |", ("keyword", "keyword")),
    ("CREATE MATERIALIZED VIEW v AS |", ("keyword",)),
    ("CREATE MATERIALIZED VIEW v AS SELECT | FROM t", EXPRESSION),
    ("ALTER TOPIC t SET (|", ("option",)),
    ("PAUSE |", ("query", "keyword")),
    ("CANCEL QUERY |", ("query",)),
    ("RESUME QUERY '|", ("query",)),
    ("EXPLAIN ANALYZE |", ("query", "keyword")),
    ("EXPLAIN (|", ("keyword",)),
    ("EXPLAIN (FORMAT |", ("keyword", "keyword")),
    ("EXPLAIN (FORMAT json) |", ("relation", "keyword")),
    ("SELECT * FROM system.operators WHERE query_id = '|", ("query",)),
    ("SELECT * FROM system.state('|", ("query",)),
    ("ALTER TABLE t OWNER TO |", ("role",)),
    ("DROP TABLE IF EXISTS |", ("relation",)),
    ("DROP ROLE |", ("role", "keyword")),
    ("DROP SCHEMA |", ("schema", "keyword")),
    ("TRUNCATE |", ("relation", "keyword")),
    ("INSERT INTO |", ("relation", "keyword")),
    ("INSERT INTO t (|", ("column",)),
    ("INSERT INTO t |", ("keyword",)),
    ("WITH s AS (SELECT 1 AS a) |", ("keyword",)),
    ("WITH s AS (SELECT 1 AS a) INSERT INTO |", ("relation", "keyword")),
    ("WITH s AS (SELECT 1 AS a) UPDATE t SET |", ("column",)),
    ("WITH s AS (SELECT 1 AS a) DELETE FROM t USING |", ("relation",)),
    ("UPDATE |", ("relation",)),
    ("UPDATE t SET |", ("column",)),
    ("UPDATE t SET a = |", EXPRESSION),
    ("UPDATE t SET a = 1, |", ("column",)),
    ("DELETE FROM t WHERE |", EXPRESSION),
    ("MERGE INTO t USING |", ("relation",)),
    ("COPY |", ("relation",)),
    ("COPY t FROM '|", ("path",)),
    ("COPY t TO '|", ("path",)),
    ("COPY t FROM '/x.csv' WITH (|", ("option",)),
    ("GRANT |", ("keyword", "role")),
    ("GRANT SELECT ON |", ("relation", "keyword")),
    ("GRANT SELECT ON t TO |", ("role", "keyword")),
    ("SET |", ("setting", "keyword")),
    ("SET timezone = |", ("setting value", "keyword")),
    ("SET dialect = '|", ("setting value",)),
    ("RESET |", ("setting", "keyword")),
    ("SHOW |", ("keyword", "setting", "keyword")),
    ("SHOW CREATE VIEW |", ("relation",)),
    ("DESCRIBE |", ("relation", "keyword")),
    ("SUBSCRIBE |", ("relation", "keyword")),
    ("PAUSE |", ("query", "keyword")),
    ("PRINT |", ("relation",)),
    ("PRINT '|", ("relation",)),
    ("EXPLAIN SELECT | FROM t", EXPRESSION),
    ("PREPARE p AS SELECT * FROM |", ("relation", "keyword")),
    ("DECLARE c CURSOR FOR SELECT |", EXPRESSION),
    ("SELECT |", EXPRESSION),
    ("SELECT a |", ("keyword",)),
    ("SELECT a FROM |", ("relation", "keyword")),
    ("SELECT a FROM t, |", ("relation", "keyword")),
    ("SELECT a FROM t |", ("keyword",)),
    ("SELECT a FROM t AS |", ()),
    ("SELECT a FROM t JOIN |", ("relation", "keyword")),
    ("SELECT a FROM t JOIN u ON |", ("join", *EXPRESSION)),
    ("SELECT a FROM t JOIN u USING (|", ("column",)),
    ("SELECT a FROM system.|", ("relation",)),
    ("SELECT t.| FROM t", ("column",)),
    ("SELECT a FROM t WHERE |", EXPRESSION),
    ("SELECT a FROM t WHERE a = |", EXPRESSION),
    ("SELECT a FROM t WHERE a |", ("keyword",)),
    ("SELECT a FROM t WHERE a IS |", ("keyword",)),
    ("SELECT a FROM t WHERE a IN (|", ("keyword", *EXPRESSION)),
    ("SELECT a FROM t GROUP |", ("keyword",)),
    ("SELECT a FROM t GROUP BY |", EXPRESSION),
    ("SELECT a FROM t ORDER BY |", EXPRESSION),
    ("SELECT a FROM t EMIT |", ("keyword",)),
    ("SELECT a FROM t UNION |", ("keyword",)),
    ("SELECT a FROM (|", ("keyword", "relation")),
    ("SELECT a FROM TUMBLE(|", ("relation", "keyword")),
    ("SELECT a FROM TUMBLE(TABLE t, DESCRIPTOR(|", ("column",)),
    ("SELECT CAST(a AS |", ("type",)),
    ("SELECT f(|", EXPRESSION),
    ("SELECT sum(a) OVER (|", ("keyword",)),
    ("SELECT '|", ()),
    ("SELECT a -- |", ()),
    ("SELECT a /* |", ()),
    ("SELECT $$ |", ()),
    ("SELECT * FROM '|", ("path",)),
    ("SELECT 1; SELECT * FROM |", ("relation", "keyword")),
    ("NOT A STATEMENT |", ()),
    ("\\|", ("command",)),
    ("\\d |", ("argument",)),
]


@pytest.mark.parametrize(("text", "kinds"), KINDS, ids=[text for text, _ in KINDS])
def test_kinds(text: str, kinds: tuple[str, ...]) -> None:
    assert at(text).kinds == kinds


WORDS = [
    ("CREATE |", {"STREAM", "TABLE", "MATERIALIZED", "OR"}),
    ("DROP |", {"SINK", "SUBSCRIPTION"}),
    ("SELECT a FROM t |", {"WHERE", "GROUP BY", "LEFT JOIN", "EMIT"}),
    ("SELECT a FROM t WHERE a |", {"AND", "IS NULL", "ORDER BY"}),
    ("SELECT a FROM t EMIT |", {"CHANGES", "FINAL"}),
    ("SELECT CASE WHEN a |", {"THEN"}),
    ("CREATE STREAM s (a DOUBLE |", {"PRECISION"}),
    ("CREATE MATERIALIZED VIEW v AS SELECT a FROM t |", {"EMIT", "WHERE"}),
    ("EXPLAIN |", {"ANALYZE", "SELECT", "CREATE"}),
    ("BEGIN; |", {"INSERT", "COMMIT"}),
    ("COPY t FROM |", {"STDIN"}),
]


@pytest.mark.parametrize(("text", "words"), WORDS, ids=[text for text, _ in WORDS])
def test_keywords(text: str, words: set[str]) -> None:
    assert words <= at(text).keywords()


@pytest.mark.parametrize(
    ("text", "sources"),
    [
        ("SELECT | FROM orders o JOIN items ON o.a = items.a", [("o", "orders"), ("items", "items")]),
        ("SELECT | FROM a, (SELECT 1) b, sch.c", [("a", "a"), ("b", None), ("c", "sch.c")]),
        ("SELECT f(a, | FROM t", [("t", "t")]),
        ("SELECT a FROM t WHERE EXISTS (SELECT 1 FROM u WHERE |)", [("u", "u"), ("t", "t")]),
        ("SELECT a FROM t UNION SELECT | FROM v", [("v", "v")]),
        ("UPDATE t AS x SET a = | WHERE b", [("x", "t")]),
        ("DELETE FROM t USING u WHERE |", [("t", "t"), ("u", "u")]),
        ("INSERT INTO t SELECT | FROM u", [("u", "u")]),
        ("MERGE INTO t USING u ON |", [("t", "t"), ("u", "u")]),
        ("SELECT a IS DISTINCT FROM | FROM t", [("t", "t")]),
    ],
)
def test_tables_whose_columns_are_offered(text: str, sources: list[tuple[str, str | None]]) -> None:
    found = [wanted for wanted in at(text).wanted if wanted.kind == "column"]
    assert [(source.alias, source.name) for source in found[0].sources] == sources


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("WITH a AS (SELECT id, count(*) n, sum(x) FROM t) SELECT | FROM a", ("id", "n", "sum")),
        ("WITH a(p, q) AS (SELECT 1, 2) SELECT | FROM a", ("p", "q")),
        ("SELECT | FROM (SELECT x AS y, t.z FROM t) s", ("y", "z")),
        ("SELECT | FROM (VALUES (1, 2)) s(a, b)", ("a", "b")),
        ("SELECT | FROM TUMBLE(TABLE t, DESCRIPTOR(ts), w) w", ("window_start", "window_end", "window_time")),
        ("CREATE TABLE t (a bigint, b text, CHECK (|", ("a", "b")),
    ],
)  # fmt: skip
def test_columns_that_the_statement_gives(text: str, columns: tuple[str, ...]) -> None:
    found = [wanted for wanted in at(text).wanted if wanted.kind == "column"]
    assert found[0].sources[0].columns == columns


def test_stars_of_sub_queries_are_followed() -> None:
    tokens = lex("SELECT FROM (SELECT o.*, 1 AS one FROM orders o, items) s")
    (source,) = scope_at(tokens, 1).sources
    assert source.columns == ("one",) and [star.name for star in source.stars] == ["orders"]


@pytest.mark.parametrize(
    ("text", "word", "start", "qualifier"),
    [
        ("SELECT pri|", "pri", 7, ""),
        ("SELECT o.pri|", "pri", 9, "o"),
        ("SELECT a.b.|", "", 11, "a.b"),
        ('SELECT "Od|', '"Od', 7, ""),
        ("COPY t FROM '/tmp/x|", "/tmp/x", 13, ""),
        ("\\i scripts/se|", "scripts/se", 3, ""),
        ("SELECT 1; sel|ect", "sel", 10, ""),
    ],
)
def test_the_word_that_is_typed(text: str, word: str, start: int, qualifier: str) -> None:
    place = at(text)
    assert (place.word, place.start, place.qualifier) == (word, start, qualifier)


def test_keywords_are_typed_as_the_statement_is() -> None:
    assert at("SELECT a |").upper and not at("select a |").upper and not at("SELECT a fr|").upper


def statements() -> list[str]:
    """Statements of the documentation, as they are printed."""
    found: list[str] = []
    for page in sorted((ROOT / "docs").glob("*.md")):
        for block in blocks(page.read_text(encoding="utf-8")):
            if block.language == "sql":
                found += [part for part in block.text.split(";\n") if part.strip()]
    return found


@pytest.mark.slow
def test_every_prefix_of_two_hundred_statements() -> None:
    texts = statements()
    assert len(texts) >= 200
    for text in texts[:: len(texts) // 200]:
        for cursor in range(len(text) + 1):
            alone = suggest(text[:cursor], cursor)
            assert 0 <= alone.start <= cursor and text[alone.start : cursor] == alone.word
            if cursor % rounds(8, 1) == 0:
                assert suggest(text, cursor).word == alone.word, "what stands behind the cursor changes nothing"
