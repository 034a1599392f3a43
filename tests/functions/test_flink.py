"""Flink's functions that PostgreSQL has not, or means otherwise (Flink's documentation, System (Built-in) Functions).

Each is a constant, a column's in a SELECT, and a column's in a view that follows its table.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

import sqlengine
from sqlengine.errors import Error

CONSTANTS: dict[str, Any] = {
    "ENCODE('abc', 'UTF-8')": b"abc",
    "ENCODE('é', 'ISO-8859-1')": b"\xe9",
    "ENCODE('é', 'US-ASCII')": b"?",
    "ENCODE('a', 'UTF-16BE')": b"\x00a",
    "ENCODE('a', 'UTF-16LE')": b"a\x00",
    "ENCODE('a', 'UTF-16')": b"\xfe\xff\x00a",
    "DECODE(ENCODE('é☃', 'UTF-8'), 'UTF-8')": "é☃",
    "DECODE(ENCODE('é☃', 'UTF-16'), 'UTF-16')": "é☃",
    "ENCODE('abc', 'hex')": "616263",
    "REGEXP('foobar', 'o+b')": True,
    "REGEXP('foobar', '^b')": False,
    "PARSE_URL('http://facebook.com/path1/p.php?k1=v1&k2=v2#Ref1', 'QUERY')": "k1=v1&k2=v2",
    "PARSE_URL('http://facebook.com/path1/p.php?k1=v1&k2=v2#Ref1', 'QUERY', 'k1')": "v1",
    "PARSE_URL('http://facebook.com/path1/p.php?k1=v1&k2=v2#Ref1', 'QUERY', 'k2')": "v2",
    "PARSE_URL('http://facebook.com/path1/p.php?k1=v1&k2=v2#Ref1', 'QUERY', '2')": None,
    "PARSE_URL('http://facebook.com/path1/p.php?k1=v1&k2=v2#Ref1', 'REF')": "Ref1",
    "PARSE_URL('http://facebook.com/path1/p.php?k1=v1&k2=v2#Ref1', 'HOST', 'k1')": None,
    "PARSE_URL('http://facebook.com/path1/p.php', 'QUERY')": None,
    "TRANSLATE3('aaabbcc', 'ab', 'xy')": "xxxyycc",
    "ELEMENT(ARRAY[7])": 7,
    "ELEMENT(ARRAY_REMOVE(ARRAY[1], 1))": None,
    "ARRAY_SORT(ARRAY[2, 1, NULL], true)": [None, 1, 2],
    "ARRAY_SORT(ARRAY[2, 1, NULL], false)": [2, 1, None],
    "ARRAY_SORT(ARRAY[2, 1, NULL], true, false)": [1, 2, None],
    "ARRAY_SORT(ARRAY[2, 1, NULL], false, true)": [None, 2, 1],
    "ARRAY_SORT(MAP_KEYS(MAP_UNION(MAP['a', 1], MAP['b', 2], MAP['a', 3])))": ["a", "b"],
    "MAP_UNION(MAP['a', 1], MAP['b', 2], MAP['a', 3])['a']": 3,
    "TO_TIMESTAMP_LTZ(100)": datetime(1970, 1, 1, 0, 0, 0, 100_000, UTC),
    "TO_TIMESTAMP_LTZ(1700000000123)": datetime(2023, 11, 14, 22, 13, 20, 123_000, UTC),
    "JSON_VALUE('{\"a\": true}', '$.a')": "true",
    "JSON_VALUE('{\"a.b\": [0.998, 0.996]}', '$.[\"a.b\"][0]' RETURNING DOUBLE)": "42601",
    "JSON_VALUE('{\"a.b\": [0.998, 0.996]}', '$.\"a.b\"[0]' RETURNING DOUBLE PRECISION)": 0.998,
    "JSON_VALUE('{\"contains blank\": \"right\"}', 'strict $.*' NULL ON EMPTY DEFAULT 'wrong' ON ERROR)": "right",
    "JSON_VALUE('{}', 'lax $.invalid' NULL ON EMPTY ERROR ON ERROR)": None,
    'JSON_QUERY(\'{"a": [{"c": "c1"}, {"c": "c2"}]}\', \'lax $.a[*].c\' WITH WRAPPER)': '["c1","c2"]',
    "JSON_QUERY('{}', 'lax $.invalid' EMPTY OBJECT ON EMPTY)": "{}",
    "JSON_QUERY('{}', 'strict $.invalid' EMPTY ARRAY ON ERROR)": "[]",
    "JSON_EXISTS('{\"a\": [{\"b\": 1}]}', '$.a[0].b')": True,
    "JSON_EXISTS('{\"a\": true}', 'strict $.b' TRUE ON ERROR)": True,
}


@pytest.mark.parametrize("call", CONSTANTS)
def test_constants(call: str) -> None:
    expected = CONSTANTS[call]
    with sqlengine.connect() as db:
        if expected == "42601":
            with pytest.raises(Error) as raised:
                db.execute(f"SELECT {call}")
            assert raised.value.sqlstate == expected
            return
        db.execute(f"CREATE MATERIALIZED VIEW v AS SELECT {call} AS x")
        for query in (f"SELECT {call}", "SELECT x FROM v"):
            assert db.execute(query).fetchall() == [(expected,)], query


COLUMNS: dict[str, list[Any]] = {
    "ENCODE(s, 'UTF-16LE')": [b"a\x00b\x00", b"\xe9\x00", None],
    "DECODE(ENCODE(s, 'UTF-8'), 'ISO-8859-1')": ["ab", "Ã©", None],
    "REGEXP(s, 'a.')": [True, False, None],
    "TRANSLATE3(s, 'a', 'z')": ["zb", "é", None],
    "ELEMENT(ARRAY[n])": [5, -1, None],
    "ARRAY_SORT(ARRAY[n, 3, NULL], n > 0)": [[None, 3, 5], [3, -1, None], None],
    "TO_TIMESTAMP_LTZ(n)": [
        datetime(1970, 1, 1, 0, 0, 0, 5000, UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999_000, UTC),
        None,
    ],
    "MAP_UNION(MAP['a', n], MAP['b', n], MAP['c', n + 1])['c']": [6, 0, None],
    "PARSE_URL('https://u@h:1/' || s || '?k=' || n, 'QUERY', 'k')": ["5", "-1", None],
    "PARSE_URL('https://u@h:1/' || s || '?k=' || n, 'FILE')": ["/ab?k=5", "/é?k=-1", None],
}


@pytest.mark.parametrize("call", COLUMNS)
def test_columns(call: str) -> None:
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE t (id INT PRIMARY KEY, s TEXT, n BIGINT)")
        query = f"SELECT {call} AS x FROM t"
        db.execute(f"CREATE MATERIALIZED VIEW v AS SELECT id, {call} AS x FROM t")
        db.execute("INSERT INTO t VALUES (1, 'ab', 5), (2, 'é', -1), (3, 'zz', 9)")
        db.execute("UPDATE t SET s = NULL, n = NULL WHERE id = 3")
        for asked in (f"{query} ORDER BY id", "SELECT x FROM v ORDER BY id"):
            assert [x for (x,) in db.execute(asked).fetchall()] == COLUMNS[call], asked


def test_an_array_of_several_has_no_element() -> None:
    with sqlengine.connect() as db, pytest.raises(Error) as raised:
        db.execute("SELECT ELEMENT(ARRAY[1, 2])")
    assert raised.value.sqlstate == "21000"
