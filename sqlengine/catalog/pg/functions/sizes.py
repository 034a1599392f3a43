"""How large things are."""

from __future__ import annotations

from sqlengine.catalog.pg.facts import Facts
from sqlengine.catalog.pg.functions.registry import pg


def _bytes(facts: Facts, relation: int) -> int:
    found = facts.by_oid.get(relation)
    return facts.bytes(found.obj) if found is not None and found.kind in "rm" and not facts.is_system(found) else 0


@pg(
    "pg_relation_size(regclass) -> int8; pg_relation_size(regclass, text) -> int8; pg_table_size(regclass) -> int8; "
    "pg_total_relation_size(regclass) -> int8"
)
def pg_relation_size(facts: Facts, relation: int, fork: str = "main") -> int:
    """The bytes a relation takes."""
    return _bytes(facts, relation) if fork == "main" else 0


@pg("pg_indexes_size(regclass) -> int8; pg_tablespace_size(text) -> int8")
def no_size(facts: Facts, oid: int) -> int:
    """0: keys and tablespaces take no room of their own."""
    return 0


@pg("pg_database_size(text) -> int8")
def pg_database_size(facts: Facts, database: str) -> int:
    """The bytes of everything stored."""
    return sum(_bytes(facts, r.oid) for r in facts.user_relations)


_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")


@pg("pg_size_pretty(numeric) -> text")
def pg_size_pretty(facts: Facts, size: float) -> str:
    """A number of bytes for people: the largest unit that leaves fewer than 10240."""
    left, unit = abs(int(size)), 0
    while left >= (10 * 1024 if unit == 0 else 20 * 1024 - 1) and unit < len(_UNITS) - 1:
        left = left >> (9 if unit == 0 else 10)
        unit += 1
    shown = left if unit == 0 else (left + 1) // 2
    return f"{'-' if size < 0 else ''}{shown} {_UNITS[unit]}"


@pg("pg_tablespace_location(oid) -> text")
def pg_tablespace_location(facts: Facts, tablespace: int) -> str:
    """Nothing: both tablespaces are in the database's directory."""
    return ""


@pg("pg_relation_filepath(regclass) -> text")
def pg_relation_filepath(facts: Facts, relation: int) -> str | None:
    """The topic that a stream or table is kept in."""
    found = facts.by_oid.get(relation)
    return getattr(found.obj, "topic", None) if found is not None else None


@pg(
    "pg_stat_get_numscans(oid) -> int8; pg_stat_get_dead_tuples(oid) -> int8; pg_stat_get_tuples_updated(oid) -> int8; "
    "pg_stat_get_tuples_deleted(oid) -> int8; pg_stat_get_tuples_returned(oid) -> int8; "
    "pg_stat_get_tuples_fetched(oid) -> int8; pg_stat_get_blocks_fetched(oid) -> int8; "
    "pg_stat_get_blocks_hit(oid) -> int8"
)
def not_counted(facts: Facts, relation: int) -> int:
    """0: nobody counts it."""
    return 0


@pg("pg_stat_get_live_tuples(oid) -> int8; pg_stat_get_tuples_inserted(oid) -> int8")
def pg_stat_get_live_tuples(facts: Facts, relation: int) -> int:
    """The rows of a relation."""
    found = facts.by_oid.get(relation)
    return facts.rows(found.obj) if found is not None and not facts.is_system(found) else 0
