"""A session of a server over the PostgreSQL wire protocol, with the face of an embedded one.

libpq (psycopg's) speaks the protocol.  Our own server is asked for rows in Arrow (SET result_format) and for how far
its statements are (SET report_progress); from any other values come as text and become columns of the types that oids
tell.  `cancel` sends a CancelRequest over a connection of its own.
"""

from __future__ import annotations

import contextlib
import io
import select
import threading
from collections.abc import Callable, Iterable, Iterator
from types import SimpleNamespace
from typing import Any

import pyarrow as pa

from repl.client_copy import cut_copy
from repl.remote_values import batch_of, readable
from sqlengine import errors
from sqlengine.advance import OnProgress
from sqlengine.errors import Error, NotSupportedError, OperationalError
from sqlengine.result import Notice, Result
from sqlengine.server.pg.oids import arrow_type
from sqlengine.server.pg.status import PROGRESS, advance_of_text
from sqlengine.sql import dialect_after, lex, lex_in, quote_identifier

_BATCH_ROWS = 2_000
_ASKED = ("result_format = 'arrow'", "report_progress = true")
"""What a session of our own server begins with."""
_QUERIES = ("SELECT", "WITH", "VALUES", "TABLE", "FROM")
"""First words of statements whose rows are a query's; the tag that says so comes behind them."""
_SEND_BYTES = 1 << 16
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

    is_remote = True

    def __init__(self, pq: Any, address: str) -> None:
        # optional, as in RemoteDatabase
        from psycopg import Error as failure

        self._failure = failure
        self._pq = pq
        self._connection = pq.PGconn.connect_start(address.encode())
        self._poll(self._connection, self._connection.connect_poll)
        if self._connection.status != pq.ConnStatus.OK:
            message = self._connection.error_message.decode(errors="replace").strip()
            raise _not_connected(message)
        self._notices: list[Notice] = []
        self._connection.notice_handler = self._hear
        self._cancelled = threading.Event()
        self._lent: tuple[str, pa.Table] | None = None
        self._dialect = "postgres"
        self._on_progress: OnProgress | None = None
        self._progress: bytes | None = None
        self._ask()

    def _ask(self) -> None:
        """Have the server send Arrow and tell progress, if it can."""
        for asked in _ASKED:
            with contextlib.suppress(Error):  # some other server, or an older one
                self.execute(f"SET {asked}")

    @property
    def backend_pid(self) -> int:
        """The number by which the server knows this session."""
        return int(self._connection.backend_pid)

    @property
    def in_transaction(self) -> bool:
        """Whether BEGIN waits for its COMMIT."""
        return bool(self._connection.transaction_status != self._pq.TransactionStatus.IDLE)

    @property
    def settings(self) -> SimpleNamespace:
        """What the shell asks of a session's settings: the time zone the server tells, the dialect that was set."""
        timezone = (self._connection.parameter_status(b"TimeZone") or b"UTC").decode()
        return SimpleNamespace(timezone=timezone, dialect=self._dialect)

    def on_progress(self, callback: OnProgress | None) -> None:
        """Be told how far long statements are; see Session.on_progress."""
        self._on_progress = callback

    def lend(self, name: str, rows: pa.Table | None) -> None:
        """Have queries read `rows` under a name: they are sent when a statement has the name.  See Session.lend."""
        self._lent = (name, rows) if rows is not None else None

    def _send_lent(self, text: str) -> None:
        """Send what is lent, if a statement may read it and it is not there yet."""
        if self._lent is None or self._lent[0] not in text or not _has_word(text, self._lent[0]):
            return
        (name, rows), self._lent = self._lent, None
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, rows.schema) as writer:
            writer.write_table(rows)
        self.copy_in(f"COPY {quote_identifier(name)} FROM STDIN (FORMAT arrow, LEND)", [sink.getvalue().to_pybytes()])

    def execute(self, text: str) -> Result:
        """Run one statement; its rows are fetched as they are read.  COPY TO STDOUT answers with rows, too."""
        self._send_lent(text)
        return self._execute(text)

    def _execute(self, text: str) -> Result:
        """The same, with nothing lent."""
        sent = _asking_for_arrow(text)
        first = self._send(sent or text)
        status = self._pq.ExecStatus
        if first.status == status.COPY_IN:
            self._connection.put_copy_end(b"no data at the prompt")
            self._finish()
            raise NotSupportedError(
                "COPY FROM STDIN has no data here", hint="\\copy ... FROM 'file' reads a file of yours"
            )
        if first.status == status.COPY_OUT:
            return self._arrow_result(text)
        if first.status not in (status.SINGLE_TUPLE, status.TUPLES_OK):
            self._finish()
            self._check(first)
            self._dialect = dialect_after(text, self._dialect)
            return Result(_tag(first), notices=self._notices)
        schema = readable(pa.schema([_field(first, column) for column in range(first.nfields)]))
        result = self._result_of(text, schema)
        result._batches = self._rows(first, schema, result)
        result._on_close = self._stop
        return result

    def _result_of(self, text: str, schema: pa.Schema) -> Result:
        """What a statement answers whose rows have yet to come: its tag is told behind them."""
        tag = "SELECT" if _first_word(text, self._dialect) in _QUERIES else ""
        return Result(tag, schema=schema, endless=_is_endless(text, self._dialect), notices=self._notices)

    def copy_in(self, text: str, chunks: Iterable[bytes]) -> Result:
        """Run COPY ... FROM STDIN with data; it has no rows if anything fails while the data is made."""
        connection = self._connection
        first = self._send(text)
        if first.status != self._pq.ExecStatus.COPY_IN:
            self._finish()
            self._check(first)
            raise OperationalError("the server asks for no data", sqlstate="08P01")
        reason = b"what was to be sent could not be read"
        connection.nonblocking = 1
        try:
            for data in chunks:
                if self._cancelled.is_set():
                    reason = b"canceling statement due to user request"
                    break
                if not self._put(data):
                    break  # the server has told an error, which comes with the answer
            else:
                reason = b""
        finally:
            self._end_copy(reason)
            answer = self._next()
            self._finish()
            connection.nonblocking = 0
        self._check(answer)
        return Result(_tag(answer), notices=self._notices)

    def _put(self, data: bytes) -> bool:
        """Send data of a COPY; False when the server wants no more."""
        connection = self._connection
        for start in range(0, len(data), _SEND_BYTES):
            piece = data[start : start + _SEND_BYTES]
            try:
                while not connection.put_copy_data(piece):
                    self._flush()
                self._flush()
                connection.consume_input()
                connection.is_busy()  # has libpq look at what has come
            except self._failure:
                return False
        return True

    def _end_copy(self, reason: bytes) -> None:
        try:
            while not self._connection.put_copy_end(reason or None):
                self._flush()
        except self._failure:
            return  # the server has ended the COPY already, and its answer says why

    def _flush(self) -> None:
        """Have sent what waits to be, taking in meanwhile what comes."""
        connection = self._connection
        while connection.flush():
            ready, _, _ = select.select([connection.socket], [connection.socket], [])
            if ready:
                connection.consume_input()

    def _send(self, text: str) -> Any:
        """Send a statement; the first answer."""
        connection = self._connection
        self._notices = []
        self._cancelled.clear()
        self._progress = connection.parameter_status(PROGRESS.encode())  # the statement's before this one
        connection.send_query(text.encode())
        connection.set_single_row_mode()
        first = self._next()
        if first is None:
            raise OperationalError("the connection to the server is lost", sqlstate="08006")
        return first

    def _rows(self, first: Any, schema: pa.Schema, result: Result) -> Iterator[pa.RecordBatch]:
        """The rows in batches: full ones, or what has come of a result without end."""
        columns: list[list[bytes | None]] = [[] for _ in schema]
        answer, count = first, 0
        while answer is not None:
            if answer.status != self._pq.ExecStatus.SINGLE_TUPLE:
                self._check(answer)
                result.tag = _tag(answer)
                answer = self._next()
                continue
            for number, values in enumerate(columns):
                values.append(answer.get_value(0, number))
            count += 1
            if count >= _BATCH_ROWS or (result.endless and not self._has_more()):
                yield batch_of(columns, schema)
                columns, count = [[] for _ in schema], 0
            answer = self._next()
        if count:
            yield batch_of(columns, schema)

    def _has_more(self) -> bool:
        """Whether the next row has come already."""
        ready, _, _ = select.select([self._connection.socket], [], [], 0)
        if ready:
            self._connection.consume_input()
        return not self._connection.is_busy()

    def _arrow_result(self, text: str) -> Result:
        """The rows of a statement that are sent in Arrow."""
        result = self._result_of(text, pa.schema([]))
        stream = _CopiedOut(self)
        result._on_close = stream.give_up
        try:
            reader = pa.ipc.open_stream(pa.PythonFile(stream, mode="r"))
        except (pa.ArrowInvalid, OSError):
            stream.raise_failure()
            raise
        result.schema = reader.schema

        def batches() -> Iterator[pa.RecordBatch]:
            try:
                yield from (batch for batch in reader if batch.num_rows)
            except (pa.ArrowInvalid, OSError):
                stream.raise_failure()
                raise
            stream.drain()
            result.tag = stream.tag

        result._batches = batches()
        return result

    def _copied(self) -> bytes:
        """The next data of what is sent as by COPY TO STDOUT; none at its end, when the answer says how it went."""
        connection = self._connection
        while True:
            size, data = connection.get_copy_data(1)
            if size > 0:
                return bytes(data)
            if size < 0:
                return b""
            select.select([connection.socket], [], [])
            connection.consume_input()

    def _copied_all(self) -> str:
        """The tag of a COPY whose data has all been read; raises what ended it."""
        answer = self._next()
        self._finish()
        self._check(answer)
        return _tag(answer)

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
            self._hear_progress()
        return connection.get_result()

    def _hear_progress(self) -> None:
        """Pass on how far the statement is, if that has been told anew."""
        told = self._connection.parameter_status(PROGRESS.encode())
        if told and told != self._progress:
            self._progress = told
            if self._on_progress is not None:
                self._on_progress(advance_of_text(told.decode()))

    def _finish(self) -> None:
        while self._next() is not None:
            continue

    def _stop(self) -> None:
        """End what is left of a result."""
        if self._connection.transaction_status == self._pq.TransactionStatus.ACTIVE:
            self.cancel()
            self._finish()

    def _check(self, answer: Any) -> None:
        if answer.status == self._pq.ExecStatus.FATAL_ERROR:
            raise _error(self._pq, answer)

    def _hear(self, answer: Any) -> None:
        said = self._pq.DiagnosticField
        fields = (said.MESSAGE_PRIMARY, said.SEVERITY_NONLOCALIZED, said.SQLSTATE)
        self._notices.append(Notice(*[(answer.error_field(f) or b"").decode(errors="replace") for f in fields]))

    def cancel(self) -> None:
        """Send a CancelRequest; from any thread."""
        self._cancelled.set()
        try:
            request = self._connection.cancel_conn()
            request.start()
            self._poll(request, request.poll)
            request.finish()
        except self._failure:
            return  # no server takes it any more, and what runs ends with the connection

    def close(self) -> None:
        """End the connection; idempotent."""
        self._connection.finish()


