"""Where errors without a position of their own point: at the token of the statement that they name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sqlengine import connect
from sqlengine.errors import Error, UndefinedColumn, UndefinedFunction
from sqlengine.session import Session
from sqlengine.sql.named_at import named_at

STATEMENTS = [
    ("CREATE TABLE w (foo foo, b int)", "foo, b"),
    ("CREATE STREAM u (a struct<x nope>)", "nope>"),
    ("SELECT CAST(a AS nope) FROM s", "nope)"),
    ("SELECT a::nope[] FROM s", "nope[]"),
    ("CREATE MATERIALIZED VIEW v AS SELECT a::nope FROM s", "nope FROM"),
    ("SELECT nofunc(a) FROM s", "nofunc"),
    ("SELECT a FROM s WHERE nofunc(a) > 1", "nofunc"),
    ('SELECT "no Col" FROM s', '"no Col"'),
    ("SELECT a FROM s GROUP BY b", "a FROM"),
    ("INSERT INTO s (a) VALUES ('x')", "'x'"),
    ("CREATE STREAM k (a int) WITH (connector = 'nope')", "'nope'"),
    ("SELECT nowhere.a FROM s", "nowhere"),
    ("ALTER TABLE t ADD COLUMN c nope", "nope"),
    ("SELECT upper(1, 2, 3)", "upper"),
]


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with connect() as database:
        made = database.session()
        made.execute("CREATE STREAM s (a BIGINT, b TEXT); CREATE TABLE t (a BIGINT)")
        yield made


@pytest.mark.parametrize(("statement", "place"), STATEMENTS)
def test_the_token(session: Session, statement: str, place: str) -> None:
    for before in ("", "SELECT 1;  "):
        with pytest.raises(Error) as caught:
            session.execute(before + statement)
        assert caught.value.position == len(before) + statement.index(place), caught.value


def test_nothing_is_made_up() -> None:
    assert named_at(UndefinedColumn('column "x" does not exist'), "SELECT y, 'x' FROM t") is None
    assert named_at(UndefinedFunction("function x does not exist"), "SELECT x FROM t") is None
    assert named_at(UndefinedColumn('column "x" does not exist'), "SELECT 'open") is None
    assert named_at(UndefinedColumn('column "x" does not exist', position=3), "SELECT x") == 3
