"""Operation: one statement or question of a session, from its beginning until the client closes it.

Its thread carries it out; the loop's thread looks at it meanwhile.  Rows are kept until it is closed, since FETCH_FIRST
may want them again; those of a query without end are given once, as they come.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from enum import IntEnum

import pyarrow as pa

from sqlengine.advance import Advance
from sqlengine.catalog.verifier import unguessable
from sqlengine.errors import Error, NotSupportedError, QueryCanceled
from sqlengine.quick_dataclass import dataclass
from sqlengine.result import Result

_LOG = logging.getLogger("sqlengine.server")
ROWS_MAX = 100_000
"""Rows in one answer to FetchResults."""
ANSWER_BYTES = 16 * 1024 * 1024
"""About so many bytes of rows are in one answer, and one row at least."""
_HANDLE_BYTES = 16


class State(IntEnum):
    """TOperationState."""

    INITIALIZED = 0
    RUNNING = 1
    FINISHED = 2
    CANCELED = 3
    CLOSED = 4
    ERROR = 5
    PENDING = 7
    TIMEDOUT = 8

    @property
    def has_ended(self) -> bool:
        """Whether nothing more happens by itself."""
        return self not in (State.INITIALIZED, State.PENDING, State.RUNNING)


class Kind(IntEnum):
    """TOperationType; what has no number there counts as UNKNOWN."""

    EXECUTE_STATEMENT = 0
    GET_TYPE_INFO = 1
    GET_CATALOGS = 2
    GET_SCHEMAS = 3
    GET_TABLES = 4
    GET_TABLE_TYPES = 5
    GET_COLUMNS = 6
    GET_FUNCTIONS = 7
    UNKNOWN = 8


@dataclass(frozen=True, slots=True)
class Handle:
    """What a client shows to say which session or operation it means: 16 bytes each, `secret` known to it alone."""

    guid: bytes
    secret: bytes

    def __repr__(self) -> str:
        return f"Handle({self.guid.hex()})"


def new_handle() -> Handle:
    """A handle nobody can guess."""
    return Handle(unguessable(_HANDLE_BYTES), unguessable(_HANDLE_BYTES))


class Operation:
    """`call` carries it out; `has_rows` says whether it will have rows, as far as one can tell before; `now_us` tells
    the time.  `done` is done when it has ended."""

    def __init__(self, kind: Kind, text: str, call: Callable[[], Result], has_rows: bool, now_us: Callable[[], int]):
        self.handle = new_handle()
        self.kind = kind
        self.text = text
        self.has_rows = has_rows
        self.state = State.PENDING
        self.error: BaseException | None = None
        self.progress = 0.0
        self.done_text = ""
        self.logs: list[str] = []
        self.logs_read = 0
        self.started_us = now_us()
        self.ended_us: int | None = None
        self.modified_rows: int | None = None
        self.schema: pa.Schema | None = None
        self.done: Future[None] = Future()
        self.cancel_asked = False
        self._call = call
        self._now_us = now_us
        self._rows: Rows | None = None
        self._lock = threading.Lock()

    # ------------------------------------------------------------ carrying it out

    def run(self) -> None:
        """Carry it out; raises nothing."""
        if self.cancel_asked:
            self._end(State.CANCELED, _cancelled())
            return
        self.state = State.RUNNING
        self.started_us = self._now_us()
        self.logs.append(f"INFO  : Executing command: {self.text}")
        try:
            result = self._call()
        except Exception as error:  # also a fault of ours: the session goes on
            if not isinstance(error, Error):
                _LOG.error("an unexpected error of an operation", exc_info=error)
            self._end(self._state_after(error), error)
        else:
            self._finish(result)

    def _state_after(self, error: Exception) -> State:
        if not isinstance(error, Error) or error.sqlstate != QueryCanceled.sqlstate:
            return State.ERROR
        return State.CANCELED if self.cancel_asked else State.TIMEDOUT

    def _finish(self, result: Result) -> None:
        self.logs += [f"{notice.severity}: {notice}" for notice in result.notices]
        self.schema = result.schema
        self.has_rows = result.schema is not None
        if self.has_rows:
            self._rows = Rows(result)
        else:
            self.modified_rows = max(result.row_count, 0)
        self.progress = 1.0
        self.logs.append(f"INFO  : Completed executing command: {result.tag}")
        if self.cancel_asked:
            result.close()
            self._end(State.CANCELED, _cancelled())
        else:
            self._end(State.FINISHED)

    def _end(self, state: State, error: BaseException | None = None) -> None:
        self.ended_us = self._now_us()
        self.error, self.state = error, state
        if error is not None:
            self.logs.append(f"ERROR : {error if isinstance(error, Error) else 'internal error'}")
        if self.done.set_running_or_notify_cancel():
            self.done.set_result(None)

    def on_progress(self, advance: Advance) -> None:
        """So much of it is done."""
        self.done_text = f"{advance.done} {advance.unit}"
        if advance.fraction is not None:
            self.progress = min(max(advance.fraction, 0.0), 1.0)

    # ------------------------------------------------------------ from outside

    def cancel_waiting(self) -> None:
        """End it before it has begun."""
        self.cancel_asked = True
        self._end(State.CANCELED, _cancelled())

    def cancel_reading(self) -> None:
        """End a query that is followed; nothing for rows that are all there."""
        rows = self._rows
        if rows is not None and rows.is_endless:
            self.cancel_asked = True
            self.state, self.error = State.CANCELED, _cancelled()
            rows.close()

    def close(self) -> None:
        """Give up its rows; idempotent."""
        rows, self._rows = self._rows, None
        self.state = State.CLOSED
        if rows is not None:
            rows.close()

    # ------------------------------------------------------------ rows

    def check(self) -> None:
        """Raise what it has ended with, or that there is nothing to fetch."""
        if self.error is not None:
            raise self.error
        if not self.has_rows:
            raise Error("the operation has no result set", sqlstate="HY010")

    def fetch(self, most: int, from_first: bool) -> Fetched:
        """The next rows, at most so many; waits for those of a query that is followed."""
        with self._lock:
            self.check()
            if self._rows is None:
                raise Error("the operation is closed", sqlstate="HY010")
            if from_first:
                self._rows.rewind()
            found = self._rows.take(min(most, ROWS_MAX) if most > 0 else ROWS_MAX)
        self.check()
        return found

    def fetch_logs(self, most: int, from_first: bool) -> list[str]:
        """The next lines of its log."""
        start = 0 if from_first else self.logs_read
        found = self.logs[start : start + most] if most > 0 else self.logs[start:]
        self.logs_read = start + len(found)
        return found


@dataclass(frozen=True, slots=True)
class Fetched:
    """Rows in one batch, the first of them the result's row number `start`."""

    batch: pa.RecordBatch
    start: int
    has_more: bool


