"""Each call of TCLIService, asked by Thrift's own library."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

import sqlengine
from tests.hive_server.conftest import HiveServed, ThriftClient, rows_of, thrift_client

SUCCESS, ERROR, INVALID_HANDLE = 0, 3, 4
RUNNING, FINISHED, CANCELED, ERROR_STATE, TIMEDOUT = 1, 2, 3, 5, 8
SLOW = "CREATE MATERIALIZED VIEW slow AS SELECT x, count(*) AS n FROM numbers GROUP BY x"
SLOWLY = {"backfill_rate_limit": "100"}
"""With this setting it takes minutes."""


def until(condition: Callable[[], bool]) -> None:
    """Wait, but not for ever."""
    for _ in range(400):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it has not come to be")


def much_history(hive: HiveServed) -> None:
    """A stream whose rows a new view reads."""
    hive.database.execute("CREATE STREAM numbers (x BIGINT)")
    for _ in range(4):
        hive.database.execute("INSERT INTO numbers SELECT * FROM range(5000)")


# ---------------------------------------------------------------- sessions


@pytest.mark.parametrize("version", range(11))
def test_every_version_of_the_protocol(thrift: ThriftClient, version: int) -> None:
    answer = thrift.open(version)
    assert answer.serverProtocolVersion == version
    operation = thrift.operation(answer.sessionHandle, "SELECT id, name FROM t ORDER BY id")
    found = thrift.fetch(operation).results
    assert bool(found.columns) == (version >= 5)
    assert rows_of(found) == [(1, "one"), (2, None), (3, "drei Ärger")]


def test_a_later_version_is_answered_with_the_latest(thrift: ThriftClient) -> None:
    assert thrift.open(99).serverProtocolVersion == 10


def test_what_a_session_begins_with(thrift: ThriftClient, hive: HiveServed) -> None:
    given = {"use:database": "sales", "set:hiveconf:statement_timeout_ms": "61000", "hive.exec.parallel": "true"}
    session = thrift.session(configuration=given)
    assert thrift.rows(thrift.operation(session, "SELECT 1")) == [(1,)]
    assert (hive.setting("dialect"), hive.setting("statement_timeout_ms")) == ("hive", "61000")


@pytest.mark.parametrize(
    ("given", "sqlstate"),
    [
        ({"use:database": "nowhere"}, "3F000"),
        ({"statement_timeout_ms": "soon"}, "22023"),
        ({"memory_limit": "1 GB"}, "55P02"),
        ({"hive.server2.proxy.user": "somebody"}, "0A000"),
        ({"no_such_setting": "1"}, "42704"),
    ],
)
def test_what_a_session_cannot_begin_with(thrift: ThriftClient, given: dict[str, str], sqlstate: str) -> None:
    answer = thrift.open(configuration=given)
    assert (answer.status.statusCode, answer.status.sqlState) == (ERROR, sqlstate)
    assert thrift.open().status.statusCode == SUCCESS


def test_a_closed_session_is_no_session(thrift: ThriftClient, hive: HiveServed) -> None:
    session = thrift.session()
    operation = thrift.operation(session, "SELECT 1")
    assert thrift.call.CloseSession(thrift.types.TCloseSessionReq(session)).status.statusCode == SUCCESS
    for status in (
        thrift.call.CloseSession(thrift.types.TCloseSessionReq(session)).status,
        thrift.execute(session, "SELECT 1").status,
        thrift.fetch(operation).status,
    ):
        assert (status.statusCode, status.sqlState) == (INVALID_HANDLE, "HY000")


def test_a_handle_needs_its_secret(thrift: ThriftClient, hive: HiveServed) -> None:
    session = thrift.session()
    operation = thrift.operation(session, "SELECT 1")
    other = thrift_client(hive.port)
    assert other.rows(other.operation(session, "SELECT 2")) == [(2,)]  # who knows it, may use it
    session.sessionId.secret = operation.operationId.secret = b"x" * 16
    assert other.execute(session, "SELECT 1").status.statusCode == INVALID_HANDLE
    assert other.status(operation).status.statusCode == INVALID_HANDLE
    other.transport.close()


def test_sessions_end_with_their_connection(thrift: ThriftClient, hive: HiveServed) -> None:
    session = thrift.session()
    thrift.operation(session, "SELECT 1")
    other = thrift_client(hive.port)
    assert other.execute(session, "SELECT 1").status.statusCode == SUCCESS
    thrift.transport.close()
    until(lambda: other.execute(session, "SELECT 1").status.statusCode == INVALID_HANDLE)
    other.transport.close()


def test_info(thrift: ThriftClient) -> None:
    session = thrift.session()

    def info(kind: int) -> Any:
        return thrift.call.GetInfo(thrift.types.TGetInfoReq(session, kind))

    kinds = thrift.types.TGetInfoType
    assert info(kinds.CLI_DBMS_NAME).infoValue.stringValue == "sqlengine"
    assert info(kinds.CLI_SERVER_NAME).infoValue.stringValue == "sqlengine"
    assert info(kinds.CLI_DBMS_VER).infoValue.stringValue == sqlengine.__version__
    assert info(kinds.CLI_MAX_COLUMN_NAME_LEN).infoValue.lenValue == 128
    assert info(kinds.CLI_IDENTIFIER_QUOTE_CHAR).infoValue.stringValue == "`"
    assert info(kinds.CLI_OJ_CAPABILITIES).status.sqlState == "22023"


def test_tokens_are_refused(thrift: ThriftClient) -> None:
    session, types = thrift.session(), thrift.types
    for answer in (
        thrift.call.GetDelegationToken(types.TGetDelegationTokenReq(session, "me", "me")),
        thrift.call.CancelDelegationToken(types.TCancelDelegationTokenReq(session, "t")),
        thrift.call.RenewDelegationToken(types.TRenewDelegationTokenReq(session, "t")),
    ):
        assert (answer.status.statusCode, answer.status.sqlState) == (ERROR, "0A000")
        assert "delegation tokens are not supported" in answer.status.errorMessage


# ---------------------------------------------------------------- statements


def test_rows_in_pieces_and_again(thrift: ThriftClient) -> None:
    operation = thrift.operation(thrift.session(), "SELECT x FROM range(2500) r(x) ORDER BY x")
    first = thrift.fetch(operation, 1000)
    assert (len(rows_of(first.results)), first.results.startRowOffset, first.hasMoreRows) == (1000, 0, True)
    second = thrift.fetch(operation, 1499)
    assert (rows_of(second.results)[0], second.results.startRowOffset, second.hasMoreRows) == ((1000,), 1000, True)
    last = thrift.fetch(operation, 1000)
    assert (rows_of(last.results), last.hasMoreRows) == ([(2499,)], False)
    behind = thrift.fetch(operation, 1000)
    assert (rows_of(behind.results), behind.hasMoreRows) == ([], False)
    again = thrift.fetch(operation, 2, orientation=4)
    assert (rows_of(again.results), again.results.startRowOffset) == ([(0,), (1,)], 0)
    assert thrift.fetch(operation, 2, orientation=1).status.sqlState == "0A000"


def test_statements_without_rows(thrift: ThriftClient) -> None:
    session = thrift.session()
    operation = thrift.operation(session, "INSERT INTO t VALUES (7, 'seven'), (8, 'eight')")
    assert (operation.hasResultSet, operation.modifiedRowCount) == (False, 2.0)
    for status in (
        thrift.fetch(operation).status,
        thrift.call.GetResultSetMetadata(thrift.types.TGetResultSetMetadataReq(operation)).status,
    ):
        assert (status.statusCode, status.sqlState) == (ERROR, "HY010")
    assert thrift.status(operation).hasResultSet is False


@pytest.mark.parametrize(
    ("text", "sqlstate", "code", "words"),
    [
        ("SELECT * FROM nowhere", "42P01", 10001, "SemanticException [Error 10001]: Table not found nowhere"),
        ("SELECT nothing FROM t", "42703", 10004, "SemanticException [Error 10004]"),
        ("SELECT SELECT FROM", "42601", 40000, "ParseException"),
        ("SELECT 1; SELECT 2", "42601", 40000, "one statement at a time"),
        ("", "42601", 40000, "there is no statement"),
        ("-- nothing", "42601", 40000, "there is no statement"),
        ("USE nowhere", "3F000", 1, 'database "nowhere" does not exist'),
    ],
)
def test_errors(thrift: ThriftClient, text: str, sqlstate: str, code: int, words: str) -> None:
    session = thrift.session()
    told = thrift.execute(session, text).status
    assert (told.statusCode, told.sqlState, told.errorCode) == (ERROR, sqlstate, code)
    assert words in told.errorMessage
    answer = thrift.execute(session, text, runAsync=True)
    if answer.operationHandle is not None:  # it could be parsed, so the error comes later
        until(lambda: thrift.status(answer.operationHandle).operationState == ERROR_STATE)
        assert thrift.status(answer.operationHandle).errorMessage == told.errorMessage
        assert thrift.fetch(answer.operationHandle).status.sqlState == sqlstate
    else:
        assert answer.status.errorMessage == told.errorMessage
    assert thrift.rows(thrift.operation(session, "SELECT 1")) == [(1,)]


def test_settings_for_one_statement(thrift: ThriftClient, hive: HiveServed) -> None:
    much_history(hive)
    session = thrift.session()
    operation = thrift.operation(session, SLOW, runAsync=True, confOverlay={**SLOWLY, "timezone": "Asia/Tokyo"})
    until(lambda: thrift.status(operation).operationState == RUNNING)
    until(lambda: hive.setting("timezone") == "Asia/Tokyo")
    thrift.call.CancelOperation(thrift.types.TCancelOperationReq(operation))
    until(lambda: thrift.status(operation).operationState == CANCELED)
    assert hive.setting("timezone") == "UTC"
    assert thrift.execute(session, "SELECT 1", confOverlay={"memory_limit": "1"}).status.sqlState == "55P02"
    assert thrift.execute(session, "SELECT 1", confOverlay={"timezone": "Nowhere"}).status.sqlState == "22023"
    assert thrift.rows(thrift.operation(session, "SELECT 1")) == [(1,)]
    assert hive.setting("timezone") == "UTC"


def test_log(thrift: ThriftClient) -> None:
    session = thrift.session()
    operation = thrift.operation(session, "CREATE TABLE IF NOT EXISTS t (id BIGINT)")
    lines = [line for (line,) in rows_of(thrift.fetch(operation, kind=1).results)]
    assert any("already exists" in line for line in lines), lines
    assert lines[0] == "INFO  : Executing command: CREATE TABLE IF NOT EXISTS t (id BIGINT)"
    assert rows_of(thrift.fetch(operation, kind=1).results) == []
    assert [line for (line,) in rows_of(thrift.fetch(operation, kind=1, orientation=4).results)] == lines
    assert rows_of(thrift.fetch(operation, 1, kind=1, orientation=4).results) == [(lines[0],)]


def test_types_are_told(thrift: ThriftClient) -> None:
    text = "SELECT id, region, amount, placed FROM sales.orders"
    operation = thrift.operation(thrift.session(), text)
    answer = thrift.call.GetResultSetMetadata(thrift.types.TGetResultSetMetadataReq(operation))
    names = thrift.types.TTypeId._VALUES_TO_NAMES
    entries = [c.typeDesc.types[0].primitiveEntry for c in answer.schema.columns]
    assert [c.columnName for c in answer.schema.columns] == ["id", "region", "amount", "placed"]
    assert [c.position for c in answer.schema.columns] == [1, 2, 3, 4]
    assert [names[e.type] for e in entries] == ["BIGINT_TYPE", "STRING_TYPE", "DECIMAL_TYPE", "DATE_TYPE"]
    qualifiers = entries[2].typeQualifiers.qualifiers
    assert (qualifiers["precision"].i32Value, qualifiers["scale"].i32Value) == (10, 2)


# ---------------------------------------------------------------- what goes on by itself


@pytest.mark.slow
def test_asynchronous_statements_can_be_cancelled(thrift: ThriftClient, hive: HiveServed) -> None:
    much_history(hive)
    session = thrift.session(configuration=SLOWLY)
    operation = thrift.operation(session, SLOW, runAsync=True)
    behind = thrift.operation(session, "SELECT 1", runAsync=True)
    given_up = thrift.operation(session, "SELECT 2", runAsync=True)
    assert behind.hasResultSet and not operation.hasResultSet
    until(lambda: thrift.status(operation).operationState == RUNNING)
    assert thrift.status(behind).operationState == 7  # PENDING: one after the other
    thrift.call.CancelOperation(thrift.types.TCancelOperationReq(given_up))
    assert thrift.status(given_up).operationState == CANCELED
    assert thrift.call.CancelOperation(thrift.types.TCancelOperationReq(operation)).status.statusCode == SUCCESS
    until(lambda: thrift.status(operation).operationState == CANCELED)
    assert thrift.status(operation).sqlState == "57014"
    assert thrift.fetch(operation).status.sqlState == "57014"
    assert thrift.rows(behind) == [(1,)]
    assert thrift.fetch(given_up).status.sqlState == "57014"


@pytest.mark.slow
def test_time_limits(thrift: ThriftClient, hive: HiveServed) -> None:
    much_history(hive)
    session = thrift.session(configuration=SLOWLY)
    answer = thrift.execute(session, SLOW, queryTimeout=1)
    assert (answer.status.statusCode, answer.status.sqlState) == (ERROR, "57014")
    operation = thrift.operation(session, SLOW, runAsync=True, confOverlay={"statement_timeout_ms": "500"})
    until(lambda: thrift.status(operation).operationState == TIMEDOUT)
    assert "statement timeout" in thrift.status(operation).errorMessage


@pytest.mark.slow
def test_closing_ends_what_runs(thrift: ThriftClient, hive: HiveServed) -> None:
    much_history(hive)
    session = thrift.session(configuration=SLOWLY)
    operation = thrift.operation(session, SLOW, runAsync=True)
    until(lambda: thrift.status(operation).operationState == RUNNING)
    closed = thrift.call.CloseOperation(thrift.types.TCloseOperationReq(operation))
    assert closed.status.statusCode == SUCCESS
    assert thrift.status(operation).status.statusCode == INVALID_HANDLE
    assert thrift.rows(thrift.operation(session, "SELECT 1")) == [(1,)]
    thrift.operation(session, SLOW, runAsync=True)
    assert thrift.call.CloseSession(thrift.types.TCloseSessionReq(session)).status.statusCode == SUCCESS


@pytest.mark.slow
def test_progress(thrift: ThriftClient, hive: HiveServed) -> None:
    much_history(hive)
    view = "CREATE MATERIALIZED VIEW parity AS SELECT x % 2 AS p, count(*) AS n FROM numbers GROUP BY x % 2"
    operation = thrift.operation(thrift.session(), view, runAsync=True, confOverlay={"backfill_rate_limit": "5000"})
    seen = []

    def told() -> Any:
        answer = thrift.status(operation, progress=True)
        seen.append(answer.progressUpdateResponse.progressedPercentage)
        return answer

    until(lambda: 0 < told().progressUpdateResponse.progressedPercentage < 1)
    assert told().progressUpdateResponse.status == 0  # IN_PROGRESS
    until(lambda: told().operationState == FINISHED)
    last = thrift.status(operation, progress=True).progressUpdateResponse
    assert (last.progressedPercentage, last.status, len(last.headerNames)) == (1.0, 1, 9)
    assert seen == sorted(seen)
    assert thrift.status(operation).progressUpdateResponse is None
    found = hive.database.execute("SELECT n FROM parity").fetchall()
    assert found == [(10_000,), (10_000,)]


def test_a_followed_query_is_read_as_it_comes(thrift: ThriftClient, hive: HiveServed) -> None:
    session = thrift.session()
    operation = thrift.operation(session, "SELECT id, name FROM t EMIT CHANGES", runAsync=True)
    first = thrift.fetch(operation)
    assert {row[1] for row in rows_of(first.results)} == {1, 2, 3} and first.hasMoreRows
    hive.database.execute("INSERT INTO t VALUES (4, 'four')")
    assert [row[1:] for row in rows_of(thrift.fetch(operation).results)] == [(4, "four")]
    assert thrift.fetch(operation, orientation=4).status.sqlState == "0A000"
    assert thrift.call.CancelOperation(thrift.types.TCancelOperationReq(operation)).status.statusCode == SUCCESS
    assert thrift.fetch(operation).status.sqlState == "57014"


# ---------------------------------------------------------------- the catalog


def test_schemas(thrift: ThriftClient) -> None:
    session, types = thrift.session(), thrift.types

    def schemas(pattern: str | None) -> list[tuple[Any, ...]]:
        return thrift.rows(thrift.call.GetSchemas(types.TGetSchemasReq(session, None, pattern)).operationHandle)

    assert schemas(None) == [("default", ""), ("sales", ""), ("system", "")]
    assert schemas("s%s") == [("sales", "")]
    assert schemas("SALE_") == [("sales", "")]
    assert schemas("sal") == []


def test_tables(thrift: ThriftClient) -> None:
    session, types = thrift.session(), thrift.types

    def tables(schema: str | None, name: str | None, kinds: list[str] | None = None) -> list[tuple[Any, ...]]:
        answer = thrift.call.GetTables(types.TGetTablesReq(session, None, schema, name, kinds))
        return [row[1:4] for row in thrift.rows(answer.operationHandle)]

    assert tables("default", "%") == [
        ("default", "counted", "MATERIALIZED_VIEW"),
        ("default", "t", "TABLE"),
        ("default", "named", "VIEW"),
    ]
    assert tables("%", "ord%") == [("sales", "orders", "TABLE")]
    assert tables(".*", "t") == [("default", "t", "TABLE")]
    assert tables("default", None, ["VIEW"]) == [("default", "named", "VIEW")]
    assert tables("default", None, []) == []
    assert ("system", "streams", "SYSTEM TABLE") in tables("system", None)
    answer = thrift.call.GetTableTypes(types.TGetTableTypesReq(session))
    assert thrift.rows(answer.operationHandle) == [("MATERIALIZED_VIEW",), ("SYSTEM TABLE",), ("TABLE",), ("VIEW",)]
    assert thrift.rows(thrift.call.GetCatalogs(types.TGetCatalogsReq(session)).operationHandle) == []


def test_columns(thrift: ThriftClient) -> None:
    session, types = thrift.session(), thrift.types

    def columns(schema: str | None, table: str | None, column: str | None) -> list[tuple[Any, ...]]:
        request = types.TGetColumnsReq(session, None, schema, table, column)
        return thrift.rows(thrift.call.GetColumns(request).operationHandle)

    found = columns("sales", "orders", "%")
    shown = [(row[3], row[4], row[5], row[6], row[8], row[9], row[10], row[16], row[17]) for row in found]
    assert shown == [  # java.sql.Types and the sizes of Hive's own answers
        ("id", -5, "BIGINT", 19, 0, 10, 0, 1, "NO"),
        ("region", 12, "STRING", 2147483647, None, None, 0, 2, "NO"),
        ("amount", 3, "DECIMAL", 10, 2, 10, 0, 3, "NO"),
        ("placed", 91, "DATE", 10, None, None, 1, 4, "YES"),
    ]
    assert {len(row) for row in found} == {23}
    assert [row[2:4] for row in columns("default", "%", "n")] == [("counted", "n")]
    assert columns(None, "nothing", None) == []


def test_keys(thrift: ThriftClient) -> None:
    session, types = thrift.session(), thrift.types
    answer = thrift.call.GetPrimaryKeys(types.TGetPrimaryKeysReq(session, None, "sales", "orders"))
    assert thrift.rows(answer.operationHandle) == [
        (None, "sales", "orders", "id", 1, "orders_pkey"),
        (None, "sales", "orders", "region", 2, "orders_pkey"),
    ]
    request = types.TGetCrossReferenceReq(session, None, "sales", "orders", None, "default", "t")
    assert thrift.rows(thrift.call.GetCrossReference(request).operationHandle) == []


def test_types_and_functions(thrift: ThriftClient) -> None:
    session, types = thrift.session(), thrift.types
    found = thrift.rows(thrift.call.GetTypeInfo(types.TGetTypeInfoReq(session)).operationHandle)
    by_name = {row[0]: row for row in found}
    assert by_name["DECIMAL"][1:3] == (3, 38) and by_name["STRING"][1] == 12 and by_name["STRING"][7] is True
    assert {len(row) for row in found} == {18}
    request = types.TGetFunctionsReq(session, None, None, "concat%")
    functions = thrift.rows(thrift.call.GetFunctions(request).operationHandle)
    assert {"concat", "concat_ws"} <= {row[2] for row in functions}
    assert all(row[2].startswith("concat") for row in functions)


def test_functions_are_those_of_the_sessions_dialect(thrift: ThriftClient) -> None:
    """As SHOW FUNCTIONS: Hive's names, aggregates and functions that give rows among them, and none of our own."""
    session = thrift.session()
    thrift.operation(session, "SET dialect = 'postgres'")
    assert _function_names(thrift, session, "date_bin") == ["date_bin"]
    assert _function_names(thrift, session, "posexplode") == []
    thrift.operation(session, "SET dialect = 'hive'")
    shown = [row[0] for row in thrift.rows(thrift.operation(session, "SHOW FUNCTIONS LIKE 'p%'"))]
    assert _function_names(thrift, session, "p%") == shown
    assert {"posexplode", "percentile", "pmod"} <= set(shown)
    assert _function_names(thrift, session, "date_bin") == []
    request = thrift.types.TGetFunctionsReq(session, None, None, "posexplode")
    ((_, _, name, words, *_),) = thrift.rows(thrift.call.GetFunctions(request).operationHandle)
    assert (name, words) == ("posexplode", "as explode, with places counted from 0")


