"""What is kept of texts that come again never outlives what it was made of."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import sqlengine
from sqlengine.sql.recent import CHARACTERS_MAX, KEPT_MAX, LENGTH_MAX, Recent


@pytest.fixture
def db() -> Iterator[sqlengine.Database]:
    with sqlengine.connect() as made:
        yield made


def asked(db: sqlengine.Database, text: str) -> list[tuple[object, ...]]:
    """The answer, of a text that has been met before and of one that is kept."""
    answers = [db.execute(text).fetchall() for _ in range(4)]
    assert answers.count(answers[0]) == 4
    return answers[0]


@pytest.mark.parametrize(
    ("change", "before", "after"),
    [
        ("ALTER TABLE t ADD COLUMN more TEXT DEFAULT 'x'", [(1, "a")], [(1, "a", "x")]),
        ("ALTER TABLE t DROP COLUMN b", [(1, "a")], [(1,)]),
        ("ALTER TABLE t RENAME COLUMN a TO z", [(1, "a")], [(1, "a")]),
        ("DROP TABLE t; CREATE TABLE t (b TEXT, a INT); INSERT INTO t VALUES ('q', 7)", [(1, "a")], [("q", 7)]),
        ("DROP TABLE t; CREATE VIEW t AS SELECT 5 AS five", [(1, "a")], [(5,)]),
    ],
)
def test_a_table_that_becomes_another(
    db: sqlengine.Database, change: str, before: list[tuple[object, ...]], after: list[tuple[object, ...]]
) -> None:
    db.execute("CREATE TABLE t (a INT, b TEXT); INSERT INTO t VALUES (1, 'a')")
    assert asked(db, "SELECT * FROM t") == before
    db.execute(change)
    assert asked(db, "SELECT * FROM t") == after


def test_views_and_functions_that_become_others(db: sqlengine.Database) -> None:
    db.execute("CREATE TABLE t (a INT); INSERT INTO t VALUES (1), (2)")
    db.execute("CREATE VIEW p AS SELECT a FROM t; CREATE MATERIALIZED VIEW m AS SELECT count(*) AS n FROM t")
    db.function("twice(x bigint) -> bigint")(lambda x: x * 2)
    text = "SELECT sum(twice(a)) + (SELECT n FROM m) AS x FROM p"
    assert asked(db, text) == [(8,)]
    db.execute("CREATE OR REPLACE VIEW p AS SELECT a + 1 AS a FROM t")
    assert asked(db, text) == [(12,)]
    db.execute("CREATE OR REPLACE MATERIALIZED VIEW m AS SELECT max(a) AS n FROM t WHERE a < 2")
    assert asked(db, text) == [(11,)]
    db.function("twice(x bigint) -> bigint")(lambda x: x * 3)
    assert asked(db, text) == [(16,)]
    db.execute("INSERT INTO t VALUES (3)")
    assert asked(db, text) == [(28,)]


def test_the_zone_values_and_the_moment_are_those_of_each_statement(db: sqlengine.Database) -> None:
    text = "SELECT '2024-07-01 12:00'::timestamptz = '2024-07-01 12:00Z'::timestamptz"
    assert asked(db, text) == [(True,)]
    db.execute("SET timezone = 'Asia/Tokyo'")
    assert asked(db, text) == [(False,)]
    for value in (1, 2, "x"):
        assert [db.execute("SELECT ? AS v", (value,)).fetchall() for _ in range(3)] == [[(value,)]] * 3
    moments = {db.execute("SELECT now()").fetchall()[0][0] for _ in range(4)}
    assert len(moments) == 4


def test_a_mistake_is_told_each_time_with_its_place(db: sqlengine.Database) -> None:
    for text, at in (("SELECT nope FROM (SELECT 1 AS a) AS x", 7), ("SELECT 1 FROM nope", 14), ("SELEC 1", 0)):
        for _ in range(4):
            with pytest.raises(sqlengine.Error) as caught:
                db.execute(text)
            assert caught.value.position == at


def test_a_relation_that_comes_to_be_is_found(db: sqlengine.Database) -> None:
    for _ in range(3):
        with pytest.raises(sqlengine.Error):
            db.execute("SELECT a FROM later")
    db.execute("CREATE TABLE later (a INT); INSERT INTO later VALUES (4)")
    assert asked(db, "SELECT a FROM later") == [(4,)]


def test_what_comes_once_pushes_nothing_out() -> None:
    recent: Recent[str] = Recent()
    made: list[str] = []

    def get(text: str) -> str:
        return recent.get(text, text, lambda: made.append(text) or text)  # type: ignore[func-returns-value]

    for text in ("a", "a", "a", "a"):
        assert get(text) == "a"
    assert made == ["a", "a"], "kept from its second time on"
    for i in range(2 * KEPT_MAX):
        get(f"once {i}")
    get("a")
    assert made.count("a") == 2
    for i in range(KEPT_MAX):
        get(f"twice {i}"), get(f"twice {i}")
    get("a")
    assert made.count("a") == 3, "the one that was asked for longest ago goes"
    for i in range(2 * CHARACTERS_MAX // LENGTH_MAX):
        for _ in range(3):
            get(f"{i:>{LENGTH_MAX}}")
    assert recent._characters == sum(len(text) for text in recent._made) <= CHARACTERS_MAX < 2 * recent._characters
    long = "x" * (LENGTH_MAX + 1)
    for _ in range(3):
        get(long)
    assert made.count(long) == 3
