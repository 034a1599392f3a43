"""The rows of the schema `system` at this moment; the caller holds the lock.  SHOW reads the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa

from sqlengine.catalog.authority import Authority, owned_targets, target_of
from sqlengine.catalog.objects import (
    FOLLOWED,
    CatalogObject,
    MaterializedView,
    Sink,
    Stream,
    Subscription,
    Table,
    TableSink,
    View,
)
from sqlengine.catalog.system import SYSTEM_SCHEMA, ComputedTable, SystemTable
from sqlengine.connectors import CONNECTORS, connector
from sqlengine.functions import listing
from sqlengine.pg_words import quote_ident
from sqlengine.plan.explain import detail
from sqlengine.runtime.figures import figures, visible_watermark
from sqlengine.runtime.fill import Fill
from sqlengine.runtime.operator_state import overview
from sqlengine.runtime.outputs import ConnectorOutput
from sqlengine.runtime.query import ContinuousQuery
from sqlengine.runtime.replacement import is_replacement
from sqlengine.runtime.subscription import SubscriptionOutput
from sqlengine.runtime.subscriptions import subscriptions
from sqlengine.runtime.table_output import TableOutput
from sqlengine.runtime.tick_journal import is_internal
from sqlengine.settings import setting_help, setting_names
from sqlengine.statements.context import Context
from storage import Log, Topic

Rows = list[tuple[Any, ...]]
DAY_US = 86_400_000_000


def system_rows(context: Context, table: SystemTable) -> pa.Table:
    """All rows of a system table."""
    if isinstance(table, ComputedTable):
        return table.read()
    rows = ROWS[table.name.removeprefix(f"{SYSTEM_SCHEMA}.")](context)
    return table_of([(c.name, c.type) for c in table.columns], rows)


def table_of(columns: Sequence[tuple[str, pa.DataType]], rows: Sequence[Sequence[Any]]) -> pa.Table:
    """A result table from Python rows."""
    arrays = [pa.array([r[i] for r in rows], t) for i, (_, t) in enumerate(columns)]
    return pa.table(arrays, schema=pa.schema([pa.field(n, t) for n, t in columns]))


def _objects(context: Context, *kinds: type[CatalogObject]) -> list[CatalogObject]:
    known = sorted(context.instance.catalog, key=lambda o: o.name)
    return [o for o in known if isinstance(o, kinds) and not is_replacement(o) and not o.name.endswith(FOLLOWED)]


def _span(micros: int | None) -> pa.MonthDayNano | None:
    """A distance in time as PostgreSQL writes it: whole days and the rest."""
    if micros is None:
        return None
    days, rest = divmod(abs(micros), DAY_US)
    sign = -1 if micros < 0 else 1
    return pa.MonthDayNano([0, sign * days, sign * rest * 1000])


# ---------------------------------------------------------------- the log


def _own_topics(context: Context) -> list[Topic]:
    """The users' topics by name."""
    topics = context.instance.storage.topics()
    return sorted((t for t in topics if not is_internal(t.name)), key=lambda t: t.name)


def _topics(context: Context) -> Rows:
    return [
        (
            t.name,
            len(t.partitions),
            sum(p.end_offset - p.start_offset for p in t.partitions),
            sum(p.size_bytes for p in t.partitions),
            t.config.durability,
            "bytes" if t.is_bytes else "arrow",
        )
        for t in _own_topics(context)
    ]


def _logs(context: Context) -> Iterator[tuple[str, int, Log]]:
    """(topic, partition, log) by name and number."""
    for topic in _own_topics(context):
        for number, log in enumerate(topic.partitions):
            yield topic.name, number, log


def _partitions(context: Context) -> Rows:
    return [
        (
            topic,
            number,
            log.start_offset,
            log.end_offset,
            log.high_watermark,
            log.last_stable_offset,
            log.size_bytes,
            log.durable_offset,
            log.compacted_offset,
            log.leader_epoch,
            log.segment_count,
            str(log.failure) if log.failure else None,
        )
        for topic, number, log in _logs(context)
    ]


