"""Terminals without a cold start: `python -m tests.repl.warm` loads the command and the engine once, then forks for
each request a process that leads a session of its own on the terminal it is given.

It has no threads and no open database when it forks, so a child is as a new process, but for what it has loaded.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import pickle
import select
import signal
import socket
import sys
import termios

from tests.nursery import forker, load_engine

_REQUEST_MAX = 1_000_000


class Warm:
    """The process at whose other end this is; it ends with ours."""

    def __init__(self) -> None:
        self._line, self._process = forker("tests.repl.warm")
        atexit.register(self.close)

    def start(self, arguments: list[str], environment: dict[str, str], terminal: int) -> Started:
        """`sqlengine ARGUMENT ...` on a terminal (its slave side)."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        request = pickle.dumps((arguments, environment, os.getcwd()))
        socket.send_fds(self._line, [request], [terminal, theirs.fileno()])
        theirs.close()
        return Started(ours, int(ours.recv(20)))

    def close(self) -> None:
        """It ends when nobody can ask it any more."""
        self._line.close()
        self._process.wait()


class Started:
    """A command that runs, or has."""

    def __init__(self, line: socket.socket, pid: int) -> None:
        self._line = line
        self.pid = pid
        self.status: int | None = None

    def ended(self, timeout_s: float) -> bool:
        """Whether it has ended; waits so long. `status` is its exit status then, minus the signal that ended it."""
        if self.status is None and select.select([self._line], [], [], timeout_s)[0]:
            self.status = os.waitstatus_to_exitcode(int(self._line.recv(20)))
        return self.status is not None

    def close(self) -> None:
        """Have it ended."""
        if not self.ended(0):
            os.kill(self.pid, signal.SIGKILL)
            self.ended(60)
        self._line.close()


_warm: list[Warm] = []


def warm() -> Warm:
    """The one of this process."""
    if not _warm:
        _warm.append(Warm())
    return _warm[0]


# ---------------------------------------------------------------- the process itself


def _load() -> None:
    """What the command imports sooner or later; nothing of it starts a thread."""
    from repl.coldstart import keep_pandas_out

    keep_pandas_out()
    import repl.app
    import repl.live.fullscreen
    import repl.remote  # noqa: F401
    from sqlengine.sql import accepts

    accepts(())
    load_engine()


def _serve(line: socket.socket) -> None:
    _load()
    children: dict[int, tuple[int, socket.socket]] = {}  # by the handle that tells of its end
    while True:
        for ready in select.select([line, *children], [], [])[0]:
            if ready is not line:
                pid, told = children.pop(ready)
                told.sendall(str(os.waitpid(pid, 0)[1]).encode())
                told.close()
                os.close(ready)
                continue
            message, handles, _, _ = socket.recv_fds(line, _REQUEST_MAX, 2)
            if not message:
                return
            terminal, told = handles[0], socket.socket(fileno=handles[1])
            pid = os.fork()
            if pid == 0:
                line.close()
                _live(terminal, *pickle.loads(message))
            os.close(terminal)
            children[os.pidfd_open(pid)] = pid, told
            told.sendall(str(pid).encode())


def _live(terminal: int, arguments: list[str], environment: dict[str, str], folder: str) -> None:
    """The rest of the child's life."""
    status = 1
    try:
        os.setsid()
        fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
        for handle in (0, 1, 2):
            os.dup2(terminal, handle)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv = ["sqlengine", *arguments]
        sys.stdin = open(0, encoding="utf-8", closefd=False)
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False, buffering=1)
        from repl.__main__ import main

        try:
            status = main()
        except SystemExit as left:
            status = left.code if isinstance(left.code, int) else 1
        sys.stdout.flush()
    finally:
        os._exit(status)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
