"""Statements of a text test sent over the PostgreSQL wire protocol to a server in a process of its own."""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from sqlengine.catalog.pg.types import BY_OID, parameter_type
from tests.collectors.executor import Answer, Failure

ROOT = Path(__file__).resolve().parents[2]


class Served:
    """The one process of this one; `open` has it serve an empty database, `close` closes that."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.server.fresh"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        atexit.register(self.end)

    def open(self) -> int:
        """The port of a server with an empty database."""
        return int(self._say())

    def close(self) -> None:
        """Close what is served."""
        self._say()

    def end(self) -> None:
        """Have the process end."""
        self._process.communicate("\n")

    def _say(self) -> str:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()


@cache
def served() -> Served:
    """Started when it is first needed."""
    return Served()


class WireExecutor:
    """Runs statements in one session of a server: one statement by the extended protocol, scripts by the simple one."""

    name = "wire"

    def __init__(self) -> None:
        import psycopg  # lazy: the other executors do not need it

        self._pq = psycopg.pq
        self._connection = psycopg.connect(f"host=127.0.0.1 port={served().open()} user=me dbname=db", autocommit=True)

    def execute(self, sql: str) -> Answer:
        """One statement or a script, whose last answer counts; raises Failure."""
        text, pgconn = sql.encode(), self._connection.pgconn
        found = pgconn.exec_(text) if ";" in sql else pgconn.exec_params(text, None)
        if found.status == self._pq.ExecStatus.FATAL_ERROR:
            field = self._pq.DiagnosticField
            state, message = (found.error_field(f) or b"" for f in (field.SQLSTATE, field.MESSAGE_PRIMARY))
            raise Failure(state.decode(), message.decode())
        columns = range(found.nfields)
        return Answer(
            tuple((found.fname(at) or b"").decode() for at in columns),
            tuple(_type(found.ftype(at)) for at in columns),
            tuple(tuple(_text(found.get_value(row, at)) for at in columns) for row in range(found.ntuples)),
        )

    def close(self) -> None:
        """Close the session and the database; idempotent."""
        if not self._connection.closed:
            self._connection.close()
            served().close()


def _type(oid: int) -> pa.DataType:
    """The type whose values PostgreSQL's of this number are."""
    name = BY_OID[oid].name
    return parameter_type(f"{name[1:]}[]" if name.startswith("_") else name)


def _text(value: Any) -> str | None:
    return None if value is None else bytes(value).decode()
