"""Types as the protocol names them: Arrow type <-> oid, size and modifier.

Oids are those of PostgreSQL's own types (src/include/catalog/pg_type.dat), so that no driver has to ask what they are.
STRUCT and MAP, which PostgreSQL has no ready type for, are told as json.
"""

from __future__ import annotations

from functools import cache

import pyarrow as pa

from sqlengine.server.pg.replies import Column
from sqlengine.types import TYPES, to_sql

PG_TYPE = b"pg_type"
"""Key of a field's metadata that names a type of pg_catalog its values are told as ("oid", "name", "name[]")."""

BOOL, BYTEA, TEXT, JSON, JSONB, NUMERIC, OID = 16, 17, 25, 114, 3802, 1700, 26

OIDS = (pa.uint32(), pa.list_(pa.uint32()))
"""What parameters of catalog queries are that take oids (catalog/pg/types.py); nothing else is."""

_ELEMENTS_OF_ARRAYS = {
    1000: 16,
    1001: 17,
    1002: 18,
    1003: 19,
    1005: 21,
    1007: 23,
    1016: 20,
    1021: 700,
    1022: 701,
    1231: 1700,
    1009: 25,
    1014: 1042,
    1015: 1043,
    1028: 26,
    1034: 1033,
    1182: 1082,
    1183: 1083,
    1115: 1114,
    1185: 1184,
    1187: 1186,
    2951: 2950,
    199: 114,
    3807: 3802,
    2210: 2205,
    2211: 2206,
}
"""Array type -> its element's."""

_ARRAYS = {element: array for array, element in _ELEMENTS_OF_ARRAYS.items()}

_FURTHER_NAMES = {
    18: '"char"',
    19: "name",
    22: "int2vector",
    24: "regproc",
    26: "oid",
    28: "xid",
    30: "oidvector",
    194: "pg_node_tree",
    1033: "aclitem",
    1042: "bpchar",
    1043: "varchar",
    2205: "regclass",
    2206: "regtype",
    4089: "regnamespace",
    4096: "regrole",
}
"""Types that only the catalog and parameters have."""

_FURTHER = {name.strip('"'): oid for oid, name in _FURTHER_NAMES.items()}

_SIZES = {16: 1, 18: 1, 19: 64, 20: 8, 21: 2, 23: 4, 24: 4, 26: 4, 28: 4, 700: 4, 701: 8, 1082: 4, 1083: 8, 1114: 8}
_SIZES |= {1184: 8, 1186: 16, 2205: 4, 2206: 4, 2950: 16, 4089: 4, 4096: 4}

_BY_OID: dict[int, pa.DataType] = {row.pg_oid: row.arrow for row in TYPES}
_BY_OID |= {18: pa.string(), 19: pa.string(), 1042: pa.string(), 1043: pa.string(), JSONB: _BY_OID[JSON]}
_BY_OID |= {26: pa.int64(), 28: pa.int64()} | dict.fromkeys((24, 2205, 2206, 4089, 4096), pa.string())
_UNSIZED = {pa.decimal128(38, 9)}


def array_oid(element: int) -> int:
    """The array type of an element type; text[] of one that has none."""
    return _ARRAYS.get(element, _ARRAYS[TEXT])


def element_oid(oid: int) -> int | None:
    """The element type of an array type; None of any other."""
    return _ELEMENTS_OF_ARRAYS.get(oid)


def arrow_type(oid: int) -> pa.DataType | None:
    """Our type of a parameter declared with an oid; None where the type is not said (0, unknown) or not known."""
    element = element_oid(oid)
    if element is not None:
        inner = arrow_type(element)
        return None if inner is None else pa.list_(inner)
    return _BY_OID.get(oid)


@cache
def type_oid(dtype: pa.DataType) -> int:
    """The oid of one of our types."""
    if pa.types.is_list(dtype):
        inner = dtype.value_type
        while pa.types.is_list(inner):
            inner = inner.value_type
        return array_oid(type_oid(inner))
    if pa.types.is_struct(dtype) or pa.types.is_map(dtype):
        return JSON
    if pa.types.is_decimal(dtype):
        return NUMERIC
    if dtype == OIDS[0]:
        return OID
    name = to_sql(dtype)
    return next((row.pg_oid for row in TYPES if row.sql == name), TEXT)


def column(field: pa.Field) -> Column:
    """What RowDescription says of a field."""
    named = (field.metadata or {}).get(PG_TYPE)
    oid = type_oid(field.type) if named is None else _named(named.decode())
    modifier = -1
    if pa.types.is_decimal(field.type) and field.type not in _UNSIZED:
        modifier = (field.type.precision << 16 | field.type.scale) + 4
    return Column(field.name, oid, _SIZES.get(oid, -1), modifier)


def _named(name: str) -> int:
    if name.endswith("[]"):
        return array_oid(_named(name[:-2]))
    return _FURTHER[name] if name in _FURTHER else next((r.pg_oid for r in TYPES if name in (r.sql, *r.aliases)), TEXT)