def _function_names(thrift: ThriftClient, session: Any, pattern: str) -> list[str]:
    request = thrift.types.TGetFunctionsReq(session, None, None, pattern)
    return [row[2] for row in thrift.rows(thrift.call.GetFunctions(request).operationHandle)]


def test_what_a_role_may_not_use_is_not_shown(hive: HiveServed) -> None:
    hive.database.execute("CREATE ROLE ann LOGIN; GRANT SELECT ON t TO ann")
    client = thrift_client(hive.port)
    session = client.session(username="ann")
    answer = client.call.GetTables(client.types.TGetTablesReq(session, None, None, None, ["TABLE", "VIEW"]))
    assert [row[2] for row in client.rows(answer.operationHandle)] == ["t"]
    assert client.execute(session, "SELECT * FROM named").status.sqlState == "42501"
    assert client.rows(client.operation(session, "SELECT count(*) FROM t")) == [(3,)]
    client.transport.close()


def test_calls_that_are_newer_than_the_client(thrift: ThriftClient, hive: HiveServed) -> None:
    """GetQueryId and SetClientInfo, as Hive's interface of later versions has them."""
    session = thrift.session()
    operation = thrift.operation(session, "SELECT 1")
    query_id = raw_call(thrift, "GetQueryId", operation)
    assert query_id[0][1].startswith("sqlengine_") and operation.operationId.guid.hex() in query_id[0][1]
    told = raw_call(thrift, "SetClientInfo", session, {"ApplicationName": "a report"})
    assert told[0][1][1] == SUCCESS
    assert hive.setting("application_name") == "a report"
    operation.operationId.secret = b"x" * 16
    from thrift.Thrift import TApplicationException

    with pytest.raises(TApplicationException, match="invalid operation handle"):
        raw_call(thrift, "GetQueryId", operation)


