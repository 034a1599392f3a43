"""The command over the real engine, as processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from repl.__main__ import main
from tests.server.forked import completed

ROOT = Path(__file__).parents[2]
SETUP = """
CREATE STREAM orders (id BIGINT, item TEXT, price DOUBLE PRECISION);
CREATE MATERIALIZED VIEW per_item AS SELECT item, count(*) AS n, sum(price) AS total FROM orders GROUP BY item;
INSERT INTO orders VALUES (1, 'tea', 2.5), (2, 'milk', 1.25), (3, 'tea', 2.5), (4, NULL, 0.1);
"""


def test_select_1() -> None:
    """From nothing; the others run in forks of a process that has loaded everything."""
    command = [sys.executable, "-m", "repl", "-c", "SELECT 1 AS one"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert "│       1 │" in done.stdout and "integer" in done.stdout


@pytest.mark.slow
def test_a_data_directory_keeps_what_it_was_given(tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    first = completed(data, stdin=SETUP)
    assert (first.returncode, first.stdout) == (0, "")
    assert first.stderr.splitlines()[0] == "CREATE STREAM"
    query = "SELECT * FROM per_item ORDER BY item NULLS LAST"
    second = completed(data, "-c", query, "--format", "ndjson")
    assert [json.loads(line) for line in second.stdout.splitlines()] == [
        {"item": "milk", "n": 1, "total": 1.25}, {"item": "tea", "n": 2, "total": 5.0},
        {"item": None, "n": 1, "total": 0.1},
    ]  # fmt: skip
    third = completed(data, "-c", query, "--format", "csv")
    assert third.stdout == "item,n,total\nmilk,1,1.25\ntea,2,5\n,1,0.1\n"


@pytest.mark.slow
def test_a_directory_that_is_open_already(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-m", "repl", str(tmp_path), "--format", "csv"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT,
    )  # fmt: skip
    with holder:
        assert holder.stdin is not None and holder.stdout is not None
        holder.stdin.write(b"SELECT 1 AS a;\n")
        holder.stdin.flush()
        assert holder.stdout.readline() == b"a\n"
        second = completed(str(tmp_path), "-c", "SELECT 1")
        assert second.returncode == 1
        assert second.stderr.startswith("error: ") and "[55006]" in second.stderr.splitlines()[0]


@pytest.mark.slow
def test_following_a_view_until_nothing_comes() -> None:
    done = completed("--quiet", "--format", "ndjson", "-c", SETUP, "-c", "SUBSCRIBE per_item", "--until-idle", "2s")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert {(row["op"], row["item"], row["n"]) for row in rows} == {
        ("insert", "tea", 2), ("insert", "milk", 1), ("insert", None, 1),
    }  # fmt: skip


def test_mistakes_are_shown_where_they_are(tmp_path: Path) -> None:
    script = tmp_path / "bad.sql"
    script.write_text(SETUP + "SELECT prcie FROM orders; SELECT 1;\n  SELEC 2;\n")
    done = completed("-f", str(script), "--keep-going", "--format", "csv", "--no-header")
    assert (done.returncode, done.stdout) == (1, "1\n")
    assert 'column "prcie" does not exist [42703]\n' in done.stderr
    assert 'hint: did you mean "price"?' in done.stderr
    assert f"at {script}:6:3\n6 |   SELEC 2;\n  |   ^^^^^\n" in done.stderr
    assert "leaked" not in done.stderr, "DuckDB's objects are let go before the process ends"


def test_types_survive_the_way_to_arrow(tmp_path: Path) -> None:
    path = tmp_path / "out.arrows"
    query = "SELECT 1::bigint AS a, 'x' AS b, 1.5::numeric(10,2) AS c, TIMESTAMP '2024-01-01 12:00:00' AS d"
    assert completed("-c", f"\\format arrow\n\\o {path}\n{query}").returncode == 0
    with path.open("rb") as stream:
        schema = pa.ipc.open_stream(stream).schema
    assert schema.types == [pa.int64(), pa.string(), pa.decimal128(10, 2), pa.timestamp("us")]


VIEW = (
    "CREATE TABLE t (n BIGINT); INSERT INTO t VALUES (1), (2); "
    "CREATE MATERIALIZED VIEW total AS SELECT sum(n) AS n FROM t;"
)


def test_views_of_the_engine_in_a_script(capfd: pytest.CaptureFixture[str]) -> None:
    script = [VIEW, "SELECT n FROM total;", "\\watch 0.01 3", "\\top", "\\graph total", "\\live SELECT n FROM total"]
    assert main([*(word for line in script for word in ("-c", line)), "--until-idle", "200ms", "--quiet"]) == 0
    out = capfd.readouterr().out
    assert out.count("│      3 │") == 4, "the query itself and three times more"
    assert "│ total │ running │" in out and "●  total  running" in out and "insert" in out


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        ("\\watch", "there is none yet"),
        ("\\watch x", "takes seconds and how often"),
        ("\\watch 0", "takes seconds"),
        ("\\watch 1 0", "takes seconds"),
        ("\\watch nan", "takes seconds"),
        ("\\live", "needs the name"),
        ("\\live nowhere", "42P01"),
        ("\\graph", "needs the name"),
        ("\\graph nowhere", 'no query "nowhere" is running [42704]'),
    ],
)
def test_bad_arguments(capfd: pytest.CaptureFixture[str], command: str, complaint: str) -> None:
    assert main(["-c", command]) == 1
    assert complaint in capfd.readouterr().err
