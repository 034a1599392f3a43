"""Session: one connection's state, and the one door of the prompt, the wire and the embedded API."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from sqlengine.engine import Params, run_script
from sqlengine.errors import InterfaceError, SyntaxError  # noqa: A004 - SQL's word
from sqlengine.result import Result
from sqlengine.runtime.instance import Instance
from sqlengine.settings import Settings
from sqlengine.statements.context import Context


class Session:
    """Not to be shared by threads for statements; `cancel` may come from any thread."""

    def __init__(self, instance: Instance, settings: Settings | None = None) -> None:
        self.context = Context(instance, settings or Settings())
        self._lock = threading.RLock()
        self.closed = False

    @property
    def settings(self) -> Settings:
        """The session's settings."""
        return self.context.settings

    @property
    def in_transaction(self) -> bool:
        """Whether BEGIN waits for its COMMIT."""
        return self.context.transaction is not None

    def on_progress(self, callback: Callable[[float], None] | None) -> None:
        """Be told the fraction done (0..1) of long statements (back-fill, COPY)."""
        self.context.on_progress = callback

    def execute(self, text: str, params: Params = None) -> Result:
        """Run a script (usually one statement); the last statement's result, with the notices of all."""
        last: Result | None = None
        notices: list[str] = []
        for result in self.execute_script(text, params):
            if last is not None:
                last.close()
            notices += result.notices
            last = result
        if last is None:
            raise SyntaxError("there is no statement", position=0)
        last.notices = notices
        return last

    def execute_script(self, text: str, params: Params = None) -> Iterator[Result]:
        """Run statement by statement: the next one when the next result is asked for."""
        if self.closed:
            raise InterfaceError("the session is closed")
        with self._lock:
            yield from run_script(text, params, self.context)

    def cancel(self) -> None:
        """End the running statement with QueryCanceled (57014); nothing when none runs."""
        self.context.cancelled.set()
        interrupt = self.context.interrupt
        if interrupt is not None:
            interrupt()

    def close(self) -> None:
        """Discard an open transaction, close cursors; idempotent."""
        self.context.transaction = None
        for cursor in self.context.cursors.values():
            cursor.reader.close()
        self.context.cursors = {}
        self.closed = True
