"""dbt-postgres builds a project, again after its seed has changed, and anew."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.clients.asked import HERE, installed
from tests.server.process import served

psycopg = pytest.importorskip("psycopg")

# Not a matter of the other clients' server: a project has a database of its own.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("clients")]


def dbt(project: Path, port: int, *arguments: str) -> dict[str, str]:
    """Run dbt; what became of each node."""
    line = [installed("dbt", "dbt"), *arguments, "--profiles-dir", str(project), "--project-dir", str(project)]
    environment = {**os.environ, "PGPORT": str(port), "DO_NOT_TRACK": "1"}
    done = subprocess.run(line, capture_output=True, text=True, timeout=180, env=environment, check=False)
    assert done.returncode == 0, done.stdout
    results = json.loads((project / "target" / "run_results.json").read_text(encoding="utf-8"))["results"]
    return {result["unique_id"].split(".")[2]: result["status"] for result in results}


def test_a_project(tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(HERE / "dbt_project", project)
    with served() as server, psycopg.connect(server.dsn, autocommit=True) as connection:

        def rows(text: str) -> list[tuple[Any, ...]]:
            return list(connection.execute(text).fetchall())

        first = dbt(project, server.port, "build")
        assert set(first.values()) == {"success", "pass"} and len(first) == 10
        kinds = rows(
            "SELECT relname, relkind FROM pg_class WHERE relnamespace = 'shop'::regnamespace AND relkind <> 'i'"
        )
        assert dict(kinds) == {"named": "v", "people": "m", "copied": "r", "grown": "r", "countries": "r", "kept": "r"}
        assert rows("SELECT * FROM shop.people") == [(2, 3, 101_000_000)]
        assert rows("SELECT code, dbt_valid_to FROM shop.kept WHERE people = 9100000") == [("at", None)]
        assert rows("SELECT obj_description('shop.named'::regclass)") == [("those with a name",)]

        seed = project / "seeds" / "countries.csv"
        seed.write_text(
            seed.read_text(encoding="utf-8").replace("9100000", "9200000") + "fr,France,68000000,1792-09-22,2\n"
        )
        second = dbt(project, server.port, "build")
        assert second == first
        assert rows("SELECT * FROM shop.people") == [(2, 4, 169_100_000)]
        assert rows("SELECT * FROM shop.grown WHERE code IN ('at', 'fr') ORDER BY 1") == [
            ("at", 9_200_000),
            ("fr", 68_000_000),
        ]
        assert rows("SELECT people, dbt_valid_to IS NULL FROM shop.kept WHERE code = 'at' ORDER BY 1") == [
            (9_100_000, False),
            (9_200_000, True),
        ]
        assert rows("SELECT count(*), count(rate), min(since) = '1291-08-01' FROM shop.copied") == [(4, 3, True)]

        dbt(project, server.port, "run", "--full-refresh")
        assert rows("SELECT count(*) FROM shop.grown") == [(4,)]
        connection.execute("INSERT INTO shop.countries (code, people) VALUES ('xx', 900000)")
        assert rows("SELECT * FROM shop.people") == [(2, 5, 170_000_000)]
        dbt(project, server.port, "docs", "generate")
        catalog = json.loads((project / "target" / "catalog.json").read_text(encoding="utf-8"))
        columns = {name: column["type"] for name, column in catalog["nodes"]["model.shop.copied"]["columns"].items()}
        assert columns == {"code": "text", "name": "text", "people": "bigint", "since": "date", "rate": "numeric(5,2)"}
