"""A session of a server over the PostgreSQL wire protocol, with the face of an embedded one.

libpq (psycopg's) speaks the protocol; values come as text and become Arrow columns of the types the server tells,
a batch at a time.  `cancel` sends a CancelRequest over a connection of its own.
"""

from __future__ import annotations

import select
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sqlengine import errors
from sqlengine.errors import Error, NotSupportedError, OperationalError
from sqlengine.result import Notice, Result
from sqlengine.server.pg.oids import arrow_type

_BATCH_ROWS = 2_000
_HINT = "pip install 'sqlengine-db[remote]'"


class RemoteDatabase:
    """The server at an address; NotSupportedError (0A000) where psycopg is not installed."""

    def __init__(self, address: str, dialect: str = "postgres") -> None:
        try:
            from psycopg import pq  # optional: only remote databases need it
        except ImportError:
            raise NotSupportedError("a remote database needs psycopg, which is not installed", hint=_HINT) from None
        self._pq = pq
        self._address = address
        self._dialect = dialect

    def session(self) -> RemoteSession:
        """A connection; OperationalError (08001) where there is none, InvalidPassword where it is refused."""
        session = RemoteSession(self._pq, self._address)
        if self._dialect != "postgres":
            session.execute(f"SET dialect = '{self._dialect}'")
        return session

    def __enter__(self) -> RemoteDatabase:
        return self

    def __exit__(self, *_exception: object) -> None:
        """Sessions are closed by whoever opened them."""


class RemoteSession:
    """One connection; not to be shared by threads, but for `cancel`."""

    def __init__(self, pq: Any, address: str) -> None:
        self._pq = pq
        self._connection = pq.PGconn.connect_start(address.encode())
        self._poll(self._connection, self._connection.connect_poll)
        if self._connection.status != pq.ConnStatus.OK:
            message = self._connection.error_message.decode(errors="replace").strip()
            raise OperationalError(message.splitlines()[-1].lower(), sqlstate="08001")
        self._notices: list[Notice] = []
        self._connection.notice_handler = self._hear

    @property
    def settings(self) -> SimpleNamespace:
        """What the shell asks of a session's settings: the time zone the server tells."""
        return SimpleNamespace(timezone=(self._connection.parameter_status(b"TimeZone") or b"UTC").decode())

    def on_progress(self, callback: Callable[[float], None] | None) -> None:
        """The protocol has no word for progress: the callback is never called."""

    def execute(self, text: str) -> Result:
        """Run one statement; its rows are fetched as they are read."""
        connection = self._connection
        self._notices = []
        connection.send_query(text.encode())
        connection.set_single_row_mode()
        first = self._next()
        if first is None:
            raise OperationalError("the connection to the server is lost", sqlstate="08006")
        status = self._pq.ExecStatus
        if first.status in (status.COPY_IN, status.COPY_OUT):
            self._leave_copy(first)
        if first.status not in (status.SINGLE_TUPLE, status.TUPLES_OK):
            self._finish()
            self._check(first, text)
            return Result(_tag(first), notices=self._notices)
        schema = pa.schema([_field(first, column) for column in range(first.nfields)])
        result = Result(schema=schema, endless=_is_endless(text), notices=self._notices)
        result._batches = self._rows(first, schema, result, text)
        result._on_close = self._stop
        return result

    def _rows(self, first: Any, schema: pa.Schema, result: Result, text: str) -> Iterator[pa.RecordBatch]:
        """The rows in batches: full ones, or what has come of a result without end."""
        rows: list[list[str | None]] = []
        answer = first
        while answer is not None:
            if answer.status != self._pq.ExecStatus.SINGLE_TUPLE:
                self._check(answer, text)
                result.tag = _tag(answer)
                answer = self._next()
                continue
            rows.append([_text(answer.get_value(0, column)) for column in range(answer.nfields)])
            if len(rows) >= _BATCH_ROWS or (result.endless and not self._has_more()):
                yield _batch(rows, schema)
                rows = []
            answer = self._next()
        if rows:
            yield _batch(rows, schema)

    def _has_more(self) -> bool:
        """Whether the next row has come already."""
        ready, _, _ = select.select([self._connection.socket], [], [], 0)
        if ready:
            self._connection.consume_input()
        return not self._connection.is_busy()

    def _leave_copy(self, answer: Any) -> None:
        if answer.status == self._pq.ExecStatus.COPY_IN:
            self._connection.put_copy_end(b"no data at the prompt")
        else:
            self._drain()
        self._finish()
        raise NotSupportedError("COPY with the client has no data here", hint="use a file that the server can read")

    def _drain(self) -> None:
        """Read away what COPY TO STDOUT sends."""
        while (size := self._connection.get_copy_data(1)[0]) >= 0:
            if size == 0:
                select.select([self._connection.socket], [], [])
                self._connection.consume_input()

    def _poll(self, connection: Any, poll: Callable[[], int]) -> None:
        """Take the steps of connecting, or of cancelling, waiting in between where other threads can run."""
        status = self._pq.PollingStatus
        if connection.status == self._pq.ConnStatus.BAD:
            return
        step = status.WRITING
        while step in (status.READING, status.WRITING):
            reading = [connection.socket] if step == status.READING else []
            writing = [connection.socket] if step == status.WRITING else []
            select.select(reading, writing, [])
            step = poll()

    def _next(self) -> Any:
        """The next answer, or None at the end; waits in `select`, where other threads can run."""
        connection = self._connection
        while connection.flush():
            select.select([], [connection.socket], [])
        while connection.is_busy():
            select.select([connection.socket], [], [])
            connection.consume_input()
        return connection.get_result()

    def _finish(self) -> None:
        while self._next() is not None:
            continue

    def _stop(self) -> None:
        """End what is left of a result."""
        if self._connection.transaction_status == self._pq.TransactionStatus.ACTIVE:
            self.cancel()
            self._finish()

    def _check(self, answer: Any, text: str) -> None:
        if answer.status == self._pq.ExecStatus.FATAL_ERROR:
            raise _error(self._pq, answer)

    def _hear(self, answer: Any) -> None:
        said = self._pq.DiagnosticField
        fields = (said.MESSAGE_PRIMARY, said.SEVERITY_NONLOCALIZED, said.SQLSTATE)
        self._notices.append(Notice(*[(answer.error_field(f) or b"").decode(errors="replace") for f in fields]))

    def cancel(self) -> None:
        """Send a CancelRequest; from any thread."""
        request = self._connection.cancel_conn()
        request.start()
        self._poll(request, request.poll)
        request.finish()

    def close(self) -> None:
        """End the connection; idempotent."""
        self._connection.finish()


