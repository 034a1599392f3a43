"""Database: what `connect` returns."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sqlengine import sql
from sqlengine.api.cursor import Cursor
from sqlengine.api.frames import to_table
from sqlengine.api.relation import Relation
from sqlengine.api.subscription import Follower, SubscriptionFollower
from sqlengine.catalog.catalog import object_name
from sqlengine.catalog.objects import FileTable, Subscription
from sqlengine.engine import Params, from_storage, open_instance, resume_waiting
from sqlengine.errors import InterfaceError, WrongObjectType
from sqlengine.result import Result
from sqlengine.runtime.clock import Clock
from sqlengine.runtime.subscriber import follow
from sqlengine.session import Session
from sqlengine.settings import Settings, is_shared
from sqlengine.sql import ast
from sqlengine.statements.insert import rows_into_files
from sqlengine.statements.select import STORED, rows_of
from sqlengine.statements.subscribe import open_subscription
from sqlengine.statements.subscriptions import DEFAULT_RETENTION
from sqlengine.statements.write import writable, write_rows
from storage import Storage, StorageError

if TYPE_CHECKING:
    from sqlengine.server.pg.server import PgServer

MEMORY = ":memory:"


def _paths(replicas: Sequence[str | os.PathLike[str]] | None) -> list[str] | None:
    """The directories as text; InterfaceError for a single one that is no sequence."""
    if isinstance(replicas, (str, os.PathLike)):
        raise InterfaceError("replicas must be a list of directories", hint=f"replicas=[{os.fspath(replicas)!r}]")
    return None if replicas is None else [os.fspath(replica) for replica in replicas]


class Database:
    """An open database; all methods may be called from any thread.

    `path` is a directory (made when missing) or ":memory:".  `replicas` are further
    directories, to which all of it is replicated.  `clock` replaces the machine's clock (tests, replays);
    further keywords are session settings.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] = MEMORY,
        *,
        replicas: Sequence[str | os.PathLike[str]] | None = None,
        clock: Clock | None = None,
        dialect: str = "postgres",
        **settings: Any,
    ) -> None:
        path = os.fspath(path)
        self._defaults = {"dialect": dialect, **settings}
        first = Settings()
        for name, value in self._defaults.items():
            first.set(name, value)
        self._instance = open_instance(None if path == MEMORY else path, clock, first, _paths(replicas))
        self._session = self.session()
        self._lock = threading.RLock()
        self.path = path

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._instance.closed

    @property
    def storage(self) -> Storage:
        """The storage below, for `storage.Consumer` and `storage.Producer` beside SQL."""
        self._require_open()
        return self._instance.storage

    def session(self) -> Session:
        """A new session with its own settings and transaction."""
        self._require_open()
        settings = Settings(database=self._instance.shared_settings)
        for name, value in self._defaults.items():
            if not is_shared(name):
                settings.set(name, value)
        return Session(self._instance, settings)

    def _require_open(self) -> None:
        if hasattr(self, "_instance") and self._instance.closed:
            raise InterfaceError("the database is closed")

    def execute(self, text: str, params: Params = None) -> Result:
        """Run a script in the database's own session; the last statement's result.

        `params`: a sequence for `?` and `$1`, a mapping for `:name`.
        """
        self._require_open()
        with self._lock:
            return self._session.execute(text, params)

    def sql(self, query: str) -> Relation:
        """A lazy relation over a query, or over the object of that name."""
        self._require_open()
        return Relation(self.execute, query if " " in query.strip() else f"SELECT * FROM {query.strip()}")

    def cursor(self) -> Cursor:
        """A DB-API 2.0 cursor with a session of its own."""
        return Cursor(self.session())

    def commit(self) -> None:
        """End a transaction begun with `execute("BEGIN")`, making its rows visible together; nothing without one."""
        self._end("COMMIT")

    def rollback(self) -> None:
        """Discard a transaction begun with `execute("BEGIN")`; nothing without one."""
        self._end("ROLLBACK")

    def _end(self, statement: str) -> None:
        self._require_open()
        with self._lock:
            if self._session.in_transaction:
                self._session.execute(statement)

    def insert(self, name: str, rows: Any) -> int:
        """Append rows to a stream or table, a table over files too; returns how many.

        `rows`: a pyarrow Table, RecordBatch or reader, a pandas or Polars frame, a list of dicts, a list of tuples (in
        column order), or anything with `__arrow_c_stream__`.
        """
        self._require_open()
        with self._lock:
            context, path = self._session.context, tuple(name.split("."))
            files = context.instance.catalog.find(context.prefer_path(path))
            if isinstance(files, FileTable):
                table, named = to_table(rows, [c.name for c in files.columns])
                return rows_into_files(context, files, table, named or ()).row_count
            target = writable(context, path)
            table, named = to_table(rows, [c.name for c in target.stored_columns()])
            try:
                return write_rows(context, target, table, named).num_rows
            except StorageError as error:
                raise from_storage(error) from error

    def table(self, name: str) -> pa.Table:
        """The rows of a stream, table or view now; those of a materialized view are not copied, but for columns whose
        repeated texts it holds once.
        """
        self._require_open()
        with self._lock:
            obj = self._instance.catalog.get(tuple(name.split(".")))
            if isinstance(obj, STORED):
                return rows_of(self._session.context, obj)
        return self.execute(f"SELECT * FROM {'.'.join(sql.quote_identifier(p) for p in name.split('.'))}").to_arrow()

    def function(
        self,
        body: Callable[..., Any] | str | None = None,
        *,
        vectorised: bool = False,
        strict: bool = True,
        volatility: str = "immutable",
    ) -> Any:
        """Register a Python function for SQL: `@db.function`, or `@db.function("f(x bigint) -> bigint")`.

        Without a signature the body's annotations say the types.  It is called row by row with Python values, or, when
        `vectorised`, with Arrow arrays and answers one.  `strict`: NULL for NULL arguments, without a call.
        `volatility`: immutable, stable (may differ between statements) or volatile (may differ between calls).
        Raises InvalidDefinition for missing types, DuplicateFunction for a built-in's name.
        """
        self._require_open()

        def define(function: Callable[..., Any], signature: str | None = None) -> Callable[..., Any]:
            self._instance.functions.define(
                function, signature, vectorised=vectorised, strict=strict, volatility=volatility
            )
            resume_waiting(self._instance)
            return function

        return _decorated(body, define)

    def aggregate(self, body: Any = None) -> Any:
        """Register a Python aggregate: `@db.aggregate`, or `@db.aggregate("f(x bigint) -> bigint")`.

        Decorates a class with `add(*values)` and `result()`, and maybe `remove(*values)` (take a row back) and
        `merge(other)`, without which the rows of each group are kept; or a function that answers from Arrow arrays of
        all of a group's values.  Rows with a NULL argument take no part.  Raises as `function` does.
        """
        self._require_open()

        def define(aggregate: Any, signature: str | None = None) -> Any:
            self._instance.functions.define_aggregate(aggregate, signature)
            resume_waiting(self._instance)
            return aggregate

        return _decorated(body, define)

    def subscribe(self, view: str, *, snapshot: bool = True) -> Follower:
        """Follow a view, stream, table or query: iterate (or `async for`) over its changes, until it is closed. A
        `subscription` keeps changes for a follower who goes away and comes back."""
        self._require_open()
        text = view if view.lstrip().lower().startswith(("select", "with", "values", "(")) else f"SELECT * FROM {view}"
        session = self.session()
        return Follower(open_subscription(session.context, sql.parse_query(text), ast.Emit(), snapshot))

    def subscription(
        self, name: str, *, to: str | None = None, retention: str = DEFAULT_RETENTION, anew: bool = False
    ) -> SubscriptionFollower:
        """Follow a subscription: its changes come in order, each with its tick, from behind what was acknowledged
        (`acknowledge(tick)`) by whoever followed it last. What comes first when nothing was, is a snapshot of when the
        subscription was made; when `anew`, one of now.

        `to`: the materialized view or table that it is one to; it is made, with this `retention`, if there is none of
        that name. A subscription has one follower, the newest: earlier ones get ObjectInUse (55006). Raises HistoryGone
        (72000) when changes that were not acknowledged have gone with its retention.
        """
        self._require_open()
        if to is not None:
            kept = retention.replace("'", "''")
            self.execute(f"CREATE SUBSCRIPTION IF NOT EXISTS {name} FROM {to} WITH (retention = '{kept}')")
        context = self.session().context
        with self._instance.lock:
            found = self._instance.catalog.get_as(Subscription, context.prefer_path(tuple(name.split("."))))
            if to is not None and found.of != object_name(context.prefer_path(tuple(to.split(".")))):
                raise WrongObjectType(f'"{name}" is a subscription to "{found.of}", not to "{to}"')
        try:
            return SubscriptionFollower(follow(self._instance, found, context.check, anew))
        except StorageError as error:
            raise from_storage(error) from error

    @property
    def current_tick(self) -> int:
        """The number of the newest tick, which `AS OF TICK` can name."""
        self._require_open()
        return self._instance.scheduler.tick_number

    def serve(
        self,
        host: str | None = "127.0.0.1",
        port: int = 0,
        *,
        socket_directory: str | None = None,
        tls_certificate: str | None = None,
        tls_key: str | None = None,
        tls_client_ca: str | None = None,
        connections_max: int = 1_000,
        settings: Mapping[str, str] | None = None,
        hive: str | None = None,
    ) -> PgServer:
        """Serve the database over the PostgreSQL wire protocol beside this program, until the server is closed.

        `port` 0: one that is free, which the server's `port` then says.  `host` None: only on the Unix socket of
        `socket_directory`.  The files of TLS are in PEM; `tls_client_ca` are authorities of clients' certificates.
        `settings` are what sessions begin with, such as `{"idle_session_timeout": "10 min"}`.  `hive`: "HOST:PORT" to
        listen on for clients of HiveServer2 as well; the server's `hive.port` says which port that is.
        Raises OperationalError (58000) where it cannot listen, InvalidAuthorization (28000) for an address other
        machines reach while no role has a password, InvalidParameter (22023) for files that do not fit.
        """
        # lazy: few programs serve, and asyncio and TLS take their time to load; the version is known by then
        import sqlengine
        from sqlengine.server.address import parse_address
        from sqlengine.server.hive.listener import HiveListener, HiveOptions
        from sqlengine.server.pg.server import PgOptions, PgServer
        from sqlengine.server.tls import load_tls

        self._require_open()
        if tls_certificate is None and (tls_key or tls_client_ca):
            raise InterfaceError("TLS needs a certificate", hint="give tls_certificate")
        tls = None if tls_certificate is None else load_tls(tls_certificate, tls_key, tls_client_ca)
        options = PgOptions(host, port, socket_directory, tls, connections_max, settings=settings or {})
        place = None if hive is None else parse_address(hive)
        server = PgServer(self, options)
        if place is not None:
            try:
                also = HiveOptions(*place, tls=tls, connections_max=connections_max, version=sqlengine.__version__)
                server.hive = HiveListener(server.loop, server.registry, also)
            except BaseException:
                server.close()
                raise
        return server

    def checkpoint(self) -> int:
        """Write a checkpoint of everything acknowledged before; returns the bytes written for it."""
        self._require_open()
        return self._instance.checkpoints.write().bytes_written

    def tick(self) -> None:
        """Process what is there and what time alone makes due; only needed under a virtual clock."""
        self._instance.scheduler.run_timers()
        self._instance.catch_up()

    def close(self) -> None:
        """Checkpoint (a directory only), stop, release the directory; idempotent."""
        if self._instance.closed:
            return
        self._session.close()
        if self.path != MEMORY:
            self._instance.checkpoints.write()
        self._instance.close()

    def crash(self) -> None:
        """Test hook: let go of everything as a killed process would, without a checkpoint."""
        self._instance.close(orderly=False)

    def __enter__(self) -> Database:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _decorated(given: Any, define: Callable[..., Any]) -> Any:
    """`@decorator` as well as `@decorator()` and `@decorator("signature")`."""
    if given is None or isinstance(given, str):
        return lambda body: define(body, given)
    return define(given)
