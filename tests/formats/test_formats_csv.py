"""The csv and raw formats against Python's csv module and DuckDB, and each record alone against any
neighbours."""

from __future__ import annotations

import csv
import datetime
import decimal
import io

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlengine.errors import InvalidParameter
from sqlengine.formats import decoder, encoder
from sqlengine.formats.csv_format import CsvDecoder, CsvOptions
from sqlengine.types import JSON, TIMESTAMP, TIMESTAMPTZ
from tests.depth import rounds

SCHEMA = pa.schema(
    [
        ("id", pa.int64()),
        ("name", pa.string()),
        ("price", pa.float64()),
        ("at", TIMESTAMP),
        ("ok", pa.bool_()),
        ("amount", pa.decimal128(12, 2)),
        ("doc", JSON),
        ("tags", pa.list_(pa.int64())),
    ]
)
THREE = pa.schema([("a", pa.int64()), ("b", pa.string()), ("c", pa.float64())])


def records(*texts: str | bytes | None) -> pa.BinaryArray:
    return pa.array([t.encode() if isinstance(t, str) else t for t in texts], pa.binary())


def test_every_type() -> None:
    line = '7,"a ""b"",\nc",1.5,2024-01-02 03:04:05.6,t,1.255,"{""x"": 1}","[1,""2""]"'
    decoded = decoder("csv", SCHEMA, {}).decode(records(line, ",,,,,,,", ' 7 ,"",,,,,,'))
    assert not decoded.bad
    assert decoded.batch.to_pylist() == [
        {
            "id": 7,
            "name": 'a "b",\nc',
            "price": 1.5,
            "at": datetime.datetime(2024, 1, 2, 3, 4, 5, 600000),
            "ok": True,
            "amount": decimal.Decimal("1.26"),
            "doc": '{"x": 1}',
            "tags": [1, 2],
        },
        dict.fromkeys(SCHEMA.names),
        {**dict.fromkeys(SCHEMA.names), "id": 7, "name": ""},
    ]


BAD = [
    "x,y,1",
    "1,y",
    "1,y,2,3",
    '1,"open,2',
    '1,x",",y',
    "1,a,1e400",
    "1.5,a,1",
    "9223372036854775808,a,1",
    b"1,\xff,1",
    None,
    "",
    "1,a,1\n2,b,2",
]


@pytest.mark.parametrize("text", BAD)
def test_a_bad_record_is_alone_in_its_fate(text: str | bytes | None) -> None:
    decoded = decoder("csv", THREE, {}).decode(records("1,a,1", text, '2,"b\nb",2', text, "3,c,3"))
    assert decoded.batch.column(0).to_pylist() == [1, 2, 3]
    assert decoded.rows.tolist() == [0, 2, 4]
    assert [i for i, _ in decoded.bad] == [1, 3]


def test_reasons_name_the_column_or_the_count() -> None:
    decoded = decoder("csv", THREE, {}).decode(records("x,y,1", "1,y"))
    assert 'column "a"' in decoded.bad[0][1] and '"x"' in decoded.bad[0][1]
    assert decoded.bad[1][1] == "expected 3 fields, got 2"


def test_options() -> None:
    decoded = decoder("csv", THREE, {"delimiter": "\\t", "csv.null-literal": "NULL", "topic": "t"}).decode(
        records("1\tNULL\t2", "2\t\t3")
    )
    assert decoded.batch.column(1).to_pylist() == [None, ""]
    with pytest.raises(InvalidParameter):
        decoder("csv", THREE, {"delimiter": "::"})


def test_columns_of_a_header_are_found_by_name() -> None:
    reader = CsvDecoder(THREE, CsvOptions(), columns=["zzz", "c", "a"])
    decoded = reader.decode(records("q,1.5,1", "q,x,2"))
    assert decoded.batch.to_pylist() == [{"a": 1, "b": None, "c": 1.5}]
    assert decoded.bad[0][0] == 1


lines = st.lists(
    st.sampled_from(
        [
            "1",
            "2.5",
            "x",
            "",
            '""',
            '"a"',
            '"a,b"',
            '"a\nb"',
            '"',
            'x"y',
            "\n",
            " 3",
            "1e400",
            "\x1f",
            '"\x1f,1',
            "nan",
        ]
    ),
    min_size=1,
    max_size=4,
).map(",".join)


@settings(max_examples=rounds(60, 150), deadline=None)
@given(st.lists(lines | st.text(max_size=6), max_size=10))
def test_a_mix_decodes_as_each_alone(texts: list[str]) -> None:
    together = decoder("csv", THREE, {}).decode(records(*texts))
    alone = [decoder("csv", THREE, {}).decode(records(t)) for t in texts]
    assert together.rows.tolist() == [i for i, d in enumerate(alone) if not d.bad]
    assert repr(together.batch.to_pylist()) == repr([r for d in alone for r in d.batch.to_pylist()])
    assert list(together.bad) == [(i, d.bad[0][1]) for i, d in enumerate(alone) if d.bad]


