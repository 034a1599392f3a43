"""ServerLoop: sockets that are listened on, and what is served over them.

One thread runs the loop of all connections; what may take its time runs on others, which are there only as long as they
are needed.  Bytes a client does not take hold up its own conversation and nothing else.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from sqlengine.errors import OperationalError

_LOG = logging.getLogger("sqlengine.server")
_THREADS_MAX = 1_024
"""Statements that run at a time; more wait for their turn."""
_GOODBYE_S = 5.0
"""How long connections may take to end with the server."""
_PAUSE_S = 0.1
"""Before another connection is accepted when one could not be."""

Serve = Callable[[socket.socket, tuple[Any, ...] | None], Coroutine[Any, Any, None]]
"""Carries one connection through to its end: its socket, and the address of the other end (None: a Unix socket)."""


class ServerLoop:
    """Runs until closed; what listens on it is added by `listen`."""

    def __init__(self) -> None:
        self.threads = ThreadPoolExecutor(_THREADS_MAX, "statement")
        self.loop = asyncio.new_event_loop()
        self._sockets: list[socket.socket] = []
        self._beside: set[asyncio.Task[None]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._run, name="server", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    @property
    def is_open(self) -> bool:
        """Whether it has not been closed."""
        return self._thread.is_alive()

    def listen(self, listening: socket.socket, serve: Serve) -> None:
        """Serve whoever connects to a socket, from now on."""
        listening.setblocking(False)
        self._sockets.append(listening)
        self.loop.call_soon_threadsafe(self._watch, listening, serve)

    def begin(self, steps: Coroutine[Any, Any, None]) -> None:
        """Run something beside the connections, until it ends or the loop is closed."""
        asyncio.run_coroutine_threadsafe(self._keep(steps), self.loop).result()

    async def _keep(self, steps: Coroutine[Any, Any, None]) -> None:
        made = asyncio.create_task(steps)
        self._beside.add(made)
        made.add_done_callback(self._beside.discard)

    def _watch(self, listening: socket.socket, serve: Serve) -> None:
        """Accept by hand: asyncio would lose a connection that comes while it is told to stop."""
        if listening.fileno() >= 0:
            self.loop.add_reader(listening, self._accept, listening, serve)

    def _accept(self, listening: socket.socket, serve: Serve) -> None:
        try:
            accepted, address = listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:  # too many open files: others may close some
            _LOG.warning("a connection could not be accepted: %s", error)
            self.loop.remove_reader(listening)
            self.loop.call_later(_PAUSE_S, self._watch, listening, serve)
            return
        accepted.setblocking(False)
        known = address if isinstance(address, tuple) else None
        if known is not None:
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made = self.loop.create_task(serve(accepted, known))
        self._tasks.add(made)
        made.add_done_callback(self._tasks.discard)

    def close(self, say_goodbye: Callable[[], Sequence[Future[None]]]) -> None:
        """Stop listening, have connections end by `say_goodbye`, which tells what else to wait for, and end those that
        do not; idempotent."""
        if not self.is_open:
            return
        asyncio.run_coroutine_threadsafe(self._close(say_goodbye), self.loop).result(timeout=30)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()
        self.threads.shutdown(wait=False, cancel_futures=True)

    async def _close(self, say_goodbye: Callable[[], Sequence[Future[None]]]) -> None:
        for task in self._beside:
            task.cancel()
        for listening in self._sockets:
            self.loop.remove_reader(listening)
            listening.close()
        await asyncio.sleep(0)  # who has just been accepted begins, and can then be told to end
        others = [asyncio.wrap_future(future) for future in say_goodbye()]
        if self._tasks or others:
            await asyncio.wait([*self._tasks, *others], timeout=_GOODBYE_S)
        for task in list(self._tasks):
            task.cancel()


def tcp_socket(host: str, port: int) -> socket.socket:
    """A socket that listens there, port 0: on any that is free; OperationalError (58000) where that cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise OperationalError(f"cannot listen on {host}:{port}: {os.strerror(error.errno or 0)}") from error
