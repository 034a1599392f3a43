"""PostgreSQL's types: the rows of pg_type that it is born with, and how ours look in them."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa

from sqlengine import types
from sqlengine.quick_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class PgType:
    """One row of types.txt; `elem` and `array` are oids, functions are names ("-": none)."""

    oid: int
    name: str
    length: int
    by_value: bool
    kind: str
    category: str
    preferred: bool
    delimiter: str
    elem: int
    array: int
    input: str
    output: str
    receive: str
    send: str
    mod_in: str
    mod_out: str
    align: str
    storage: str
    base: int
    collation: int
    subscript: str


def _read(line: str) -> PgType:
    f = line.split(" ")
    numbers = {i: int(f[i]) for i in (0, 2, 8, 9, 18, 19)}
    flags = {i: f[i] == "t" for i in (3, 6)}
    return PgType(*[numbers.get(i, flags.get(i, f[i])) for i in range(len(f))])  # type: ignore[arg-type]


def _read_all() -> tuple[PgType, ...]:
    text = Path(__file__).with_name("types.txt").read_text(encoding="utf-8")
    return tuple(_read(line) for line in text.splitlines() if line and not line.startswith("#"))


PG_TYPES: tuple[PgType, ...] = _read_all()
BY_OID: dict[int, PgType] = {t.oid: t for t in PG_TYPES}
BY_NAME: dict[str, PgType] = {t.name: t for t in PG_TYPES}

_SPELT = {
    "bool": "boolean",
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "float4": "real",
    "float8": "double precision",
    "varchar": "character varying",
    "bpchar": "character",
    "varbit": "bit varying",
    "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone",
    "time": "time without time zone",
    "timetz": "time with time zone",
    "char": '"char"',
}
"""What SQL calls types whose names in the catalog are others."""
_CATALOG_NAMES = {spelt: name for name, spelt in _SPELT.items()} | {
    "int": "int4",
    "decimal": "numeric",
    "dec": "numeric",
    "float": "float8",
    "double": "float8",
    "char": "bpchar",
    "string": "text",
    "json": "json",
}


def type_of(dtype: pa.DataType) -> tuple[int, int]:
    """(oid, typmod) of one of our types; arrays of arrays have the oid of arrays, maps and structs are json."""
    if pa.types.is_decimal(dtype):
        return 1700, ((dtype.precision << 16) | dtype.scale) + 4
    if pa.types.is_list(dtype) or pa.types.is_large_list(dtype):
        inner = dtype.value_type
        oid, typmod = type_of(inner)
        return (oid, typmod) if pa.types.is_list(inner) else (BY_OID[oid].array, typmod)
    if pa.types.is_struct(dtype) or pa.types.is_map(dtype):
        return BY_NAME["json"].oid, -1
    return types.pg_oid(dtype), -1


def dimensions(dtype: pa.DataType) -> int:
    """How many dimensions an array type has; 0 of what is none."""
    return 1 + dimensions(dtype.value_type) if pa.types.is_list(dtype) else 0


def format_type(oid: int | None, typmod: int | None) -> str | None:
    """A type as SQL spells it: format_type(1700, 655366) is numeric(10,2); ??? for an unknown oid."""
    if oid is None:
        return None
    if oid == 0:
        return "-"
    found = BY_OID.get(oid)
    if found is None:
        return "???"
    if found.elem and found.category == "A":
        return f"{format_type(found.elem, typmod)}[]"
    return _with_typmod(found.name, -1 if typmod is None else typmod)


def _with_typmod(name: str, typmod: int) -> str:
    spelt = _SPELT.get(name, name)
    if typmod < 0:
        return spelt
    if name == "numeric":
        return f"numeric({(typmod - 4) >> 16 & 0xFFFF},{(typmod - 4) & 0x7FF})"
    if name in ("varchar", "bpchar"):
        return f"{spelt}({typmod - 4})"
    if name in ("timestamp", "timestamptz", "time", "timetz"):
        head, _, tail = spelt.partition(" ")
        return f"{head}({typmod}) {tail}"
    return spelt


_NUMBERS = frozenset(("oid", "xid", "cid"))
_TEXTS = frozenset("name char cstring unknown inet cidr pg_lsn aclitem pg_node_tree int2vector oidvector".split())


def parameter_type(name: str) -> pa.DataType:
    """What a parameter of one of PostgreSQL's types is: oids are uint32, which nothing else is, names of things text.

    Raises UndefinedObject (42704) for a type that is not here.
    """
    if name.endswith("[]"):
        return pa.list_(parameter_type(name[:-2]))
    if name in _NUMBERS:
        return pa.uint32()
    return pa.string() if name in _TEXTS or name.startswith("reg") else types.from_sql(name)


_ARGUMENTS = re.compile(r"\([^()]*\)")


def find_type(text: str) -> PgType | None:
    """The type that a name means, as in `'numeric(10,2)'::regtype` and `'text[]'::regtype`."""
    plain = " ".join(_ARGUMENTS.sub("", text).split()).removeprefix("pg_catalog.")
    quoted = plain.startswith('"') and plain.endswith('"')
    plain = plain[1:-1] if quoted else plain.lower()
    if plain.endswith("[]"):
        inner = find_type(plain[:-2])
        return BY_OID.get(inner.array) if inner is not None else None
    return BY_NAME.get(plain) if quoted else BY_NAME.get(_CATALOG_NAMES.get(plain, plain))