def _error(pq: Any, answer: Any) -> Error:
    """The server's error as ours: the class of its SQLSTATE, with position and hint."""
    field = pq.DiagnosticField

    def told(name: Any) -> str | None:
        value = answer.error_field(name)
        return value.decode(errors="replace") if value is not None else None

    position = told(field.STATEMENT_POSITION)
    return Error(
        told(field.MESSAGE_PRIMARY) or "the server reports an error",
        detail=told(field.MESSAGE_DETAIL),
        hint=told(field.MESSAGE_HINT),
        position=int(position) - 1 if position else None,
        sqlstate=told(field.SQLSTATE) or errors.InternalError.sqlstate,
    )


def _field(answer: Any, column: int) -> pa.Field:
    return pa.field((answer.fname(column) or b"").decode(), _type(answer, column))


def _type(answer: Any, column: int) -> pa.DataType:
    """The column's Arrow type; text for what cannot be read back from its text (arrays, intervals, json)."""
    found = arrow_type(answer.ftype(column))
    if found is None or not _is_castable(found):
        return pa.string()
    if pa.types.is_decimal(found):
        modifier = answer.fmod(column) - 4
        return pa.decimal128(modifier >> 16, modifier & 0xFFFF) if modifier >= 0 else pa.string()
    return found


def _is_castable(dtype: pa.DataType) -> bool:
    kinds = pa.types
    return (
        kinds.is_integer(dtype) or kinds.is_floating(dtype) or kinds.is_decimal(dtype) or kinds.is_boolean(dtype)
    )  # fmt: skip


def _text(value: bytes | None) -> str | None:
    return value.decode() if value is not None else None


def _batch(rows: list[list[str | None]], schema: pa.Schema) -> pa.RecordBatch:
    columns = [_column(pa.array(texts, pa.string()), field.type) for texts, field in zip(zip(*rows), schema)]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _column(texts: pa.Array, dtype: pa.DataType) -> pa.Array:
    """PostgreSQL's text of numbers and truths as an Arrow column."""
    if pa.types.is_boolean(dtype):
        return pc.equal(texts, "t")
    return texts.cast(dtype) if dtype != pa.string() else texts


def _tag(answer: Any) -> str:
    return (answer.command_status or b"").decode()


def _is_endless(text: str) -> bool:
    words = text.upper().split()
    return words[:1] in (["SUBSCRIBE"], ["PRINT"]) or ("EMIT" in words and words[:1] in (["SELECT"], ["WITH"]))
