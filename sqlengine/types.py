"""The one table of types: SQL name | Arrow | PostgreSQL oid | Hive.

The type of every expression and column is an Arrow DataType; this file is the only place that knows how SQL spells it.
"""

from __future__ import annotations

import re

import pyarrow as pa

from sqlengine.errors import UndefinedObject, did_you_mean
from sqlengine.quick_dataclass import dataclass

DEFAULT_NUMERIC = pa.decimal128(38, 9)
TIMESTAMP = pa.timestamp("us")
TIMESTAMPTZ = pa.timestamp("us", "UTC")
INTERVAL = pa.month_day_nano_interval()
JSON = pa.json_(pa.string())
UUID = pa.uuid()


class JsonbType(pa.ExtensionType):
    """jsonb: text in its canonical form (json_canonical.py), so that equal values are equal texts."""

    def __init__(self) -> None:
        super().__init__(pa.string(), "sqlengine.jsonb")

    def __hash__(self) -> int:
        return hash(self.extension_name)

    def __arrow_ext_serialize__(self) -> bytes:
        return b""

    @classmethod
    def __arrow_ext_deserialize__(cls, storage_type: pa.DataType, serialized: bytes) -> JsonbType:
        return cls()


JSONB = JsonbType()
pa.register_extension_type(JSONB)


@dataclass(frozen=True, slots=True)
class TypeRow:
    """One row of the table: `sql` is PostgreSQL's name, `aliases` what else we accept."""

    sql: str
    arrow: pa.DataType
    pg_oid: int
    hive: str
    aliases: tuple[str, ...] = ()


TYPES: tuple[TypeRow, ...] = (
    TypeRow("boolean", pa.bool_(), 16, "boolean", ("bool",)),
    TypeRow("smallint", pa.int16(), 21, "smallint", ("int2", "tinyint")),
    TypeRow("integer", pa.int32(), 23, "int", ("int", "int4", "signed")),
    TypeRow("bigint", pa.int64(), 20, "bigint", ("int8", "long")),
    TypeRow("real", pa.float32(), 700, "float", ("float4", "float")),
    TypeRow("double precision", pa.float64(), 701, "double", ("double", "float8")),
    TypeRow("numeric", DEFAULT_NUMERIC, 1700, "decimal", ("decimal", "dec")),
    TypeRow(
        "text",
        pa.string(),
        25,
        "string",
        ("varchar", "char", "character varying", "character", "string", "bpchar", "name"),
    ),
    TypeRow("bytea", pa.binary(), 17, "binary", ("bytes", "blob", "varbinary", "binary")),
    TypeRow("date", pa.date32(), 1082, "date"),
    TypeRow("time", pa.time64("us"), 1083, "string", ("time without time zone",)),
    TypeRow(
        "timestamp",
        TIMESTAMP,
        1114,
        "timestamp",
        ("timestamp without time zone", "datetime", "timestampntz", "timestamp_ntz"),
    ),
    TypeRow(
        "timestamptz", TIMESTAMPTZ, 1184, "timestamp", ("timestamp with time zone", "timestamp_ltz", "timestampltz")
    ),
    TypeRow("interval", INTERVAL, 1186, "string"),
    TypeRow("uuid", UUID, 2950, "string"),
    TypeRow("json", JSON, 114, "string", ("variant",)),
    TypeRow("jsonb", JSONB, 3802, "string"),
)

_BY_NAME: dict[str, TypeRow] = {name: row for row in TYPES for name in (row.sql, *row.aliases)}
_BY_ARROW: dict[pa.DataType, TypeRow] = {row.arrow: row for row in reversed(TYPES)}
HIVE_TINYINT = "hive$tinyint"
_OF_DIALECTS = {HIVE_TINYINT: pa.int8()}
"""Types that only the lowering of another dialect writes: `tinyint` is smallint in our own SQL."""
_ARGS = re.compile(r"^([a-z_ 0-9]+?)\s*\(\s*([0-9]+)\s*(?:,\s*([0-9]+)\s*)?\)( with time zone| without time zone)?$")
_ARRAY = re.compile(r"(\[\d*\]|\s+array(\[\d+\])?)$", re.IGNORECASE)
"""What makes an array of the type before it."""


