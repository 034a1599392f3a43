"""Rows a program lends to one session: its queries read them by a name."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pytest

import sqlengine
from sqlengine import types
from sqlengine.errors import UndefinedTable
from sqlengine.session import Session

ROWS = pa.table(
    {
        "n": pa.array([1, 2, None]),
        "text": ["a", None, "东"],
        "price": pa.array(["1.50", "2.25", "-3"]).cast(pa.decimal128(10, 2)),
        "at": pa.array([0, 1, 2], pa.timestamp("us", "UTC")),
        "list": pa.array([[1], [], None], pa.list_(pa.int64())),
        "id": pa.array([b"0" * 16, None, b"1" * 16], pa.binary(16)).cast(types.UUID),
    }
)


@pytest.fixture
def session() -> Iterator[Session]:
    with sqlengine.connect(":memory:") as database:
        session = database.session()
        session.execute("CREATE TABLE names (n BIGINT, name TEXT)")
        session.execute("INSERT INTO names VALUES (1, 'one'), (2, 'two')")
        yield session
        session.close()


def test_every_query_of_the_session_reads_them(session: Session) -> None:
    session.lend("_", ROWS)
    answer = session.execute("SELECT * FROM _").to_arrow()
    assert answer.to_pylist() == ROWS.to_pylist() and answer.schema.names == ROWS.schema.names
    assert session.execute("SELECT n, text FROM _ WHERE n > 1").fetchall() == [(2, None)]
    assert session.execute("SELECT sum(price) FROM _ AS r WHERE r.n IS NOT NULL").to_arrow().num_rows == 1
    joined = "SELECT name, text FROM _ JOIN names USING (n) ORDER BY name"
    assert session.execute(joined).fetchall() == [("one", "a"), ("two", None)]
    session.execute("CREATE TABLE copied AS SELECT n, text FROM _")
    assert session.execute("SELECT count(*) FROM copied").fetchall() == [(3,)]


def test_others_take_their_place_and_none_ends_it(session: Session) -> None:
    session.lend("_", ROWS)
    session.lend("_", pa.table({"other": [7]}))
    assert session.execute("SELECT other FROM _").fetchall() == [(7,)]
    session.lend("_", None)
    with pytest.raises(UndefinedTable):
        session.execute("SELECT * FROM _")
    session.lend("_", None)


def test_no_other_session_sees_them_and_no_view_can_stand_on_them() -> None:
    with sqlengine.connect(":memory:") as database:
        mine, other = database.session(), database.session()
        mine.lend("_", ROWS)
        with pytest.raises(UndefinedTable):
            other.execute("SELECT * FROM _")
        with pytest.raises(UndefinedTable):
            mine.execute("CREATE MATERIALIZED VIEW v AS SELECT n FROM _")
        with pytest.raises(UndefinedTable):
            mine.execute("INSERT INTO _ VALUES (1)")


def test_a_table_of_the_name_comes_first(session: Session) -> None:
    session.lend("names", ROWS)
    assert session.execute("SELECT count(*) FROM names").fetchall() == [(2,)]
