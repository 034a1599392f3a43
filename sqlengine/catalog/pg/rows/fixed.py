"""What never changes: access methods, languages, collations, casts, tablespaces, operator classes."""

from __future__ import annotations

from collections.abc import Callable

from sqlengine.catalog.pg.facts import Facts
from sqlengine.catalog.pg.rows.classes import BTREE, HEAP, Rows
from sqlengine.catalog.pg.rows.constraints import OPERATOR_CLASSES
from sqlengine.catalog.pg.rows.procs import LANGUAGES
from sqlengine.catalog.pg.types import BY_NAME


def access_methods(facts: Facts) -> Rows:
    """pg_am."""
    return [{"oid": HEAP, "amname": "heap", "amtype": "t"}, {"oid": BTREE, "amname": "btree", "amtype": "i"}]


def languages(facts: Facts) -> Rows:
    """pg_language."""
    return [
        {
            "oid": oid,
            "lanname": name,
            "lanowner": facts.owner,
            "lanispl": name == "python",
            "lanpltrusted": name == "sql",
        }
        for name, oid in LANGUAGES.items()
    ]


def collations(facts: Facts) -> Rows:
    """pg_collation: texts are ordered by their bytes under every name."""
    return [
        {
            "oid": oid,
            "collname": name,
            "collnamespace": facts.namespaces["pg_catalog"],
            "collowner": facts.owner,
            "collprovider": provider,
            "collisdeterministic": True,
            "collencoding": -1,
            "collcollate": None if name == "default" else name,
            "collctype": None if name == "default" else name,
        }
        for oid, name, provider in ((100, "default", "d"), (950, "C", "c"), (951, "POSIX", "c"))
    ]


def tablespaces(facts: Facts) -> Rows:
    """pg_tablespace."""
    names = {1663: "pg_default", 1664: "pg_global"}
    return [{"oid": oid, "spcname": name, "spcowner": facts.owner} for oid, name in names.items()]


def operator_classes(facts: Facts) -> Rows:
    """pg_opclass."""
    return [
        {
            "oid": oid,
            "opcmethod": BTREE,
            "opcname": name,
            "opcnamespace": facts.namespaces["pg_catalog"],
            "opcowner": facts.owner,
            "opcfamily": family,
            "opcintype": BY_NAME[kind].oid,
            "opcdefault": True,
        }
        for kind, (oid, family, name) in OPERATOR_CLASSES.items()
    ]


def operator_families(facts: Facts) -> Rows:
    """pg_opfamily."""
    found = {family: name for _, family, name in OPERATOR_CLASSES.values()}
    names = {1976: "integer_ops", 1970: "float_ops", 434: "datetime_ops"}
    return [
        {
            "oid": oid,
            "opfmethod": BTREE,
            "opfname": names.get(oid, name),
            "opfnamespace": facts.namespaces["pg_catalog"],
            "opfowner": facts.owner,
        }
        for oid, name in found.items()
    ]


_CASTS: dict[str, dict[str, str]] = {
    "int2": {"int4": "i", "int8": "i", "float4": "i", "float8": "i", "numeric": "i"},
    "int4": {"int2": "a", "int8": "i", "float4": "i", "float8": "i", "numeric": "i", "bool": "e"},
    "int8": {"int2": "a", "int4": "a", "float4": "i", "float8": "i", "numeric": "i"},
    "float4": {"int2": "a", "int4": "a", "int8": "a", "float8": "i", "numeric": "a"},
    "float8": {"int2": "a", "int4": "a", "int8": "a", "float4": "a", "numeric": "a"},
    "numeric": {"int2": "a", "int4": "a", "int8": "a", "float4": "i", "float8": "i"},
    "bool": {"int4": "e", "text": "a"},
    "text": {"name": "i", "varchar": "i", "bpchar": "i", "json": "e"},
    "date": {"timestamp": "i", "timestamptz": "i"},
    "timestamp": {"date": "a", "time": "a", "timestamptz": "i"},
    "timestamptz": {"date": "a", "time": "a", "timestamp": "a"},
    "time": {"interval": "i"},
    "interval": {"time": "a"},
}
"""Source -> target -> e (only when written), a (when assigned) or i (by itself)."""


def casts(facts: Facts) -> Rows:
    """pg_cast."""
    pairs = [(source, target, how) for source, targets in _CASTS.items() for target, how in targets.items()]
    return [
        {
            "oid": 10_000_000 + number,
            "castsource": BY_NAME[source].oid,
            "casttarget": BY_NAME[target].oid,
            "castcontext": how,
            "castmethod": "i",
        }
        for number, (source, target, how) in enumerate(pairs)
    ]


ROWS: dict[str, Callable[[Facts], Rows]] = {
    "pg_catalog.pg_am": access_methods,
    "pg_catalog.pg_language": languages,
    "pg_catalog.pg_collation": collations,
    "pg_catalog.pg_tablespace": tablespaces,
    "pg_catalog.pg_opclass": operator_classes,
    "pg_catalog.pg_opfamily": operator_families,
    "pg_catalog.pg_cast": casts,
}
