"""HiveSession: a session of the engine behind a handle, with its operations.

Operations are carried out one after the other, in the order in which they were asked for, by a thread that is there
only as long as there are some.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from typing import Any

from sqlengine.catalog.authority import schema_target
from sqlengine.catalog.catalog import DEFAULT_SCHEMA
from sqlengine.catalog.pg.facts import Activity
from sqlengine.catalog.system import SYSTEM_SCHEMA
from sqlengine.errors import Error, TooManyConnections, UndefinedObject
from sqlengine.result import Result
from sqlengine.server.hive.metadata import DEFAULT_DATABASE
from sqlengine.server.hive.operation import Kind, Operation, new_handle
from sqlengine.server.peer import Peer
from sqlengine.server.transactions import refuse_after_failure
from sqlengine.session import Session
from sqlengine.settings import Settings
from sqlengine.sql import ast
from sqlengine.statements.context import Context

OPERATIONS_MAX = 1_000
"""Open operations of one session."""


class HiveSession:
    """`protocol`: the version that was agreed.  `on_end` is told once, when it has ended, `on_terminated` when somebody
    else ends it; by whatever thread."""

    def __init__(self, session: Session, role: str, peer: Peer, protocol: int, threads: Executor) -> None:
        self.handle = new_handle()
        self.session = session
        self.role = role
        self.peer = peer
        self.protocol = protocol
        self.pid = session.context.backend.pid
        self.operations: dict[bytes, Operation] = {}
        self.ended_by: Error | None = None
        self.on_end: Callable[[HiveSession], None] = lambda session: None
        self.on_terminated: Callable[[], object] = lambda: None
        self.used_us = self.now_us()
        self._threads = threads
        self._lock = threading.Lock()
        self._waiting: deque[Operation] = deque()
        self._current: Operation | None = None
        self._last: Operation | None = None
        self._is_working = False
        self._is_closing = False
        self._is_finished = False
        self._closed: Future[None] = Future()

    def now_us(self) -> int:
        """The time, in microseconds since 1970 UTC."""
        return self.session.context.instance.clock.now_us()

    @property
    def context(self) -> Context:
        """The session's state."""
        return self.session.context

    def run(self, statement: ast.Statement) -> Result:
        """Carry out a statement; FailedTransaction (25P02) where the session's transaction takes nothing more."""
        refuse_after_failure(self.context, statement)
        try:
            return self.session.run(statement)
        except BaseException:
            self.context.has_failed = self.session.in_transaction
            raise

    def use(self, database: str) -> Result:
        """Look for names in a database first; UndefinedObject (3F000) when there is none of that name."""
        schema = DEFAULT_SCHEMA if database.lower() == DEFAULT_DATABASE else database.lower()
        context = self.context
        with context.instance.lock:
            target = schema_target(context.instance.catalog, schema)
        if target is None and schema != SYSTEM_SCHEMA:
            raise UndefinedObject(f'database "{database}" does not exist', sqlstate="3F000")
        context.settings.set("search_path", schema)
        return Result(tag="USE")

    # ------------------------------------------------------------ as others see it

    def activity(self) -> Activity:
        """See Backend."""
        context, running, last = self.session.context, self._current, self._last
        shown = running or last
        return Activity(
            pid=self.pid,
            user=self.role,
            database=context.backend.database,
            application_name=self.session.settings.application_name,
            client_addr=self.peer.address,
            client_port=self.peer.port,
            backend_start_us=context.backend.start_us,
            query_start_us=None if shown is None else shown.started_us,
            state_change_us=None if shown is None else shown.started_us if shown is running else shown.ended_us,
            state="idle" if running is None else "active",
            query="" if shown is None else shown.text,
        )

    def cancel(self) -> None:
        """End what is running."""
        running = self._current
        if running is not None:
            self.cancel_operation(running)

    def terminate(self, error: Error) -> None:
        """End the session; whoever uses its handle is told why."""
        self.ended_by = error
        self.close()
        self.on_terminated()

    # ------------------------------------------------------------ operations

    @property
    def is_busy(self) -> bool:
        """Whether something is running, or waits to."""
        return self._is_working

    def begin(
        self,
        kind: Kind,
        text: str,
        call: Callable[[], Result],
        has_rows: bool,
        overlay: Mapping[str, Any] | None = None,
    ) -> Operation:
        """Have something carried out, with settings that are changed only for it; TooManyConnections (53300)."""

        def made() -> Result:
            with overlaid(self.session.settings, overlay or {}):
                self.session.on_progress(operation.on_progress)
                try:
                    return call()
                finally:
                    self.session.on_progress(None)

        operation = Operation(kind, text, made, has_rows, self.now_us)
        with self._lock:
            if len(self.operations) >= OPERATIONS_MAX:
                raise TooManyConnections("too many open operations in the session", hint="close some of them")
            self.operations[operation.handle.guid] = operation
            if self._is_closing:
                operation.cancel_waiting()
                return operation
            self._waiting.append(operation)
            if not self._is_working:
                self._is_working = True
                self._threads.submit(self._work)
        return operation

    def _work(self) -> None:
        while (operation := self._next()) is not None:
            operation.run()
            self._last = operation
        if self._is_closing:
            self._finish()

    def _next(self) -> Operation | None:
        with self._lock:
            self._current = self._waiting.popleft() if self._waiting else None
            if self._current is None:
                self._is_working = False
                self.used_us = self.now_us()
            return self._current

    def cancel_operation(self, operation: Operation) -> None:
        """End it, if it has not ended."""
        with self._lock:
            if operation in self._waiting:
                self._waiting.remove(operation)
                operation.cancel_waiting()
                return
            if operation is self._current and not operation.state.has_ended:
                operation.cancel_asked = True
                self.session.cancel()
                return
        operation.cancel_reading()

    def cancel_again(self) -> None:
        """What was to be cancelled may just then have been about to begin, and not have heard of it."""
        with self._lock:
            running = self._current
            if running is not None and running.cancel_asked and not running.state.has_ended:
                self.session.cancel()

    def close_operation(self, operation: Operation) -> None:
        """Forget it, ending it if it has not ended."""
        self.cancel_operation(operation)
        self.operations.pop(operation.handle.guid, None)
        operation.close()

    # ------------------------------------------------------------ the end

    def close(self) -> Future[None]:
        """End everything in it; done when nothing of it is left.  Idempotent."""
        with self._lock:
            if self._is_closing:
                return self._closed
            self._is_closing = True
            while self._waiting:
                self._waiting.popleft().cancel_waiting()
            if self._is_working and self._current is not None:
                self._current.cancel_asked = True
                self.session.cancel()
            elif not self._is_working:
                self._threads.submit(self._finish)
        return self._closed

    def _finish(self) -> None:
        """Once nothing runs any more; idempotent."""
        with self._lock:
            if self._is_finished:
                return
            self._is_finished = True
        for operation in list(self.operations.values()):
            operation.close()
        self.operations.clear()
        self.session.close()
        self.on_end(self)
        if self._closed.set_running_or_notify_cancel():
            self._closed.set_result(None)


@contextmanager
def overlaid(settings: Settings, values: Mapping[str, Any]) -> Iterator[None]:
    """Settings changed for a while: each by its name to a value, then as they were.  Raises what SET does."""
    before: list[tuple[str, Any]] = []
    try:
        for name, value in values.items():
            before.append((name, settings.kept(name)))
            settings.set(name, value)
        yield
    finally:
        for name, value in reversed(before):
            settings.put_back(name, value)
