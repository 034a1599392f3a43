"""The calls of TCLIService: a call's fields to its answer's bytes.

What goes wrong is told in the answer's status; only a method that does not exist, or whose answer has no status, is
refused as Thrift does it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pyarrow as pa

from sqlengine.errors import Error, InvalidParameter, NotSupportedError, SyntaxError  # noqa: A004 - SQL's word
from sqlengine.result import Result
from sqlengine.server.effects import Await, Run, Steps
from sqlengine.server.hive import metadata
from sqlengine.server.hive.beginning import TOLD, overlay
from sqlengine.server.hive.encode import row_set
from sqlengine.server.hive.operation import Handle, Kind, Operation
from sqlengine.server.hive.sasl import Credentials
from sqlengine.server.hive.session import HiveSession
from sqlengine.server.hive.status import OK, InvalidHandle, error_code, error_status, message, sqlstate
from sqlengine.server.hive.thrift import (
    INTERNAL_ERROR,
    LIST,
    MAP,
    STRING,
    STRUCT,
    UNKNOWN_METHOD,
    Call,
    Fields,
    binary,
    boolean,
    double,
    field,
    i32,
    i64,
    listed,
    mapped,
    number_of,
    refusal,
    reply,
    string,
    struct,
    struct_of,
    text_of,
    texts_of,
)
from sqlengine.server.hive.types import V11, table_schema
from sqlengine.sql import ast
from sqlengine.statements.signature import has_rows

if TYPE_CHECKING:
    from sqlengine.server.hive.conversation import HiveConversation

_LOG = logging.getLogger("sqlengine.server")
_ANONYMOUS = "anonymous"
_FETCH_NEXT, _FETCH_FIRST = 0, 4
_LOGS = 1
_IN_PROGRESS, _COMPLETE = 0, 1

Answering = Callable[["HiveConversation", Fields], Steps]


def answer(talk: HiveConversation, call: Call) -> Steps:
    """The message that answers a call; raises what ends the conversation alone."""
    method = CALLS.get(call.name)
    if method is None:
        return refusal(call, UNKNOWN_METHOD, f"Invalid method name: '{call.name}'")
    try:
        response = yield from method(talk, struct_of(call.fields, 1))
    except ConnectionError:
        raise
    except Exception as error:  # also a fault of ours: the connection goes on
        if not isinstance(error, Error):
            _LOG.error("an unexpected error in a call of a client of Hive", exc_info=error)
        if call.name == "GetQueryId":
            return refusal(call, INTERNAL_ERROR, message(error))
        response = struct(field(STRUCT, 1, error_status(error)), *_REQUIRED.get(call.name, ()))
    return reply(call, response)


_REQUIRED = {"OpenSession": (i32(2, V11),), "GetInfo": (field(STRUCT, 2, struct(string(1, ""))),)}
"""What answers must have beside their status."""


def _handle_of(fields: Fields, identifier: int) -> Handle:
    """A THandleIdentifier within the struct of a field; InvalidHandle."""
    inner = struct_of(struct_of(fields, identifier), 1)
    guid, secret = inner.get(1), inner.get(2)
    if not isinstance(guid, bytes) or not isinstance(secret, bytes):
        raise InvalidHandle("the handle is malformed")
    return Handle(guid, secret)


def _session(talk: HiveConversation, fields: Fields) -> HiveSession:
    found = talk.host.find_session(_handle_of(fields, 1), talk.role)
    found.used_us = found.now_us()
    return found


def _operation(talk: HiveConversation, fields: Fields) -> tuple[HiveSession, Operation]:
    handle = _handle_of(fields, 1)
    for session in [*talk.sessions.values(), *talk.host.sessions()]:
        found = session.operations.get(handle.guid)
        if found is not None and found.handle == handle and talk.role in (None, session.role):
            session.used_us = session.now_us()
            return session, found
    raise InvalidHandle("invalid operation handle: it is closed, or never was")


def _identifier(handle: Handle) -> bytes:
    return struct(string(1, handle.guid), string(2, handle.secret))


# ---------------------------------------------------------------- sessions


def _open_session(talk: HiveConversation, fields: Fields) -> Steps:
    role = talk.role
    if role is None:
        given = Credentials(text_of(fields, 2) or _ANONYMOUS, text_of(fields, 3))
        role = yield Run(lambda: talk.host.prove(given, talk.peer))
    protocol = min(max(number_of(fields, 1), 0), V11)
    configuration = texts_of(fields, 4)
    session: HiveSession = yield Run(
        lambda: talk.host.open_session(role, talk.peer, protocol, configuration, has_connection=not talk.keeps_sessions)
    )
    talk.sessions[session.handle.guid] = session
    if not talk.keeps_sessions:
        session.on_terminated = lambda: talk.wake()
    told = {name: binary(value) for name, value in TOLD.items()}
    return struct(
        field(STRUCT, 1, OK),
        i32(2, protocol),
        field(STRUCT, 3, struct(field(STRUCT, 1, _identifier(session.handle)))),
        field(MAP, 4, mapped(STRING, told)),
    )


def _close_session(talk: HiveConversation, fields: Fields) -> Steps:
    session = _session(talk, fields)
    talk.sessions.pop(session.handle.guid, None)
    yield Await(session.close())
    return struct(field(STRUCT, 1, OK))


def _set_client_info(talk: HiveConversation, fields: Fields) -> Steps:
    """The properties are JDBC's: ApplicationName is what sessions are known by."""
    session = _session(talk, fields)
    name = texts_of(fields, 2).get("ApplicationName")
    if name is not None:
        yield Run(lambda: session.session.settings.set("application_name", name))
    return struct(field(STRUCT, 1, OK))


