"""sqlengine: a SQL-first streaming database in one Python process.

import sqlengine

with sqlengine.connect("data") as db:
    db.execute("CREATE STREAM clicks (page TEXT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '5 seconds')")
    db.execute("CREATE MATERIALIZED VIEW per_page AS SELECT page, count(*) AS n FROM clicks GROUP BY page")
    db.insert("clicks", [("home", "2024-01-01 00:00:00")])
    print(db.execute("SELECT * FROM per_page").fetchall())
"""

from __future__ import annotations

import gc as _gc
from typing import TYPE_CHECKING, Any

from sqlengine.ownership import check_storage_is_ours

check_storage_is_ours()

from sqlengine.errors import (  # noqa: E402 - the check above must come first
    DatabaseError,
    DataError,
    Error,
    IntegrityError,
    InterfaceError,
    InternalError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    Warning,  # noqa: A004 - the name is PEP 249's
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from sqlengine.api.database import Database
    from sqlengine.runtime.clock import Clock

__version__ = "0.1.0"

apilevel = "2.0"
threadsafety = 2
paramstyle = "qmark"

__all__ = [
    "DataError",
    "Database",
    "DatabaseError",
    "Error",
    "IntegrityError",
    "InterfaceError",
    "InternalError",
    "NotSupportedError",
    "OperationalError",
    "ProgrammingError",
    "VirtualClock",
    "Warning",
    "apilevel",
    "connect",
    "paramstyle",
    "threadsafety",
]


def connect(
    path: str | PathLike[str] = ":memory:",
    *,
    replicas: Sequence[str | PathLike[str]] | None = None,
    clock: Clock | None = None,
    dialect: str = "postgres",
    **settings: Any,
) -> Database:
    """Open (or make) a database: a directory, or ":memory:".

    replicas: further directories, to which everything is replicated; a database remembers them. Raises ObjectInUse
    (55006) when another process has a directory open, DataCorrupted (XX001) when its files are, InvalidParameter
    (22023) when a directory belongs to another database.
    """
    return _database()(path, replicas=replicas, clock=clock, dialect=dialect, **settings)


def _database() -> type[Database]:
    """The class; its modules are many, nothing of them is garbage, and the collector would look at all of them again
    and again while they come."""
    collects = _gc.isenabled()
    _gc.disable()
    try:
        # Lazy: `import sqlengine` should cost nothing.
        from sqlengine.api.database import Database

        return Database
    finally:
        if collects:
            _gc.enable()


def __getattr__(name: str) -> Any:
    """Database and VirtualClock are imported when first named."""
    if name == "Database":
        return _database()
    if name == "VirtualClock":
        from sqlengine.runtime.clock import VirtualClock

        return VirtualClock
    raise AttributeError(f"module 'sqlengine' has no attribute {name!r}")
