"""Session: one connection's state, and the one door of the prompt, the wire and the embedded API."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence

import pyarrow as pa

from sqlengine.advance import OnProgress
from sqlengine.catalog.system import lent_table
from sqlengine.connectors.base import Polled
from sqlengine.engine import Params, begin, bind_params, parse, run_call, run_many, run_script, run_statement
from sqlengine.errors import InterfaceError, SyntaxError  # noqa: A004 - SQL's word
from sqlengine.result import Notice, Result
from sqlengine.runtime.instance import Instance
from sqlengine.settings import Settings
from sqlengine.sql import ast
from sqlengine.statements.context import Context
from sqlengine.statements.copy import copy_defaults, copy_pieces, copy_schema
from sqlengine.statements.drop import drop_temporary
from sqlengine.statements.key_lookup import KeyLookup, key_lookup, look_up
from sqlengine.statements.pg_catalog import setting_text
from sqlengine.statements.search_path import on_path
from sqlengine.statements.signature import described, parameter_types


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

    def on_progress(self, callback: OnProgress | None) -> None:
        """Be told how far long statements (back-fill, COPY) are."""
        self.context.on_progress = callback

    def execute(self, text: str, params: Params = None) -> Result:
        """Run a script (usually one statement); the last statement's result, with the notices of all."""
        last: Result | None = None
        notices: list[Notice] = []
        for result in self.execute_script(text, params):
            if last is not None:
                last.close()
            notices += result.notices
            last = result
        if last is None:
            raise SyntaxError("there is no statement", position=0)
        last.notices = notices
        return last

    def execute_many(self, text: str, sets: Sequence[Params]) -> Result | None:
        """Run an INSERT with each of the sets of values, all of them or none; None when the text is anything else."""
        if self.closed:
            raise InterfaceError("the session is closed")
        with self._lock:
            return run_many(text, sets, self.context)

    def execute_script(self, text: str, params: Params = None) -> Iterator[Result]:
        """Run statement by statement: the next one when the next result is asked for."""
        if self.closed:
            raise InterfaceError("the session is closed")
        with self._lock:
            yield from run_script(text, params, self.context)

    # ------------------------------------------------------------ statement by statement, for servers

    def parse(self, text: str) -> list[ast.Statement]:
        """The statements of a script; a syntax error carries its position."""
        return parse(text, self.context)

    def run(self, statement: ast.Statement, params: Params = None, formats: Sequence[int] = ()) -> Result:
        """Run one statement of those `parse` gave; `formats`: see Context."""
        if self.closed:
            raise InterfaceError("the session is closed")
        with self._lock:
            self.context.formats = formats
            try:
                return run_statement(bind_params(statement, params), self.context)
            finally:
                self.context.formats = ()

    def parameter_types(
        self, statement: ast.Statement, declared: Sequence[pa.DataType | None]
    ) -> tuple[pa.DataType, ...]:
        """The types of a statement's `$1`, `$2`, ..., where `declared` does not say."""
        with self._lock:
            return parameter_types(on_path(statement, self.context), declared, self.context)

    def described(self, statement: ast.Statement, parameters: Sequence[pa.DataType]) -> pa.Schema | None:
        """The columns a statement would answer with; None without rows."""
        with self._lock:
            return described(on_path(statement, self.context), parameters, self.context)

    def copy_schema(self, statement: ast.CopyFrom) -> pa.Schema:
        """The columns COPY ... FROM STDIN fills; the statement begins, and its rows are on their way."""
        with self._lock:
            begin(self.context)
            return copy_schema(statement, self.context)

    def copy_defaults(self, statement: ast.CopyFrom) -> Callable[[str, int], pa.Array]:
        """(a column of the target, a count) -> so many of its defaults, which COPY's DEFAULT asks for."""
        return copy_defaults(statement, self.context)

    def copy_from(self, statement: ast.CopyFrom, pieces: Iterable[Polled], *, stops: bool) -> Result:
        """Carry out COPY ... FROM STDIN with rows that a client has sent; `stops`: a malformed one is an error."""
        with self._lock:
            return run_call(lambda: copy_pieces(statement, pieces, self.context, stops=stops), statement, self.context)

    @property
    def versions(self) -> tuple[int, int]:
        """What the meaning of a statement depends on: of the catalog, and of the program's functions."""
        return self.context.instance.catalog.version, self.context.instance.functions.version

    def key_lookup(self, statement: ast.Statement) -> KeyLookup | None:
        """How a prepared statement reads an index by key, if that is all it does."""
        with self._lock, self.context.instance.lock:
            return key_lookup(statement, self.context)

    def look_up(self, statement: ast.Statement, lookup: KeyLookup, values: Sequence[str | None]) -> Result | None:
        """The answer of such a statement; None when it has to be run as others are."""
        instance = self.context.instance
        with self._lock, instance.lock:
            return self._look_up(statement, lookup, values, idle_only=False)

    def look_up_at_once(
        self, statement: ast.Statement, lookup: KeyLookup, values: Sequence[str | None]
    ) -> Result | None:
        """The same, if nobody is at work and nothing has to be caught up with; None else."""
        instance = self.context.instance
        if not instance.lock.acquire(blocking=False):
            return None
        try:
            with self._lock:
                return self._look_up(statement, lookup, values, idle_only=True)
        finally:
            instance.lock.release()

    def _look_up(
        self, statement: ast.Statement, lookup: KeyLookup, values: Sequence[str | None], idle_only: bool
    ) -> Result | None:
        made: list[Result | None] = []

        def call() -> Result:
            made.append(look_up(lookup, values, self.context, idle_only))
            return made[0] or Result()

        found = run_call(call, statement, self.context)
        return found if made[0] is not None else None

    def setting(self, name: str) -> str:
        """A setting's value, ours or one of PostgreSQL's, as SHOW tells it."""
        return setting_text(self.context, name)

    def lend(self, name: str, rows: pa.Table | None) -> None:
        """Have this session's queries read `rows` under a name, until others or None take their place; a table or view
        of that name comes first."""
        with self._lock:
            self.context.lent.pop(name, None)
            if rows is not None:
                self.context.lent[name] = lent_table(name, rows)

    def cancel(self) -> None:
        """End the running statement with QueryCanceled (57014); nothing when none runs."""
        self.context.cancelled.set()
        interrupt = self.context.interrupt
        if interrupt is not None:
            interrupt()

    def close(self) -> None:
        """Discard an open transaction, drop temporary tables, close cursors, give locks back; idempotent."""
        self.context.transaction = None
        if self.context.temporary:
            drop_temporary(self.context)
        for cursor in self.context.cursors.values():
            cursor.close()
        self.context.cursors = {}
        for of_transaction in (False, True):
            self.context.instance.pg.locks.give_all(self.context.backend, of_transaction=of_transaction)
        self.closed = True