def _get_info(talk: HiveConversation, fields: Fields) -> Steps:
    session = _session(talk, fields)
    kind = number_of(fields, 2, -1)
    known: dict[int, str | int] = {
        2: session.session.context.backend.database,
        13: "sqlengine",
        14: "\\",
        17: "sqlengine",
        18: talk.host.version,
        29: "`",
        30: 128,
        32: 128,
        35: 128,
        47: session.role,
        105: session.session.settings.statement_length_max,
    }
    if kind not in known:
        raise InvalidParameter(f"unrecognized GetInfoType value: {kind}")
    value = known[kind]
    told = string(1, value) if isinstance(value, str) else i64(6, value)
    return struct(field(STRUCT, 1, OK), field(STRUCT, 2, struct(told)))
    yield


def _no_tokens(talk: HiveConversation, fields: Fields) -> Steps:
    raise NotSupportedError("delegation tokens are not supported", hint="log in with a password")
    yield


# ---------------------------------------------------------------- statements

_USE = re.compile(r"\s*use\s+(?:`([^`]+)`|(\w+))\s*;?\s*", re.IGNORECASE)
"""What clients send before anything else."""


def _execute_statement(talk: HiveConversation, fields: Fields) -> Steps:
    session = _session(talk, fields)
    text = text_of(fields, 2) or ""
    is_async = fields.get(4) is True
    changed = overlay(session.session.settings, texts_of(fields, 3), number_of(fields, 5))
    used = _USE.fullmatch(text)
    if used is not None:
        operation = session.begin(Kind.EXECUTE_STATEMENT, text, lambda: session.use(used[1] or used[2]), False, changed)
    else:
        statement: ast.Statement = yield Run(lambda: _only_statement(session, text))
        will_have_rows = has_rows(statement, session.session.context)
        operation = session.begin(Kind.EXECUTE_STATEMENT, text, lambda: session.run(statement), will_have_rows, changed)
    if not is_async:
        yield from _ended(talk, session, operation)
    return _with_handle(operation)