def _segments(context: Context) -> Rows:
    return [(topic, number, *segment) for topic, number, log in _logs(context) for segment in log.segments()]


def _checkpoints(context: Context) -> Rows:
    return [
        (
            c.number,
            c.tick,
            c.at_us,
            _span(c.duration_us),
            _span(c.longest_hold_us),
            c.bytes_written,
            c.bytes_total,
            c.error,
        )
        for c in context.instance.checkpoints.past
    ]


def _replicas(context: Context) -> Rows:
    return [replica for replica in context.instance.storage.replicas() if not is_internal(replica.topic)]


def _directories(context: Context) -> Rows:
    return list(context.instance.storage.directories())


def _consumer_groups(context: Context) -> Rows:
    return [row for row in context.instance.storage.groups.describe() if not is_internal(row[0])]


def _transactions(context: Context) -> Rows:
    return [
        (each.id, each.name, each.state, each.since_us, ", ".join(map(str, each.partitions)))
        for each in context.instance.storage.transactions.unfinished()
    ]


def _producers(context: Context) -> Rows:
    names = context.instance.storage.producers.names()
    return [
        (topic, number, p.id, names.get(p.id), p.epoch, p.last_sequence, p.last_offset, p.last_append_us)
        for topic, number, log in _logs(context)
        for p in log.active_producers()
    ]


# ---------------------------------------------------------------- objects


def _streams(context: Context) -> Rows:
    rows: Rows = []
    for s in _objects(context, Stream):
        assert isinstance(s, Stream)
        ingest = context.instance.ingests.get(s.name)
        failure = None if ingest is None else ingest.failure
        status = None if ingest is None else "failing" if failure else "finished" if ingest.exhausted else "running"
        watermark = f"{s.watermark.column} AS {s.watermark.expr}" if s.watermark else None
        rows.append((s.name, s.topic, s.format, s.connector, watermark, status, failure and failure.message))
    return rows


def _tables(context: Context) -> Rows:
    rows: Rows = []
    for t in _objects(context, Table):
        assert isinstance(t, Table)
        store = context.instance.scheduler.sources[t.name].store
        rows.append((t.name, ", ".join(t.primary_key) or None, t.topic, store.num_rows if store else 0))
    return rows


def _views(context: Context) -> Rows:
    return [
        (v.name, v.kind, v.query)
        for v in _objects(context, View, MaterializedView)
        if isinstance(v, (View, MaterializedView))
    ]


def _maintained(query: ContinuousQuery) -> str:
    return "incremental" if query.reason is None else f"recompute: {query.reason}"


def _materialized(context: Context) -> Rows:
    rows: Rows = []
    for v in _objects(context, MaterializedView):
        assert isinstance(v, MaterializedView)
        if v.name in context.instance.waiting:
            rows.append((v.name, v.query_id, 0, v.emit.mode, f"waiting: {context.instance.waiting[v.name].message}"))
            continue
        fill = context.instance.fills.get(v.query_id)
        if fill is not None:
            rows.append((v.name, v.query_id, 0, v.emit.mode, _maintained(fill.query)))
            continue
        query = context.instance.query_of(v)
        rows.append((v.name, v.query_id, query.store.num_rows if query.store else 0, v.emit.mode, _maintained(query)))
    return rows


def _sinks(context: Context) -> Rows:
    return [
        (
            s.name,
            "table" if isinstance(s, TableSink) else s.connector,
            s.query_id,
            "exactly once" if s.connector == "topic" else connector(s.connector).guarantee,
            s.into if isinstance(s, TableSink) else None,
        )
        for s in _objects(context, Sink)
        if isinstance(s, Sink) and not isinstance(s, Subscription)
    ]


