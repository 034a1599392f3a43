"""The one door to embedded DuckDB: connection, errors, result types, literals, evaluation of expressions.

Everything that needs DuckDB comes through here, so that its settings, its error texts and its own types meet the
rest of the program in one place.  It must not know plans, views or storage: it sees SQL text and Arrow data.
"""

from __future__ import annotations

import atexit
import os
import re
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from inspect import Parameter, Signature
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from sqlengine import duck_memory, errors
from sqlengine.duck_errors import remember, translate_error
from sqlengine.duck_macros import MACROS
from sqlengine.reading import MONTH_FIRST, UTC, icu_zone, order_of_now, zone_of_now
from sqlengine.types import (
    INTERVAL,
    JSON,
    JSONB,
    TIMESTAMP,
    TIMESTAMPTZ,
    UUID,
    has_jsonb,
    storage_type,
    without_jsonb,
)

if TYPE_CHECKING:
    import duckdb

_CONFIG: dict[str, Any] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,
    "preserve_insertion_order": True,
    "arrow_lossless_conversion": True,
    "error_on_division_by_zero": True,
    "ieee_floating_point_ops": False,
    "integer_division": True,
}
"""PostgreSQL's meaning of arithmetic: `/` truncates on integers, x / 0 and ln(0) are errors.  Input order is kept."""

_lock = threading.Lock()
_local = threading.local()
_root: Any = None


def connection() -> duckdb.DuckDBPyConnection:
    """This thread's cursor of the one in-memory database of the process (made on first use)."""
    return _cursor("cursor")  # type: ignore[no-any-return]


def _cursor(name: str) -> Any:
    """One of this thread's cursors, of the database that is open now, in the time zone of now."""
    root = _database()
    if getattr(_local, "root", None) is not root:
        _local.__dict__.clear()
        _local.root = root
    cursor = getattr(_local, name, None)
    if cursor is None:
        cursor = root.cursor()
        setattr(_local, name, cursor)
    zones = _local.__dict__.setdefault("zones", {})
    zone = zone_of_now()
    if zones.get(name, UTC) != zone:
        cursor.execute(f"SET TimeZone = '{icu_zone(zone)}'")
        zones[name] = zone
    orders = _local.__dict__.setdefault("orders", {})
    order = order_of_now()
    if orders.get(name, MONTH_FIRST) != order:
        cursor.execute(f"SET VARIABLE date_order = '{order}'")
        orders[name] = order
    return cursor


def create_function(
    name: str, params: Sequence[pa.DataType], returns: pa.DataType, body: Callable[..., pa.Array], *, volatile: bool
) -> None:
    """Make a function of Arrow arrays known to DuckDB in the whole process; nothing when it is already.

    `body` is called with one array per parameter, NULLs included.
    """
    with _functions_lock:
        if name in _functions:
            return

        def step(to: Any) -> None:
            _create(to, name, params, returns, body, volatile=volatile)

        step(_private())
        _functions[name] = step


def _create(
    to: Any,
    name: str,
    params: Sequence[pa.DataType],
    returns: pa.DataType,
    body: Callable[..., pa.Array],
    volatile: bool,
) -> None:
    to.create_function(
        name,
        _received(body, params, returns),
        [sql_type(p) for p in params],
        sql_type(returns),
        type="arrow",
        null_handling="special",
        side_effects=volatile,
    )


_functions_lock = threading.Lock()
_functions: dict[str, Callable[[Any], object]] = {}
_built_in: list[Callable[[Any], object]] = []


def run_at_opening(statement: str) -> None:
    """A statement DuckDB is to begin with: a macro made of functions told to `at_opening`, or a setting."""
    _at_opening(lambda root: root.execute(statement))


def at_opening(name: str, params: Sequence[pa.DataType], returns: pa.DataType, body: Callable[..., pa.Array]) -> None:
    """A function of Arrow arrays that DuckDB is to know from the beginning, or from now on where it is open already."""
    _at_opening(lambda root: _create(root, name, params, returns, body, volatile=False))


def _at_opening(step: Callable[[Any], object]) -> None:
    with _lock:
        _built_in.append(step)
        if _root is not None:
            step(_root)
            _kinds.cache_clear()


