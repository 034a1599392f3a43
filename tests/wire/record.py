"""Writes tests/wire/golden/: which columns PostgreSQL 15 answers each captured statement with, and of which types.

    python -m tests.wire.record "host=... dbname=..."

The database must be empty; it gets the objects that tests/wire/captured.py makes here (streams are plain tables there).
Needs psycopg 3.  The golden files hold a list for each statement: null where there are no rows, false where
it was refused, else (name, type).
"""

from __future__ import annotations

import json
import sys
from typing import Any, Literal

from tests.wire.captured import CLIENTS, GOLDEN, SETUP, Captured, statements


def columns(connection: Any, one: Captured) -> list[tuple[str, int]] | Literal[False] | None:
    """The columns of an answer; None where there are no rows, or they are copied; False where it is refused."""
    import psycopg

    if one.text.startswith("COPY"):
        return None
    with psycopg.RawCursor(connection) as cursor:
        try:
            cursor.execute(one.text, one.parameters or None)
        except psycopg.Error:
            return False
        found = cursor.description
        return None if found is None else [(column.name, column.type_code) for column in found]


def type_name(connection: Any, oid: int) -> str:
    """A type by its name in pg_type."""
    row = connection.execute("SELECT typname FROM pg_type WHERE oid = %s", [oid]).fetchone()
    return str(row[0])


def make_objects(connection: Any) -> None:
    """The objects of SETUP in PostgreSQL."""
    for text in SETUP:
        plain = text.replace(", WATERMARK FOR at AS at - INTERVAL '5' SECOND", "").replace("STREAM", "TABLE")
        connection.execute(plain)
    connection.execute("REFRESH MATERIALIZED VIEW totals")


def main(dsn: str) -> None:
    """Record every client."""
    import psycopg

    with psycopg.connect(dsn, autocommit=True) as connection:
        make_objects(connection)
        for client in CLIENTS:
            with psycopg.connect(dsn, autocommit=True) as session:
                found = [columns(session, one) for one in statements(client)]
            named = [one and [(name, type_name(connection, oid)) for name, oid in one] for one in found]
            lines = ",\n".join(json.dumps(one) for one in named)
            (GOLDEN / f"{client}.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
