"""Hive's scalar functions: each documented example holds of constants and of columns, and no name is forgotten."""

from __future__ import annotations

import pyarrow as pa
import pytest

import sqlengine
from sqlengine.functions.hive import HIVE
from sqlengine.functions.hive.hashes import murmur3, murmur_hash_of
from sqlengine.functions.registry import Function
from sqlengine.sql.hive.lexer import lex_hive
from sqlengine.sql.lexer import NUMBER, STRING

WITH_EXAMPLE = [f for f in HIVE.functions() if f.example]


@pytest.fixture(scope="module")
def database() -> sqlengine.Connection:
    return sqlengine.connect(":memory:", dialect="hive")


@pytest.mark.parametrize("function", WITH_EXAMPLE, ids=lambda f: f.name)
def test_example_holds_of_constants(function: Function, database: sqlengine.Connection) -> None:
    assert database.execute(f"SELECT {function.example}").fetchall() == [(True,)]


@pytest.mark.parametrize("function", WITH_EXAMPLE, ids=lambda f: f.name)
def test_example_holds_of_columns(function: Function, database: sqlengine.Connection) -> None:
    """Every constant of the example becomes a column; a row of NULLs between must change nothing around it."""
    text, types, values = as_columns(function.example)
    if not types:
        return
    database.execute("DROP TABLE IF EXISTS t")
    columns = ", ".join(f"c{i} {kind}" for i, kind in enumerate(types))
    database.execute(f"CREATE TABLE t (n int, {columns})")
    row, empty = ", ".join(values), ", ".join(["NULL"] * len(values))
    database.execute(f"INSERT INTO t VALUES (1, {row}), (2, {empty}), (3, {row})")
    made = f"SELECT CASE WHEN n = 2 THEN true ELSE {text} END, {text} FROM t ORDER BY n"
    if function.name.startswith("hive$assert_true"):
        made = f"SELECT CASE WHEN n = 2 THEN true ELSE {text} END, NULL FROM t ORDER BY n"
    assert [first for first, _ in database.execute(made).fetchall()] == [True, True, True]


def as_columns(example: str) -> tuple[str, list[str], list[str]]:
    """The example with columns for its constants, but for what must be one; their types and values."""
    out, types, values, at = "", [], [], 0
    for token in lex_hive(example):
        if token.kind not in (STRING, NUMBER) or example[: token.start].endswith("ESCAPE "):
            continue
        value = example[token.start : token.end]
        out += example[at : token.start] + f"c{len(types)}"
        at = token.end
        types.append("string" if token.kind == STRING else "decimal(20, 6)" if "." in value else "bigint")
        values.append(value)
    return out + example[at:], types, values


def test_every_function_is_described() -> None:
    assert [f.name for f in HIVE.functions() if not f.description or f.description.endswith(".")] == []


@pytest.mark.parametrize(
    ("data", "seed", "expected"),
    [(b"", 1, 0x514E28B7), (b"test", 0x9747B28C, 0x704B81DC), (b"Hello, world!", 0x9747B28C, 0x24884CBA)],
)
def test_murmur3(data: bytes, seed: int, expected: int) -> None:
    """Vectors of the Murmur3 implementations in common use (Wikipedia's table)."""
    assert murmur3(data, seed) == expected


def test_murmur3_of_numbers_is_that_of_their_bytes() -> None:
    """ByteBuffer.putInt, putLong and putShort are big-endian."""
    for kind, width in ((pa.int16(), 2), (pa.int32(), 4), (pa.int64(), 8)):
        values = [0, 1, -1, 258, -300]
        got = murmur_hash_of(pa.array(values, kind)).tolist()
        assert got == [murmur3(v.to_bytes(width, "big", signed=True)) for v in values]
