"""The formats for programs, read back by programs we did not write."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repl.render import FORMATS
from tests.depth import rounds
from tests.repl.rendering import render, render_bytes

ODD = ["", " ", "a,b", 'q"q', "two\nlines", "NULL", "null", "é日🙂", "\\", "tab\t", None, "\r", "\x01"]
texts = st.lists(
    st.none() | st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00")), max_size=8
)


def numbered(values: list[str | None]) -> pa.Table:
    return pa.table({"n": pa.array(range(len(values)), pa.int64()), "t": pa.array(values, pa.string())})


@pytest.mark.parametrize("name", FORMATS)
def test_any_split_into_batches_gives_the_same_bytes(name: str) -> None:
    table = numbered(ODD)
    whole = render_bytes(name, table, batch_rows=100)
    assert whole
    if name != "arrow":
        assert render_bytes(name, table, batch_rows=1) == whole == render_bytes(name, table, batch_rows=5)


@settings(max_examples=rounds(24, 60), deadline=None)
@given(texts)
def test_csv_is_read_back_by_python(values: list[str | None]) -> None:
    rows = list(csv.reader(io.StringIO(render("csv", numbered(values)), newline="")))
    assert rows[0] == ["n", "t"]
    assert rows[1:] == [[str(n), value or ""] for n, value in enumerate(values)]


def test_csv_tells_null_from_the_empty_text(tmp_path: Any) -> None:
    path = tmp_path / "out.csv"
    path.write_bytes(render_bytes("csv", numbered(["", None, "x"])))
    assert path.read_text() == 'n,t\n0,""\n1,\n2,x\n'
    with duckdb.connect() as connection:
        source = f"read_csv('{path}', header = true, allow_quoted_nulls = false)"
        assert connection.sql(f"SELECT t FROM {source}").fetchall() == [("",), (None,), ("x",)]


@settings(max_examples=rounds(24, 60), deadline=None)
@given(texts)
def test_json_and_ndjson_are_read_back_by_python(values: list[str | None]) -> None:
    expected = [{"n": n, "t": value} for n, value in enumerate(values)]
    table = numbered(values)
    assert json.loads(render("json", table)) == expected
    assert [json.loads(line) for line in render("ndjson", table).split("\n") if line] == expected


def test_json_of_every_kind_of_value() -> None:
    table = pa.table(
        {
            "b": [True], "f": [float("nan")], "i": [2**62], "by": [b"\x00\xff"], "l": [[1, None]],
            "s": [{"x": 1, "y": "z"}], "m": pa.array([[("k", 1.5)]], pa.map_(pa.string(), pa.float64())),
            "ts": pa.array([0], pa.timestamp("us", "UTC")),
        }
    )  # fmt: skip
    assert json.loads(render("json", table)) == [
        {
            "b": True, "f": "NaN", "i": 2**62, "by": "\\x00ff", "l": [1, None], "s": {"x": 1, "y": "z"},
            "m": {"k": 1.5}, "ts": "1970-01-01T00:00:00+00",
        }
    ]  # fmt: skip


def test_empty_results() -> None:
    nothing = numbered([])
    assert render("csv", nothing) == "n,t\n"
    assert render("csv", nothing, header=False) == ""
    assert render("json", nothing) == "[]\n"
    assert render("ndjson", nothing) == ""


@pytest.mark.parametrize("endless", [False, True])
def test_arrow_is_an_ipc_stream(endless: bool) -> None:
    table = numbered(ODD)
    assert pa.ipc.open_stream(render_bytes("arrow", table, endless=endless)).read_all() == table


def test_every_format_takes_a_result_without_end() -> None:
    for name in FORMATS:
        assert render_bytes(name, numbered(["a"]), endless=True, ended="ended")
