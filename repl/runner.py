"""Runs one statement: calls the session on the worker, listens for Ctrl-C and the limits, feeds a renderer.

Limits end a result that has no end quietly (that is what they are for) and cancel any other statement with
an error. This file must not print: results go to the renderer, waiting goes to the callbacks, outcomes to
the caller.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from repl.render.base import Renderer, Summary
from repl.worker import Job, Worker
from sqlengine.errors import QueryCanceled
from sqlengine.quick_dataclass import dataclass
from sqlengine.result import Notice

_TICK_S = 0.1
_IMPATIENCE_S = 2.0


@dataclass(frozen=True, slots=True)
class Limits:
    """When to stop; None = never.  Times in seconds, `max_rows` per result."""

    max_rows: int | None = None
    timeout_s: float | None = None
    idle_s: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a statement that did not fail; `interrupted` = its result was ended by Ctrl-C."""

    tag: str
    has_rows: bool
    notices: tuple[Notice, ...]
    elapsed_ms: float
    interrupted: bool = False
    endless: bool = False

    @property
    def is_repeatable(self) -> bool:
        """Whether it was a query that has an end."""
        return self.has_rows and not self.endless and self.tag.startswith("SELECT")


class Interrupted(Exception):
    """Ctrl-C cancelled a statement before it answered."""


class Abandoned(BaseException):
    """Ctrl-C again while a statement did not heed the first: the process should end without waiting for
    it."""


class Runner:
    """Runs statements of one session, one at a time.

    `on_wait(rows_so_far)` is called about ten times a second while nothing comes, `on_answer()` before
    anything is written (to clear what on_wait drew).
    """

    def __init__(
        self,
        session: Any,
        worker: Worker,
        on_wait: Callable[[int], None] = lambda _rows: None,
        on_answer: Callable[[], None] = lambda: None,
    ) -> None:
        self._session = session
        self._worker = worker
        self._on_wait = on_wait
        self._on_answer = on_answer
        self._began = 0.0
        self._rows = 0

    def call(self, work: Callable[[Any], Any]) -> Any:
        """`work(session)` on the worker, waited for without limits; Interrupted after Ctrl-C."""
        job = self._worker.submit(lambda: work(self._session))
        try:
            self._finished(job, None)
        except KeyboardInterrupt:
            self.abort(job)
            raise Interrupted from None
        return job.result()

    def start(self, work: Callable[[Any], Any]) -> None:
        """`work(session)` on the worker, not waited for; what it raises is lost, so it should not."""
        self._worker.submit(lambda: work(self._session))

    def begin(self, work: Callable[[Any], Any]) -> Job:
        """`work(session)` on the worker, to be ended with `abort`."""
        return self._worker.submit(lambda: work(self._session))

    def run(
        self,
        sql: str,
        make_renderer: Callable[[Any], Renderer],
        limits: Limits,
        show: Callable[[Any], None] | None = None,
        carry_out: Callable[[Any], Any] | None = None,
    ) -> Outcome:
        """Execute `sql`; `make_renderer(result)` is asked for when there are rows to show.

        `show(result)`: shows a result without end itself, until it is left; `carry_out(session)` does what `sql` says
        in the place of the session's own execute.

        Raises sqlengine.errors.Error as the session does, QueryCanceled after a timeout, Interrupted after
        Ctrl-C.
        """
        self._began, self._rows = time.monotonic(), 0
        deadline = None if limits.timeout_s is None else self._began + limits.timeout_s
        execute = carry_out or (lambda session: session.execute(sql))
        job = self._worker.submit(lambda: execute(self._session))
        try:
            answered = self._finished(job, deadline)
        except KeyboardInterrupt:
            self.abort(job)
            raise Interrupted from None
        if not answered:
            self.abort(job)
            raise _timed_out(limits)
        result = job.result()
        ended = None
        try:
            if show is not None and result.endless:
                show(result)
            elif result.schema is not None:
                ended = self._copy(result, make_renderer(result), limits, deadline)
        except Exception:
            self.call(lambda _session: result.close())
            raise
        self.call(lambda _session: result.close())
        elapsed_ms = (time.monotonic() - self._began) * 1000
        notices = tuple(result.notices)
        interrupted = ended == "interrupted"
        return Outcome(result.tag, result.schema is not None, notices, elapsed_ms, interrupted, result.endless)

    def _copy(self, result: Any, renderer: Renderer, limits: Limits, deadline: float | None) -> str | None:
        """Write all rows, or those until a limit or Ctrl-C; returns why it ended early, if it did."""
        batches = iter(result.batches())
        ended = None
        while ended is None:
            job = self._worker.submit(lambda: next(batches, None))
            try:
                if not self._finished(job, _earlier(deadline, limits.idle_s if result.endless else None)):
                    self.abort(job)
                    if not result.endless:
                        raise _timed_out(limits)
                    ended = "ended"
                    break
                batch = job.result()
                if batch is None:
                    break
                if limits.max_rows is not None and self._rows + batch.num_rows > limits.max_rows:
                    batch, ended = batch.slice(0, limits.max_rows - self._rows), "more"
                self._rows += batch.num_rows
                renderer.write(batch)
                if result.endless and self._rows == limits.max_rows:
                    ended = "ended"
            except KeyboardInterrupt:
                self.abort(job)
                ended = "interrupted"
        renderer.finish(Summary(self._rows, (time.monotonic() - self._began) * 1000, ended))
        return ended

    def _finished(self, job: Job, until: float | None) -> bool:
        """Wait for the job; False when `until` (monotonic seconds) passes first."""
        while not job.wait(_TICK_S if until is None else max(0.0, min(_TICK_S, until - time.monotonic()))):
            if until is not None and time.monotonic() >= until:
                return False
            self._on_wait(self._rows)
        self._on_answer()
        return True

    def abort(self, job: Job) -> None:
        """Cancel what runs and wait until it has stopped; what it raises while stopping no longer matters.

        Ctrl-C within the first two seconds of waiting is taken for impatience, after them it raises
        Abandoned.
        """
        began = time.monotonic()
        asking: threading.Thread | None = None
        while not job.wait(0):
            if asking is None or not asking.is_alive():  # a server that hangs may not even take the request
                asking = threading.Thread(target=self._session.cancel, name="sqlengine-cancel", daemon=True)
                asking.start()
            try:
                job.wait(_IMPATIENCE_S)
            except KeyboardInterrupt:
                if time.monotonic() - began > _IMPATIENCE_S:
                    raise Abandoned from None
        self._on_answer()


def _earlier(deadline: float | None, idle_s: float | None) -> float | None:
    """The first of a moment and a span from now."""
    if idle_s is None:
        return deadline
    idle = time.monotonic() + idle_s
    return idle if deadline is None else min(idle, deadline)


def _timed_out(limits: Limits) -> QueryCanceled:
    return QueryCanceled(f"statement cancelled after {limits.timeout_s:g} s", hint="--timeout sets this limit")
