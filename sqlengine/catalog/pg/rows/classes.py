"""pg_class, pg_attribute and what hangs on them: namespaces, defaults, descriptions, sequences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from sqlengine.catalog.objects import CatalogObject, ColumnInfo, MaterializedView, Table, View
from sqlengine.catalog.pg import oids
from sqlengine.catalog.pg.facts import (
    Facts,
    Relation,
    indexes_on,
)
from sqlengine.catalog.pg.relations import PgRelation
from sqlengine.catalog.pg.types import BY_NAME, BY_OID, PgType, dimensions, type_of
from sqlengine.catalog.privileges import ACL_LETTERS, Grants

Row = dict[str, Any]
Rows = Iterable[Row]

HEAP, BTREE = 2, 403


def namespaces(facts: Facts) -> Rows:
    """pg_namespace."""
    made = {o.name: o for o in facts.objects if o.kind == "schema"}
    return [
        {
            "oid": oid,
            "nspname": name,
            "nspowner": made[name].owner if name in made else facts.owner,
            "nspacl": acl(facts, made[name]) if name in made else None,
        }
        for name, oid in facts.namespaces.items()
    ]


def acl(facts: Facts, obj: CatalogObject) -> list[str] | None:
    """An object's grants as PostgreSQL writes them; None: none were set."""
    return None if obj.grants is None else acl_items(facts, obj.grants)


def acl_items(facts: Facts, grants: Grants) -> list[str]:
    """Grants as PostgreSQL writes them, `reader=r/owner`; a star behind what may be given on."""
    return [
        f"{facts.role_names.get(g.grantee, '')}="
        + "".join(letter + ("*" if p in g.grantable else "") for p, letter in ACL_LETTERS.items() if p in g.privileges)
        + f"/{facts.role_names.get(g.grantor, g.grantor)}"
        for g in grants
    ]


# ---------------------------------------------------------------- pg_class


def default_acls(facts: Facts) -> Iterator[Row]:
    """pg_default_acl: what ALTER DEFAULT PRIVILEGES has said."""
    for number, ((role, schema, family), grants) in enumerate(facts.defaults.items()):
        yield {
            "oid": oids.DEFAULT_ACLS + number,
            "defaclrole": role,
            "defaclnamespace": facts.namespaces.get(schema, 0),
            "defaclobjtype": {"table": "r", "function": "f", "schema": "n"}[family],
            "defaclacl": acl_items(facts, grants),
        }


def system_classes(facts: Facts) -> Iterator[Row]:
    """The part of pg_class that never changes: the system's own relations."""
    for relation in facts.system_relations:
        yield _class(facts, relation)


def user_classes(facts: Facts) -> Iterator[Row]:
    """The rest: relations, then the indexes, then the sequences of identity columns."""
    for relation in facts.user_relations:
        yield _class(facts, relation)
    for index in facts.indexes.values():
        yield _common(facts, index.on) | {
            "oid": index.oid,
            "relname": index.name,
            "relam": BTREE,
            "relkind": "i",
            "relnatts": len(index.columns),
            "relreplident": "n",
            "reltuples": float(facts.rows(index.on.obj)),
        }
    for relation, column in identities(facts):
        yield _common(facts, relation) | {
            "oid": oids.sequence(relation.oid),
            "relname": sequence_name(relation, column),
            "relkind": "S",
            "relnatts": 3,
            "reltuples": 1.0,
            "relpages": 1,
            "relreplident": "n",
        }


def _common(facts: Facts, relation: Relation) -> Row:
    return {
        "relnamespace": facts.namespaces[relation.schema],
        "relowner": relation.obj.owner,
        "relpersistence": "p",
        "relispopulated": True,
        "relreplident": "d",
    }


def _class(facts: Facts, relation: Relation) -> Row:
    obj = relation.obj
    stored = relation.kind in "rm"
    system = facts.is_system(relation)
    return _common(facts, relation) | {
        "oid": relation.oid,
        "relname": relation.name,
        "reltype": oids.row_type(relation.oid),
        "relam": HEAP if stored else 0,
        "relfilenode": relation.oid if stored else 0,
        "relkind": relation.kind,
        "relpages": 0,  # what has pages is read by ctid (DuckDB does), the places of rows, which have none here
        "reltuples": float(facts.rows(obj)) if stored and not system else -1.0,
        "relnatts": len(relation.columns),
        "relhasindex": bool(indexes_on(relation)),
        "relchecks": len(obj.checks) if isinstance(obj, Table) else 0,
        "relhasrules": relation.kind in "vm",
        "relispopulated": not (isinstance(obj, MaterializedView) and obj.filling),
        "relreplident": "n" if system else "d",
        "relacl": acl(facts, relation.obj),
    }


