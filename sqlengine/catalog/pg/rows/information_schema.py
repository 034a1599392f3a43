"""information_schema: the same objects in the words of the standard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sqlengine.catalog.objects import ColumnInfo, Table, View
from sqlengine.catalog.pg.definitions import query_text
from sqlengine.catalog.pg.facts import (
    Facts,
    Index,
    Relation,
)
from sqlengine.catalog.pg.rows.classes import Row, Rows, column_type, not_null
from sqlengine.catalog.pg.types import BY_NAME, BY_OID, PgType, format_type
from sqlengine.catalog.privileges import COLUMN_PRIVILEGES, PRIVILEGES, default_grants

_YES = {True: "YES", False: "NO"}


def _shown(facts: Facts) -> list[Relation]:
    """The standard knows no materialized views, and PostgreSQL leaves them out."""
    return [r for r in facts.relations if r.kind in "rv"]


def catalog_name(facts: Facts) -> Rows:
    """information_schema_catalog_name."""
    return [{"catalog_name": facts.backend.database}]


def schemata(facts: Facts) -> Iterator[Row]:
    """schemata."""
    for name in facts.namespaces:
        yield {
            "catalog_name": facts.backend.database,
            "schema_name": name,
            "schema_owner": facts.role_names[facts.owner],
        }


def _named(facts: Facts, relation: Relation, head: str = "table") -> dict[str, Any]:
    return {
        f"{head}_catalog": facts.backend.database,
        f"{head}_schema": relation.schema,
        f"{head}_name": relation.name,
    }


def tables(facts: Facts) -> Iterator[Row]:
    """tables: streams and tables are BASE TABLE."""
    for relation in _shown(facts):
        yield _named(facts, relation) | {
            "table_type": "BASE TABLE" if relation.kind == "r" else "VIEW",
            "is_insertable_into": _YES[relation.kind == "r"],
            "is_typed": "NO",
        }


def views(facts: Facts) -> Iterator[Row]:
    """views."""
    for relation in _shown(facts):
        if relation.kind == "v":
            obj = relation.obj
            yield _named(facts, relation) | {
                "view_definition": query_text(obj) if isinstance(obj, View) else None,
                "check_option": "NONE",
                **dict.fromkeys(
                    (
                        "is_updatable",
                        "is_insertable_into",
                        "is_trigger_updatable",
                        "is_trigger_deletable",
                        "is_trigger_insertable_into",
                    ),
                    "NO",
                ),
            }


def view_table_usage(facts: Facts) -> Iterator[Row]:
    """view_table_usage."""
    for relation in facts.user_relations:
        if isinstance(relation.obj, View):
            for read in facts.depends(relation.obj):
                yield _named(facts, relation, "view") | _named(facts, read)


# ---------------------------------------------------------------- columns


def columns(facts: Facts) -> Iterator[Row]:
    """columns."""
    for relation in _shown(facts):
        for number, column in enumerate(relation.columns, 1):
            yield _named(facts, relation) | _column(facts, relation, number, column)


def _column(facts: Facts, relation: Relation, number: int, column: ColumnInfo) -> Row:
    kind, typmod = column_type(relation, number)
    generated, identity = column.computed is not None, column.identity is not None
    return {
        "column_name": column.name,
        "ordinal_position": number,
        "column_default": column.default,
        "is_nullable": _YES[not not_null(relation, column)],
        **_type(kind, typmod),
        "udt_catalog": facts.backend.database,
        "udt_schema": "pg_catalog",
        "udt_name": kind.name,
        "dtd_identifier": str(number),
        "is_self_referencing": "NO",
        "is_identity": _YES[identity],
        "identity_generation": column.identity.upper() if column.identity is not None else None,
        "identity_start": "1" if identity else None,
        "identity_increment": "1" if identity else None,
        "identity_cycle": "NO",
        "is_generated": "ALWAYS" if generated else "NEVER",
        "generation_expression": column.computed,
        "is_updatable": _YES[isinstance(relation.obj, Table) and not generated],
    }


_BITS: dict[str, tuple[int, int, int | None]] = {
    "int2": (16, 2, 0),
    "int4": (32, 2, 0),
    "int8": (64, 2, 0),
    "float4": (24, 2, None),
    "float8": (53, 2, None),
}
"""Precision, its radix, and scale."""
_OCTETS_MAX = 4
"""Bytes of a character in UTF-8."""
_FRACTIONS = frozenset(("time", "timetz", "timestamp", "timestamptz", "interval"))


def _type(kind: PgType, typmod: int) -> Row:
    precision: tuple[int | None, int | None, int | None] = _BITS.get(kind.name, (None, None, None))
    if kind.name == "numeric":
        precision = ((typmod - 4) >> 16, 10, (typmod - 4) & 0x7FF) if typmod > 0 else (None, 10, None)
    length = typmod - 4 if kind.name in ("varchar", "bpchar") and typmod > 0 else None
    octets = None if length is None else length * _OCTETS_MAX
    return {
        "data_type": "ARRAY" if kind.category == "A" else format_type(kind.oid, -1),
        "character_maximum_length": length,
        "character_octet_length": 2**30 if octets is None and kind.name in ("text", "varchar") else octets,
        "numeric_precision": precision[0],
        "numeric_precision_radix": precision[1],
        "numeric_scale": precision[2],
        "datetime_precision": 6 if kind.name in _FRACTIONS else 0 if kind.name == "date" else None,
    }


def element_types(facts: Facts) -> Iterator[Row]:
    """element_types: what arrays are of."""
    for relation in _shown(facts):
        for number, _ in enumerate(relation.columns, 1):
            kind, typmod = column_type(relation, number)
            if kind.category == "A":
                element = BY_OID[kind.elem]
                yield _named(facts, relation, "object") | {
                    "object_type": "TABLE" if relation.kind == "r" else "VIEW",
                    "collection_type_identifier": str(number),
                    "dtd_identifier": f"a{number}",
                    "udt_catalog": facts.backend.database,
                    "udt_schema": "pg_catalog",
                    "udt_name": element.name,
                    **_type(element, typmod),
                }


# ---------------------------------------------------------------- constraints


def table_constraints(facts: Facts) -> Iterator[Row]:
    """table_constraints: primary keys, UNIQUE and CHECK."""
    yield from key_tables(facts)
    for relation in facts.user_relations:
        if isinstance(relation.obj, Table):
            for check in relation.obj.checks:
                yield _constraint(facts, relation, check.name, "CHECK")


def _constraint(facts: Facts, relation: Relation, name: str, kind: str) -> Row:
    return _named(facts, relation) | {
        "constraint_catalog": facts.backend.database,
        "constraint_schema": relation.schema,
        "constraint_name": name,
        "constraint_type": kind,
        "is_deferrable": "NO",
        "initially_deferred": "NO",
        "enforced": "YES",
    }


def key_columns(facts: Facts) -> Iterator[Row]:
    """key_column_usage and constraint_column_usage of primary keys and UNIQUE."""
    for index in _constraining(facts):
        for number, name in enumerate(index.columns, 1):
            yield _constraint(facts, index.on, index.name, _kind(index)) | {
                "column_name": name,
                "ordinal_position": number,
            }


def key_tables(facts: Facts) -> Iterator[Row]:
    """constraint_table_usage, of primary keys and UNIQUE."""
    for index in _constraining(facts):
        yield _constraint(facts, index.on, index.name, _kind(index))


def _constraining(facts: Facts) -> list[Index]:
    return [index for index in facts.indexes.values() if index.constraint is not None]


def _kind(index: Index) -> str:
    return "PRIMARY KEY" if index.primary else "UNIQUE"


def checks(facts: Facts) -> Iterator[Row]:
    """check_constraints."""
    for relation in facts.user_relations:
        if isinstance(relation.obj, Table):
            for check in relation.obj.checks:
                yield _constraint(facts, relation, check.name, "CHECK") | {"check_clause": f"({check.expr})"}


# ---------------------------------------------------------------- the rest


def routines(facts: Facts) -> Iterator[Row]:
    """routines."""
    for f in facts.functions:
        if f.kind == "f":
            yield _routine(facts, f.schema, f.name, f.oid) | {
                "routine_catalog": facts.backend.database,
                "routine_schema": f.schema,
                "routine_name": f.name,
                "routine_type": "FUNCTION",
                "data_type": format_type(BY_NAME[f.result].oid, -1),
                "type_udt_catalog": facts.backend.database,
                "type_udt_schema": "pg_catalog",
                "type_udt_name": f.result,
                "routine_body": "EXTERNAL",
                "external_name": f.name,
                "external_language": f.language.upper(),
                "parameter_style": "GENERAL",
                "is_deterministic": _YES[f.volatility == "i"],
                "sql_data_access": "MODIFIES",
                "is_null_call": _YES[f.strict],
                "security_type": "INVOKER",
            }


def _routine(facts: Facts, schema: str, name: str, oid: int) -> Row:
    return {
        "specific_catalog": facts.backend.database,
        "specific_schema": schema,
        "specific_name": f"{name}_{oid}",
    }


def parameters(facts: Facts) -> Iterator[Row]:
    """parameters."""
    for f in facts.functions:
        for number, kind in enumerate(f.arguments, 1):
            yield _routine(facts, f.schema, f.name, f.oid) | {
                "ordinal_position": number,
                "parameter_mode": "IN",
                "is_result": "NO",
                "as_locator": "NO",
                "parameter_name": f.argument_names[number - 1] if f.argument_names else None,
                "data_type": format_type(BY_NAME[kind].oid, -1),
                "udt_catalog": facts.backend.database,
                "udt_schema": "pg_catalog",
                "udt_name": kind,
                "dtd_identifier": str(number),
            }


def character_sets(facts: Facts) -> Rows:
    """character_sets."""
    return [
        {
            "character_set_name": "UTF8",
            "character_repertoire": "UCS",
            "form_of_use": "UTF8",
            "default_collate_catalog": facts.backend.database,
            "default_collate_schema": "pg_catalog",
            "default_collate_name": "C",
        }
    ]


def collations(facts: Facts) -> Rows:
    """collations."""
    return [
        {
            "collation_catalog": facts.backend.database,
            "collation_schema": "pg_catalog",
            "collation_name": name,
            "pad_attribute": "NO PAD",
        }
        for name in ("default", "C", "POSIX")
    ]


def enabled_roles(facts: Facts) -> Rows:
    """enabled_roles."""
    return [{"role_name": role.name} for role in facts.roles]


def table_privileges(facts: Facts) -> Iterator[Row]:
    """table_privileges and role_table_grants: what the owner may do, and what was granted."""
    for relation in facts.relations:
        owner = facts.owner_name(relation)
        given = [(g.grantor, g.grantee, p, p in g.grantable) for g in relation.obj.grants or () for p in g.privileges]
        names = facts.role_names
        rows = [(names.get(a, str(a)), names.get(b, "PUBLIC"), p, option) for a, b, p, option in given]
        for grantor, grantee, privilege, grantable in rows or [(owner, owner, p, True) for p in _PRIVILEGES]:
            yield _named(facts, relation) | {
                "grantor": grantor,
                "grantee": grantee,
                "privilege_type": privilege,
                "is_grantable": _YES[grantable],
                "with_hierarchy": _YES[privilege == "SELECT"],
            }


def column_privileges(facts: Facts) -> Iterator[Row]:
    """column_privileges and role_column_grants: what is granted on a whole counts for each of its columns."""
    for relation in facts.relations:
        every = relation.obj.access.grants
        whole = (
            every
            if every is not None
            else default_grants(relation.obj.kind, relation.obj.owner)
            if (relation.obj.kind in PRIVILEGES)
            else ()
        )
        own = dict(relation.obj.column_grants)
        for column in relation.columns:
            for grant in (*whole, *own.get(column.name, ())):
                for privilege in (p for p in grant.privileges if p in COLUMN_PRIVILEGES):
                    is_owner = grant.grantee == relation.obj.owner
                    yield _named(facts, relation) | {
                        "column_name": column.name,
                        "grantor": facts.role_names.get(grant.grantor, str(grant.grantor)),
                        "grantee": facts.role_names.get(grant.grantee, "PUBLIC"),
                        "privilege_type": privilege,
                        "is_grantable": _YES[is_owner or privilege in grant.grantable],
                    }


_PRIVILEGES = ("INSERT", "SELECT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
_SCHEMA = "information_schema."
ROWS: dict[str, Callable[[Facts], Rows]] = {
    f"{_SCHEMA}information_schema_catalog_name": catalog_name,
    f"{_SCHEMA}schemata": schemata,
    f"{_SCHEMA}tables": tables,
    f"{_SCHEMA}views": views,
    f"{_SCHEMA}view_table_usage": view_table_usage,
    f"{_SCHEMA}columns": columns,
    f"{_SCHEMA}element_types": element_types,
    f"{_SCHEMA}table_constraints": table_constraints,
    f"{_SCHEMA}key_column_usage": key_columns,
    f"{_SCHEMA}constraint_column_usage": key_columns,
    f"{_SCHEMA}constraint_table_usage": key_tables,
    f"{_SCHEMA}check_constraints": checks,
    f"{_SCHEMA}routines": routines,
    f"{_SCHEMA}parameters": parameters,
    f"{_SCHEMA}character_sets": character_sets,
    f"{_SCHEMA}collations": collations,
    f"{_SCHEMA}enabled_roles": enabled_roles,
    f"{_SCHEMA}table_privileges": table_privileges,
    f"{_SCHEMA}role_table_grants": table_privileges,
    f"{_SCHEMA}column_privileges": column_privileges,
    f"{_SCHEMA}role_column_grants": column_privileges,
}