def from_sql(name: str, position: int | None = None) -> pa.DataType:
    """The Arrow type of a SQL type name such as `numeric(10,2)`, `text[]` or `timestamp(3)`.

    Nested types are written `struct<a bigint, b text>`, `row(a bigint)`, `map<text, bigint>`, `array<text>`, `T[]` or
    `T ARRAY`, PostgreSQL's lengths of arrays (`T[3]`) being as little kept as there.
    Raises UndefinedObject (42704) with the nearest names.
    """
    return _TypeParser(name, position).parse()


def _scalar(text: str, position: int | None) -> pa.DataType:
    plain = " ".join(text.lower().split())
    row = _BY_NAME.get(plain)
    if row is not None:
        return row.arrow
    if plain in _OF_DIALECTS:
        return _OF_DIALECTS[plain]
    if (m := _ARGS.match(plain)) is not None:
        base, first, second, zone = m.groups()
        if base in ("numeric", "decimal", "dec"):
            return pa.decimal128(int(first), int(second or 0))
        row = _BY_NAME.get(base + (zone or ""))
        if row is not None:
            if row.sql == "real" and base == "float":
                return pa.float64() if int(first) > 24 else pa.float32()
            return row.arrow
    raise UndefinedObject(f'type "{text}" does not exist', hint=did_you_mean(plain, _BY_NAME), position=position)


class _TypeParser:
    """Splits nested type text on its brackets; leaves go to `_scalar`."""

    def __init__(self, text: str, position: int | None) -> None:
        self.text = text.strip()
        self.position = position

    def parse(self) -> pa.DataType:
        return self._parse(self.text)

    def _parse(self, text: str) -> pa.DataType:
        text = text.strip()
        if (array := _ARRAY.search(text)) is not None:
            return pa.list_(self._parse(text[: array.start()]))
        lower = text.lower()
        for head, close in (("array<", ">"), ("list<", ">")):
            if lower.startswith(head) and text.endswith(close):
                return pa.list_(self._parse(text[len(head) : -1]))
        if lower.startswith(("map<", "map(")):
            key, value = split_top_level(text[4:-1])
            return pa.map_(self._parse(key), self._parse(value))
        if lower.startswith(("struct<", "struct(")):
            return self._struct(text[7:-1])
        if lower.startswith(("row<", "row(")):
            return self._struct(text[4:-1])
        return _scalar(text, self.position)

    def _struct(self, body: str) -> pa.DataType:
        fields = []
        for part in split_top_level(body):
            name, _, rest = part.strip().replace(":", " ", 1).partition(" ")
            fields.append(pa.field(name.strip('"'), self._parse(rest)))
        return pa.struct(fields)


def split_top_level(text: str) -> list[str]:
    """Split on commas that are not inside brackets."""
    parts, depth, start = [], 0, 0
    for i, ch in enumerate(text):
        if ch in "<([":
            depth += 1
        elif ch in ">)]":
            depth -= 1
        elif ch == "," and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    parts.append(text[start:])
    return parts


