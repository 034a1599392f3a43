"""Makes processes quickly: `python -m tests.nursery` imports everything once, then forks at each request.

It has no threads and no open database, so that what it forks is as a new process.  At the other end is a Nursery.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import runpy
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[1]


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


def forker(module: str) -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """(the line to it, a process) that forks at each request: `python -m MODULE HANDLE`, HANDLE its end of the line."""
    line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [sys.executable, "-m", module, str(theirs.fileno())]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, pass_fds=[theirs.fileno()], cwd=ROOT, env=environment)
    theirs.close()
    return line, process


class Nursery:
    """One child at a time."""

    def __init__(self) -> None:
        self._line, self._process = forker("tests.nursery")

    def child(self, live: Callable[[T, Connection], None], life: T) -> Child:
        """A new process that calls a function of some module with `life` and its end of a connection."""
        ours, theirs = socket.socketpair()
        socket.send_fds(self._line, [pickle.dumps((live, life))], [theirs.fileno()])
        theirs.close()
        pid = int(self._line.recv(100))
        return Child(pid, Connection(ours.detach()), self._line)

    def close(self) -> None:
        """It ends when nobody can ask it any more."""
        self._line.close()
        self._process.wait()


@contextlib.contextmanager
def nursery() -> Iterator[Nursery]:
    """Ended afterwards."""
    made = Nursery()
    try:
        yield made
    finally:
        made.close()


def run_script(command: tuple[str, ...], told: Connection) -> None:
    """As `python SCRIPT ARGUMENT ...`; what the script prints goes to `told`."""
    os.dup2(told.fileno(), sys.stdout.fileno())
    sys.argv = list(command)
    try:
        runpy.run_path(command[0], run_name="__main__")
    except BaseException:
        traceback.print_exc()  # the process ends without a word otherwise
        raise


def load_engine() -> None:
    """What every child would import and make late, one after the other; nothing of it starts a thread."""
    import duckdb  # noqa: F401
    import numpy.ma  # noqa: F401
    import pyarrow as pa
    import sqlglot.dialects.duckdb  # noqa: F401

    import sqlengine.api.database  # noqa: F401
    from sqlengine.sql import build, build_objects, pg_forms, query, render, rowtime, shell  # noqa: F401

    shell.keywords()  # makes the parser
    pa.array([])  # imports pandas where it is installed
    gc.collect()
    gc.freeze()  # else the first collection of each child looks at everything, and copies the pages it is in


def _serve(line: socket.socket) -> None:
    load_engine()
    while True:
        message, handles, _, _ = socket.recv_fds(line, 100_000, 1)
        if not message:
            return
        live, life = pickle.loads(message)
        pid = os.fork()
        if pid == 0:
            line.close()
            try:
                live(life, Connection(handles[0]))
            finally:
                os._exit(0)
        os.close(handles[0])
        line.send(str(pid).encode())
        os.waitpid(pid, 0)
        line.send(b".")


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
