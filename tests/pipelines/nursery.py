"""Makes processes quickly: `python -m tests.pipelines.nursery` imports everything once, then forks at each request.

It has no threads and no open database, so that what it forks is as a new process.  At the other end is a Nursery.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.pipelines.worker import Life

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Child:
    """A process, and what it says."""

    pid: int
    told: Connection
    _line: socket.socket

    def kill(self) -> None:
        """SIGKILL; returns when it is gone, and what it said can be read to the end."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        assert self._line.recv(1) == b"."


class Nursery:
    """One child at a time."""

    def __init__(self) -> None:
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-m", "tests.pipelines.nursery", str(theirs.fileno())]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], cwd=ROOT, env=environment)
        theirs.close()

    def child(self, life: Life) -> Child:
        """A new process that lives so."""
        ours, theirs = socket.socketpair()
        socket.send_fds(self._line, [pickle.dumps(life)], [theirs.fileno()])
        theirs.close()
        pid = int(self._line.recv(100))
        return Child(pid, Connection(ours.detach()), self._line)

    def close(self) -> None:
        """It ends when nobody can ask it any more."""
        self._line.close()
        self._process.wait()


def _load() -> None:
    """What every child would import and make late, one after the other; nothing of it starts a thread."""
    import duckdb  # noqa: F401
    import pyarrow as pa

    import sqlengine.runtime.dataflow  # noqa: F401
    from sqlengine.sql import build, pg_forms, query, render, shell  # noqa: F401

    shell.keywords()  # makes the parser
    pa.array([])  # imports pandas where it is installed


def _serve(line: socket.socket) -> None:
    from tests.pipelines.worker import serve

    _load()
    while True:
        message, handles, _, _ = socket.recv_fds(line, 100_000, 1)
        if not message:
            return
        life = pickle.loads(message)
        pid = os.fork()
        if pid == 0:
            line.close()
            try:
                serve(life, Connection(handles[0]))
            finally:
                os._exit(0)
        os.close(handles[0])
        line.send(str(pid).encode())
        os.waitpid(pid, 0)
        line.send(b".")


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
