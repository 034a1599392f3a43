"""pg_index and pg_constraint: primary keys, UNIQUE and CHECK constraints, and what CREATE INDEX has made."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sqlengine.catalog.objects import Table
from sqlengine.catalog.pg import oids
from sqlengine.catalog.pg.facts import Facts, Relation
from sqlengine.catalog.pg.rows.classes import Row, Rows, column_type

OPERATOR_CLASSES: dict[str, tuple[int, int, str]] = {
    "bool": (10006, 424, "bool_ops"),
    "int2": (1979, 1976, "int2_ops"),
    "int4": (1978, 1976, "int4_ops"),
    "int8": (3124, 1976, "int8_ops"),
    "float4": (10022, 1970, "float4_ops"),
    "float8": (3123, 1970, "float8_ops"),
    "numeric": (3125, 1988, "numeric_ops"),
    "text": (3126, 1994, "text_ops"),
    "bytea": (10008, 428, "bytea_ops"),
    "date": (3122, 434, "date_ops"),
    "time": (10043, 1996, "time_ops"),
    "timestamp": (3128, 434, "timestamp_ops"),
    "timestamptz": (3127, 434, "timestamptz_ops"),
    "interval": (10029, 1982, "interval_ops"),
    "uuid": (10067, 2968, "uuid_ops"),
    "oid": (1981, 1989, "oid_ops"),
    "jsonb": (10091, 4033, "jsonb_ops"),
}
"""Type -> oid, family and name of the btree operator class that its keys are ordered by."""


def indexes(facts: Facts) -> Iterator[Row]:
    """pg_index."""
    for index in facts.indexes.values():
        numbers = index.numbers
        kinds = [column_type(index.on, number)[0] for number in numbers]
        yield {
            "indexrelid": index.oid,
            "indrelid": index.on.oid,
            "indnatts": len(numbers),
            "indnkeyatts": len(numbers),
            "indisunique": index.unique,
            "indnullsnotdistinct": index.nulls_equal,
            "indisprimary": index.primary,
            "indimmediate": True,
            "indisvalid": True,
            "indisready": True,
            "indislive": True,
            "indkey": numbers,
            "indcollation": [kind.collation for kind in kinds],
            "indclass": [OPERATOR_CLASSES.get(kind.name, OPERATOR_CLASSES["text"])[0] for kind in kinds],
            "indoption": [0] * len(numbers),
        }


def constraints(facts: Facts) -> Iterator[Row]:
    """pg_constraint."""
    for index in facts.indexes.values():
        if index.constraint is not None:
            yield _common(facts, index.on) | {
                "oid": index.constraint,
                "conname": index.name,
                "contype": "p" if index.primary else "u",
                "conindid": index.oid,
                "connoinherit": True,
                "conkey": index.numbers,
            }
    for relation in facts.user_relations:
        if isinstance(relation.obj, Table):
            for number, check in enumerate(relation.obj.checks):
                yield _common(facts, relation) | {
                    "oid": oids.check(relation.oid, number),
                    "conname": check.name,
                    "contype": "c",
                    "conkey": [i for i, c in enumerate(relation.columns, 1) if _names(check.expr, c.name)],
                    "conbin": check.expr,
                }


def _names(expr: str, column: str) -> bool:
    words = "".join(c if c.isalnum() or c in "_$" else " " for c in expr).lower().split()
    return column.lower() in words


def _common(facts: Facts, relation: Relation) -> Row:
    return {
        "connamespace": facts.namespaces[relation.schema],
        "convalidated": True,
        "conrelid": relation.oid,
        "conislocal": True,
        "confupdtype": " ",
        "confdeltype": " ",
        "confmatchtype": " ",
    }


ROWS: dict[str, Callable[[Facts], Rows]] = {
    "pg_catalog.pg_index": indexes,
    "pg_catalog.pg_constraint": constraints,
}
