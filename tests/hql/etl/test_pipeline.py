"""The load as a pipeline: views of HQL over the raw tables have, after each new day's files, the rows of the tables
that the nightly script leaves; a restart and a late file change nothing about that."""

from __future__ import annotations

from pathlib import Path

import pytest

import sqlengine
from sqlengine.session import Session
from tests.hql.etl import answers
from tests.hql.etl.comparing import comparable
from tests.hql.etl.raw_logs import DAYS, write_day, write_dimensions, write_late

HERE = Path(__file__).parent
INSERT_INTO_TOPIC = """INSERT INTO live.click_topic (event_time, user_id, event, tags, props)
SELECT event_time, user_id, event, tags, props FROM raw.clicks WHERE ds = '${day}'"""
BY_PROPS = """SELECT substr(event_time, 1, 10), k, v, count(*), count(DISTINCT user_id)
FROM (SELECT event_time, user_id, e.key AS k, e.value AS v
      FROM (SELECT event_time, user_id, unnest(map_entries(props)) AS e FROM clicks))
GROUP BY ALL"""


def run(session: Session, name: str) -> None:
    """Carry out a script."""
    for result in session.execute_script((HERE / name).read_text(encoding="utf-8")):
        result.close()


def opened(data: Path, raw: Path) -> tuple[sqlengine.Database, Session]:
    """The database, and a session that knows where the logs are."""
    database = sqlengine.connect(str(data), dialect="hive")
    session = database.session()
    session.execute(f"SET hivevar:raw={raw}")
    return database, session


def view_of(table: str) -> str:
    """The view of a table's name."""
    return f"live.{table.partition('.')[2]}"


@pytest.mark.slow
def test_views_have_the_rows_of_the_nightly_load_after_each_day(tmp_path: Path) -> None:
    data, raw = tmp_path / "data", tmp_path / "raw"
    write_dimensions(raw)
    database, session = opened(data, raw)
    run(session, "setup.hql")
    run(session, "pipeline.hql")
    for day in DAYS:
        write_day(raw, day)
        session.execute(f"SET hivevar:day={day}")
        run(session, "daily.hql")
        session.execute(INSERT_INTO_TOPIC)
        for table in answers.ANSWERS:
            wanted = comparable(session.execute(f"SELECT * FROM {table}").fetchall())
            got = comparable(session.execute(f"SELECT * FROM {view_of(table)}").fetchall())
            assert got == wanted and (wanted or table == "mart.returning_users"), (day, table)
        if day == DAYS[1]:
            session.close()
            database.close()
            database, session = opened(data, raw)
    theirs = answers.over(raw)
    by_props = comparable(session.execute("SELECT * FROM live.topic_props").fetchall())
    assert by_props == comparable(theirs.sql(BY_PROPS).fetchall())
    theirs.close()
    write_late(raw, DAYS[0])
    theirs = answers.over(raw)
    for table in answers.ANSWERS:
        got = comparable(session.execute(f"SELECT * FROM {view_of(table)}").fetchall())
        assert got == comparable(answers.answer(theirs, table, raw)), table
    theirs.close()
    session.close()
    database.close()