def _only_statement(session: HiveSession, text: str) -> ast.Statement:
    found = session.session.parse(text)
    if not found:
        raise SyntaxError("there is no statement", position=0)
    if len(found) > 1:
        raise SyntaxError(
            "one statement at a time is expected", position=found[1].position, hint="send them one by one"
        )
    return found[0]


def _ended(talk: HiveConversation, session: HiveSession, operation: Operation) -> Steps:
    """Until it has ended; raises what it has ended with, and forgets it then."""
    yield from talk.wait(session, operation)
    if operation.error is not None:
        yield Run(lambda: session.close_operation(operation))
        raise operation.error


def _with_handle(operation: Operation) -> bytes:
    modified = None if operation.has_rows or operation.modified_rows is None else float(operation.modified_rows)
    handle = struct(
        field(STRUCT, 1, _identifier(operation.handle)),
        i32(2, operation.kind),
        boolean(3, operation.has_rows),
        double(4, modified),
    )
    return struct(field(STRUCT, 1, OK), field(STRUCT, 2, handle))


# ---------------------------------------------------------------- questions about the catalog


def _asked(kind: Kind, made: Callable[[HiveSession, Fields], pa.Table]) -> Answering:
    """An operation whose rows are made at once."""

    def method(talk: HiveConversation, fields: Fields) -> Steps:
        session = _session(talk, fields)
        operation = session.begin(kind, kind.name, lambda: Result(table=made(session, fields)), True)
        yield from _ended(talk, session, operation)
        return _with_handle(operation)

    return method


def _tables(session: HiveSession, fields: Fields) -> pa.Table:
    kinds = fields.get(5)
    wanted = [k.decode("utf-8", "replace") for k in kinds if isinstance(k, bytes)] if isinstance(kinds, list) else None
    return metadata.tables(session.context, text_of(fields, 3), text_of(fields, 4), wanted)


# ---------------------------------------------------------------- operations


