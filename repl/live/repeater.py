"""Work done again and again beside what is drawn, by a session of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from sqlengine.errors import Error

EVERY_S = 1.0


class Repeater:
    """Calls `work(session)` now, every `every_s` seconds and when poked, on a thread of its own until closed.

    `open_session` makes the session, which is closed at the end; `failed` is told of an error, after which nothing
    more is done.
    """

    def __init__(
        self,
        open_session: Callable[[], Any],
        work: Callable[[Any], None],
        failed: Callable[[Error], None],
        every_s: float = EVERY_S,
    ) -> None:
        self._open_session = open_session
        self._work = work
        self._failed = failed
        self._every_s = every_s
        self._is_over = False
        self._due = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sqlengine-repeater", daemon=True)
        self._thread.start()

    def poke(self) -> None:
        """Do the work now."""
        self._due.set()

    def close(self) -> None:
        """End it, after the call that runs."""
        self._is_over = True
        self._due.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            session = self._open_session()
            try:
                while not self._is_over:
                    self._due.clear()
                    self._work(session)
                    self._due.wait(self._every_s)
            finally:
                session.close()
        except Error as error:
            self._failed(error)