def to_sql(dtype: pa.DataType, tinyint: str = "smallint") -> str:
    """PostgreSQL's name of an Arrow type, as SHOW, DESCRIBE and EXPLAIN print it; `tinyint`: the name of int8."""
    row = _BY_ARROW.get(dtype)
    if row is not None and not pa.types.is_decimal(dtype):
        return row.sql
    if pa.types.is_decimal(dtype):
        return f"numeric({dtype.precision},{dtype.scale})"
    if pa.types.is_list(dtype) or pa.types.is_large_list(dtype):
        return to_sql(dtype.value_type, tinyint) + "[]"
    if pa.types.is_struct(dtype):
        return "struct<" + ", ".join(f"{f.name} {to_sql(f.type, tinyint)}" for f in dtype) + ">"
    if pa.types.is_map(dtype):
        return f"map<{to_sql(dtype.key_type, tinyint)}, {to_sql(dtype.item_type, tinyint)}>"
    if pa.types.is_timestamp(dtype):
        return "timestamptz" if dtype.tz else "timestamp"
    if pa.types.is_null(dtype):
        return "unknown"
    return tinyint if pa.types.is_int8(dtype) else _WIDENED.get(str(dtype), str(dtype))


_WIDENED = {
    "int8": "smallint",
    "uint8": "smallint",
    "uint16": "integer",
    "uint32": "bigint",
    "uint64": "numeric(20,0)",
    "halffloat": "real",
    "large_string": "text",
    "string_view": "text",
    "large_binary": "bytea",
    "date64[ms]": "date",
}


def nearest(dtype: pa.DataType) -> pa.DataType | None:
    """The type of TYPES, NUMERIC of any digits, or list or struct of such, that holds an Arrow type's values: itself if
    it is one, None if there is none.
    """
    if dtype in _BY_ARROW or pa.types.is_decimal128(dtype) or pa.types.is_null(dtype):
        return dtype
    if pa.types.is_dictionary(dtype):
        return nearest(dtype.value_type)
    if pa.types.is_timestamp(dtype):
        return TIMESTAMPTZ if dtype.tz else TIMESTAMP
    if pa.types.is_time(dtype):
        return pa.time64("us")
    if pa.types.is_list(dtype) or pa.types.is_large_list(dtype):
        inner = nearest(dtype.value_type)
        return None if inner is None else pa.list_(inner)
    if pa.types.is_struct(dtype):
        fields = [(f.name, nearest(f.type)) for f in dtype]
        return None if any(inner is None for _, inner in fields) else pa.struct(fields)
    name = _WIDENED.get(str(dtype))
    return None if name is None else from_sql(name)


def pg_oid(dtype: pa.DataType) -> int:
    """The PostgreSQL type oid clients see; 25 (text) for what PostgreSQL has no type for."""
    if pa.types.is_decimal(dtype):
        return 1700
    row = _BY_ARROW.get(pa.int16() if pa.types.is_int8(dtype) else dtype)
    return row.pg_oid if row is not None else 25


def storage_type(dtype: pa.DataType) -> pa.DataType:
    """An extension type's physical type; any other type itself."""
    return dtype.storage_type if isinstance(dtype, pa.BaseExtensionType) else dtype


def is_json(dtype: pa.DataType) -> bool:
    """True for json and jsonb."""
    return isinstance(dtype, pa.BaseExtensionType) and dtype in (JSON, JSONB)


def has_jsonb(dtype: pa.DataType) -> bool:
    """Whether values of a type are, or have parts that are, jsonb."""
    if pa.types.is_nested(dtype):
        return any(has_jsonb(dtype.field(i).type) for i in range(dtype.num_fields))
    return dtype == JSONB


def without_jsonb(dtype: pa.DataType) -> pa.DataType:
    """The type with json wherever it has jsonb."""
    if not has_jsonb(dtype):
        return dtype
    if pa.types.is_struct(dtype):
        return pa.struct([field.with_type(without_jsonb(field.type)) for field in dtype])
    if pa.types.is_map(dtype):
        return pa.map_(without_jsonb(dtype.key_type), without_jsonb(dtype.item_type))
    return pa.list_(without_jsonb(dtype.value_type)) if pa.types.is_list(dtype) else JSON


def is_integer(dtype: pa.DataType) -> bool:
    """True for any whole-number type."""
    return bool(pa.types.is_integer(dtype))