def raw_call(thrift: ThriftClient, method: str, handle: Any, texts: dict[str, str] | None = None) -> dict[int, Any]:
    """Call a method with a struct of a handle and perhaps a map of texts; the answer as {field: value}."""
    from thrift.Thrift import TApplicationException, TMessageType, TType

    out, back = thrift.call._oprot, thrift.call._iprot
    out.writeMessageBegin(method, TMessageType.CALL, 7)
    out.writeFieldBegin("req", TType.STRUCT, 1)
    out.writeFieldBegin("handle", TType.STRUCT, 1)
    handle.write(out)
    if texts is not None:
        out.writeFieldBegin("configuration", TType.MAP, 2)
        out.writeMapBegin(TType.STRING, TType.STRING, len(texts))
        for key, value in texts.items():
            out.writeString(key)
            out.writeString(value)
    out.writeFieldStop()
    out.writeFieldStop()
    out.trans.flush()
    name, kind, sequence = back.readMessageBegin()
    assert (name, sequence) == (method, 7)
    if kind == TMessageType.EXCEPTION:
        error = TApplicationException()
        error.read(back)
        raise error
    return read_struct(back)


def read_struct(protocol: Any) -> dict[int, Any]:
    """The fields of a struct."""
    from thrift.Thrift import TType

    found: dict[int, Any] = {}
    while True:
        _, kind, number = protocol.readFieldBegin()
        if kind == TType.STOP:
            return found
        readers = {TType.STRUCT: lambda: read_struct(protocol), TType.I32: protocol.readI32}
        found[number] = readers.get(kind, protocol.readString)()


def test_an_unknown_method_is_told(thrift: ThriftClient) -> None:
    from thrift.Thrift import TApplicationException

    with pytest.raises(TApplicationException) as raised:
        thrift.call.GetLog(thrift.types.TGetLogReq(thrift.operation(thrift.session(), "SELECT 1")))
    assert raised.value.type == TApplicationException.UNKNOWN_METHOD
