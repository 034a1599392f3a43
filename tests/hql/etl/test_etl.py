"""A shop's nightly load in HiveQL, run by the command over raw logs with all that is wrong with such: each table it
leaves is what DuckDB makes of the same files by queries of its own; a second run changes nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

import sqlengine
from tests.hql.etl import answers
from tests.hql.etl.comparing import Row, comparable
from tests.hql.etl.raw_logs import DAYS, write_day, write_dimensions

HERE = Path(__file__).parent
ROOT = HERE.parents[2]


def load(data: Path, raw: Path) -> subprocess.CompletedProcess[str]:
    """The whole load, as a shop's scheduler would start it."""
    command = [sys.executable, "-m", "repl", str(data), "--dialect", "hive", "--hivevar", f"raw={raw}"]
    command += ["-f", str(HERE / "setup.hql")]
    for day in DAYS:
        command += ["-c", f"SET hivevar:day={day}", "-f", str(HERE / "daily.hql")]
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, encoding="utf-8", cwd=ROOT, timeout=600
    )


def contents(data: Path) -> dict[str, list[Row]]:
    """The rows of all tables and views of the load."""
    with sqlengine.connect(str(data), dialect="hive") as database:
        return {name: comparable(database.execute(f"SELECT * FROM {name}").fetchall()) for name in answers.ANSWERS}


@pytest.mark.slow
def test_the_load_gives_duckdbs_rows_and_may_be_run_again(tmp_path: Path) -> None:
    data, raw = tmp_path / "data", tmp_path / "raw"
    write_dimensions(raw)
    for day in DAYS:
        write_day(raw, day)
    done = load(data, raw)
    assert done.returncode == 0, done.stderr
    assert "käse" in done.stdout and "GroupAggregate" in done.stdout
    theirs = answers.over(raw)
    expected = {name: comparable(answers.answer(theirs, name, raw)) for name in answers.ANSWERS}
    assert all(expected.values()), "every table has rows to compare"
    first = contents(data)
    for name, rows in expected.items():
        assert first[name] == rows, name
    reports = {day: written(tmp_path / "report" / day) for day in DAYS}
    for day in DAYS:
        assert reports[day] == answers.report(theirs, day) and reports[day]
    assert read_by_others(data) == first["mart.sales"]
    again = load(data, raw)
    assert again.returncode == 0, again.stderr
    assert contents(data) == first
    assert {day: written(tmp_path / "report" / day) for day in DAYS} == reports
    theirs.close()


def written(folder: Path) -> list[str]:
    """The lines of a report, sorted."""
    return sorted(line for path in folder.iterdir() for line in path.read_text(encoding="utf-8").splitlines())


def read_by_others(data: Path) -> list[Row]:
    """The table of sales as DuckDB finds it in the warehouse."""
    place = data / "warehouse" / "mart.db" / "sales"
    items = """user_id, product_id, "at", pieces, net, gross, ds, channel,
        nullif(category, '__HIVE_DEFAULT_PARTITION__')"""
    files = f"read_parquet('{place}/**/*.parquet', hive_partitioning = true, hive_types_autocast = false)"
    return comparable(duckdb.sql(f"SELECT {items} FROM {files}").fetchall())
