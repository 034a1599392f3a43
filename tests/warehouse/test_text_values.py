"""Texts to values and back. Expected are the rules of Hive's sources: LazyInteger.parseInt (no white space, no
overflow), LazyDouble (Java's Double.parseDouble), HiveDecimal (half up, NULL when too wide), Date.valueOf and
Timestamp.valueOf (the patterns in their documentation), LazyBoolean, LazyBinary (Base64 when all bytes are),
HiveChar and HiveVarchar."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqlengine.warehouse import HiveType, parse_type, to_texts
from sqlengine.warehouse.text_values import parse


def values(hive: str, *texts: str | None) -> list[object]:
    return parse(pa.array(texts, pa.string()), parse_type(hive)).to_pylist()


@pytest.mark.parametrize(
    ("hive", "texts", "expected"),
    [
        ("int", ["1", "-1", "+7", "007", "-0"], [1, -1, 7, 7, 0]),
        ("int", ["", "abc", " 1", "1 ", "0x10", "1.0", "1e3", "+", "-", "--1", None], [None] * 11),
        ("int", ["2147483647", "2147483648", "-2147483648", "-2147483649"], [2**31 - 1, None, -(2**31), None]),
        ("tinyint", ["127", "128", "-128", "-129"], [127, None, -128, None]),
        ("smallint", ["32767", "32768", "-32768"], [32767, None, -32768]),
        ("bigint", ["9223372036854775807", "9223372036854775808", "-9223372036854775808", "0" * 30 + "12", "9" * 30],
         [2**63 - 1, None, -(2**63), 12, None]),
        ("double", ["1", "1.", ".5", "-1.5e3", "1E-2", " 2.5 ", "1.5d", "1.5F", "1e400", "-Infinity"],
         [1.0, 1.0, 0.5, -1500.0, 0.01, 2.5, 1.5, 1.5, math.inf, -math.inf]),
        ("double", ["nan", "inf", "infinity", "", "x", "1,5", "e5", ".", "1e"], [None] * 9),
        ("double", ["0x1p3", "0x1.8P1d"], [8.0, 3.0]),
        ("float", ["0.1", "3.4028235e38", "1"], [0.10000000149011612, 3.4028234663852886e38, 1.0]),
        ("decimal(5,2)", ["1.005", "-1.005", "1.004", "999.99", "999.995", "1000", "1e2", " 3 ", ".5", "x", "", "1d"],
         [Decimal("1.01"), Decimal("-1.01"), Decimal("1.00"), Decimal("999.99"), None, None, Decimal("100.00"),
          Decimal("3.00"), Decimal("0.50"), None, None, None]),
        ("decimal", ["1234567890", "12345678901", "1.5"], [Decimal(1234567890), None, Decimal(2)]),
        ("boolean", ["true", "FALSE", "True", "t", "1", "yes", ""], [True, False, True, None, None, None, None]),
        ("date", ["2024-02-29", "2023-02-29", "2024-2-9", "2024-13-01", "2024-00-10", "2024-01-32"],
         [dt.date(2024, 2, 29), None, dt.date(2024, 2, 9), None, None, None]),
        ("date", ["2024-01-01 10:00:00", "2024-01-01T", " 2024-01-01 ", "2024-01-011", "20240101", "01/02/2024", "0"],
         [dt.date(2024, 1, 1)] * 3 + [None] * 4),
        ("timestamp", ["2024-01-01 10:00:00", "2024-01-01 10:00:00.5", "2024-01-01", "2024-1-2 3:4:5.123456789"],
         [dt.datetime(2024, 1, 1, 10), dt.datetime(2024, 1, 1, 10, 0, 0, 500000), dt.datetime(2024, 1, 1),
          dt.datetime(2024, 1, 2, 3, 4, 5, 123456)]),
        ("timestamp", ["2024-01-01T10:00:00", "2024-01-01T10:00", "2024-01-01 10:00", "2024-01-01 24:00:00",
                       "2024-01-01 10:00:00Z", "2024-02-30 10:00:00", "2024-01-01 10:60:00", "2024010110", ""],
         [dt.datetime(2024, 1, 1, 10)] * 2 + [None] * 7),
        ("timestamp", ["1969-12-31 23:59:59.999999", "0001-01-01 00:00:00"],
         [dt.datetime(1969, 12, 31, 23, 59, 59, 999999), dt.datetime(1, 1, 1)]),
        ("char(3)", ["a", "abcd", "éüñö", "", None], ["a  ", "abc", "éüñ", "   ", None]),
        ("varchar(3)", ["a", "abcd", "éüñö", "", None], ["a", "abc", "éüñ", "", None]),
        ("binary", ["YWJj", "YWJj\n", "YQ", "YQ==", "not base64!", "", "Y", None],
         [b"abc", b"abc", b"a", b"a", b"not base64!", b"", b"Y", None]),
        ("string", ["", " x ", None], ["", " x ", None]),
    ],
)  # fmt: skip
def test_texts_are_read_as_hive_reads_them(hive: str, texts: list[str | None], expected: list[object]) -> None:
    assert values(hive, *texts) == expected
    for text, value in zip(texts, expected, strict=True):
        assert values(hive, text) == [value], "alone as among others"


def test_nan_is_read() -> None:
    (value,) = values("double", "NaN")
    assert isinstance(value, float) and math.isnan(value)


def test_moments_with_zones() -> None:
    utc = dt.UTC
    found = values(
        "timestamp with local time zone", "2024-01-01 10:00:00", "2024-01-01 10:00:00 America/Los_Angeles",
        "2024-01-01 10:00:00+05:30", "2024-01-01 10:00:00Z", "2024-01-01 10:00:00 Nowhere/Land", "soon",
    )  # fmt: skip
    assert found == [
        dt.datetime(2024, 1, 1, 10, tzinfo=utc), dt.datetime(2024, 1, 1, 18, tzinfo=utc),
        dt.datetime(2024, 1, 1, 4, 30, tzinfo=utc), dt.datetime(2024, 1, 1, 10, tzinfo=utc), None, None,
    ]  # fmt: skip


def test_bytes_that_are_no_utf8_become_replacement_characters() -> None:
    found = parse(pa.array([b"\xffa\xc3", b"ok", None]), parse_type("string"))
    assert found.to_pylist() == ["\ufffda\ufffd", "ok", None]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1.0"), (0.1, "0.1"), (-0.0, "-0.0"), (1e7, "1.0E7"), (9999999.0, "9999999.0"),
        (12345678.5, "1.23456785E7"),
        (0.001, "0.001"), (0.00099, "9.9E-4"), (1e20, "1.0E20"), (1e-10, "1.0E-10"), (100.0, "100.0"),
        (5e-324, "4.9E-324"), (1.7976931348623157e308, "1.7976931348623157E308"), (math.inf, "Infinity"),
        (-math.inf, "-Infinity"), (math.nan, "NaN"), (123456.789, "123456.789"), (-2.5e-7, "-2.5E-7"),
    ],
)  # fmt: skip
def test_doubles_are_written_as_java_does(value: float, text: str) -> None:
    """Examples and rules of the documentation of java.lang.Double.toString (JDK 19)."""
    assert to_texts(pa.array([value])).to_pylist() == [text]


@given(st.lists(st.one_of(st.none(), st.floats(allow_nan=False)), min_size=1))
def test_doubles_come_back(numbers: list[float | None]) -> None:
    text = to_texts(pa.array(numbers, pa.float64()))
    assert parse(text, HiveType("double")).to_pylist() == numbers
    for number, spelt in zip(numbers, text.to_pylist(), strict=True):
        if number is not None and math.isfinite(number):
            mantissa = spelt.lstrip("-").partition("E")[0]
            assert "." in mantissa and ("E" in spelt) == (number != 0 and not 1e-3 <= abs(number) < 1e7)


@given(st.lists(st.one_of(st.none(), st.floats(width=32, allow_nan=False)), min_size=1))
def test_floats_come_back(numbers: list[float | None]) -> None:
    assert parse(to_texts(pa.array(numbers, pa.float32())), HiveType("float")).to_pylist() == numbers


MOMENTS = st.datetimes(dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59))


@given(st.lists(st.one_of(st.none(), MOMENTS), min_size=1))
def test_moments_come_back(moments: list[dt.datetime | None]) -> None:
    made = pa.array(moments, pa.timestamp("us"))
    assert parse(to_texts(made), HiveType("timestamp")).equals(made)
    for moment, text in zip(moments, to_texts(made).to_pylist(), strict=True):
        if moment is not None:
            whole = f"{moment:%H:%M:%S}" + f".{moment.microsecond:06d}".rstrip("0").rstrip(".")
            assert text == f"{moment.date().isoformat()} {whole}"


@given(st.lists(st.one_of(st.none(), st.decimals(-999, 999, places=8)), min_size=1))
def test_decimals_come_back(numbers: list[Decimal | None]) -> None:
    made = pa.array(numbers, pa.decimal128(12, 8))
    text = to_texts(made)
    assert parse(text, parse_type("decimal(12,8)")).equals(made)
    assert all(t is None or len(t.partition(".")[2]) == 8 for t in text.to_pylist())


@given(st.lists(st.one_of(st.none(), st.binary(min_size=1)), min_size=1))
def test_bytes_come_back(data: list[bytes | None]) -> None:
    assert parse(to_texts(pa.array(data, pa.binary())), HiveType("binary")).to_pylist() == data


def test_other_values_as_texts() -> None:
    assert to_texts(pa.array([True, False, None])).to_pylist() == ["true", "false", None]
    assert to_texts(pa.array([dt.date(2024, 1, 2)])).to_pylist() == ["2024-01-02"]
    assert to_texts(pa.array([-128], pa.int8())).to_pylist() == ["-128"]
    assert to_texts(pa.array([dt.datetime(2024, 1, 1)], pa.timestamp("us", "UTC"))).to_pylist() == [
        "2024-01-01 00:00:00 UTC"
    ]
