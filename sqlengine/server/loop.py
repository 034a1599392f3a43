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
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlengine.errors import OperationalError

_LOG = logging.getLogger("sqlengine.server")
_THREADS_MAX = 1_024
"""Statements that run at a time; more wait for their turn."""
_GOODBYE_S = 5.0
"""How long connections may take to end with the server."""

Serve = Callable[[socket.socket, tuple[Any, ...] | None], Coroutine[Any, Any, None]]
"""Carries one connection through to its end: its socket, and the address of the other end (None: a Unix socket)."""


class ServerLoop:
    """Runs until closed; what listens on it is added by `listen`."""

    def __init__(self) -> None:
        self.threads = ThreadPoolExecutor(_THREADS_MAX, "statement")
        self.loop = asyncio.new_event_loop()
        self._sockets: list[socket.socket] = []
        self._listeners: set[asyncio.Task[None]] = set()
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
        self.begin(self._accept(listening, serve))

    def begin(self, steps: Coroutine[Any, Any, None]) -> None:
        """Run something beside the connections, until it ends or the loop is closed."""
        asyncio.run_coroutine_threadsafe(self._keep(steps), self.loop).result()

    async def _keep(self, steps: Coroutine[Any, Any, None]) -> None:
        made = asyncio.create_task(steps)
        self._listeners.add(made)
        made.add_done_callback(self._listeners.discard)

    async def _accept(self, listening: socket.socket, serve: Serve) -> None:
        while True:
            try:
                accepted, address = await self.loop.sock_accept(listening)
            except OSError as error:  # too many open files: others may close some
                _LOG.warning("a connection could not be accepted: %s", error)
                await asyncio.sleep(0.1)
                continue
            accepted.setblocking(False)
            known = address if isinstance(address, tuple) else None
            if known is not None:
                accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            made = asyncio.create_task(serve(accepted, known))
            self._tasks.add(made)
            made.add_done_callback(self._tasks.discard)

    def close(self, say_goodbye: Callable[[], None]) -> None:
        """Stop listening, have connections end by `say_goodbye`, end those that do not; idempotent."""
        if not self.is_open:
            return
        asyncio.run_coroutine_threadsafe(self._close(say_goodbye), self.loop).result(timeout=30)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()
        self.threads.shutdown(wait=False, cancel_futures=True)

    async def _close(self, say_goodbye: Callable[[], None]) -> None:
        for task in self._listeners:
            task.cancel()
        for listening in self._sockets:
            listening.close()
        say_goodbye()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_GOODBYE_S)
        for task in list(self._tasks):
            task.cancel()


def tcp_socket(host: str, port: int) -> socket.socket:
    """A socket that listens there, port 0: on any that is free; OperationalError (58000) where that cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise OperationalError(f"cannot listen on {host}:{port}: {os.strerror(error.errno or 0)}") from error
