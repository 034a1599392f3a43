"""Where the tables of a database that are files are: below its directory, or in a temporary one that goes with it."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading

from sqlengine.warehouse import recover

NAME = "warehouse"


class WarehouseRoot:
    """`path`: the database's directory, None in memory. Safe for threads."""

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._made: str | None = None
        self._recovered: set[str] = set()

    def recover(self, location: str) -> None:
        """Before a table is first used: what a process that died has left of its statements is finished or undone."""
        with self._lock:
            if location in self._recovered:
                return
            recover(location)
            self._recovered.add(location)

    @property
    def location(self) -> str:
        """The directory, which may not exist yet; a temporary one is made when it is first asked for."""
        if self._path is not None:
            return os.path.join(os.path.abspath(self._path), NAME)
        with self._lock:
            if self._made is None:
                self._made = tempfile.mkdtemp(prefix="sqlengine-warehouse-")
            return self._made

    def close(self) -> None:
        """A temporary directory goes; idempotent."""
        with self._lock:
            made, self._made = self._made, None
        if made is not None:
            shutil.rmtree(made, ignore_errors=True)