def _subscriptions(context: Context) -> Rows:
    instance = context.instance
    rows: Rows = []
    for each in subscriptions(instance):
        output, query = instance.outputs.get(each.name), instance.scheduler.queries.get(each.query_id)
        kept = output.kept if isinstance(output, SubscriptionOutput) else None
        log = output.log if isinstance(output, SubscriptionOutput) else None
        error = instance.waiting.get(each.name) if query is None else query.error
        rows.append(
            (
                each.name,
                each.of,
                each.query_id,
                _span(each.retention_us),
                kept.acknowledged if kept is not None else None,
                kept.floor if kept is not None else None,
                log.end_offset - log.start_offset if log is not None else None,
                log.size_bytes if log is not None else None,
                "waiting" if query is None else query.status,
                error.message if error is not None else None,
            )
        )
    return rows


# ---------------------------------------------------------------- what runs


def _standing(context: Context) -> list[ContinuousQuery]:
    """Queries whose state is not being changed at the moment; that of others must not be looked at."""
    instance = context.instance
    return [q for q in instance.scheduler.queries.values() if instance.fills.get(q.query_id) is None]


def _queries(context: Context) -> Rows:
    rows: Rows = []
    for q in _standing(context):
        size = q.dataflow.state_size()
        rows.append(
            (
                q.query_id,
                q.name,
                q.status,
                _maintained(q),
                q.counters.rows_in,
                q.counters.rows_out,
                q.counters.late_rows,
                q.counters.errors,
                size["rows"],
                size["bytes"],
                visible_watermark(q.dataflow.watermark_us),
                _complaint(context, q),
                q.counters.ticks,
                _behind(context, q),
                sum(step.busy_ns for step in q.dataflow.steps) / 1e6,
                q.last_change_us,
                *(None,) * 4,
                q.sql,
                q.backend,
            )
        )
    rows += [_filling(fill) for fill in context.instance.fills]
    for obj in _objects(context, MaterializedView, Sink):
        if isinstance(obj, (MaterializedView, Sink)) and obj.name in context.instance.waiting:
            unknown = (None,) * 7
            message = context.instance.waiting[obj.name].message
            rows.append((obj.query_id, obj.name, "waiting", None, *unknown, message, *(None,) * 10))
    return rows


def _complaint(context: Context, query: ContinuousQuery) -> str | None:
    """Why a query stands still, or why what its sink holds back cannot be shown."""
    output = context.instance.outputs.get(query.name)
    error = query.error or (output.failure if isinstance(output, (ConnectorOutput, TableOutput)) else None)
    return error.message if error else None


def _filling(fill: Fill) -> tuple[Any, ...]:
    """A query that is brought up to date: its state is being changed, so only its progress is told."""
    query, progress, counters = fill.query, fill.progress(), fill.query.counters
    return (
        query.query_id,
        query.name,
        fill.status,
        _maintained(query),
        counters.rows_in,
        counters.rows_out,
        counters.late_rows,
        counters.errors,
        *(None,) * 3,
        fill.error.message if fill.error else None,
        *(None,) * 4,
        progress.rows,
        progress.total,
        progress.rate,
        _span(progress.left_us),
        query.sql,
        query.backend,
    )


def _behind(context: Context, query: ContinuousQuery) -> int:
    """Records in the topics it reads that no tick has taken yet."""
    readers = {name: context.instance.scheduler.sources[name].reader for name in query.sources}
    positions = query.held.positions if query.held else {name: r.positions for name, r in readers.items()}
    return sum(end - at for n, r in readers.items() for end, at in zip(r.ends(), positions[n], strict=False))


def _operators(context: Context) -> Rows:
    now_us = context.instance.clock.now_us()
    return [
        (
            q.query_id,
            q.name,
            f.number,
            type(f.node).__name__,
            detail(f.node),
            list(f.inputs),
            f.rows_in,
            f.rows_out,
            f.batches,
            f.late_rows,
            f.state_rows,
            f.state_bytes,
            f.spilled_bytes,
            f.watermark_us,
            _span(f.lag_us),
            f.busy_ms,
            f.busy_share,
            f.rows_per_second,
        )
        for q in _standing(context)
        for f in figures(q.dataflow, now_us)
    ]


