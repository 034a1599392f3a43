"""PostgreSQL's views of its own catalog: pg_tables, pg_views, pg_matviews, pg_indexes, pg_sequences."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Callable, Iterator

import pyarrow as pa

from sqlengine.catalog.objects import MaterializedView, View
from sqlengine.catalog.pg.definitions import index_definition, query_text
from sqlengine.catalog.pg.facts import (
    Facts,
    indexes_on,
)
from sqlengine.catalog.pg.rows.classes import Row, Rows, identities, sequence_name
from sqlengine.catalog.pg.types import BY_OID, type_of


def tables(facts: Facts) -> Iterator[Row]:
    """pg_tables: streams, tables and the system catalogs."""
    for relation in facts.relations:
        if relation.kind == "r":
            yield {
                "schemaname": relation.schema,
                "tablename": relation.name,
                "tableowner": facts.owner_name(relation),
                "hasindexes": bool(indexes_on(relation)),
                "hasrules": False,
                "hastriggers": False,
                "rowsecurity": False,
            }


def views(facts: Facts) -> Iterator[Row]:
    """pg_views."""
    for relation in facts.relations:
        if relation.kind == "v":
            obj = relation.obj
            yield {
                "schemaname": relation.schema,
                "viewname": relation.name,
                "viewowner": facts.owner_name(relation),
                "definition": query_text(obj) if isinstance(obj, View) else None,
            }


def materialized_views(facts: Facts) -> Iterator[Row]:
    """pg_matviews."""
    for relation in facts.user_relations:
        if isinstance(relation.obj, MaterializedView):
            yield {
                "schemaname": relation.schema,
                "matviewname": relation.name,
                "matviewowner": facts.owner_name(relation),
                "hasindexes": bool(indexes_on(relation)),
                "ispopulated": not relation.obj.filling,
                "definition": query_text(relation.obj),
            }


def indexes(facts: Facts) -> Iterator[Row]:
    """pg_indexes."""
    for index in facts.indexes.values():
        yield {
            "schemaname": index.on.schema,
            "tablename": index.on.name,
            "indexname": index.name,
            "indexdef": index_definition(index),
        }


def sequences(facts: Facts) -> Iterator[Row]:
    """pg_sequences: those of identity columns."""
    for relation, column in identities(facts):
        kind = type_of(column.type)[0]
        yield {
            "schemaname": relation.schema,
            "sequencename": sequence_name(relation, column),
            "sequenceowner": facts.owner_name(relation),
            "data_type": kind,
            "start_value": 1,
            "min_value": 1,
            "max_value": 2 ** (8 * BY_OID[kind].length - 1) - 1,
            "increment_by": 1,
            "cycle": False,
            "cache_size": 1,
        }


def time_zone_names(facts: Facts) -> Iterator[Row]:
    """pg_timezone_names: the names alone; offsets belong to a moment."""
    for name in sorted(zoneinfo.available_timezones()):
        at = zoneinfo.ZoneInfo(name)
        now = dt.datetime.fromtimestamp(facts.now_us / 1e6, at)
        offset, saving = now.utcoffset(), now.dst()
        seconds = int(offset.total_seconds()) if offset is not None else 0
        yield {
            "name": name,
            "abbrev": now.tzname(),
            "utc_offset": pa.MonthDayNano([0, 0, seconds * 1_000_000_000]),
            "is_dst": bool(saving),
        }


ROWS: dict[str, Callable[[Facts], Rows]] = {
    "pg_catalog.pg_tables": tables,
    "pg_catalog.pg_views": views,
    "pg_catalog.pg_matviews": materialized_views,
    "pg_catalog.pg_indexes": indexes,
    "pg_catalog.pg_sequences": sequences,
    "pg_catalog.pg_timezone_names": time_zone_names,
}
CHANGING = ("pg_catalog.pg_timezone_names",)