def _received(
    body: Callable[..., pa.Array], params: Sequence[pa.DataType], returns: pa.DataType
) -> Callable[..., pa.Array]:
    """The body behind the types DuckDB hands over and wants back."""

    def call(*columns: pa.ChunkedArray) -> pa.Array:
        arrays = [pa.concat_arrays(c.chunks) if c.num_chunks else pa.array([], c.type) for c in columns]
        mine = [a if a.type == p else _as_type(a, p) for a, p in zip(arrays, params, strict=True)]
        try:
            answer = body(*mine)
        except errors.Error as err:
            remember(err)
            raise
        storage = storage_type(returns)
        return answer.storage.cast(storage) if isinstance(answer, pa.ExtensionArray) else answer.cast(storage)

    # DuckDB counts the parameters it finds.
    places = [Parameter(f"a{i}", Parameter.POSITIONAL_ONLY) for i in range(len(params))]
    call.__signature__ = Signature(places)  # type: ignore[attr-defined]
    return call


def _as_type(array: pa.Array, dtype: pa.DataType) -> pa.Array:
    if isinstance(dtype, pa.BaseExtensionType):
        storage = array.storage if isinstance(array, pa.ExtensionArray) else array
        return pa.ExtensionArray.from_storage(dtype, storage.cast(dtype.storage_type))
    plain = array.storage if isinstance(array, pa.ExtensionArray) else array
    return plain.cast(dtype)


def _close() -> None:
    with _lock:
        if _root is not None:
            duck_memory.closed()
            _root.close()


def _private() -> Any:
    """This thread's cursor for the questions below: apart from `connection()`, whose result may still be open."""
    return _cursor("private")


def _database() -> Any:
    global _root
    with _lock:
        if _root is None:
            import duckdb  # heavy: 15 MB of code that a plain prompt never needs

            spill = os.path.join(tempfile.gettempdir(), f"sqlengine-spill-{os.getpid()}")
            root = duckdb.connect(":memory:", config={**_CONFIG, "temp_directory": spill})
            # Bodies of functions hold interpreter objects: the database must end before the interpreter does.
            atexit.register(_close)
            root.execute("SET GLOBAL TimeZone = 'UTC'")
            for step in (*_built_in, *_functions.values()):
                step(root)
            root.execute(";".join(MACROS))
            duck_memory.opened(root)
            _root = root
        return _root


def translated(err: Exception) -> errors.Error:
    """One of our errors for a `duckdb.Error`, as `translate_error` makes it; where the error has put an end to DuckDB's
    database, as an unforeseen one within a function does, the next question opens another."""
    global _root
    if _FATAL.search(str(err)) is not None:
        with _lock:
            if _root is not None and _is_lost(_root):
                duck_memory.closed()
                _root = None
                _kinds.cache_clear()
    return translate_error(err)


_FATAL = re.compile(r"^(INTERNAL|FATAL) Error")


def _is_lost(root: Any) -> bool:
    import duckdb  # heavy, loaded by connection() anyway

    try:
        root.cursor().execute("SELECT 1")
    except duckdb.Error:
        return True
    return False


# ---------------------------------------------------------------- types


