"""All fills of one database: who waits for them, the threads that make the others, and how they end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from sqlengine.advance import OnProgress
from sqlengine.errors import ObjectInUse, OperationalError, QueryCanceled
from sqlengine.runtime.failures import as_error
from sqlengine.runtime.fill import Fill

if TYPE_CHECKING:
    from sqlengine.runtime.instance import Instance

Check = Callable[[], None]


class Fills:
    """By query id.  A fill that failed in the background stays to tell why, until its query is dropped or resumed."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._fills: dict[str, Fill] = {}
        self._threads: dict[str, threading.Thread] = {}

    def __iter__(self) -> Iterator[Fill]:
        return iter(list(self._fills.values()))

    def get(self, query_id: str) -> Fill | None:
        """The fill of a query, if there is one."""
        return self._fills.get(query_id)

    def by_name(self, name: str) -> Fill | None:
        """The fill of the query of that name, if there is one."""
        return next((fill for fill in self if fill.query.name == name), None)

    def add(self, fill: Fill) -> None:
        """A fill has begun; the caller holds the lock."""
        self._fills[fill.query.query_id] = fill

    def run(self, fill: Fill, check: Check | None = None, on_progress: OnProgress | None = None) -> None:
        """Make all its steps on this thread; raises what ended it."""
        try:
            fill.run(check, on_progress)
        finally:
            self._forget(fill)
        self._instance.pump.wake()

    def run_behind(self, fill: Fill) -> None:
        """Have its steps made on a thread of their own; under a virtual clock when somebody waits for them."""
        if self._instance.clock.virtual:
            return
        query_id = fill.query.query_id
        thread = threading.Thread(target=self._run_behind, args=(fill,), name=f"sqlengine-fill-{query_id}", daemon=True)
        self._threads[query_id] = thread
        thread.start()

    def _run_behind(self, fill: Fill, check: Check | None = None) -> None:
        try:
            fill.run(check, None)
            if self._instance.outputs:
                self._instance.checkpoints.save()
        except Exception as error:  # a fill that failed stays to tell why
            if fill.error is None or as_error(error) is not fill.error:
                logging.getLogger("sqlengine").debug("the fill of %s ended", fill.query.name, exc_info=error)
        with self._instance.lock:
            self._threads.pop(fill.query.query_id, None)
            if fill.status == "done":
                self._forget(fill)
            self._instance.scheduler.changed.notify_all()
        self._instance.pump.wake()

    def _forget(self, fill: Fill) -> None:
        with self._instance.lock:
            if self._fills.get(fill.query.query_id) is fill:
                del self._fills[fill.query.query_id]

    def cancel(self, query_id: str, reason: str) -> None:
        """End the fill of a query, whoever waits for it; nothing when there is none.  The caller holds the lock."""
        fill = self._fills.pop(query_id, None)
        if fill is not None:
            fill.end(QueryCanceled(reason))

    def wait(self, check: Check | None) -> None:
        """Until those in the background have ended; under a virtual clock their steps are made here."""
        if self._instance.clock.virtual:
            for fill in self:
                if fill.status == "backfilling":
                    self._run_behind(fill, check)
            return
        changed = self._instance.scheduler.changed
        with changed:
            while self._threads:
                changed.wait(0.1)
                if check is not None:
                    check()

    def refuse_change(self, name: str) -> None:
        """ObjectInUse (55006) while a fill makes or reads what has this name."""
        for fill in self:
            if fill.status == "backfilling" and (fill.query.name == name or name in fill.reads):
                raise ObjectInUse(
                    f'"{name}" is in use while "{fill.query.name}" is brought up to date',
                    hint=f"wait for it (WAIT), or CANCEL QUERY {fill.query.query_id}",
                )

    def close(self) -> None:
        """End all of them and wait for their threads; the caller does not hold the lock."""
        with self._instance.lock:
            for fill in self:
                fill.end(OperationalError("the database is closed", sqlstate="57P01"))
        for thread in list(self._threads.values()):
            thread.join()