class Rows:
    """A result with rows and a place in it."""

    def __init__(self, result: Result) -> None:
        assert result.schema is not None
        self.is_endless = result.endless
        self._result = result
        self._schema = result.schema
        self._table = None if result.endless else result.to_arrow()
        self._batches: Iterator[pa.RecordBatch] = iter(result.batches()) if result.endless else iter(())
        self._rest: pa.RecordBatch | None = None
        self._at = 0

    def rewind(self) -> None:
        """Back to the first row; NotSupportedError (0A000) for rows that come as they happen."""
        if self.is_endless:
            raise NotSupportedError("the rows of a query that is followed come once", hint="fetch the next ones")
        self._at = 0

    def take(self, most: int) -> Fetched:
        """The next rows."""
        start = self._at
        if self._table is None:
            batch, has_more = self._take_coming(most)
        else:
            batch = _one_batch(_within(self._table.slice(start, most)))
            has_more = start + batch.num_rows < self._table.num_rows
        self._at += batch.num_rows
        return Fetched(batch, start, has_more)

    def _take_coming(self, most: int) -> tuple[pa.RecordBatch, bool]:
        batch = self._rest
        while batch is None or not batch.num_rows:
            batch = next(self._batches, None)
            if batch is None:
                return _one_batch(self._schema.empty_table()), False
        self._rest = None
        part = _one_batch(_within(pa.Table.from_batches([batch.slice(0, most)])))
        if part.num_rows < batch.num_rows:
            self._rest = batch.slice(part.num_rows)
        return part, True

    def close(self) -> None:
        """No more rows are wanted."""
        self._result.close()


def _within(table: pa.Table) -> pa.Table:
    """As many of the first rows as are about ANSWER_BYTES, one at least."""
    while table.num_rows > 1 and table.nbytes > ANSWER_BYTES:
        table = table.slice(0, max(1, min(table.num_rows // 2, table.num_rows * ANSWER_BYTES // table.nbytes)))
    return table


def _one_batch(table: pa.Table) -> pa.RecordBatch:
    columns = [pa.concat_arrays(c.chunks) if c.num_chunks else pa.array([], c.type) for c in table.columns]
    return pa.RecordBatch.from_arrays(columns, schema=table.schema) if columns else _rowless(table)


def _rowless(table: pa.Table) -> pa.RecordBatch:
    return pa.RecordBatch.from_struct_array(pa.array([{}] * table.num_rows, pa.struct([])))


def _cancelled() -> QueryCanceled:
    return QueryCanceled("canceling statement due to user request")
