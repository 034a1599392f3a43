"""Rows and columns as Thrift's own library reads them back, against Arrow's values."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlengine.server.hive.encode import row_set
from sqlengine.server.hive.types import HIVE_TYPES, hive_type, table_schema, type_name
from tests.depth import rounds
from tests.hive_server.conftest import rows_of

ttypes = pytest.importorskip("TCLIService.ttypes", reason="HIVE'S THRIFT IS NOT TESTED: pyhive is not installed")
V1, V5, V6, V11 = 0, 4, 5, 10


def read(data: bytes, into: Any) -> Any:
    """What Thrift's library makes of a struct's bytes, all of them."""
    from thrift.protocol.TBinaryProtocol import TBinaryProtocol
    from thrift.transport.TTransport import TMemoryBuffer

    buffer = TMemoryBuffer(data)
    into.read(TBinaryProtocol(buffer))
    assert buffer.read(1) == b"", "bytes are left"
    return into


def read_back(array: pa.Array, protocol: int, timezone: str = "UTC") -> list[Any]:
    """The values of a column, encoded and read."""
    batch = pa.record_batch({"a": array, "id": pa.array(range(len(array)), pa.int64())})
    found = read(row_set(batch, 5, protocol, timezone), ttypes.TRowSet())
    assert found.startRowOffset == 5
    rows = rows_of(found)
    assert [row[1] for row in rows] == list(range(len(array)))
    return [row[0] for row in rows]


COLUMNS: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.bool_(), st.booleans()),
    (pa.int8(), st.integers(-(2**7), 2**7 - 1)),
    (pa.uint8(), st.integers(0, 2**8 - 1)),
    (pa.int16(), st.integers(-(2**15), 2**15 - 1)),
    (pa.uint16(), st.integers(0, 2**16 - 1)),
    (pa.int32(), st.integers(-(2**31), 2**31 - 1)),
    (pa.uint32(), st.integers(0, 2**32 - 1)),
    (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    (pa.float64(), st.floats(allow_nan=False)),
    (pa.string(), st.text(st.characters(codec="utf-8", exclude_characters="\0"))),
    (pa.large_string(), st.text(st.characters(codec="utf-8", exclude_characters="\0"))),
    (pa.binary(), st.binary()),
    (pa.dictionary(pa.int32(), pa.string()), st.sampled_from(["a", "bb", ""])),
]


@pytest.mark.sampled(18)
@pytest.mark.parametrize("protocol", [V1, V5, V6, V11])
@pytest.mark.parametrize(("kind", "values"), COLUMNS, ids=lambda v: str(v) if isinstance(v, pa.DataType) else "")
@settings(max_examples=rounds(16, 40), deadline=None)
@given(data=st.data())
def test_values_and_nulls(kind: pa.DataType, values: st.SearchStrategy[Any], protocol: int, data: Any) -> None:
    given_values = data.draw(st.lists(st.none() | values, max_size=20))
    start = data.draw(st.integers(0, len(given_values)))
    array = pa.array(given_values, kind).slice(start)
    found = read_back(array, protocol)
    expected = given_values[start:]
    if kind == pa.binary() and protocol < V6:  # "uses string type for binary before V6", says Hive's SerDeUtils
        expected = [None if v is None else v.decode("utf-8", "replace") for v in expected]
    assert found == expected


FLOATS = [1.1, 0.1, 16777216.0, -3.4028235e38, 1e-45, 0.0, None, math.inf]


def test_a_float_is_the_double_that_is_written_like_it() -> None:
    assert read_back(pa.array(FLOATS, pa.float32()), V6) == [
        1.1,
        0.1,
        16777216.0,
        -3.4028235e38,
        1e-45,
        0.0,
        None,
        math.inf,
    ]
    assert math.isnan(read_back(pa.array([math.nan], pa.float32()), V6)[0])


TEXTS: list[tuple[pa.Array, str, list[str | None]]] = [
    (pa.array([Decimal("1.50"), None, Decimal("-0.05")], pa.decimal128(10, 2)), "DECIMAL", ["1.50", None, "-0.05"]),
    (pa.array([2**64 - 1, None], pa.uint64()), "DECIMAL", ["18446744073709551615", None]),
    (pa.array([dt.date(2024, 2, 29), None, dt.date(1, 1, 1)]), "DATE", ["2024-02-29", None, "0001-01-01"]),
    (
        pa.array([dt.datetime(2024, 2, 29, 12), dt.datetime(2024, 2, 29, 12, 0, 0, 500000)], pa.timestamp("us")),
        "TIMESTAMP",
        ["2024-02-29 12:00:00", "2024-02-29 12:00:00.5"],
    ),
    (pa.array([dt.timedelta(1, 3), None], pa.duration("us")), "INTERVAL_DAY_TIME", ["1 00:00:03.000000000", None]),
    (pa.array([[1, None], [], None], pa.list_(pa.int32())), "ARRAY", ["[1,null]", "[]", None]),
    (pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int32())), "MAP", ['{"k":1}', None]),
    (pa.array([{"a": 1, "b": "x"}, None]), "STRUCT", ['{"a":1,"b":"x"}', None]),
    (pa.nulls(2), "VOID", [None, None]),
    (pa.array([dt.time(1, 2, 3)], pa.time64("us")), "STRING", ["01:02:03"]),
]  # fmt: skip


@pytest.mark.parametrize(("array", "name", "expected"), TEXTS, ids=[name for _, name, _ in TEXTS])
@pytest.mark.parametrize("protocol", [V1, V6, V11])
def test_what_travels_as_text(array: pa.Array, name: str, expected: list[str | None], protocol: int) -> None:
    assert hive_type(array.type).name == name
    assert read_back(array, protocol) == expected


def test_times_with_a_zone() -> None:
    array = pa.array([dt.datetime(2024, 2, 29, 12), None], pa.timestamp("us", "UTC"))
    assert read_back(array, V11, "Europe/Berlin") == ["2024-02-29 13:00:00.0 Europe/Berlin", None]
    assert read_back(array, V6, "Europe/Berlin") == ["2024-02-29 13:00:00", None]  # as the client's TIMESTAMP
    assert hive_type(array.type, V11).number == 22 and hive_type(array.type, V6).name == "TIMESTAMP"


def test_no_rows() -> None:
    for kind, _ in COLUMNS:
        assert read_back(pa.array([], kind), V1) == read_back(pa.array([], kind), V6) == []


def test_numbers_of_types_are_those_of_the_interface() -> None:
    for kind in HIVE_TYPES:
        named = {"VOID": "NULL", "TIMESTAMP WITH LOCAL TIME ZONE": "TIMESTAMPLOCALTZ"}.get(kind.name, kind.name)
        if named != "TIMESTAMPLOCALTZ":  # later than the interface PyHive has
            assert ttypes.TTypeId._NAMES_TO_VALUES[f"{named}_TYPE"] == kind.number


def test_schemas() -> None:
    schema = pa.schema([("n", pa.decimal128(12, 3)), ("l", pa.list_(pa.struct([("a", pa.int32())])))])
    found = read(table_schema(schema, V11), ttypes.TTableSchema())
    n, nested = (column.typeDesc.types[0].primitiveEntry for column in found.columns)
    assert {k: v.i32Value for k, v in n.typeQualifiers.qualifiers.items()} == {"precision": 12, "scale": 3}
    assert nested.type == ttypes.TTypeId.ARRAY_TYPE
    assert type_name(schema.field("l").type) == "array<struct<a:int>>"
