"""Type texts; the expected trees and Arrow types are those of Hive's language manual (Hive Data Types)."""

from __future__ import annotations

import pyarrow as pa
import pytest

from sqlengine import errors
from sqlengine.warehouse import from_arrow, parse_type

TYPES = [
    ("boolean", pa.bool_()),
    ("tinyint", pa.int8()),
    ("smallint", pa.int16()),
    ("int", pa.int32()),
    ("bigint", pa.int64()),
    ("float", pa.float32()),
    ("double", pa.float64()),
    ("string", pa.string()),
    ("binary", pa.binary()),
    ("date", pa.date32()),
    ("timestamp", pa.timestamp("us")),
    ("timestamp with local time zone", pa.timestamp("us", "UTC")),
    ("decimal(10,2)", pa.decimal128(10, 2)),
    ("array<int>", pa.list_(pa.int32())),
    ("map<string,bigint>", pa.map_(pa.string(), pa.int64())),
    ("struct<a:int,b:array<string>>", pa.struct([("a", pa.int32()), ("b", pa.list_(pa.string()))])),
]


@pytest.mark.parametrize(("text", "arrow"), TYPES)
def test_a_type_is_read_and_written_and_found_again(text: str, arrow: pa.DataType) -> None:
    hive = parse_type(text)
    assert (str(hive), hive.arrow) == (text, arrow)
    assert from_arrow(arrow) == hive


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("DECIMAL", "decimal(10,0)"),
        ("decimal(5)", "decimal(5,0)"),
        ("numeric ( 7 , 3 )", "decimal(7,3)"),
        ("INTEGER", "int"),
        ("Double Precision", "double"),
        ("char(3)", "char(3)"),
        ("VARCHAR(65535)", "varchar(65535)"),
        ("array < struct < `A b` : int , c : char(2) comment 'it\\'s' > >", "array<struct<a b:int,c:char(2)>>"),
        ("map<int,map<string,array<decimal(3,1)>>>", "map<int,map<string,array<decimal(3,1)>>>"),
    ],
)
def test_spellings(text: str, meant: str) -> None:
    assert str(parse_type(text)) == meant


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("uniontype<int,string>", errors.NotSupportedError, "uniontype"),
        ("interval", errors.NotSupportedError, "interval"),
        ("timestamp with time zone", errors.NotSupportedError, "time zone"),
        ("strng", errors.UndefinedObject, "strng"),
        ("array<int", errors.SyntaxError, "ends too early"),
        ("array<>", errors.UndefinedObject, ">"),
        ("array<int,int>", errors.SyntaxError, '"," is not expected|not expected'),
        ("map<string>", errors.SyntaxError, "a map has"),
        ("map<array<int>,int>", errors.SyntaxError, "a map has"),
        ("struct<a>", errors.SyntaxError, "not expected"),
        ("struct<a:int,A:string>", errors.DuplicateColumn, '"a"'),
        ("int int", errors.SyntaxError, "not expected"),
        ("", errors.SyntaxError, "ends too early"),
        ("int;", errors.SyntaxError, "cannot be read"),
        ("decimal(39)", errors.InvalidParameter, "38"),
        ("decimal(3,4)", errors.InvalidParameter, "38"),
        ("decimal(1,2,3)", errors.InvalidParameter, "38"),
        ("decimal(x)", errors.SyntaxError, "a number"),
        ("char", errors.InvalidParameter, "length"),
        ("char(256)", errors.InvalidParameter, "255"),
        ("varchar(0)", errors.InvalidParameter, "65535"),
    ],
)
def test_bad_types(text: str, error: type[errors.Error], says: str) -> None:
    with pytest.raises(error, match=says):
        parse_type(text)


@pytest.mark.parametrize(
    ("arrow", "hive"),
    [
        (pa.uint8(), "smallint"),
        (pa.uint32(), "bigint"),
        (pa.uint64(), "decimal(20,0)"),
        (pa.float16(), "float"),
        (pa.large_string(), "string"),
        (pa.dictionary(pa.int8(), pa.string()), "string"),
        (pa.timestamp("ns"), "timestamp"),
        (pa.timestamp("s", "Europe/Paris"), "timestamp with local time zone"),
        (pa.large_list(pa.field("x", pa.int64())), "array<bigint>"),
        (pa.null(), "string"),
        (pa.date64(), "date"),
        (pa.uuid(), "string"),
    ],
)
def test_arrow_types_of_others(arrow: pa.DataType, hive: str) -> None:
    assert str(from_arrow(arrow)) == hive


def test_an_arrow_type_that_hive_lacks_is_refused() -> None:
    with pytest.raises(errors.NotSupportedError, match="time64"):
        from_arrow(pa.time64("us"))