def _watermarks(context: Context) -> Rows:
    now_us = context.instance.clock.now_us()
    return [
        (q.name, name, partition, at_us, _span(None if at_us is None else now_us - at_us))
        for q in _standing(context)
        for name, tracker in q.dataflow.trackers.items()
        for partition, at_us in ((p, visible_watermark(at)) for p, at in sorted(tracker.by_partition().items()))
    ]


def _late_rows(context: Context) -> Rows:
    return [
        (q.query_id, q.name, number, type(step.node).__name__, step.late_rows, q.late_topic)
        for q in _standing(context)
        for number, step in enumerate(q.dataflow.steps)
        if step.late_rows
    ]


def _errors(context: Context) -> Rows:
    return [
        (o.name, r["time"], r["reason"], r["sqlstate"], r["partition"], r["offset"], _text(r["raw"]), r["origin"])
        for o in _objects(context, Stream, Table, MaterializedView, Sink)
        if _may_see_rows(context, o)
        for r in context.instance.side_topics.errors(context.instance.error_topic(o)).to_pylist()
    ]


def _may_see_rows(context: Context, obj: CatalogObject) -> bool:
    """Whether the session's role may read an object's rows, so also those that were set aside."""
    me, target = Authority(context.instance.catalog, context.role.current), target_of(obj)
    return me.owns(target) or me.may(target, "SELECT")


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


# ---------------------------------------------------------------- roles


def _roles(context: Context) -> Rows:
    roles = context.instance.catalog.roles
    return [
        (
            r.name,
            r.superuser,
            r.login,
            r.create_role,
            r.create_db,
            r.inherit,
            r.connection_limit,
            r.valid_until_us,
            r.password is not None,
            sorted(roles.name_of(m.role) for m in r.member_of if m.full),
        )
        for r in roles
    ]


def _privileges(context: Context) -> Rows:
    roles = context.instance.catalog.roles
    return [
        (
            target.kind,
            target.name,
            roles.name_of(target.access.owner),
            roles.name_of(grant.grantee),
            privilege if column is None else f"{privilege} ({quote_ident(column)})",
            privilege in grant.grantable,
            roles.name_of(grant.grantor),
        )
        for target in owned_targets(context.instance.catalog)
        for column, grants in [(None, target.grants), *target.access.columns]
        for grant in grants
        for privilege in grant.privileges
    ]


# ---------------------------------------------------------------- what there is to use


def _functions(context: Context) -> Rows:
    rows: Rows = [row for row in listing() if row[2] != "operator"]
    for user in context.instance.functions.all():
        kind = "scalar" if user.function is not None else "aggregate"
        family = f"user {kind}" if user.body is None else "user sql"
        rows.append((user.name, user.signature.text, family, user.description))
    return sorted(rows)


def _connectors(context: Context) -> Rows:
    return [(c.name, c.source is not None, c.sink is not None, c.description) for c in CONNECTORS]


def _settings(context: Context) -> Rows:
    return [(n, str(context.settings.get(n)), setting_help(n)) for n in setting_names()]


ROWS: dict[str, Callable[[Context], Rows]] = {
    "topics": _topics,
    "partitions": _partitions,
    "segments": _segments,
    "checkpoints": _checkpoints,
    "replicas": _replicas,
    "directories": _directories,
    "consumer_groups": _consumer_groups,
    "producers": _producers,
    "transactions": _transactions,
    "streams": _streams,
    "tables": _tables,
    "views": _views,
    "materialized_views": _materialized,
    "sinks": _sinks,
    "subscriptions": _subscriptions,
    "queries": _queries,
    "operators": _operators,
    "state": lambda context: overview(context.instance, None),
    "watermarks": _watermarks,
    "late_rows": _late_rows,
    "errors": _errors,
    "roles": _roles,
    "privileges": _privileges,
    "functions": _functions,
    "connectors": _connectors,
    "settings": _settings,
}
"""By the table's name in the schema."""
