"""A query of the hive dialect ends when it is cancelled or its time is over."""

from __future__ import annotations

import threading

import pyarrow as pa
import pytest

import sqlengine
from sqlengine.errors import QueryCanceled

QUERY = "SELECT count(*) FROM t a JOIN t b ON a.n + b.n > 0 JOIN t c ON c.n <> a.n + b.n"


@pytest.fixture
def database() -> sqlengine.Database:
    made = sqlengine.connect(dialect="hive")
    made.execute("CREATE TABLE t (n int) TBLPROPERTIES ('transactional' = 'true')")
    made.insert("t", pa.table({"n": pa.array(range(1, 3001), pa.int32())}))
    return made


def test_its_time_ends_it(database: sqlengine.Database) -> None:
    database.execute("SET statement_timeout_ms = 300")
    with pytest.raises(QueryCanceled, match="statement timeout"):
        database.execute(QUERY)


def test_another_thread_ends_it(database: sqlengine.Database) -> None:
    session, ended = database.session(), threading.Event()

    def cancel() -> None:
        while not ended.wait(0.1):  # before the statement has begun there is nothing to cancel
            session.cancel()

    thread = threading.Thread(target=cancel)
    thread.start()
    try:
        with pytest.raises(QueryCanceled):
            session.execute(QUERY)
    finally:
        ended.set()
        thread.join()