def is_exact(dtype: pa.DataType) -> bool:
    """Whether equal values of a type are the same value: not so of floats (0.0 and -0.0) and of what may hold some."""
    if pa.types.is_interval(dtype):  # a month equals 30 days
        return False
    kinds = (is_integer, is_text, pa.types.is_temporal, pa.types.is_boolean, pa.types.is_decimal)
    return any(kind(dtype) for kind in kinds)


def is_numeric(dtype: pa.DataType) -> bool:
    """True for whole numbers, floats and decimals."""
    return bool(pa.types.is_integer(dtype) or pa.types.is_floating(dtype) or pa.types.is_decimal(dtype))


def is_text(dtype: pa.DataType) -> bool:
    """True for text of any physical layout."""
    return bool(pa.types.is_string(dtype) or pa.types.is_large_string(dtype) or pa.types.is_string_view(dtype))


def common_type(left: pa.DataType, right: pa.DataType) -> pa.DataType | None:
    """The type two operands meet at (UNION, CASE, comparison), or None if they never do."""
    if left == right:
        return left
    if pa.types.is_null(left):
        return right
    if pa.types.is_null(right):
        return left
    if is_numeric(left) and is_numeric(right):
        return _common_number(left, right)
    if is_text(left) and is_text(right):
        return pa.string()
    pair = {left, right}
    if pair == {pa.date32(), TIMESTAMP}:
        return TIMESTAMP
    if TIMESTAMPTZ in pair and pair & {pa.date32(), TIMESTAMP}:
        return TIMESTAMPTZ
    return JSONB if pair == {JSON, JSONB} else None


def _common_number(left: pa.DataType, right: pa.DataType) -> pa.DataType:
    if pa.types.is_floating(left) or pa.types.is_floating(right):
        both32 = left == pa.float32() and right == pa.float32()
        return pa.float32() if both32 else pa.float64()
    if pa.types.is_decimal(left) or pa.types.is_decimal(right):
        l_digits, l_scale = _digits(left)
        r_digits, r_scale = _digits(right)
        scale = max(l_scale, r_scale)
        whole = max(l_digits - l_scale, r_digits - r_scale)
        return pa.decimal128(min(38, whole + scale), scale)
    return left if left.bit_width >= right.bit_width else right


def _digits(dtype: pa.DataType) -> tuple[int, int]:
    if pa.types.is_decimal(dtype):
        return dtype.precision, dtype.scale
    return {8: 3, 16: 5, 32: 10}.get(dtype.bit_width, 19), 0


_HIVE_NAMES = (
    (pa.types.is_boolean, "boolean"),
    (pa.types.is_int8, "tinyint"),
    (lambda t: pa.types.is_int16(t) or pa.types.is_uint8(t), "smallint"),
    (lambda t: pa.types.is_int32(t) or pa.types.is_uint16(t), "int"),
    (lambda t: pa.types.is_int64(t) or pa.types.is_uint32(t), "bigint"),
    (pa.types.is_uint64, "decimal"),
    (lambda t: pa.types.is_float32(t) or pa.types.is_float16(t), "float"),
    (pa.types.is_float64, "double"),
    (lambda t: is_text(t), "string"),
    (lambda t: pa.types.is_binary(t) or pa.types.is_large_binary(t) or pa.types.is_fixed_size_binary(t), "binary"),
    (lambda t: pa.types.is_binary_view(t), "binary"),
    (pa.types.is_date, "date"),
)


def hive_name(dtype: pa.DataType) -> str | None:
    """What Hive calls a type without parts; None for one it has no name for."""
    return next((name for applies, name in _HIVE_NAMES if applies(dtype)), None)


HIVE_TYPES: dict[str, pa.DataType] = {
    **{
        str(hive_name(dtype)): dtype
        for dtype in (
            pa.bool_(), pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.float32(), pa.float64(), pa.string(),
            pa.binary(), pa.date32(),
        )
    },
    "timestamp": TIMESTAMP,
}  # fmt: skip
"""Hive's types without parts by their names."""
