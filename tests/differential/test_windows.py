"""Every spelling of a window: the same rows in a view (our operators) and in a snapshot SELECT (DuckDB)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import sqlengine
from sqlengine.api.database import Database

ROWS = (
    "VALUES ('a', 1, TIMESTAMP '2024-01-01 00:00:10'), ('b', 2, TIMESTAMP '2024-01-01 00:00:50'), "
    "('a', 3, TIMESTAMP '2024-01-01 00:01:20'), ('a', 4, TIMESTAMP '2024-01-01 00:03:20'), ('b', 5, NULL)"
)
SETUP = (
    "CREATE STREAM s (k TEXT, v INT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '1 hour')",
    "CREATE TABLE notime (k TEXT, v INT, ts TIMESTAMP)",
    "CREATE VIEW pv AS SELECT k, v, ts AS t2 FROM s",
    "CREATE MATERIALIZED VIEW mv0 AS SELECT k, v + 1 AS v, ts FROM s",
    f"INSERT INTO s {ROWS}",
    f"INSERT INTO notime {ROWS}",
)
QUERIES = """
SELECT k, window_start, window_end, sum(v) AS n FROM TABLE(TUMBLE(TABLE s, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP
    BY k, window_start, window_end;
SELECT k, window_start, window_end, sum(v) AS n FROM TABLE(TUMBLE(DATA => TABLE s, TIMECOL => DESCRIPTOR(ts), SIZE =>
    INTERVAL '1' MINUTE)) GROUP BY k, window_start, window_end;
SELECT k, window_start, window_end, sum(v) AS n FROM TUMBLE(s, ts, INTERVAL '1 minute') GROUP BY k, window_start,
    window_end;
SELECT k, window_start, window_end, sum(v) AS n FROM TUMBLE(s, ts, INTERVAL '1 minute', INTERVAL '10 seconds') GROUP
    BY k, window_start, window_end;
SELECT k, window_start, window_end, sum(v) AS n FROM TABLE(HOP(TABLE s, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL
    '2' MINUTE)) GROUP BY k, window_start, window_end;
SELECT k, window_start, window_end, sum(v) AS n FROM HOP(s, ts, INTERVAL '1 minute', INTERVAL '2 minutes') GROUP BY k,
    window_start, window_end;
SELECT k, window_start, window_end, sum(v) AS n FROM TABLE(CUMULATE(TABLE s, DESCRIPTOR(ts), INTERVAL '1' MINUTE,
    INTERVAL '2' MINUTE)) GROUP BY k, window_start, window_end;
SELECT k, window_start, window_end, sum(v) AS n FROM TABLE(SESSION(TABLE s PARTITION BY k, DESCRIPTOR(ts), INTERVAL
    '1' MINUTE)) GROUP BY k, window_start, window_end;
SELECT k, window_start, window_end, sum(v) AS n FROM SESSION(s PARTITION BY k, ts, INTERVAL '1 minute') GROUP BY k,
    window_start, window_end;
SELECT k, window_start, window_end, sum(v) AS n FROM SESSION(s PARTITION BY k, DESCRIPTOR(ts), INTERVAL '1 minute')
    GROUP BY k, window_start, window_end;
SELECT window_start, window_end, sum(v) AS n FROM SESSION(s, ts, INTERVAL '1 minute') GROUP BY window_start,
    window_end;
SELECT k, TUMBLE_START(ts, INTERVAL '1' MINUTE) AS a, TUMBLE_END(ts, INTERVAL '1' MINUTE) AS b, sum(v) AS n FROM s
    GROUP BY k, TUMBLE(ts, INTERVAL '1' MINUTE);
SELECT k, TUMBLE_ROWTIME(ts, INTERVAL '1' MINUTE) AS a, sum(v) AS n FROM s GROUP BY k, TUMBLE(ts, INTERVAL '1' MINUTE);
SELECT k, to_char(tumble_start(ts, INTERVAL '1' MINUTE), 'HH24:MI') AS a, sum(v) AS n FROM s GROUP BY k, TUMBLE(ts,
    INTERVAL '1' MINUTE);
SELECT k, HOP_START(ts, INTERVAL '1' MINUTE, INTERVAL '2' MINUTE) AS a, HOP_END(ts, INTERVAL '1' MINUTE, INTERVAL '2'
    MINUTE) AS b, sum(v) AS n FROM s GROUP BY k, HOP(ts, INTERVAL '1' MINUTE, INTERVAL '2' MINUTE);
SELECT k, SESSION_START(ts, INTERVAL '1' MINUTE) AS a, SESSION_END(ts, INTERVAL '1' MINUTE) AS b, sum(v) AS n FROM s
    GROUP BY k, SESSION(ts, INTERVAL '1' MINUTE);
SELECT k, window(ts, '1 minute').start AS a, window(ts, '1 minute').end AS b, sum(v) AS n FROM s GROUP BY k,
    window(ts, '1 minute');
SELECT k, (window(ts, '1 minute'))."start" AS a, sum(v) AS n FROM s GROUP BY k, window(ts, '1 minute');
SELECT k, window.start AS a, window.end AS b, sum(v) AS n FROM s GROUP BY k, window(ts, '1 minute');
SELECT k, window(ts, '2 minutes', '1 minute') AS w, sum(v) AS n FROM s GROUP BY k, window(ts, '2 minutes', '1 minute');
SELECT k, session_window(ts, '1 minute') AS w, sum(v) AS n FROM s GROUP BY k, session_window(ts, '1 minute');
SELECT k, WINDOWSTART AS a, WINDOWEND AS b, sum(v) AS n FROM s WINDOW TUMBLING (SIZE 1 MINUTE) GROUP BY k;
SELECT k, WINDOWSTART AS a, WINDOWEND AS b, sum(v) AS n FROM s AS q WINDOW HOPPING (SIZE 2 MINUTES, ADVANCE BY 1
    MINUTE) GROUP BY k;
SELECT k, WINDOWSTART AS a, WINDOWEND AS b, sum(v) AS n FROM s WINDOW SESSION (1 MINUTE) GROUP BY k;
SELECT k, WINDOWSTART AS a, sum(v) AS n FROM s WINDOW TUMBLING (SIZE 1 MINUTE, GRACE PERIOD 10 SECONDS) WHERE v > 1
    GROUP BY k HAVING sum(v) > 2;
SELECT k, WINDOWSTART AS a, sum(v) AS n FROM pv WINDOW TUMBLING (SIZE 1 MINUTE) GROUP BY k;
SELECT k, WINDOWSTART AS a, sum(v) AS n FROM mv0 WINDOW TUMBLING (SIZE 1 MINUTE) GROUP BY k;
SELECT k, tumble(interval '1 minute') AS w, sum(v) AS n FROM s GROUP BY k, tumble(interval '1 minute');
SELECT k, tumble(interval '1 minute') AS w, sum(v) AS n FROM s GROUP BY 1, 2;
SELECT k, tumble(interval '1 minute') AS w, sum(v) AS n FROM s GROUP BY k, w;
SELECT k, hop(interval '1 minute', interval '2 minutes') AS w, sum(v) AS n FROM s GROUP BY k, w;
SELECT k, session(interval '1 minute') AS w, sum(v) AS n FROM s GROUP BY k, w;
SELECT k, tumble(ts, interval '1 minute') AS w, sum(v) AS n FROM s GROUP BY 1, 2;
SELECT k, tumble_start(ts, interval '1 minute') AS w, sum(v) AS n FROM s GROUP BY 1, 2;
SELECT k, v, tumble_start(ts, interval '1 minute') AS w FROM s;
SELECT window_start, count(*) AS n FROM TUMBLE((SELECT k, ts FROM s WHERE v > 1) AS q, ts, INTERVAL '1 minute') GROUP
    BY window_start;
WITH q AS (SELECT * FROM s WHERE v > 1) SELECT window_start, count(*) AS n FROM TUMBLE(q, ts, INTERVAL '1 minute')
    GROUP BY window_start;
SELECT window_start, window_end, sum(n) AS m FROM TUMBLE((SELECT window_start, window_end, window_time, k, sum(v) AS n
    FROM TUMBLE(s, ts, INTERVAL '1 minute') GROUP BY window_start, window_end, window_time, k) AS a, window_time,
    INTERVAL '2 minutes') GROUP BY window_start, window_end;
SELECT * FROM TUMBLE(s, ts, INTERVAL '1 minute');
SELECT window_start, max(v) AS m FROM TUMBLE(s, ts, INTERVAL '1 month') GROUP BY window_start;
SELECT k, window_start, count(*) AS n FROM TUMBLE(s, ts, INTERVAL '1 minute') AS w GROUP BY w.k, w.window_start;
SELECT k, window_start, window_end, sum(v) AS n FROM SESSION(s, ts, INTERVAL '1 minute') GROUP BY k, window_start,
    window_end;
SELECT k, window_start, window_end, sum(v) AS n FROM SESSION(s PARTITION BY k, ts, INTERVAL '1 minute') WHERE v <> 3
    GROUP BY k, window_start, window_end;
SELECT k, window_start, window_end, sum(v) AS n FROM SESSION(s PARTITION BY k, ts, INTERVAL '1 minute') WHERE k = 'a'
    GROUP BY k, window_start, window_end;
SELECT k, v, SESSION_START(ts, INTERVAL '1' MINUTE) AS a, sum(v) AS n FROM s WHERE v <> 3 GROUP BY k, v, SESSION(ts,
    INTERVAL '1' MINUTE);
SELECT k, v, WINDOWSTART AS a, sum(v) AS n FROM s WINDOW SESSION (1 MINUTE) GROUP BY k, v HAVING sum(v) > 1;
SELECT k, count(*) AS n FROM s JOIN notime USING (k) GROUP BY k, tumble(interval '1 minute')
"""


@pytest.fixture(scope="module")
def db() -> Iterator[Database]:
    with sqlengine.connect() as made:
        for statement in SETUP:
            made.execute(statement)
        yield made


@pytest.mark.parametrize("query", [" ".join(q.split()) for q in QUERIES.split(";")])
def test_view_and_snapshot_have_the_same_rows(db: Database, query: str) -> None:
    expected = sorted(db.execute(query).fetchall(), key=repr)
    assert expected
    db.execute(f"CREATE MATERIALIZED VIEW v AS {query}")
    try:
        assert sorted(db.execute("SELECT * FROM v").fetchall(), key=repr) == expected
    finally:
        db.execute("DROP MATERIALIZED VIEW v")


@pytest.mark.parametrize(
    "query",
    [
        "SELECT k, sum(v) AS n FROM notime WINDOW TUMBLING (SIZE 1 MINUTE) GROUP BY k",
        "SELECT tumble(interval '1 minute') AS w, sum(v) AS n FROM notime GROUP BY w",
    ],
)
def test_an_input_without_time_is_refused_everywhere(db: Database, query: str) -> None:
    for text in (query, f"CREATE MATERIALIZED VIEW v AS {query}"):
        with pytest.raises(sqlengine.Error) as caught:
            db.execute(text)
        assert caught.value.sqlstate == "42703"
        assert "WATERMARK FOR" in str(caught.value.hint)
