"""The statistics views that clients look at: rows of relations, and the database's own line."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sqlengine.catalog.pg import oids
from sqlengine.catalog.pg.facts import Facts
from sqlengine.catalog.pg.rows.classes import Row, Rows
from sqlengine.catalog.pg.rows.session import sessions


def tables(facts: Facts) -> Iterator[Row]:
    """pg_stat_user_tables: the live rows of what is stored."""
    for relation in facts.user_relations:
        if relation.kind in "rm":
            rows = facts.rows(relation.obj)
            yield {
                "relid": relation.oid,
                "schemaname": relation.schema,
                "relname": relation.name,
                "seq_scan": 0,
                "n_tup_ins": rows,
                "n_live_tup": rows,
                "n_dead_tup": 0,
                "n_mod_since_analyze": 0,
            }


def table_blocks(facts: Facts) -> Iterator[Row]:
    """pg_statio_user_tables."""
    for relation in facts.user_relations:
        if relation.kind in "rm":
            yield {"relid": relation.oid, "schemaname": relation.schema, "relname": relation.name}


def indexes(facts: Facts) -> Iterator[Row]:
    """pg_stat_user_indexes."""
    for index in facts.indexes.values():
        yield {
            "relid": index.on.oid,
            "indexrelid": index.oid,
            "schemaname": index.on.schema,
            "relname": index.on.name,
            "indexrelname": index.name,
            "idx_scan": 0,
        }


def databases(facts: Facts) -> Rows:
    """pg_stat_database."""
    return [{"datid": oids.DATABASE, "datname": facts.backend.database, "numbackends": len(sessions(facts))}]


ROWS: dict[str, Callable[[Facts], Rows]] = {
    "pg_catalog.pg_stat_all_tables": tables,
    "pg_catalog.pg_stat_user_tables": tables,
    "pg_catalog.pg_statio_all_tables": table_blocks,
    "pg_catalog.pg_statio_user_tables": table_blocks,
    "pg_catalog.pg_stat_all_indexes": indexes,
    "pg_catalog.pg_stat_user_indexes": indexes,
    "pg_catalog.pg_stat_database": databases,
}
