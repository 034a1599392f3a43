"""What exists, as completion knows it: a snapshot that a thread fetches on a session of its own.

The snapshot is swapped whole, so whoever completes reads one attribute and never waits.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cached_property
from typing import Any

from sqlengine.errors import Error
from sqlengine.quick_dataclass import dataclass

_PATIENCE_S = 1.0
_OWN_PATIENCE_S = 60.0
_COLUMNS = (
    "SELECT n.nspname AS s, c.relname AS r, a.attname AS c, format_type(a.atttypid, a.atttypmod) AS t "
    "FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid "
    "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
    "WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'v', 'm', 'p', 'f') "
    "AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY a.attrelid, a.attnum"
)
_OBJECTS = (
    "SELECT name, 'table' AS kind FROM system.tables UNION ALL SELECT name, 'stream' FROM system.streams "
    "UNION ALL SELECT name, kind FROM system.views UNION ALL SELECT name, 'topic' FROM system.topics "
    "UNION ALL SELECT name, 'sink' FROM system.sinks UNION ALL SELECT name, 'subscription' FROM system.subscriptions"
)
READABLE = frozenset(("table", "stream", "view", "materialized view", "system table"))
"""Kinds of objects that stand in FROM."""


@dataclass(frozen=True, slots=True)
class Relation:
    """An object: `name` without its `schema`; `columns` as (name, type)."""

    schema: str
    name: str
    kind: str
    columns: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Described:
    """Something with a name, what it is or how it is called (`detail`), and one line of help."""

    name: str
    detail: str = ""
    help: str = ""


@dataclass(frozen=True)
class Names:
    """What exists; empty until it has been fetched."""

    relations: tuple[Relation, ...] = ()
    functions: tuple[Described, ...] = ()
    settings: tuple[Described, ...] = ()
    queries: tuple[Described, ...] = ()
    roles: tuple[str, ...] = ()
    schemas: tuple[str, ...] = ()

    @cached_property
    def by_name(self) -> dict[tuple[str, str], Relation]:
        """What can be read, by schema and name in lower case."""
        return {(r.schema.lower(), r.name.lower()): r for r in self.relations if r.kind in READABLE}

    @cached_property
    def all_columns(self) -> tuple[tuple[str, str], ...]:
        """(name, type) of the columns of all tables of `public`, each name once."""
        return tuple(
            {column: kind for r in self.relations if r.schema == "public" for column, kind in r.columns}.items()
        )

    def columns(self, name: str) -> tuple[tuple[str, str], ...]:
        """(name, type) of the columns of a table as it is written in FROM; none for one that is not there."""
        schema, _, plain = name.lower().rpartition(".")
        found = self.by_name.get((schema.rpartition(".")[2] or "public", plain))
        return found.columns if found is not None else ()


def fetch_names(session: Any) -> Names:
    """Ask a session for what there is; what it cannot tell is left out."""
    return Names(
        relations=_relations(session),
        functions=_described(
            session, "SELECT name, arguments, description FROM system.functions WHERE kind <> 'operator'"
        ),
        settings=_described(session, "SELECT name, value, description FROM system.settings"),
        queries=_described(session, "SELECT query_id, name, status FROM system.queries"),
        roles=tuple(row["name"] for row in _rows(session, "SELECT name FROM system.roles ORDER BY name")),
        schemas=tuple(row["name"] for row in _rows(session, "SHOW SCHEMAS")),
    )


def _relations(session: Any) -> tuple[Relation, ...]:
    columns: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for row in _rows(session, _COLUMNS):
        columns.setdefault((row["s"], row["r"]), []).append((row["c"], row["t"]))
    found = []
    for row in _rows(session, _OBJECTS):
        schema, _, name = row["name"].rpartition(".")
        schema = schema or "public"
        found.append(Relation(schema, name, row["kind"], tuple(columns.get((schema, name), ()))))
    found += [Relation(s, r, "system table", tuple(listed)) for (s, r), listed in columns.items() if s == "system"]
    return tuple(sorted(found, key=lambda relation: relation.name))


def _described(session: Any, sql: str) -> tuple[Described, ...]:
    return tuple(Described(*(str(value or "") for value in row.values())) for row in _rows(session, sql))


def _rows(session: Any, sql: str) -> list[dict[str, Any]]:
    try:
        rows: list[dict[str, Any]] = session.execute(sql).to_arrow().to_pylist()
    except Error:
        return []  # a role that may not ask, or a server of an older version: fewer names, and no reason to stop
    return rows


class NameKeeper:
    """Keeps `names` up to date on a thread of its own: `refresh` asks for them anew and returns at once.

    `on_change` is called on that thread when there are others.  `is_remote`: a server may hang, and is not awaited;
    what this process itself does always ends, and must have ended when the interpreter does.
    """

    def __init__(self, open_session: Callable[[], Any], is_remote: bool = True) -> None:
        self._patience_s = _PATIENCE_S if is_remote else _OWN_PATIENCE_S
        self.names = Names()
        self.on_change: Callable[[], None] = lambda: None
        self.fetched = 0
        self._open_session = open_session
        self._wanted = threading.Semaphore(0)
        self._closed = False
        self._session: Any = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="sqlengine-names", daemon=True)
        self._thread.start()

    def refresh(self) -> None:
        """Fetch again what exists, soon."""
        self._wanted.release()

    def wait(self, fetched: int, timeout_s: float) -> bool:
        """Wait until names have been fetched so many times; for tests and benchmarks."""
        with self._changed:
            return self._changed.wait_for(lambda: self.fetched >= fetched, timeout_s)

    def close(self) -> None:
        """End the thread and its session."""
        self._closed = True
        self._wanted.release()
        self._thread.join(self._patience_s)
        if self._thread.is_alive() and self._session is not None:
            threading.Thread(target=self._session.cancel, daemon=True).start()
            self._thread.join(self._patience_s)  # of a server that hangs nothing more is awaited

    def _run(self) -> None:
        try:
            while self._wanted.acquire() and not self._closed:
                while self._wanted.acquire(blocking=False):  # what was asked meanwhile is answered by one fetch
                    pass
                self._session = self._session or self._open_session()
                if self._closed:  # the user has left while it was opened
                    break
                names = fetch_names(self._session)
                with self._changed:
                    self.names = names
                    self.fetched += 1
                    self._changed.notify_all()
                self.on_change()
        except Error:
            self._closed = True  # the database is closed or its server has gone: the names stay as they are
        finally:
            if self._session is not None:
                self._session.close()
