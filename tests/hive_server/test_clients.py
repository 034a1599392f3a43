"""PyHive, impyla and SQLAlchemy's dialect of PyHive, as programs use them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from typing import Any

import pytest

import sqlengine
from sqlengine.errors import Error
from tests.hive_server.conftest import HiveServed
from tests.hive_server.test_calls import SLOW, SLOWLY, much_history, until

pyhive = pytest.importorskip(
    "pyhive.hive", reason="PYHIVE IS NOT TESTED: pyhive, thrift-sasl and pure-sasl are not installed"
)
impala = pytest.importorskip("impala.dbapi", reason="IMPYLA IS NOT TESTED: impyla is not installed")

TYPES = """
CREATE TABLE kinds (
    id INT, flag BOOLEAN, small SMALLINT, big BIGINT, f REAL, d DOUBLE PRECISION, n NUMERIC(12, 3), s TEXT, b BYTEA,
    day DATE, at TIMESTAMP, l INT[]
);
INSERT INTO kinds VALUES
    (1, true, -7, 9007199254740993, 1.1, 2.5, 12345.678, 'Ä''"\\', '\\x6162', '2024-02-29', '2024-02-29 12:00:00.25',
     ARRAY[1, 2]),
    (2, false, 0, 0, 0, 0, 0, '', '\\x', '1970-01-01', '1970-01-01 00:00:00', ARRAY[]::INT[]),
    (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
"""
FIRST = (1, True, -7, 9007199254740993, 1.1, 2.5, Decimal("12345.678"), "Ä'\"\\", b"ab")
SECOND = (2, False, 0, 0, 0.0, 0.0, Decimal("0.000"), "", b"")
NULLS = (3, *[None] * 11)


@pytest.fixture
def served(hive: HiveServed) -> HiveServed:
    """The server, with values of each type."""
    hive.database.execute(TYPES)
    return hive


# ---------------------------------------------------------------- PyHive

WAYS: dict[str, dict[str, Any]] = {
    "NOSASL": {"auth": "NOSASL", "username": "me"},
    "NONE": {"auth": "NONE", "username": "me"},
    "LDAP": {"auth": "LDAP", "username": "me", "password": "anything"},
    "HTTP": {"scheme": "http", "username": "me"},
}


@pytest.fixture(params=WAYS)
def pyhive_connection(served: HiveServed, request: Any) -> Iterator[Any]:
    """A connection, in each of the ways there are."""
    with closing(pyhive.connect("127.0.0.1", served.port, **WAYS[request.param])) as made:
        yield made


def test_pyhive_types(pyhive_connection: Any) -> None:
    cursor = pyhive_connection.cursor()
    cursor.execute("SELECT * FROM kinds ORDER BY id")
    assert [(d[0], d[1]) for d in cursor.description] == [
        ("id", "INT_TYPE"),
        ("flag", "BOOLEAN_TYPE"),
        ("small", "SMALLINT_TYPE"),
        ("big", "BIGINT_TYPE"),
        ("f", "FLOAT_TYPE"),
        ("d", "DOUBLE_TYPE"),
        ("n", "DECIMAL_TYPE"),
        ("s", "STRING_TYPE"),
        ("b", "BINARY_TYPE"),
        ("day", "DATE_TYPE"),
        ("at", "TIMESTAMP_TYPE"),
        ("l", "ARRAY_TYPE"),
    ]
    assert cursor.fetchall() == [
        (*FIRST, "2024-02-29", dt.datetime(2024, 2, 29, 12, 0, 0, 250000), "[1,2]"),
        (*SECOND, "1970-01-01", dt.datetime(1970, 1, 1), "[]"),
        NULLS,
    ]


def test_tinyint_of_hives_dialect(served: HiveServed) -> None:
    with closing(pyhive.connect("127.0.0.1", served.port, auth="NOSASL", username="me")) as made:
        cursor = made.cursor()
        cursor.execute("SET dialect = 'hive'")
        cursor.execute("SELECT 127Y + 1Y AS y, cast(NULL AS tinyint) AS n")
        assert [(d[0], d[1]) for d in cursor.description] == [("y", "TINYINT_TYPE"), ("n", "TINYINT_TYPE")]
        assert cursor.fetchall() == [(-128, None)]


def test_pyhive_fetches_in_pieces(pyhive_connection: Any) -> None:
    cursor = pyhive_connection.cursor(arraysize=7)
    cursor.execute("SELECT x FROM range(30) r(x) ORDER BY x")
    assert cursor.fetchone() == (0,)
    assert cursor.fetchmany(10) == [(x,) for x in range(1, 11)]
    assert cursor.fetchall() == [(x,) for x in range(11, 30)]
    assert cursor.fetchone() is None


def test_pyhive_errors(pyhive_connection: Any) -> None:
    cursor = pyhive_connection.cursor()
    with pytest.raises(pyhive.OperationalError) as raised:
        cursor.execute("SELECT * FROM nowhere")
    assert raised.value.args[0].status.sqlState == "42P01"
    with pytest.raises(pyhive.OperationalError):
        cursor.execute("SELECT FROM WHERE")
    cursor.execute("SELECT 1")
    assert cursor.fetchall() == [(1,)]
    cursor.execute("CREATE TABLE made (x INT)")
    with pytest.raises(pyhive.ProgrammingError):
        cursor.fetchone()


def test_pyhive_parameters_and_log(pyhive_connection: Any) -> None:
    cursor = pyhive_connection.cursor()
    cursor.execute("SELECT id FROM kinds WHERE id = %(id)s AND n > %(n)s", {"id": 1, "n": 1.5})
    assert cursor.fetchall() == [(1,)]
    assert any("Executing command" in line for line in cursor.fetch_logs())


@pytest.mark.slow
def test_pyhive_asynchronously(served: HiveServed) -> None:
    much_history(served)
    states = pyhive.ttypes.TOperationState
    with closing(pyhive.connect("127.0.0.1", served.port, auth="NONE", configuration=SLOWLY)) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT count(*) FROM kinds", async_=True)
        until(lambda: cursor.poll().operationState == states.FINISHED_STATE)
        assert cursor.fetchall() == [(3,)]
        cursor.execute(SLOW, async_=True)
        until(lambda: cursor.poll().operationState == states.RUNNING_STATE)
        until(lambda: 0 < cursor.poll().progressUpdateResponse.progressedPercentage < 1)
        cursor.cancel()
        until(lambda: cursor.poll().operationState == states.CANCELED_STATE)
        cursor.execute("SELECT 2")
        assert cursor.fetchall() == [(2,)]


def test_pyhive_begins_as_it_is_told(served: HiveServed) -> None:
    given = {"timezone": "Asia/Tokyo"}
    with closing(pyhive.connect("127.0.0.1", served.port, auth="NONE", configuration=given)):
        assert served.setting("timezone") == "Asia/Tokyo"
    with pytest.raises(pyhive.OperationalError, match="nowhere"):
        pyhive.connect("127.0.0.1", served.port, auth="NONE", database="nowhere")


# ---------------------------------------------------------------- impyla

IMPYLA_WAYS: dict[str, dict[str, Any]] = {
    "NOSASL": {"auth_mechanism": "NOSASL"},
    "PLAIN": {"auth_mechanism": "PLAIN", "user": "me", "password": "anything"},
    "LDAP": {"auth_mechanism": "LDAP", "user": "me", "password": "anything"},
    "HTTP": {"auth_mechanism": "PLAIN", "user": "me", "password": "x", "use_http_transport": True, "http_path": "cli"},
}


@pytest.fixture(params=IMPYLA_WAYS)
def impyla(served: HiveServed, request: Any) -> Iterator[Any]:
    """A cursor, in each of the ways there are to connect."""
    with closing(impala.connect("127.0.0.1", served.port, **IMPYLA_WAYS[request.param])) as connection:
        cursor = connection.cursor()
        yield cursor
        cursor.close()


def test_impyla_types(impyla: Any) -> None:
    impyla.execute("SELECT * FROM kinds ORDER BY id")
    described = {d[0]: (d[1], d[4], d[5]) for d in impyla.description}
    assert described["n"] == ("DECIMAL", 12, 3) and described["l"] == ("ARRAY", None, None)
    first, second, third = impyla.fetchall()
    assert first == (*FIRST, dt.date(2024, 2, 29), dt.datetime(2024, 2, 29, 12, 0, 0, 250000), b"[1,2]")
    assert second == (*SECOND, dt.date(1970, 1, 1), dt.datetime(1970, 1, 1), b"[]")
    assert third == NULLS


def test_impyla_fetches_in_pieces(impyla: Any) -> None:
    impyla.set_arraysize(7)
    impyla.execute("SELECT x, CAST(x AS TEXT) AS s FROM range(30) r(x) ORDER BY x")
    assert impyla.fetchone() == (0, "0")
    assert impyla.fetchmany(10) == [(x, str(x)) for x in range(1, 11)]
    assert [row[0] for row in impyla] == list(range(11, 30))
    impyla.execute("SELECT x FROM range(30) r(x)")
    assert sum(len(batch) for batch in impyla.fetchcolumnar()) == 30


def test_impyla_errors_and_the_catalog(impyla: Any) -> None:
    with pytest.raises(impala.OperationalError, match="Table not found nowhere"):
        impyla.execute("SELECT * FROM nowhere")
    impyla.get_databases()
    assert [row[0] for row in impyla.fetchall()] == ["default", "sales", "system"]
    impyla.get_tables("sales")
    assert [row[2] for row in impyla.fetchall()] == ["orders"]
    assert impyla.table_exists("kinds") and not impyla.table_exists("nowhere")
    assert impyla.database_exists("sales") and not impyla.database_exists("nowhere")
    assert impyla.get_table_schema("kinds")[6:8] == [("n", "DECIMAL"), ("s", "STRING")]
    impyla.get_functions()
    assert "upper" in {row[2] for row in impyla.fetchall()}
    assert impyla.ping()


def test_impyla_parameters(impyla: Any) -> None:
    impyla.execute("INSERT INTO t VALUES (?, ?)", (10, "ten"))
    impyla.execute("SELECT name FROM t WHERE id = :id", {"id": 10})
    assert impyla.fetchall() == [("ten",)]
    assert "Executing command" in impyla.get_log()


@pytest.mark.slow
def test_impyla_asynchronously(served: HiveServed) -> None:
    much_history(served)
    with closing(impala.connect("127.0.0.1", served.port, auth_mechanism="PLAIN")) as connection:
        cursor = connection.cursor(configuration=SLOWLY)
        cursor.execute_async(SLOW)
        assert cursor.is_executing()
        cursor.cancel_operation(reset_state=False)
        until(lambda: cursor.status() == "CANCELED_STATE")
        cursor.execute_async("SELECT count(*) FROM kinds")
        until(lambda: not cursor.is_executing())
        assert cursor.fetchall() == [(3,)]
        cursor.close()


# ---------------------------------------------------------------- SQLAlchemy

sqlalchemy = pytest.importorskip("sqlalchemy", reason="SQLALCHEMY IS NOT TESTED OVER HIVE: sqlalchemy is not installed")


# PyHive's dialect over HTTP is written for SQLAlchemy 1
RENAMED = "ignore:The dbapi\\(\\) classmethod on dialect classes:sqlalchemy.exc.SADeprecationWarning"

UNCACHED = "ignore:Dialect hive.rest will not make use of SQL compilation caching:sqlalchemy.exc.SAWarning"


@pytest.fixture(params=["hive://me@127.0.0.1:{}/default?auth=NONE", "hive+http://me:x@127.0.0.1:{}/default"])
def engine(served: HiveServed, request: Any) -> Iterator[Any]:
    """An engine, over SASL and over HTTP."""
    made = sqlalchemy.create_engine(request.param.format(served.port))
    yield made
    made.dispose()


@pytest.mark.filterwarnings(RENAMED, UNCACHED)
def test_sqlalchemy_text(engine: Any) -> None:
    with engine.connect() as connection:
        rows = connection.execute(sqlalchemy.text("SELECT id, n, at FROM kinds ORDER BY id")).fetchall()
    assert rows == [
        (1, Decimal("12345.678"), dt.datetime(2024, 2, 29, 12, 0, 0, 250000)),
        (2, Decimal("0.000"), dt.datetime(1970, 1, 1)),
        (3, None, None),
    ]
    with engine.connect() as connection, pytest.raises(sqlalchemy.exc.OperationalError, match="Table not found"):
        connection.execute(sqlalchemy.text("SELECT * FROM nowhere"))


def hive_is_spoken() -> bool:
    """Whether the dialect understands what SQLAlchemy writes for Hive."""
    with sqlengine.connect() as database:
        session = database.session()
        session.settings.set("dialect", "hive")
        session.execute("CREATE TABLE t (id INT)")
        try:
            session.execute("SELECT `t`.`id` FROM `t`")
            return session.execute("DESCRIBE t").columns[:2] == ["col_name", "data_type"]
        except Error:
            return False


@pytest.mark.filterwarnings(RENAMED, UNCACHED)
@pytest.mark.skipif(
    not hive_is_spoken(), reason="SQLALCHEMY'S HIVE STATEMENTS ARE NOT TESTED: the dialect is not there"
)
def test_sqlalchemy_statements_and_inspector(engine: Any) -> None:
    inspector = sqlalchemy.inspect(engine)
    assert {"default", "sales"} <= set(inspector.get_schema_names())
    assert {"t", "kinds"} <= set(inspector.get_table_names())
    assert inspector.get_table_names("sales") == ["orders"]
    columns = {column["name"]: column["type"] for column in inspector.get_columns("kinds")}
    assert list(columns)[:3] == ["id", "flag", "small"]
    assert inspector.has_table("kinds") and not inspector.has_table("nowhere")
    kinds = sqlalchemy.Table("kinds", sqlalchemy.MetaData(), autoload_with=engine)
    wanted = sqlalchemy.select(kinds.c.id, kinds.c.day, kinds.c.n).where(kinds.c.id == 1)
    with engine.connect() as connection:
        assert connection.execute(wanted).fetchall() == [(1, dt.date(2024, 2, 29), Decimal("12345.678"))]


def test_followed_rows_reach_a_client_as_they_come(served: HiveServed) -> None:
    """PyHive takes an empty piece for the end: a query that is followed is never answered with one."""
    with closing(pyhive.connect("127.0.0.1", served.port, auth="NONE")) as connection:
        cursor = connection.cursor(arraysize=1)
        cursor.execute("SELECT id FROM t WHERE id > 2 EMIT CHANGES")
        assert cursor.fetchone()[1] == 3
        served.database.execute("INSERT INTO t VALUES (50, 'fifty')")
        assert cursor.fetchone()[1] == 50
