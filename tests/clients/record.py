"""Writes tests/clients/golden/: what PostgreSQL 15 answers the clients' programs.

    python -m tests.clients.record PORT DATABASE

The database must be empty, and the user `me` its superuser; it gets the objects of tests/wire/captured.py (streams are
plain tables there).
"""

from __future__ import annotations

import json
import sys

from tests.clients.asked import HERE, answers
from tests.wire.record import make_objects

GOLDEN = HERE / "golden"
CLIENTS = ("adbc", "duckdb", "ibis", "jdbc")


def main(port: str, database: str) -> None:
    """Record every client."""
    import psycopg

    with psycopg.connect(f"host=127.0.0.1 port={port} user=me dbname={database}", autocommit=True) as connection:
        make_objects(connection)
    for client in CLIENTS:
        text = json.dumps(answers(client, int(port), database), indent=1)
        (GOLDEN / f"{client}.json").write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