cells = st.text(st.characters(codec="utf-8", exclude_characters="\r\x00"), max_size=6)


@settings(max_examples=rounds(24, 60), deadline=None)
@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=6))
def test_reads_what_python_s_csv_writes(rows: list[tuple[str, str]]) -> None:
    texts = []
    for row in rows:
        out = io.StringIO()
        csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="").writerow(row)
        texts.append(out.getvalue())
    decoded = decoder("csv", pa.schema([("a", pa.string()), ("b", pa.string())]), {}).decode(records(*texts))
    assert [tuple(r.values()) for r in decoded.batch.to_pylist()] == rows


python_rows = st.fixed_dictionaries(
    {
        "id": st.none() | st.integers(-(2**63), 2**63 - 1),
        "name": st.none() | cells,
        "price": st.none() | st.floats(allow_nan=False),
        "at": st.none() | st.datetimes(),
        "zoned": st.none() | st.datetimes(timezones=st.just(datetime.UTC)),
        "day": st.none() | st.dates(),
        "clock": st.none() | st.times(),
        "ok": st.none() | st.booleans(),
        "amount": st.none() | st.decimals(-(10**9), 10**9, places=2),
        "raw": st.none() | st.binary(max_size=4),
        "tags": st.none() | st.lists(st.none() | st.integers(0, 9), max_size=3),
    }
)
WIDE = pa.schema(
    [
        ("id", pa.int64()),
        ("name", pa.string()),
        ("price", pa.float64()),
        ("at", TIMESTAMP),
        ("zoned", TIMESTAMPTZ),
        ("day", pa.date32()),
        ("clock", pa.time64("us")),
        ("ok", pa.bool_()),
        ("amount", pa.decimal128(12, 2)),
        ("raw", pa.binary()),
        ("tags", pa.list_(pa.int64())),
    ]
)


@settings(max_examples=rounds(32, 80), deadline=None)
@given(st.lists(python_rows, max_size=6), st.integers(0, 2))
def test_encode_then_decode_is_the_same(rows: list[dict], skip: int) -> None:
    batch = pa.RecordBatch.from_pylist(rows, WIDE).slice(min(skip, len(rows)))
    encoded = encoder("csv", WIDE, {}).encode(batch)
    for text in encoded.to_pylist():
        assert len(list(csv.reader([text.decode()]))) >= 1
    decoded = decoder("csv", WIDE, {}).decode(encoded)
    assert not decoded.bad
    assert decoded.batch.to_pylist() == batch.to_pylist()


@settings(max_examples=10, deadline=None)
@given(st.lists(python_rows, min_size=1, max_size=5))
def test_duckdb_reads_what_we_write(tmp_path_factory: pytest.TempPathFactory, rows: list[dict]) -> None:
    import duckdb

    schema = pa.schema([WIDE.field(n) for n in ("id", "price", "at", "day", "ok", "amount")])
    batch = pa.RecordBatch.from_pylist([{n: r[n] for n in schema.names} for r in rows], schema)
    coded = encoder("csv", schema, {})
    path = tmp_path_factory.mktemp("csv") / "rows.csv"
    path.write_bytes(b"\n".join([coded.header(), *coded.encode(batch).to_pylist()]) + b"\n")
    types = {
        "id": "BIGINT",
        "price": "DOUBLE",
        "at": "TIMESTAMP",
        "day": "DATE",
        "ok": "BOOLEAN",
        "amount": "DECIMAL(12,2)",
    }
    read = duckdb.sql(
        f"SELECT * FROM read_csv('{path}', header=true, delim=',', quote='\"', columns={types})"
    ).fetchall()
    assert read == [tuple(r.values()) for r in batch.to_pylist()]


def test_raw() -> None:
    text = pa.schema([("line", pa.string())])
    decoded = decoder("raw", text, {}).decode(records("a", b"\xff", None, ""))
    assert decoded.batch.column(0).to_pylist() == ["a", None, ""]
    assert decoded.bad == [(1, "invalid byte sequence for encoding UTF8")]
    assert (
        decoder("raw", pa.schema([("b", pa.binary())]), {}).decode(records(b"\xff")).batch.column(0)[0].as_py()
        == b"\xff"
    )
    documents = decoder("raw", pa.schema([("doc", JSON)]), {}).decode(records('{"a":1}', "[1", "5", ""))
    assert documents.batch.column(0).to_pylist() == ['{"a":1}', "5"]
    assert [i for i, _ in documents.bad] == [1, 3]
    assert encoder("raw", text, {}).encode(pa.record_batch([["x"]], schema=text)).to_pylist() == [b"x"]
    with pytest.raises(InvalidParameter):
        decoder("raw", THREE, {})