def identities(facts: Facts) -> Iterator[tuple[Relation, ColumnInfo]]:
    """The identity columns there are, with their tables."""
    for relation in facts.user_relations:
        for column in relation.columns:
            if column.identity is not None:
                yield relation, column


def sequence_name(relation: Relation, column: ColumnInfo) -> str:
    """What the sequence of an identity column is called."""
    return relation.sequence_name(column)


def sequences(facts: Facts) -> Iterator[Row]:
    """pg_sequence."""
    for relation, column in identities(facts):
        kind = type_of(column.type)[0]
        yield {
            "seqrelid": oids.sequence(relation.oid),
            "seqtypid": kind,
            "seqstart": 1,
            "seqincrement": 1,
            "seqmax": 2 ** (8 * BY_OID[kind].length - 1) - 1,
            "seqmin": 1,
            "seqcache": 1,
        }


# ---------------------------------------------------------------- pg_attribute


def attributes(facts: Facts) -> Iterator[Row]:
    """pg_attribute: the columns of relations, of their indexes, and the system columns of what is stored."""
    for relation in facts.relations:
        for number, column in enumerate(relation.columns, 1):
            given = dict(relation.obj.column_grants).get(column.name)
            yield attribute(relation, number, column) | {"attacl": acl_items(facts, given) if given else None}
        if relation.kind in "rm":
            yield from _system_columns(relation.oid)
    for index in facts.indexes.values():
        for number, name in enumerate(index.columns, 1):
            column = next(c for c in index.on.columns if c.name == name)
            yield attribute(index.on, index.numbers[number - 1], column) | {
                "attrelid": index.oid,
                "attnum": number,
                "attnotnull": False,
                "atthasdef": False,
                "attidentity": "",
                "attgenerated": "",
            }


def column_type(relation: Relation, number: int) -> tuple[PgType, int]:
    """(type, typmod) of a relation's column, counted from 1; the system catalogs know PostgreSQL's own types."""
    if isinstance(relation.obj, PgRelation):
        name = relation.obj.pg_types[number - 1]
        return BY_NAME["_" + name[:-2] if name.endswith("[]") else name], -1
    column = relation.columns[number - 1]
    if column.limit is not None:
        return BY_NAME["bpchar" if column.limit.fixed else "varchar"], column.limit.length + 4
    oid, typmod = type_of(column.type)
    return BY_OID[oid], typmod


def attribute(relation: Relation, number: int, column: ColumnInfo) -> Row:
    """A row of pg_attribute."""
    kind, typmod = column_type(relation, number)
    return {
        "attrelid": relation.oid,
        "attname": column.name,
        "atttypid": kind.oid,
        "attstattarget": -1,
        "attlen": kind.length,
        "attnum": number,
        "attndims": dimensions(column.type),
        "attcacheoff": -1,
        "atttypmod": typmod,
        "attbyval": kind.by_value,
        "attalign": kind.align,
        "attstorage": kind.storage,
        "attcompression": "",
        "attnotnull": not_null(relation, column),
        "atthasdef": column.default is not None or column.computed is not None,
        "attidentity": {"always": "a", "by default": "d"}.get(column.identity or "", ""),
        "attgenerated": "s" if column.computed is not None else "",
        "attislocal": True,
        "attcollation": kind.collation,
    }


def not_null(relation: Relation, column: ColumnInfo) -> bool:
    """Whether a column cannot be NULL: declared so, or part of the primary key."""
    return column.not_null or (isinstance(relation.obj, Table) and column.name in relation.obj.primary_key)


def _system_columns(relation: int) -> Iterator[Row]:
    for number, (name, type_name) in enumerate(_SYSTEM_COLUMNS, 1):
        kind = BY_NAME[type_name]
        yield {
            "attrelid": relation,
            "attname": name,
            "atttypid": kind.oid,
            "attlen": kind.length,
            "attnum": -number,
            "attcacheoff": -1,
            "atttypmod": -1,
            "attbyval": kind.by_value,
            "attalign": kind.align,
            "attstorage": kind.storage,
            "attnotnull": True,
            "attislocal": True,
        }


_SYSTEM_COLUMNS = (
    ("ctid", "tid"),
    ("xmin", "xid"),
    ("cmin", "cid"),
    ("xmax", "xid"),
    ("cmax", "cid"),
    ("tableoid", "oid"),
)


def defaults(facts: Facts) -> Iterator[Row]:
    """pg_attrdef: DEFAULT and computed columns; `adbin` is the expression's text."""
    for relation in facts.user_relations:
        for number, column in enumerate(relation.columns, 1):
            text = column.computed or column.default
            if text is not None:
                yield {
                    "oid": oids.default(relation.oid, number),
                    "adrelid": relation.oid,
                    "adnum": number,
                    "adbin": text,
                }


