"""The command `sqlengine` as processes of its own that begin quickly: `python -m tests.server.forked HANDLE` imports
everything once, then forks at each request.

From there on a child is what `python -m repl` is: it runs the same module, has the arguments and the environment it is
given, and ends as an interpreter does.  That the command begins from nothing is tested in tests/repl.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import pickle
import runpy
import socket
import subprocess
import sys
import tempfile
from functools import cache
from typing import TextIO

from tests.nursery import ROOT, forker, load_engine


class Forked:
    """A process that another one has made, with what of Popen the tests need."""

    def __init__(self, pid: int, stderr: TextIO, ended: socket.socket) -> None:
        self.pid = pid
        self.stderr = stderr
        self._ended = ended
        self._status: int | None = None

    def send_signal(self, number: int) -> None:
        """Nothing where it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def poll(self) -> int | None:
        """Its exit status where it has ended, else None."""
        return self._read(0.0)

    def wait(self, timeout: float) -> int:
        """Its exit status; raises TimeoutError after so many seconds."""
        status = self._read(timeout)
        if status is None:
            raise TimeoutError(f"process {self.pid} has not ended")
        return status

    def _read(self, timeout: float) -> int | None:
        if self._status is None:
            self._ended.settimeout(timeout)
            try:
                self._status = int(self._ended.recv(100))
            except (BlockingIOError, TimeoutError):
                return None
            self._ended.close()
        return self._status


def command(*arguments: str) -> Forked:
    """`sqlengine` with arguments and the environment of now, which reads nothing; its errors are to be read."""
    errors, written = os.pipe()
    with open(os.devnull, "r+b", buffering=0) as nothing:
        forked = _begun(arguments, nothing.fileno(), nothing.fileno(), written, os.fdopen(errors))
    os.close(written)
    return forked


def completed(*arguments: str, stdin: str = "", timeout: float = 120.0) -> subprocess.CompletedProcess[str]:
    """As subprocess.run has it, of `sqlengine` with arguments, the environment of now and an input."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as output, tempfile.TemporaryFile("w+") as errors:
        given.write(stdin.encode())
        given.seek(0)
        forked = _begun(arguments, given.fileno(), output.fileno(), errors.fileno(), errors)
        status = forked.wait(timeout)
        output.seek(0)
        errors.seek(0)
        return subprocess.CompletedProcess(arguments, status, output.read().decode(), errors.read())


def _begun(arguments: tuple[str, ...], given: int, output: int, errors: int, stderr: TextIO) -> Forked:
    ended, theirs = socket.socketpair()
    asked = pickle.dumps((arguments, dict(os.environ)))
    socket.send_fds(_line(), [asked], [theirs.fileno(), given, output, errors])
    theirs.close()
    return Forked(int(ended.recv(100)), stderr, ended)


@cache
def _line() -> socket.socket:
    """To the process that forks, which ends when nobody can ask it any more."""
    line, process = forker("tests.server.forked")

    def end() -> None:
        line.close()
        process.wait()

    atexit.register(end)
    return line


def _load() -> None:
    """As the command does, without what it never uses; nothing of it starts a thread."""
    from repl.coldstart import keep_pandas_out

    keep_pandas_out()
    import asyncio  # noqa: F401
    import ssl  # noqa: F401

    import repl.__main__  # noqa: F401
    import sqlengine.server.hive.listener
    import sqlengine.server.pg.server  # noqa: F401

    load_engine()
    del sys.modules["repl.__main__"]  # it is to run


def _next(line: socket.socket) -> None:
    """Serve the line; returns in children only, which are to run `sqlengine`."""
    while True:
        message, handles, _, _ = socket.recv_fds(line, 1_000_000, 4)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, 0 if not message else os.WNOHANG)[0]:
                pass
        if not message:
            sys.exit()
        ended, *streams = handles
        if os.fork() == 0:
            line.close()
            _watched(socket.socket(fileno=ended))
            for number, stream in enumerate(streams):
                os.dup2(stream, number)
                os.close(stream)
            arguments, environment = pickle.loads(message)
            os.environ.clear()
            os.environ.update(environment)
            sys.argv = ["sqlengine", *arguments]
            return
        for handle in handles:
            os.close(handle)


def _watched(ended: socket.socket) -> None:
    """Go on in a child; this process waits for it and says how it has ended."""
    pid = os.fork()
    if pid == 0:
        ended.close()
        return
    ended.send(str(pid).encode())
    _, status = os.waitpid(pid, 0)
    ended.send(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


if __name__ == "__main__":
    _load()
    os.chdir(ROOT)
    _next(socket.socket(fileno=int(sys.argv[1])))
    runpy.run_module("repl", run_name="__main__", alter_sys=True)
