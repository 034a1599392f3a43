"""The system relations of PostgreSQL 15: names, oids, kinds, and columns with PostgreSQL's types."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pyarrow as pa

from sqlengine.catalog.objects import CatalogObject, ColumnInfo
from sqlengine.quick_dataclass import dataclass
from sqlengine.types import INTERVAL, TIMESTAMPTZ

PG_SCHEMAS = ("pg_catalog", "information_schema")
OID = pa.uint32()
"""What carries oids through the snapshot executor, which keeps it apart from other whole numbers."""

ARROW: dict[str, pa.DataType] = {
    "bool": pa.bool_(),
    "int2": pa.int16(),
    "int4": pa.int32(),
    "int8": pa.int64(),
    "float4": pa.float32(),
    "float8": pa.float64(),
    "numeric": pa.decimal128(38, 0),
    "bytea": pa.binary(),
    "timestamptz": TIMESTAMPTZ,
    "interval": INTERVAL,
    "oid": OID,
    "xid": OID,
    "cid": OID,
    "regproc": OID,
    "regprocedure": OID,
    "regoper": OID,
    "regoperator": OID,
    "regclass": OID,
    "regtype": OID,
    "regnamespace": OID,
    "regrole": OID,
    "regconfig": OID,
    "regdictionary": OID,
    "regcollation": OID,
    "int2vector": pa.list_(pa.int16()),
    "oidvector": pa.list_(OID),
    "anyarray": pa.list_(pa.string()),
}
"""PostgreSQL's types as columns of Arrow; what is not here is text."""


def arrow_type(name: str) -> pa.DataType:
    """The Arrow type of one of PostgreSQL's types as it goes through the executor."""
    if name.endswith("[]"):
        return pa.list_(arrow_type(name[:-2]))
    return ARROW.get(name, pa.string())


@dataclass(frozen=True, slots=True, kw_only=True)
class PgRelation(CatalogObject):
    """A relation of pg_catalog or information_schema; `pg_types` has the columns' types in PostgreSQL's words."""

    kind: ClassVar[str] = "system catalog"
    oid: int
    relkind: str
    pg_types: tuple[str, ...]

    @property
    def schema(self) -> str:
        """pg_catalog or information_schema."""
        return self.name.partition(".")[0]

    @property
    def plain_name(self) -> str:
        """The name without its schema."""
        return self.name.partition(".")[2]


def _read(line: str) -> PgRelation:
    name, oid, relkind, columns = line.split(" ", 3)
    infos, kinds = [], []
    for column in columns.split("|"):
        column_name, _, kind = column.partition(":")
        kinds.append(kind.rstrip("!").strip('"') if '"[]' not in kind else "char[]")
        infos.append(ColumnInfo(column_name, arrow_type(kinds[-1]), not_null=kind.endswith("!")))
    return PgRelation(name=name, oid=int(oid), relkind=relkind, columns=tuple(infos), pg_types=tuple(kinds))


def _read_all() -> dict[str, PgRelation]:
    text = Path(__file__).with_name("relations.txt").read_text(encoding="utf-8")
    found = (_read(line) for line in text.splitlines() if line and not line.startswith("#"))
    return {relation.name: relation for relation in found}


PG_RELATIONS: dict[str, PgRelation] = _read_all()
"""By qualified name."""


def pg_relation(name: str) -> PgRelation | None:
    """The system relation of a name; those of pg_catalog need no schema."""
    return PG_RELATIONS.get(name) or PG_RELATIONS.get(f"pg_catalog.{name}")


SET_FUNCTIONS: dict[str, dict[str, str]] = {
    "aclexplode": {
        "grantor": "UINTEGER",
        "grantee": "UINTEGER",
        "privilege_type": "VARCHAR",
        "is_grantable": "BOOLEAN",
    },
    "pg_options_to_table": {"option_name": "VARCHAR", "option_value": "VARCHAR"},
    "ts_token_type": {"tokid": "INTEGER", "alias": "VARCHAR", "description": "VARCHAR"},
    "pg_partition_tree": {"relid": "UINTEGER", "parentrelid": "UINTEGER", "isleaf": "BOOLEAN", "level": "INTEGER"},
    "pg_partition_ancestors": {"relid": "UINTEGER"},
    "pg_get_publication_tables": {"pubid": "UINTEGER", "relid": "UINTEGER"},
    "pg_tablespace_databases": {"pg_tablespace_databases": "UINTEGER"},
    "pg_mcv_list_items": {"index": "INTEGER", "values": "VARCHAR[]", "nulls": "BOOLEAN[]", "frequency": "DOUBLE"},
}
"""Functions that give rows of what is not here, and their columns in DuckDB's types: no rows."""

PG_TABLE_FUNCTIONS = frozenset(
    (
        *SET_FUNCTIONS,
        *(name.partition(".")[2].removesuffix("()") for name, r in PG_RELATIONS.items() if r.relkind == "f"),
        *("generate_subscripts", "current_schemas", "_pg_expandarray", "pg_partition_tree"),
    )
)
"""All that may stand in FROM."""
