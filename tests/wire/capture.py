"""Writes tests/wire/captured/ of clients that tests/clients drives: `python -m tests.wire.capture CLIENT ...`.

Each statement is kept once, with the parameters it had first; of several in one message each by itself.  Kept is what a
client says of its own accord, of the catalog and the session; the queries that it was told to ask are tests/clients'.
record.py has PostgreSQL answer them then.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator

from sqlengine import sql
from sqlengine.errors import Error
from tests.clients.asked import answers
from tests.server.process import served
from tests.wire.captured import FOLDER, PARAMETERS, SETUP, Captured
from tests.wire.tap import Tap

OF_ITS_OWN = re.compile(
    r"\b(pg_(?!sleep)\w+|information_schema|current_\w+|version)\b|^(SET|SHOW|BEGIN)\b", re.IGNORECASE
)
"""What is kept."""


def heard(client: str) -> list[Captured]:
    """What a client's program says to a server with one of everything."""
    import psycopg

    with served() as server:
        with psycopg.connect(server.dsn, autocommit=True) as connection:
            for text in SETUP:
                connection.execute(text)
        tap = Tap(server.port)
        answers(client, tap.port, "db")
        tap.close()
    return tap.statements


def single(sent: Iterable[Captured]) -> Iterator[Captured]:
    """Each statement once, in order."""
    seen = set()
    for one in sent:
        for text in _statements(one.text):
            if text not in seen and OF_ITS_OWN.search(text):
                seen.add(text)
                yield Captured(text, one.parameters)


def _statements(text: str) -> list[str]:
    try:
        return [statement.text.strip() for statement in sql.parse(text)]
    except Error:
        return [text.strip()]


def main(clients: Iterable[str]) -> None:
    """Capture and write."""
    for client in clients:
        lines = []
        for text, parameters in single(heard(client)):
            head = f"{PARAMETERS}{json.dumps(parameters)}\n" if parameters else ""
            lines.append(f"-- statement\n{head}{text.rstrip(';')};\n")
        (FOLDER / f"{client}.sql").write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