def _not_connected(message: str) -> OperationalError:
    """What libpq says of the last address it tried: a line, and maybe a question behind it."""
    lines = message.splitlines() or ["no connection to the server"]
    asked = [line.strip() for line in lines if line[:1].isspace()]
    said = [line for line in lines if not line[:1].isspace()] or lines
    words = said[-1].strip()
    hint = asked[-1][:1].lower() + asked[-1][1:] if asked else None
    return OperationalError(words[:1].lower() + words[1:], hint=hint, sqlstate="08001")


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


class _CopiedOut(io.RawIOBase):
    """What is sent as by COPY TO STDOUT, as a file that is read once."""

    def __init__(self, session: RemoteSession) -> None:
        self._session = session
        self._rest = b""
        self._is_over = False
        self._failure: Error | None = None
        self.tag = ""

    def readable(self) -> bool:
        """See io."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """See io; less than `size` only at the end."""
        parts, left = [], size
        while left and (self._rest or self._more()):
            part = self._rest if left < 0 else self._rest[:left]
            self._rest = self._rest[len(part) :]
            parts.append(part)
            left -= len(part) if left > 0 else 0
        return b"".join(parts)

    def _more(self) -> bool:
        if not self._is_over:
            self._rest = self._session._copied()
            if not self._rest:
                self._is_over = True
                try:
                    self.tag = self._session._copied_all()
                except Error as error:
                    self._failure = error
        return bool(self._rest)

    def drain(self) -> None:
        """Read to the end; raises what ended the data."""
        while self._more():
            self._rest = b""
        self.raise_failure()

    def give_up(self) -> None:
        """Read no more; idempotent."""
        if not self._is_over:
            self._session.cancel()
            while self._more():
                self._rest = b""

    def raise_failure(self) -> None:
        """Raise the error the server sent in the place of more data."""
        while not self._is_over and self._more():
            self._rest = b""
        if self._failure is not None:
            raise self._failure


def _field(answer: Any, column: int) -> pa.Field:
    return pa.field((answer.fname(column) or b"").decode(), _type(answer, column))


def _type(answer: Any, column: int) -> pa.DataType:
    """The column's type by its oid; text where that is not known, or a numeric's digits are not."""
    found = arrow_type(answer.ftype(column))
    if found is None:
        return pa.string()
    if pa.types.is_decimal(found):
        modifier = answer.fmod(column) - 4
        return pa.decimal128(modifier >> 16, modifier & 0xFFFF) if modifier >= 0 else pa.string()
    return found


def _tag(answer: Any) -> str:
    return (answer.command_status or b"").decode()


def _is_endless(text: str, dialect: str) -> bool:
    try:
        words = [token.upper for token in lex_in(text, dialect) if token.value != "("]
    except Error:
        return False
    words = words[1:] if words[:1] == ["COPY"] else words
    return words[:1] in (["SUBSCRIBE"], ["PRINT"]) or ("EMIT" in words and words[:1] in (["SELECT"], ["WITH"]))


def _first_word(text: str, dialect: str) -> str:
    try:
        return next((token.upper for token in lex_in(text, dialect) if token.value != "("), "")
    except Error:
        return ""


def _has_word(text: str, word: str) -> bool:
    try:
        return any(token.value == word and token.kind in ("word", "quoted") for token in lex(text))
    except Error:
        return False


def _asking_for_arrow(text: str) -> str | None:
    """A COPY ... TO STDOUT in the format that is read here; None for anything else."""
    try:
        tokens = lex(text)
        if not tokens or tokens[0].upper != "COPY":
            return None
        copied = cut_copy(text[tokens[0].end :])
    except Error:
        return None  # the server says what is wrong with it
    if copied.is_from or copied.path is not None:
        return None
    return f"COPY {copied.subject} TO STDOUT (FORMAT arrow)"
