"""COPY with the client in the formats of files, by a client that knows nothing of them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sqlengine import connect

TABLE = pa.table(
    {"id": pa.array([1, 2], pa.int64()), "tags": [["a"], None], "at": pa.array([0, None], pa.timestamp("us"))}
)
CREATE = "CREATE TABLE t (id BIGINT, tags TEXT[], at TIMESTAMP)"


@pytest.fixture
def client() -> Iterator[psycopg.Connection]:
    with connect() as database, database.serve(host="127.0.0.1", port=0) as server:
        address = f"postgresql://sqlengine@127.0.0.1:{server.port}/sqlengine"
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(CREATE)
            yield connection


def sent(client: psycopg.Connection, statement: str, data: bytes) -> str:
    with client.cursor() as cursor:
        with cursor.copy(statement.encode()) as copy:
            copy.write(data)
        return str(cursor.statusmessage)


def received(client: psycopg.Connection, statement: str) -> bytes:
    with client.cursor() as cursor, cursor.copy(statement.encode()) as copy:
        return b"".join(bytes(piece) for piece in copy)


def as_arrow(stream: bool) -> bytes:
    sink = io.BytesIO()
    with (pa.ipc.new_stream if stream else pa.ipc.new_file)(sink, TABLE.schema) as writer:
        writer.write_table(TABLE)
    return sink.getvalue()


def as_parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(TABLE, sink)
    return sink.getvalue()


LINES = b'{"id": 1, "tags": ["a"], "at": "1970-01-01 00:00:00"}\n{"at": null, "id": 2}\n'
FILES = {
    "json": LINES, "JSON": b"[" + LINES.replace(b"\n", b",\n", 1) + b"]", "arrow": as_arrow(stream=True),
    "Arrow": as_arrow(stream=False), "parquet": as_parquet(),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_the_bytes_of_a_file(client: psycopg.Connection, name: str) -> None:
    assert sent(client, f"COPY t FROM STDIN (FORMAT {name})", FILES[name]) == "COPY 2"
    found = client.execute("SELECT id, tags, at FROM t ORDER BY id").fetchall()
    assert found == [tuple(row.values()) for row in TABLE.to_pylist()]


def test_what_is_sent_back(client: psycopg.Connection) -> None:
    sent(client, "COPY t FROM STDIN (FORMAT json)", LINES)
    lines = received(client, "COPY (SELECT * FROM t ORDER BY id) TO STDOUT (FORMAT json)").splitlines()
    assert [json.loads(line)["id"] for line in lines] == [1, 2]
    stream = received(client, "COPY (SELECT * FROM t ORDER BY id) TO STDOUT (FORMAT arrow)")
    assert pa.ipc.open_stream(stream).read_all().to_pylist() == TABLE.to_pylist()
    empty = received(client, "COPY (SELECT * FROM t WHERE false) TO STDOUT (FORMAT arrow)")
    assert pa.ipc.open_stream(empty).read_all().schema.names == ["id", "tags", "at"]


def test_a_header_that_names_columns(client: psycopg.Connection) -> None:
    data = b"more,at,tags,id\nx,1970-01-01,{a},1\ny,,,2\n"
    assert sent(client, "COPY t FROM STDIN (FORMAT csv, HEADER names)", data) == "COPY 2"
    assert client.execute("SELECT id, tags FROM t ORDER BY id").fetchall() == [(1, ["a"]), (2, None)]


@pytest.mark.parametrize(
    ("options", "data", "state", "words"),
    [
        ("FORMAT parquet", b"nothing", "XX001", "what was sent is not a valid parquet file"),
        ("FORMAT arrow", b"nothing", "XX001", "what was sent is not a valid arrow file"),
        ("FORMAT json", b"[nothing", "22P02", ""),
        ("FORMAT csv, HEADER names", b"a,b\n1,2\n", "42703", "what was sent has no column"),
        ("FORMAT json, HEADER names", b"", "0A000", "HEADER"),
        ("FORMAT json, DELIMITER ';'", b"", "42601", "JSON mode"),
        ("HEADER names", b"", "0A000", "CSV mode"),
        ("FORMAT csv, LEND", b"", "0A000", "LEND"),
        ("FORMAT arrow, LEND", b"nothing", "22P04", "not a valid arrow stream"),
    ],
)
def test_mistakes(client: psycopg.Connection, options: str, data: bytes, state: str, words: str) -> None:
    with pytest.raises(psycopg.Error) as caught:
        sent(client, f"COPY t FROM STDIN ({options})", data)
    assert caught.value.sqlstate == state and words in str(caught.value)
    assert "sqlengine-copy" not in str(caught.value)
    assert client.execute("SELECT count(*) FROM t").fetchone() == (0,)


def test_parquet_is_not_sent(client: psycopg.Connection) -> None:
    with pytest.raises(psycopg.Error) as caught:
        received(client, "COPY t TO STDOUT (FORMAT parquet)")
    assert caught.value.sqlstate == "0A000"


def test_arrays_of_structs_are_arrays_of_json(client: psycopg.Connection) -> None:
    found = client.execute("SELECT [{'a': 1, 'b': 'x \"y\"'}, NULL] AS v, [[{'a': 2}]] AS w").fetchone()
    assert found == ([{"a": 1, "b": 'x "y"'}, None], [[{"a": 2}]])


def test_rows_come_in_arrow_to_who_asks(client: psycopg.Connection) -> None:
    client.pgconn.exec_(b"SET result_format = 'arrow'")
    found = []
    for rows in (0, 1, 10_000):
        cursor = client.cursor()
        with cursor.copy(f"SELECT {{'a': range::smallint}} AS s FROM range({rows})") as sent_rows:
            data = b"".join(sent_rows)
        assert cursor.rowcount == rows
        found.append(pa.ipc.open_stream(data).read_all())
    assert found[2].schema == pa.schema([("s", pa.struct([("a", pa.int16())]))]) == found[0].schema
    assert [table.num_rows for table in found] == [0, 1, 10_000]
    assert found[2].column("s").to_pylist()[9_999] == {"a": 9_999}
    failed = client.pgconn.exec_(b"SELECT nothing")
    assert failed.status == psycopg.pq.ExecStatus.FATAL_ERROR
    assert client.execute("SELECT %s AS a", (1,)).fetchone() == (1,)  # the extended protocol has formats of its own
