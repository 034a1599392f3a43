"""pg_type, pg_range and what clients look up beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sqlengine.catalog.pg import oids
from sqlengine.catalog.pg.facts import Facts, Relation
from sqlengine.catalog.pg.rows.classes import Row, Rows
from sqlengine.catalog.pg.rows.procs import function_oid
from sqlengine.catalog.pg.types import BY_NAME, PG_TYPES, PgType


def types(facts: Facts) -> Iterator[Row]:
    """pg_type: the built-in ones, and the row types of relations with their arrays."""
    for kind in PG_TYPES:
        yield _built_in(facts, kind)
    for relation in facts.relations:
        yield from _row_types(facts, relation)


def _built_in(facts: Facts, kind: PgType) -> Row:
    return {
        "oid": kind.oid,
        "typname": kind.name,
        "typnamespace": facts.namespaces["pg_catalog"],
        "typowner": facts.owner,
        "typlen": kind.length,
        "typbyval": kind.by_value,
        "typtype": kind.kind,
        "typcategory": kind.category,
        "typispreferred": kind.preferred,
        "typisdefined": True,
        "typdelim": kind.delimiter,
        "typsubscript": function_oid(kind.subscript),
        "typelem": kind.elem,
        "typarray": kind.array,
        "typinput": function_oid(kind.input),
        "typoutput": function_oid(kind.output),
        "typreceive": function_oid(kind.receive),
        "typsend": function_oid(kind.send),
        "typmodin": function_oid(kind.mod_in),
        "typmodout": function_oid(kind.mod_out),
        "typalign": kind.align,
        "typstorage": kind.storage,
        "typbasetype": kind.base,
        "typtypmod": -1,
        "typcollation": kind.collation,
    }


def _row_types(facts: Facts, relation: Relation) -> Iterator[Row]:
    record, array = BY_NAME["record"], BY_NAME["_text"]
    common = {"typnamespace": facts.namespaces[relation.schema]}
    row, rows = oids.row_type(relation.oid), oids.row_array(relation.oid)
    yield (
        _built_in(facts, record)
        | common
        | {
            "oid": row,
            "typname": relation.name,
            "typtype": "c",
            "typcategory": "C",
            "typrelid": relation.oid,
            "typarray": rows,
        }
    )
    yield (
        _built_in(facts, array)
        | common
        | {
            "oid": rows,
            "typname": f"_{relation.name}"[:63],
            "typelem": row,
            "typcollation": 0,
            "typalign": "d",
        }
    )


_RANGES = (
    ("int4range", "int4", "int4multirange", 1978, "int4range_canonical", "int4range_subdiff"),
    ("numrange", "numeric", "nummultirange", 3125, "-", "numrange_subdiff"),
    ("tsrange", "timestamp", "tsmultirange", 3128, "-", "tsrange_subdiff"),
    ("tstzrange", "timestamptz", "tstzmultirange", 3127, "-", "tstzrange_subdiff"),
    ("daterange", "date", "datemultirange", 3122, "daterange_canonical", "daterange_subdiff"),
    ("int8range", "int8", "int8multirange", 3124, "int8range_canonical", "int8range_subdiff"),
)


def ranges(facts: Facts) -> Iterator[Row]:
    """pg_range: PostgreSQL's range types, which clients know by their oids; nothing here has one."""
    for name, of, multirange, operators, canonical, difference in _RANGES:
        yield {
            "rngtypid": BY_NAME[name].oid,
            "rngsubtype": BY_NAME[of].oid,
            "rngmultitypid": BY_NAME[multirange].oid,
            "rngsubopc": operators,
            "rngcanonical": function_oid(canonical),
            "rngsubdiff": function_oid(difference),
        }


ROWS: dict[str, Callable[[Facts], Rows]] = {
    "pg_catalog.pg_type": types,
    "pg_catalog.pg_range": ranges,
}
