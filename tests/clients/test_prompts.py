"""Prompts that people type into: pgcli and psql, in a terminal."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.clients.terminal import Terminal
from tests.server.process import Served

pytestmark = pytest.mark.xdist_group("clients")

CONFIGURATION = "[main]\nless_chatty = True\nenable_pager = False\nmulti_line = False\n"
CTRL_C, TAB = "\x03", "\t"


def wait_until_it_runs(server: Served, text: str) -> None:
    """Until the server is at work on a statement: what is typed shows on the screen before."""
    asked = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() AND query LIKE %s"
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        for _ in range(500):
            found = connection.execute(asked, (f"%{text}%",)).fetchone()
            if found is not None and found[0]:
                return
            time.sleep(0.02)
    pytest.fail(f"{text} does not run")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Of somebody who has set nothing up."""
    (tmp_path / "pgcli").mkdir()
    (tmp_path / "pgcli" / "config").write_text(CONFIGURATION)
    home = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    return {**os.environ, **home, "TERM": "xterm", "LANG": "C.UTF-8", "PAGER": "cat", "PSQL_PAGER": "cat", "TZ": "UTC"}


@pytest.fixture
def pgcli(server: Served, environment: dict[str, str]) -> Iterator[Terminal]:
    program = Path(sys.executable).with_name("pgcli")
    if not program.exists():
        pytest.skip("PGCLI IS NOT TESTED: it is not installed")
    address = ["-h", "127.0.0.1", "-p", str(server.port), "-U", "me", "-d", "db"]
    with Terminal([str(program), *address], environment) as terminal:
        terminal.shows("db>")
        yield terminal


@pytest.fixture
def psql(server: Served, environment: dict[str, str]) -> Iterator[Terminal]:
    if shutil.which("psql") is None:
        pytest.skip("PSQL IS NOT TESTED: it is not installed")
    with Terminal(["psql", "-X", server.dsn], environment) as terminal:
        terminal.shows("db=#")
        yield terminal


def test_pgcli(server: Served, pgcli: Terminal) -> None:
    pgcli.press("select * from totals order by 1;\r")
    pgcli.shows("| Ada      | 1 | 120.00 |", "SELECT 2")
    pgcli.press("\\d customers\r")
    pgcli.shows("| name   | text             |  not null", '"customers_pkey" PRIMARY KEY', "CHECK (score >= 0)")
    pgcli.clear()
    pgcli.press("\\dm\r")
    pgcli.shows("| public | totals | materialized view | sqlengine |", "SELECT 1")
    pgcli.clear()
    pgcli.press("select nmae from customers;\r")
    pgcli.shows('column "nmae" does not exist', "               ^", 'HINT:  did you mean "name"')
    pgcli.clear()
    pgcli.press("select * from customers where sc")
    pgcli.shows("score  column")
    pgcli.press(CTRL_C)
    pgcli.clear()
    pgcli.press("select pg_sleep(60);\r")
    wait_until_it_runs(server, "pg_sleep(60)")
    pgcli.press(CTRL_C)
    pgcli.shows("cancel")
    pgcli.press("begin;\r")  # nothing is cleared here: the prompt is still being drawn
    pgcli.shows("BEGIN")
    pgcli.press("select 1/0;\r")
    pgcli.shows("division by zero")
    pgcli.press("rollback;\r")
    pgcli.shows("ROLLBACK")
    pgcli.press("\\q\r")
    assert pgcli.ends() == 0


def test_psql(server: Served, psql: Terminal, tmp_path: Path) -> None:
    psql.press("select nmae\nfrom customers;\r")
    psql.shows('ERROR:  column "nmae" does not exist', "LINE 1: select nmae", 'HINT:  did you mean "name"')
    psql.clear()
    psql.press("select * from cust" + TAB)
    psql.shows("customers")
    psql.press(" order by id limit 1;\r")
    psql.shows(" 1 | Ada", "(1 row)")
    psql.clear()
    psql.press("select count(*) from orders \\watch 0.1\r")
    psql.shows("(every 0.1s)", "(1 row)")
    psql.press(CTRL_C)
    psql.clear()
    psql.press("select id from orders emit changes;\r")
    wait_until_it_runs(server, "emit changes")
    psql.press(CTRL_C)
    psql.shows("ERROR:  canceling statement due to user request", "db=#")
    psql.clear()
    psql.press("begin;\rselect 1/0;\r")
    psql.shows("division by zero", "db=!#")
    psql.press("rollback;\r")
    psql.shows("ROLLBACK")
    psql.clear()
    psql.press(f"\\copy totals to '{tmp_path}/totals.csv' csv header\r")
    psql.shows("COPY 2")
    assert (tmp_path / "totals.csv").read_text() == "customer,n,total\nAda,1,120.00\nBo,1,5.00\n"
    psql.clear()
    psql.press("\\d+ totals\r")
    psql.shows('Materialized view "public.totals"', "numeric(38,2)", "GROUP BY customer")
    psql.press("\\q\r")
    assert psql.ends() == 0
