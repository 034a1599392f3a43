"""Every type comes over the wire as it is in an embedded database: the same script, the same bytes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from repl.__main__ import main
from repl.remote import RemoteDatabase
from sqlengine import connect, types

VALUES = {
    "boolean": ["true", "false"],
    "smallint": ["0", "-32768", "32767"],
    "integer": ["1", "-2147483648"],
    "bigint": ["9223372036854775807", "-1"],
    "real": ["1.5", "1e-20", "'NaN'", "'-Infinity'"],
    "double precision": ["0.1", "1e300", "'Infinity'", "-2.5"],
    "numeric": ["1.5", "-123456.123456789"],
    "numeric(10,2)": ["1.5", "0", "-99999999.99"],
    "numeric(38,0)": ["99999999999999999999999999999999999999"],
    "text": ["'x'", "''", "'NULL'", "'東京'", r"E'a\tb\nc'", "'a,b'", "'{1}'"],
    "bytea": [r"'\xdeadbeef'", "''"],
    "date": ["'2024-02-29'", "'0044-03-15 (BC)'", "'infinity'", "'9999-12-31'"],
    "time": ["'00:00:00'", "'23:59:59.999999'"],
    "timestamp": ["'2024-02-29 12:00:00.5'", "'0044-03-15 (BC) 01:02:03'", "'-infinity'"],
    "timestamptz": ["'2024-02-29 12:00:00+05:30'", "'1969-12-31 23:59:59.25Z'"],
    "interval": ["'1 year -2 months 3 days -04:05:06.5'", "'100 hours'", "'0 days'", "'-1 day'"],
    "uuid": ["'12345678-1234-1234-1234-123456789abc'"],
    "json": ["""'{"a": [1, 2.50, null], "b": "x y"}'""", "'3'", "'\"x\"'"],
    "jsonb": ["""'{"b": [1, 2.50, null], "a": "x y"}'""", "'3'", "'\"x\"'"],
    "integer[]": ["ARRAY[1, NULL, 3]", "ARRAY[]::integer[]"],
    "text[]": ["""ARRAY['a b', 'NULL', NULL, '', 'x"y', 'c,d', '{e}']"""],
    "date[]": ["ARRAY[DATE '2024-01-01', NULL]"],
    "numeric(6,3)[]": ["ARRAY[1.5, -0.001]"],
    "timestamptz[]": ["ARRAY[TIMESTAMPTZ '2024-01-01 00:00:00Z']"],
    "integer[][]": ["ARRAY[ARRAY[1, 2], ARRAY[3, 4]]"],
    "struct<a integer, b text>": ["{'a': 1, 'b': 'x \"y\" z'}", "{'a': NULL, 'b': ''}"],
    "struct<t timestamp, l integer[]>": ["{'t': TIMESTAMP '2024-01-01 10:00:00', 'l': [1, NULL]}"],
    "struct<a integer>[]": ["[{'a': 1}, {'a': NULL}]", "[]"],
    "map<text, integer>": ["MAP {'a': 1, 'b c': NULL}"],
    "map<integer, date>": ["MAP {1: DATE '2024-01-01'}"],
}
"""By type: what a column of it holds."""
FORMATS = ("table", "vertical", "csv", "json", "ndjson", "markdown", "unaligned", "hive")


def query(name: str) -> str:
    rows = [f"SELECT {n} AS n, CAST({value} AS {name}) AS v" for n, value in enumerate([*VALUES[name], "NULL"], 1)]
    return " UNION ALL ".join(rows) + " ORDER BY n"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with connect() as database, database.serve(host="127.0.0.1", port=0) as server:
        yield f"postgresql://sqlengine@127.0.0.1:{server.port}/sqlengine"


def test_no_type_is_left_out() -> None:
    assert {types.from_sql(name) for name in VALUES} >= {row.arrow for row in types.TYPES}


@pytest.mark.parametrize("name", VALUES)
def test_columns_are_the_same(address: str, name: str) -> None:
    session = RemoteDatabase(address).session()
    with connect() as database:
        here, there = database.execute(query(name)).to_arrow(), session.execute(query(name)).to_arrow()
    session.close()
    assert there.schema == here.schema
    assert there.column("v").type == types.from_sql(name)
    assert there.combine_chunks().to_batches() == here.combine_chunks().to_batches() or _same(here, there)


def _same(left: pa.Table, right: pa.Table) -> bool:
    """NaN, which equals nothing, aside."""
    return str(left.column("v")) == str(right.column("v")) and left.column("n").equals(right.column("n"))


def outputs(place: str, capfd: pytest.CaptureFixture[str], *lines: str) -> str:
    """What the command writes to standard output."""
    assert main([*([place] if place else []), "--quiet", *(word for line in lines for word in ("-c", line))]) == 0
    return capfd.readouterr().out


def test_every_format_is_the_same(address: str, capfd: pytest.CaptureFixture[str]) -> None:
    lines = [line for name in FORMATS for line in (f"\\format {name}", *map(query, VALUES))]
    here = outputs("", capfd, *lines)
    assert outputs(address, capfd, *lines) == here
    assert len(here) > 20_000


def test_the_time_zone_is_that_of_the_session(address: str, capfd: pytest.CaptureFixture[str]) -> None:
    lines = ["SET timezone = 'Asia/Tokyo'", query("timestamptz"), "\\format csv", query("timestamptz[]")]
    here = outputs("", capfd, *lines)
    assert outputs(address, capfd, *lines) == here
    assert "15:30:00+09" in here


def test_the_last_result_is_drawn_and_read_again(address: str, capfd: pytest.CaptureFixture[str]) -> None:
    numbers = (
        "SELECT n, DATE '2024-01-01' + CAST(n AS integer) AS day, n * n AS square FROM generate_series(1, 30) AS g(n)"
    )
    lines = [numbers, "\\chart line day square", "\\chart bar square", "\\chart", "\\last",
             "SELECT max(day) AS last, sum(square) AS squares FROM _", "SELECT last + 1 AS next FROM _"]  # fmt: skip
    here = outputs("", capfd, *lines)
    assert outputs(address, capfd, *lines) == here
    assert "2024-01-31" in here and "9455" in here


@pytest.mark.slow
def test_arrow_is_the_same(address: str, tmp_path: Path) -> None:
    script = tmp_path / "script.sql"
    script.write_text("".join(f"{query(name)};\n" for name in VALUES))
    made = [
        subprocess.run(
            [sys.executable, "-m", "repl", *place, "-f", str(script), "--format", "arrow"],
            capture_output=True, check=True, timeout=120, cwd=Path(__file__).parents[2],
        ).stdout
        for place in ([], [address])
    ]  # fmt: skip
    here, there = map(_streams, made)
    assert len(here) == len(there) == len(VALUES)
    assert all(a.schema == b.schema and str(a.columns) == str(b.columns) for a, b in zip(here, there))


def _streams(data: bytes) -> list[pa.Table]:
    source, tables = pa.BufferReader(data), []
    while source.tell() < len(data):
        tables.append(pa.ipc.open_stream(source).read_all())
    return tables
