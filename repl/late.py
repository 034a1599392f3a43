"""A database that is there when something is asked of it: the prompt is drawn before the engine is loaded.

Why: loading the engine is half of a cold start, reading a directory can take seconds, and nobody types within the
first.  What cannot be opened takes the prompt back (repl/app.py).  A server is asked before the prompt: it is quick,
and its answer (a password that is wrong) is what the user waits for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from sqlengine.errors import Error


class LateDatabase:
    """`opening` makes the database, once, on whichever thread asks first; the others wait. `dialect`: its sessions'
    first."""

    def __init__(self, opening: Callable[[], Any], dialect: str) -> None:
        self._opening = opening
        self._dialect = dialect
        self._lock = threading.Lock()
        self._opened: Any = None
        self._error: Error | None = None

    def __enter__(self) -> LateDatabase:
        return self

    def __exit__(self, *error: object) -> None:
        with self._lock:
            if self._opened is not None:
                self._opened.__exit__(*error)

    def opened(self) -> Any:
        """The database.  Raises whatever Error opening it raised, each time: it is tried once."""
        with self._lock:
            if self._error is not None:
                raise self._error
            if self._opened is None:
                try:
                    self._opened = self._opening()
                except Error as error:
                    self._error = error
                    raise
            return self._opened

    def session(self) -> LateSession:
        """A session of it, which is opened as late."""
        return LateSession(self, self._dialect)


class LateSession:
    """Everything a session has; asking for it opens the database, except for what is known before."""

    is_remote = False

    def __init__(self, database: LateDatabase, dialect: str) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._opened: Any = None
        self._settings = SimpleNamespace(dialect=dialect)
        self._hears: Callable[..., None] | None = None

    def opened(self) -> Any:
        """The session."""
        with self._lock:
            if self._opened is None:
                self._opened = self._database.opened().session()
                if self._hears is not None:
                    self._opened.on_progress(self._hears)
            return self._opened

    @property
    def is_open(self) -> bool:
        """Whether the session is there."""
        return self._opened is not None

    @property
    def settings(self) -> Any:
        """Those of the session; before it is open the dialect alone, because the prompt asks for that at each key."""
        return self._settings if self._opened is None else self._opened.settings

    def on_progress(self, hears: Callable[..., None]) -> None:
        """As of a session."""
        self._hears = hears
        if self._opened is not None:
            self._opened.on_progress(hears)

    def close(self) -> None:
        """As of a session; nothing when it was never opened."""
        with self._lock:
            if self._opened is not None:
                self._opened.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.opened(), name)
