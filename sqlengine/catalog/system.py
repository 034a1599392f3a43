"""The schema `system`: what the engine tells of itself, as tables that can be read in any SELECT and not be changed.

Only their columns are here; `statements/system_rows.py` has their rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import pyarrow as pa

from sqlengine import types
from sqlengine.catalog.objects import CatalogObject, ColumnInfo
from sqlengine.quick_dataclass import dataclass

SYSTEM_SCHEMA = "system"

TEXT, BIGINT, DOUBLE, STAMP, SPAN = pa.string(), pa.int64(), pa.float64(), types.TIMESTAMPTZ, types.INTERVAL


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemTable(CatalogObject):
    """A table of the schema `system`; its `name` is qualified."""

    kind: ClassVar[str] = "system table"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputedTable(SystemTable):
    """A table that is not in the catalog; `read`: its rows now."""

    read: Callable[[], pa.Table]


@dataclass(frozen=True, slots=True, kw_only=True)
class StateTable(ComputedTable):
    """A table of an operator's state, as `system.state('view', 'operator')` names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LentTable(ComputedTable):
    """Rows that the program has lent to one session under a name."""


def lent_table(name: str, rows: pa.Table) -> LentTable:
    """Rows to be read under a name."""
    columns = tuple(ColumnInfo(field.name, field.type) for field in rows.schema)
    return LentTable(name=name, columns=columns, read=lambda: rows)


def _table(name: str, comment: str, /, **columns: pa.DataType) -> SystemTable:
    infos = tuple(ColumnInfo(column, kind) for column, kind in columns.items())
    return SystemTable(name=f"{SYSTEM_SCHEMA}.{name}", comment=comment, columns=infos)


