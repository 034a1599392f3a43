"""Programs that ask a server through a client of their own, and what they were answered."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
OWN_ENVIRONMENT = ROOT / ".clients" / "bin"
"""Where .ci/run installs requirements.txt: clients that pin what they need."""
JDBC = Path("/usr/share/java/postgresql.jar")
"""The driver as Debian installs it."""


def command(client: str) -> list[str]:
    """How its program is run; the test is skipped, by name, where the client is not installed."""
    if client == "jdbc":
        if shutil.which("java") is None or not JDBC.exists():
            pytest.skip("JDBC IS NOT TESTED: java or libpostgresql-jdbc-java is not installed")
        return ["java", "-XX:TieredStopAtLevel=1", "-cp", str(JDBC), str(HERE / "programs" / "JdbcClient.java")]
    python = sys.executable
    if client == "adbc":
        pytest.importorskip(
            "adbc_driver_postgresql", reason="ADBC IS NOT TESTED: adbc-driver-postgresql is not installed"
        )
    else:
        python = installed(client, "python")
    return [python, str(HERE / "programs" / f"{client}_client.py")]


def installed(client: str, program: str) -> str:
    """A program of the clients' own environment."""
    if not (OWN_ENVIRONMENT / program).exists():
        pytest.skip(
            f"{client.upper()} IS NOT TESTED: .clients is missing (pip install -r tests/clients/requirements.txt)"
        )
    return str(OWN_ENVIRONMENT / program)


def answers(client: str, port: int, database: str) -> dict[str, Any]:
    """What the server at the port of this machine answers a client."""
    environment = {**os.environ, "TZ": "UTC", "PYTHONWARNINGS": "ignore"}
    line = [*command(client), str(port), database]
    done = subprocess.run(line, capture_output=True, text=True, timeout=120, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))
