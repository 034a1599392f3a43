"""What importing costs: nothing heavy before it is needed, and a clear word when another `storage` is in the
way."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.source_tree import ROOT

HEAVY = (
    "duckdb",
    "sqlglot",
    "lark",
    "pandas",
    "polars",
    "prompt_toolkit",
    "pygments",
    "hypothesis",
    "asyncio",
)


def run_python(code: str, folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    """Run `code` as a script in `folder`, with this checkout importable behind the script's own folder."""
    script = folder / "script.py"
    script.write_text(code)
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, *flags, str(script)]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, check=False)


@pytest.mark.parametrize("module", ["sqlengine", "storage", "repl", "repl.__main__"])
def test_importing_loads_nothing_heavy(module: str, tmp_path: Path) -> None:
    code = f"import sys, {module}\nprint(*sorted(set(sys.modules) & set({HEAVY!r})))"
    done = run_python(code, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_a_database_is_opened_without_pandas(tmp_path: Path) -> None:
    statements = ("CREATE STREAM s (a bigint)", "INSERT INTO s VALUES (1)", "SELECT a FROM s")
    code = f"""import sys, sqlengine
with sqlengine.connect() as database:
    for statement in {statements!r}:
        database.execute(statement)
print(*sorted(set(sys.modules) & {{"pandas", "polars", "hypothesis", "prompt_toolkit"}}))"""
    done = run_python(code, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_storage_does_not_load_the_engine(tmp_path: Path) -> None:
    code = "import sys, storage\nprint(*[m for m in sys.modules if m.split('.')[0] == 'sqlengine'])"
    done = run_python(code, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_importing_warns_of_nothing(tmp_path: Path) -> None:
    done = run_python("import sqlengine, storage, repl", tmp_path, "-W", "error")
    assert done.returncode == 0, done.stderr


def test_a_users_own_storage_module_is_named_in_the_error(tmp_path: Path) -> None:
    (tmp_path / "storage.py").write_text("mine = 1\n")
    done = run_python("import sqlengine", tmp_path)
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode != 0
    assert last.startswith("ImportError") and str(tmp_path / "storage.py") in last