_TABLES = (
    _table(
        "topics",
        "topics of the log",
        name=TEXT,
        partitions=BIGINT,
        records=BIGINT,
        bytes=BIGINT,
        durability=TEXT,
        payload=TEXT,
    ),
    _table(
        "partitions",
        "partitions of topics, with their offsets",
        topic=TEXT,
        partition=BIGINT,
        start_offset=BIGINT,
        end_offset=BIGINT,
        high_watermark=BIGINT,
        last_stable_offset=BIGINT,
        bytes=BIGINT,
        durable_offset=BIGINT,
        compacted_offset=BIGINT,
        leader_epoch=BIGINT,
        segments=BIGINT,
        error=TEXT,
    ),
    _table(
        "segments",
        "pieces of partitions that retention drops as a whole; state: active, sealed, compacted, memory",
        topic=TEXT,
        partition=BIGINT,
        base_offset=BIGINT,
        end_offset=BIGINT,
        bytes=BIGINT,
        state=TEXT,
        durable=pa.bool_(),
        max_timestamp=STAMP,
        last_append=STAMP,
        file=TEXT,
    ),
    _table(
        "checkpoints",
        "checkpoints since the database was opened; ticks had to wait for one as long as `longest_hold` at most",
        number=BIGINT,
        tick=BIGINT,
        at=STAMP,
        duration=SPAN,
        longest_hold=SPAN,
        bytes_written=BIGINT,
        bytes_total=BIGINT,
        error=TEXT,
    ),
    _table(
        "replicas",
        "replicas of partitions, if the database lies in several directories; state: in sync, catching up, offline",
        topic=TEXT,
        partition=BIGINT,
        directory=TEXT,
        role=TEXT,
        state=TEXT,
        in_sync=pa.bool_(),
        leader_epoch=BIGINT,
        end_offset=BIGINT,
        lag=BIGINT,
        error=TEXT,
    ),
    _table(
        "directories",
        "directories that the database is replicated to, and why one is not in use",
        directory=TEXT,
        in_use=pa.bool_(),
        error=TEXT,
    ),
    _table(
        "consumer_groups",
        "consumer groups: each partition they have committed offsets of or read now, by whom, and how far behind",
        group_name=TEXT,
        topic=TEXT,
        partition=BIGINT,
        member=TEXT,
        committed_offset=BIGINT,
        end_offset=BIGINT,
        lag=BIGINT,
        state=TEXT,
    ),
    _table(
        "producers",
        "idempotent producers that partitions remember, with their newest record",
        topic=TEXT,
        partition=BIGINT,
        producer_id=BIGINT,
        name=TEXT,
        epoch=BIGINT,
        last_sequence=BIGINT,
        last_offset=BIGINT,
        last_append=STAMP,
    ),
    _table(
        "transactions",
        "transactions of the log that are open, in doubt or prepared, with the partitions whose readers they hold up",
        id=TEXT,
        name=TEXT,
        state=TEXT,
        since=STAMP,
        partitions=TEXT,
    ),
    _table(
        "streams",
        "streams; status of what a connector feeds: running, finished, failing (it is tried again)",
        name=TEXT,
        topic=TEXT,
        format=TEXT,
        connector=TEXT,
        watermark=TEXT,
        status=TEXT,
        error=TEXT,
    ),
    _table("tables", "tables", name=TEXT, primary_key=TEXT, topic=TEXT, rows=BIGINT),
    _table("views", "views and materialized views", name=TEXT, kind=TEXT, query=TEXT),
    _table(
        "materialized_views",
        "materialized views and how they are maintained",
        name=TEXT,
        query_id=TEXT,
        rows=BIGINT,
        emit=TEXT,
        maintained=TEXT,
    ),
    _table(
        "subscriptions",
        "subscriptions: up to which tick their followers have acknowledged, after which tick all changes are kept, and "
        "how many; status: running, failing (its topic cannot be written), waiting (cannot be opened)",
        name=TEXT,
        view=TEXT,
        query_id=TEXT,
        retention=SPAN,
        acknowledged_tick=BIGINT,
        oldest_tick=BIGINT,
        changes=BIGINT,
        bytes=BIGINT,
        status=TEXT,
        error=TEXT,
    ),
    _table(
        "sinks",
        "sinks; target: the table that one writes into",
        name=TEXT,
        connector=TEXT,
        query_id=TEXT,
        guarantee=TEXT,
        target=TEXT,
    ),
    _table(
        "queries",
        "queries of views, sinks, streams AS and followers; figures since the database was opened; status: running, "
        "backfilling (backfilled of backfill_total rows of history are read), paused, failing (its output is tried "
        "again), failed, waiting (for a function); backend: the session that follows it, as pg_backend_pid() says",
        query_id=TEXT,
        name=TEXT,
        status=TEXT,
        maintained=TEXT,
        rows_in=BIGINT,
        rows_out=BIGINT,
        late_rows=BIGINT,
        errors=BIGINT,
        state_rows=BIGINT,
        state_bytes=BIGINT,
        watermark=STAMP,
        error=TEXT,
        ticks=BIGINT,
        rows_behind=BIGINT,
        busy_ms=DOUBLE,
        last_change=STAMP,
        backfilled=BIGINT,
        backfill_total=BIGINT,
        backfill_rate=DOUBLE,
        backfill_left=SPAN,
        query=TEXT,
        backend=BIGINT,
    ),
    _table(
        "operators",
        "operators of running queries: rows, state, watermark and its distance from the clock, busy time and share",
        query_id=TEXT,
        query=TEXT,
        operator=BIGINT,
        node=TEXT,
        detail=TEXT,
        inputs=pa.list_(BIGINT),
        rows_in=BIGINT,
        rows_out=BIGINT,
        batches=BIGINT,
        late_rows=BIGINT,
        state_rows=BIGINT,
        state_bytes=BIGINT,
        spilled_bytes=BIGINT,
        watermark=STAMP,
        watermark_lag=SPAN,
        busy_ms=DOUBLE,
        busy_share=DOUBLE,
        rows_per_second=DOUBLE,
    ),
    _table(
        "state",
        "what operators keep, a row a table; system.state('view', 'operator') shows the rows of one",
        query_id=TEXT,
        query=TEXT,
        operator=BIGINT,
        node=TEXT,
        table=TEXT,
        rows=BIGINT,
        bytes=BIGINT,
    ),
    _table(
        "watermarks",
        "the watermark of each partition a query reads, and how far it is behind the clock",
        query=TEXT,
        source=TEXT,
        partition=BIGINT,
        watermark=STAMP,
        lag=SPAN,
    ),
    _table(
        "late_rows",
        "rows dropped for being late, by the operator that dropped them",
        query_id=TEXT,
        query=TEXT,
        operator=BIGINT,
        node=TEXT,
        rows=BIGINT,
        late_topic=TEXT,
    ),
    _table(
        "errors",
        "bad records, and rows on which a query's expression raised",
        object=TEXT,
        time=STAMP,
        reason=TEXT,
        sqlstate=TEXT,
        partition=BIGINT,
        offset=BIGINT,
        raw=TEXT,
        origin=TEXT,
    ),
    _table(
        "roles",
        "roles; of passwords only whether there is one",
        name=TEXT,
        superuser=pa.bool_(),
        login=pa.bool_(),
        create_role=pa.bool_(),
        create_db=pa.bool_(),
        inherit=pa.bool_(),
        connection_limit=BIGINT,
        valid_until=STAMP,
        has_password=pa.bool_(),
        member_of=pa.list_(TEXT),
    ),
    _table(
        "privileges",
        "owners, and what they and others have been granted; grantee `public` is everybody",
        kind=TEXT,
        object=TEXT,
        owner=TEXT,
        grantee=TEXT,
        privilege=TEXT,
        grantable=pa.bool_(),
        grantor=TEXT,
    ),
    _table("functions", "functions and aggregates", name=TEXT, arguments=TEXT, kind=TEXT, description=TEXT),
    _table("connectors", "connectors", name=TEXT, source=pa.bool_(), sink=pa.bool_(), description=TEXT),
    _table("settings", "settings of this session", name=TEXT, value=TEXT, description=TEXT),
)

SYSTEM_TABLES: dict[str, SystemTable] = {table.name: table for table in _TABLES}
"""By qualified name."""