def _get_operation_status(talk: HiveConversation, fields: Fields) -> Steps:
    _, operation = _operation(talk, fields)
    error = operation.error
    progress = _progress(operation) if fields.get(2) is True else None
    return struct(
        field(STRUCT, 1, OK),
        i32(2, operation.state),
        string(3, None if error is None else sqlstate(error)),
        i32(4, None if error is None else error_code(error)),
        string(5, None if error is None else message(error)),
        string(6, "[]"),
        i64(7, operation.started_us // 1000),
        i64(8, None if operation.ended_us is None else operation.ended_us // 1000),
        boolean(9, operation.has_rows),
        field(STRUCT, 10, progress),
        i64(11, operation.modified_rows),
    )
    yield


_PROGRESS_COLUMNS = ("VERTICES", "MODE", "STATUS", "TOTAL", "COMPLETED", "RUNNING", "PENDING", "FAILED", "KILLED")
"""Those of Tez, which Beeline draws; parts are percents."""


def _progress(operation: Operation) -> bytes:
    """TProgressUpdateResp."""
    done = round(operation.progress * 100)
    failed = 100 - done if operation.error is not None else 0
    row = ("statement", "sqlengine", operation.state.name, 100, done, 0, 100 - done - failed, failed, 0)
    texts = listed(STRING, [binary(str(value)) for value in row])
    return struct(
        field(LIST, 1, listed(STRING, map(binary, _PROGRESS_COLUMNS))),
        field(LIST, 2, listed(LIST, [texts])),
        double(3, operation.progress),
        i32(4, _COMPLETE if operation.state.has_ended else _IN_PROGRESS),
        string(5, operation.done_text),
        i64(6, operation.started_us // 1000),
    )


def _get_result_set_metadata(talk: HiveConversation, fields: Fields) -> Steps:
    session, operation = _operation(talk, fields)
    if not operation.state.has_ended:
        yield from talk.wait(session, operation)
    operation.check()
    assert operation.schema is not None
    return struct(field(STRUCT, 1, OK), field(STRUCT, 2, table_schema(operation.schema, session.protocol)))


def _fetch_results(talk: HiveConversation, fields: Fields) -> Steps:
    session, operation = _operation(talk, fields)
    orientation, most = number_of(fields, 2), number_of(fields, 3)
    if orientation not in (_FETCH_NEXT, _FETCH_FIRST):
        raise NotSupportedError("rows can be fetched forwards only", hint="FETCH_NEXT or FETCH_FIRST")
    from_first = orientation == _FETCH_FIRST
    if number_of(fields, 4) == _LOGS:
        start = 0 if from_first else operation.logs_read
        batch = metadata.logs(operation.fetch_logs(most, from_first))
        return _rows(row_set(batch, start, session.protocol, "UTC"), operation.logs_read < len(operation.logs))
    if not operation.state.has_ended:
        yield from talk.wait(session, operation)
    talk.waits_for = session, operation
    try:
        return (yield Run(lambda: _fetched(session, operation, most, from_first)))
    finally:
        talk.waits_for = None


def _fetched(session: HiveSession, operation: Operation, most: int, from_first: bool) -> bytes:
    found = operation.fetch(most, from_first)
    timezone = session.session.settings.timezone
    return _rows(row_set(found.batch, found.start, session.protocol, timezone), found.has_more)


def _rows(rows: bytes, has_more: bool) -> bytes:
    return struct(field(STRUCT, 1, OK), boolean(2, has_more), field(STRUCT, 3, rows))


def _cancel_operation(talk: HiveConversation, fields: Fields) -> Steps:
    session, operation = _operation(talk, fields)
    yield Run(lambda: session.cancel_operation(operation))
    return struct(field(STRUCT, 1, OK))


def _close_operation(talk: HiveConversation, fields: Fields) -> Steps:
    session, operation = _operation(talk, fields)
    yield Run(lambda: session.close_operation(operation))
    return struct(field(STRUCT, 1, OK))


def _get_query_id(talk: HiveConversation, fields: Fields) -> Steps:
    _, operation = _operation(talk, fields)
    return struct(string(1, f"sqlengine_{operation.handle.guid.hex()}"))
    yield


CALLS: dict[str, Answering] = {
    "OpenSession": _open_session,
    "CloseSession": _close_session,
    "SetClientInfo": _set_client_info,
    "GetInfo": _get_info,
    "ExecuteStatement": _execute_statement,
    "GetTypeInfo": _asked(Kind.GET_TYPE_INFO, lambda s, f: metadata.type_info()),
    "GetCatalogs": _asked(Kind.GET_CATALOGS, lambda s, f: metadata.catalogs()),
    "GetSchemas": _asked(Kind.GET_SCHEMAS, lambda s, f: metadata.schemas(s.context, text_of(f, 3))),
    "GetTables": _asked(Kind.GET_TABLES, _tables),
    "GetTableTypes": _asked(Kind.GET_TABLE_TYPES, lambda s, f: metadata.table_types()),
    "GetColumns": _asked(
        Kind.GET_COLUMNS,
        lambda s, f: metadata.columns(s.context, text_of(f, 3), text_of(f, 4), text_of(f, 5)),
    ),
    "GetFunctions": _asked(Kind.GET_FUNCTIONS, lambda s, f: metadata.functions(s.context, text_of(f, 4))),
    "GetPrimaryKeys": _asked(Kind.UNKNOWN, lambda s, f: metadata.primary_keys(s.context, text_of(f, 3), text_of(f, 4))),
    "GetCrossReference": _asked(Kind.UNKNOWN, lambda s, f: metadata.cross_reference()),
    "GetOperationStatus": _get_operation_status,
    "CancelOperation": _cancel_operation,
    "CloseOperation": _close_operation,
    "GetResultSetMetadata": _get_result_set_metadata,
    "FetchResults": _fetch_results,
    "GetQueryId": _get_query_id,
    "GetDelegationToken": _no_tokens,
    "CancelDelegationToken": _no_tokens,
    "RenewDelegationToken": _no_tokens,
}