# ---------------------------------------------------------------- what hangs on relations


CLASS_OID, TYPE_OID, PROC_OID, REWRITE_OID, CONSTRAINT_OID, ATTRDEF_OID = 1259, 1247, 1255, 2618, 2606, 2604
NAMESPACE_OID = 2615


def descriptions(facts: Facts) -> Iterator[Row]:
    """pg_description: COMMENT ON, and what the functions and the tables of the schema `system` say of themselves."""
    for relation in facts.relations:
        if relation.obj.comment:
            yield {"objoid": relation.oid, "classoid": CLASS_OID, "objsubid": 0, "description": relation.obj.comment}
        for number, column in enumerate(relation.columns, 1):
            if column.comment:
                yield {"objoid": relation.oid, "classoid": CLASS_OID, "objsubid": number, "description": column.comment}
    for obj in facts.objects:
        if obj.kind == "schema" and obj.comment:
            yield {
                "objoid": facts.namespaces[obj.name],
                "classoid": NAMESPACE_OID,
                "objsubid": 0,
                "description": obj.comment,
            }
    for function in facts.functions:
        if function.description:
            yield {
                "objoid": function.oid,
                "classoid": PROC_OID,
                "objsubid": 0,
                "description": function.description,
            }


def comments(facts: Facts, catalog: int | None = None) -> dict[tuple[int, int], str]:
    """Comments by (object, column or 0), those on one catalog's objects or all."""

    def make() -> dict[tuple[int, int], str]:
        rows = (r for r in descriptions(facts) if catalog is None or r["classoid"] == catalog)
        return {(r["objoid"], r["objsubid"]): r["description"] for r in rows}

    made: dict[tuple[int, int], str] = facts.kept(f"comments {catalog}", make)
    return made


def rewrites(facts: Facts) -> Iterator[Row]:
    """pg_rewrite: the rule of each view, which pg_depend ties to what it reads."""
    for relation in facts.user_relations:
        if isinstance(relation.obj, (View, MaterializedView)):
            yield {
                "oid": oids.rule(relation.oid),
                "rulename": "_RETURN",
                "ev_class": relation.oid,
                "ev_type": "1",
                "ev_enabled": "O",
                "is_instead": True,
                "ev_qual": "<>",
                "ev_action": relation.obj.query,
            }


def depends(facts: Facts) -> Iterator[Row]:
    """pg_depend: views on what they read (through their rules), defaults and keys on their tables."""
    for relation in facts.user_relations:
        if isinstance(relation.obj, (View, MaterializedView)):
            rule = oids.rule(relation.oid)
            yield _depend(REWRITE_OID, rule, CLASS_OID, relation.oid, "i")
            for read in facts.depends(relation.obj):
                for number in range(len(read.columns) + 1):
                    yield _depend(REWRITE_OID, rule, CLASS_OID, read.oid, "n", refsub=number)
        for number, column in enumerate(relation.columns, 1):
            if column.default is not None or column.computed is not None:
                yield _depend(ATTRDEF_OID, oids.default(relation.oid, number), CLASS_OID, relation.oid, "a", number)
            if column.identity is not None:
                yield _depend(CLASS_OID, oids.sequence(relation.oid), CLASS_OID, relation.oid, "i", number)
    for index in facts.indexes.values():
        if index.constraint is None:
            yield _depend(CLASS_OID, index.oid, CLASS_OID, index.on.oid, "a")
        else:
            yield _depend(CONSTRAINT_OID, index.constraint, CLASS_OID, index.on.oid, "a")
            yield _depend(CLASS_OID, index.oid, CONSTRAINT_OID, index.constraint, "i")


def _depend(kind: int, oid: int, ref_kind: int, ref: int, how: str, refsub: int = 0) -> Row:
    return {
        "classid": kind,
        "objid": oid,
        "objsubid": 0,
        "refclassid": ref_kind,
        "refobjid": ref,
        "refobjsubid": refsub,
        "deptype": how,
    }


ROWS: dict[str, Callable[[Facts], Rows]] = {
    "pg_catalog.pg_namespace": namespaces,
    "pg_catalog.pg_class": user_classes,
    "pg_catalog.pg_attribute": attributes,
    "pg_catalog.pg_attrdef": defaults,
    "pg_catalog.pg_description": descriptions,
    "pg_catalog.pg_rewrite": rewrites,
    "pg_catalog.pg_depend": depends,
    "pg_catalog.pg_sequence": sequences,
    "pg_catalog.pg_default_acl": default_acls,
}