_TYPE_NAMES: dict[str, pa.DataType] = {
    "boolean": pa.bool_(),
    "tinyint": pa.int16(),
    "smallint": pa.int16(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "hugeint": pa.int64(),
    "uhugeint": pa.int64(),
    "utinyint": pa.int16(),
    "usmallint": pa.int32(),
    "uinteger": pa.int64(),
    "ubigint": pa.decimal128(20, 0),
    "float": pa.float32(),
    "double": pa.float64(),
    "varchar": pa.string(),
    "blob": pa.binary(),
    "date": pa.date32(),
    "time": pa.time64("us"),
    "interval": INTERVAL,
    **dict.fromkeys(("timestamp", "timestamp_s", "timestamp_ms", "timestamp_ns"), TIMESTAMP),
    "timestamp with time zone": TIMESTAMPTZ,
    "uuid": UUID,
    "enum": pa.string(),
    "time_ns": pa.time64("us"),
    "json": JSON,
    **dict.fromkeys(("sqlnull", "null", '"null"'), pa.string()),
}

_SQL_TYPES: dict[pa.DataType, str] = {
    pa.bool_(): "BOOLEAN",
    pa.int8(): "TINYINT",
    pa.int16(): "SMALLINT",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.float32(): "FLOAT",
    pa.float64(): "DOUBLE",
    pa.string(): "VARCHAR",
    pa.binary(): "BLOB",
    pa.date32(): "DATE",
    pa.time64("us"): "TIME",
    TIMESTAMP: "TIMESTAMP",
    TIMESTAMPTZ: "TIMESTAMPTZ",
    INTERVAL: "INTERVAL",
    UUID: "UUID",
    JSON: "JSON",
    JSONB: "JSON",
    pa.null(): "VARCHAR",
}


def sql_type(dtype: pa.DataType) -> str:
    """DuckDB's spelling of one of our types."""
    if pa.types.is_decimal(dtype):
        return f"DECIMAL({dtype.precision},{dtype.scale})"
    if pa.types.is_list(dtype):
        return sql_type(dtype.value_type) + "[]"
    if pa.types.is_struct(dtype):
        return "STRUCT(" + ", ".join(f"{quote(f.name)} {sql_type(f.type)}" for f in dtype) + ")"
    if pa.types.is_map(dtype):
        return f"MAP({sql_type(dtype.key_type)}, {sql_type(dtype.item_type)})"
    return _SQL_TYPES[dtype]


def type_of(duck_type: Any) -> pa.DataType:
    """Our type for a DuckDB type (an entry of `relation.types`), as `normalise` makes it.

    Raises NotSupportedError for types without a counterpart (BIT, UNION, TIME WITH TIME ZONE ...).
    """
    kind, text = duck_type.id, str(duck_type).lower()
    if kind == "decimal":
        precision, scale = (value for _, value in duck_type.children)
        return pa.decimal128(precision, scale)
    if kind in ("list", "array"):
        return pa.list_(type_of(duck_type.children[0][1]))
    if kind == "struct":
        return pa.struct([pa.field(name, type_of(child)) for name, child in duck_type.children])
    if kind == "map":
        key, value = (child for _, child in duck_type.children)
        return pa.map_(type_of(key), type_of(value))
    found = _TYPE_NAMES.get(text) or _TYPE_NAMES.get(kind)
    if found is None:
        raise errors.NotSupportedError(f"type {text} of the snapshot executor has no counterpart here")
    return found


def now_literal(now_us: int) -> str:
    """A moment in microseconds since 1970 UTC as a DuckDB timestamptz constant."""
    return f"make_timestamptz({now_us})"


def quote(name: str) -> str:
    """A quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: Any, dtype: pa.DataType) -> str:
    """DuckDB text of a typed constant; `value` is a Python value of `dtype` (None = NULL)."""
    name = sql_type(dtype)
    if value is None:
        return f"CAST(NULL AS {name})"
    if pa.types.is_boolean(dtype):
        return "TRUE" if value else "FALSE"
    if dtype == pa.int32() and -(2**31) < value:
        return str(value) if value >= 0 else f"({value})"
    if pa.types.is_string(dtype):
        return _text_literal(value)
    if pa.types.is_binary(dtype):
        return "'" + "".join(f"\\x{byte:02X}" for byte in value) + "'::BLOB"
    if dtype == INTERVAL:
        return f"(to_months({value[0]}) + to_days({value[1]}) + to_microseconds({value[2] // 1000}))"
    if pa.types.is_nested(dtype):
        return f"CAST({_nested_literal(value, dtype)} AS {name})"
    return f"CAST({_text_literal(str(value))} AS {name})"


def _text_literal(text: str) -> str:
    plain = "'" + text.replace("'", "''").replace("\0", "'||chr(0)||'") + "'"
    return f"({plain})" if "\0" in text else plain


def _nested_literal(value: Any, dtype: pa.DataType) -> str:
    if pa.types.is_struct(dtype):
        return "{" + ", ".join(f"{quote(f.name)}: {literal(value[f.name], f.type)}" for f in dtype) + "}"
    if pa.types.is_map(dtype):
        pairs = dict(value).items()
        inner = ", ".join(f"{literal(k, dtype.key_type)}: {literal(v, dtype.item_type)}" for k, v in pairs)
        return "MAP {" + inner + "}"
    return "[" + ", ".join(literal(item, dtype.value_type) for item in value) + "]"


# ---------------------------------------------------------------- results


def normalise(table: pa.Table) -> pa.Table:
    """A DuckDB result with our types: HUGEINT -> bigint (22003 when too large), unsigned and narrow integers widened,
    views and enums -> text, nanoseconds -> microseconds, also inside arrays and structs."""
    if all(_our_type(field.type) == field.type for field in table.schema):
        return table
    columns = [_convert_chunks(column) for column in table.columns]
    return pa.table(columns, names=table.column_names) if columns else table


def _convert_chunks(column: pa.ChunkedArray) -> pa.ChunkedArray:
    wanted = _our_type(column.type)
    if wanted == column.type:
        return column
    return pa.chunked_array([_convert(chunk, wanted) for chunk in column.chunks], type=wanted)


_NARROW: dict[pa.DataType, pa.DataType] = {
    pa.int8(): pa.int16(),
    pa.uint8(): pa.int16(),
    pa.uint16(): pa.int32(),
    pa.uint32(): pa.int64(),
    pa.uint64(): pa.decimal128(20, 0),
    pa.null(): pa.string(),
    pa.large_string(): pa.string(),
    pa.string_view(): pa.string(),
    pa.large_binary(): pa.binary(),
    pa.binary_view(): pa.binary(),
    pa.time64("ns"): pa.time64("us"),
}


def lent(table: pa.Table) -> pa.Table:
    """A table as DuckDB is given it, which knows json only: jsonb as json, without a copy."""
    if not any(has_jsonb(field.type) for field in table.schema):
        return table
    columns = [
        pa.chunked_array([_convert(c, without_jsonb(column.type)) for c in column.chunks], without_jsonb(column.type))
        for column in table.columns
    ]
    return pa.table(columns, names=table.column_names)


def _our_type(dtype: pa.DataType) -> pa.DataType:
    if isinstance(dtype, pa.OpaqueType):
        return pa.int64() if dtype.type_name in ("hugeint", "uhugeint") else _no_counterpart(dtype.type_name)
    if isinstance(dtype, pa.Bool8Type):
        return pa.bool_()
    if isinstance(dtype, pa.BaseExtensionType):
        return dtype
    if pa.types.is_timestamp(dtype):
        return TIMESTAMPTZ if dtype.tz else TIMESTAMP
    if pa.types.is_dictionary(dtype):
        return _our_type(dtype.value_type)
    if pa.types.is_map(dtype):
        return pa.map_(_our_type(dtype.key_type), _our_type(dtype.item_type))
    if pa.types.is_list(dtype) or pa.types.is_large_list(dtype) or pa.types.is_fixed_size_list(dtype):
        return pa.list_(_our_type(dtype.value_type))
    if pa.types.is_struct(dtype):
        return pa.struct([pa.field(f.name, _our_type(f.type)) for f in dtype])
    return _NARROW.get(dtype, dtype)


def _no_counterpart(name: str) -> pa.DataType:
    raise errors.NotSupportedError(f"type {name} of the snapshot executor has no counterpart here")


def _convert(array: pa.Array, wanted: pa.DataType) -> pa.Array:
    """`array` as `wanted`; both came from `_our_type` or `lent`, so only physical differences are left."""
    dtype = array.type
    if dtype == wanted:
        return array
    if dtype == JSONB:
        return pa.ExtensionArray.from_storage(JSON, array.storage)
    if isinstance(dtype, pa.OpaqueType):
        return _hugeint(array, signed=dtype.type_name == "hugeint")
    if isinstance(dtype, pa.Bool8Type):
        return array.storage.cast(pa.bool_())
    if pa.types.is_struct(dtype):
        parts = [_convert(array.field(i), wanted.field(i).type) for i in range(dtype.num_fields)]
        return pa.StructArray.from_arrays(parts, fields=list(wanted), mask=array.is_null())
    if pa.types.is_map(dtype):
        keys, items = _convert(array.keys, wanted.key_type), _convert(array.items, wanted.item_type)
        return pa.MapArray.from_arrays(array.offsets, keys, items, mask=array.is_null())
    if pa.types.is_fixed_size_list(dtype):
        return _convert(array.cast(pa.list_(dtype.value_type)), wanted)
    if pa.types.is_list(dtype):
        values = _convert(array.values, wanted.value_type)
        offsets = array.offsets if array.null_count == 0 else array.offsets.to_numpy()
        mask = None if array.null_count == 0 else array.is_null()
        return pa.ListArray.from_arrays(pa.array(offsets), values, mask=mask)
    return array.cast(wanted, safe=not pa.types.is_timestamp(wanted))


def _hugeint(array: pa.Array, *, signed: bool) -> pa.Array:
    """int64 from 16-byte little-endian integers; OutOfRange (22003) when one does not fit."""
    storage = array.storage
    words = np.frombuffer(storage.buffers()[1], dtype=np.int64)[2 * storage.offset :][: 2 * len(storage)].reshape(-1, 2)
    valid = storage.is_valid().to_numpy(zero_copy_only=False)
    fits = words[:, 1] == (words[:, 0] >> 63) if signed else (words[:, 1] == 0) & (words[:, 0] >= 0)
    if not bool((fits | ~valid).all()):
        raise errors.OutOfRange("bigint out of range")
    return pa.array(np.ascontiguousarray(words[:, 0]), mask=~valid)


# ---------------------------------------------------------------- questions and evaluation


def describe(sql: str, tables: Mapping[str, pa.Schema]) -> pa.Schema:
    """The columns a query would give, after `normalise`; nothing is executed.  `tables` are the relations it names.

    Raises what `translate_error` makes of DuckDB's complaint.
    """
    import duckdb  # heavy, loaded by connection() anyway

    cursor = _private()
    try:
        for name, schema in tables.items():
            none = [pa.nulls(0, without_jsonb(kind)) for kind in schema.types]
            cursor.register(name, pa.table(none, names=schema.names))
        relation = cursor.sql(sql)
        fields = [pa.field(n, type_of(t)) for n, t in zip(relation.columns, relation.types, strict=True)]
    except duckdb.Error as err:
        raise translated(err) from err
    finally:
        for name in tables:
            cursor.unregister(name)
    return pa.schema(fields)


def evaluate(expressions: Sequence[str], columns: Mapping[str, pa.Array], rows: int) -> list[pa.Array]:
    """Each DuckDB expression over the named columns, all of `rows` rows, in row order, in one call.

    Raises what `translate_error` makes of DuckDB's complaint.
    """
    return _projected(expressions, dict(columns) or {"_": pa.nulls(rows, pa.bool_())})


def windowed(expressions: Sequence[str], columns: Mapping[str, pa.Array], place: str) -> list[pa.Array]:
    """Each window expression over the named columns, in the order of the column `place`, which holds 0, 1, 2, ..."""
    *found, order = _projected([*expressions, quote(place)], columns)
    back = np.argsort(order.to_numpy(), kind="stable")
    return [column.take(pa.array(back)) for column in found]


def _projected(expressions: Sequence[str], columns: Mapping[str, pa.Array]) -> list[pa.Array]:
    """The expressions' values, rows in whatever order DuckDB gives them."""
    import duckdb  # heavy, loaded by connection() anyway

    try:
        relation = _private().from_arrow(lent(pa.table(list(columns.values()), names=list(columns))))
        named = ", ".join(f"({text}) AS c{i}" for i, text in enumerate(expressions))
        made = relation.project(named)
        if not len(next(iter(columns.values()))):
            return [_empty(type_of(t)) for t in made.types]
        table = made.to_arrow_table()
    except duckdb.Error as err:
        raise translated(err) from err
    return [column.combine_chunks() for column in normalise(table).columns]


def _empty(dtype: pa.DataType) -> pa.Array:
    """No values of a type; Arrow makes none of lists of an extension type."""
    if pa.types.is_list(dtype):
        return pa.ListArray.from_arrays(pa.array([0], pa.int32()), _empty(dtype.value_type))
    plain = pa.array([], storage_type(dtype))
    return pa.ExtensionArray.from_storage(dtype, plain) if plain.type != dtype else plain


def function_kind(name: str) -> tuple[str, str] | None:
    """(type, stability) of a DuckDB function, e.g. ("scalar", "CONSISTENT") or ("aggregate", ...); None if unknown.

    A macro's only where no function has its name; of several functions the steadiest, as the time zone of a database
    does not change. What `create_function` makes is unknown here.
    """
    return _kinds().get(name)


@cache
def _kinds() -> dict[str, tuple[str, str]]:
    """All functions at once: to ask for one costs as much."""
    rows = _private().execute(
        "SELECT function_name, function_type, coalesce(stability, 'CONSISTENT') FROM duckdb_functions() "
        "ORDER BY function_type IN ('macro', 'table', 'table_macro', 'pragma') DESC, coalesce(stability, '') DESC"
    )
    return {name: (kind, stability) for name, kind, stability in rows.fetchall()}


__all__ = [
    "at_opening",
    "connection",
    "create_function",
    "describe",
    "evaluate",
    "function_kind",
    "lent",
    "literal",
    "run_at_opening",
    "normalise",
    "quote",
    "sql_type",
    "storage_type",
    "translate_error",
    "translated",
    "type_of",
]
