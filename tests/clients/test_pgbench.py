"""pgbench's own transactions: by key, and TPC-B, whose sums must agree whatever its clients do at the same time."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.process import Served

psycopg = pytest.importorskip("psycopg")
pytestmark = pytest.mark.xdist_group("clients")

TABLES = """
CREATE TABLE pgbench_branches (bid INT PRIMARY KEY, bbalance INT, filler CHAR(88));
CREATE TABLE pgbench_tellers (tid INT PRIMARY KEY, bid INT, tbalance INT, filler CHAR(84));
CREATE TABLE pgbench_accounts (aid INT PRIMARY KEY, bid INT, abalance INT, filler CHAR(84));
CREATE TABLE pgbench_history (tid INT, bid INT, aid INT, delta INT, mtime TIMESTAMP, filler CHAR(22));
INSERT INTO pgbench_branches VALUES (1, 0, '');
INSERT INTO pgbench_tellers SELECT range, 1, 0, '' FROM range(1, 11);
INSERT INTO pgbench_accounts SELECT range, 1, 0, '' FROM range(1, 100001);
CREATE MATERIALIZED VIEW pgbench_total AS SELECT count(*) AS n, sum(delta) AS delta FROM pgbench_history;
"""
SUMS = """
SELECT (SELECT sum(abalance) FROM pgbench_accounts), (SELECT sum(tbalance) FROM pgbench_tellers),
       (SELECT sum(bbalance) FROM pgbench_branches), (SELECT delta FROM pgbench_total), (SELECT n FROM pgbench_total)
"""


@pytest.fixture(scope="module")
def tables(server: Served) -> Iterator[Served]:
    """Of scale 1, but with keys from the start: pgbench -i adds them to tables that are filled."""
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute(TABLES)
        yield server
        for name in ("branches", "tellers", "accounts", "history"):
            connection.execute(f"DROP TABLE pgbench_{name} CASCADE")


def bench(server: Served, *arguments: str) -> int:
    """Run pgbench; how many transactions were done. None may have failed."""
    if shutil.which("pgbench") is None:
        pytest.skip("PGBENCH IS NOT TESTED: it is not installed")
    line = ["pgbench", "-n", *arguments, "-h", "127.0.0.1", "-p", str(server.port), "-U", "me", "db"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found = re.search(r"actually processed: (\d+)/(\d+)\nnumber of failed transactions: 0 ", done.stdout)
    assert found is not None and found[1] == found[2], done.stdout
    return int(found[1])


@pytest.mark.parametrize("mode", ["simple", "extended", "prepared"])
def test_select_by_key(tables: Served, mode: str) -> None:
    assert bench(tables, "-S", "-M", mode, "-c", "4", "-t", "25") == 100


def test_transactions_at_the_same_time(tables: Served) -> None:
    assert bench(tables, "-c", "2", "-t", "10", "--max-tries=100") == 20
    with psycopg.connect(tables.dsn) as connection:
        *sums, count = connection.execute(SUMS).fetchone()
    assert count == 20 and len(set(sums)) == 1


def test_a_script_that_inserts(tables: Served, tmp_path: Path) -> None:
    script = tmp_path / "insert.sql"
    script.write_text("\\set v random(1, 9)\nINSERT INTO inserted VALUES (:client_id, :v);\n")
    with psycopg.connect(tables.dsn, autocommit=True) as connection:
        connection.execute("CREATE STREAM inserted (client INT, v INT)")
        connection.execute(
            "CREATE MATERIALIZED VIEW by_client AS SELECT client, count(*) AS n FROM inserted GROUP BY client"
        )
        assert bench(tables, "-f", str(script), "-c", "4", "-t", "25", "-M", "prepared") == 100
        assert connection.execute("SELECT * FROM by_client ORDER BY 1").fetchall() == [(c, 25) for c in range(4)]
        connection.execute("DROP STREAM inserted CASCADE")
