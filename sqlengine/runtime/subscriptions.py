"""Subscriptions in an open database: how they begin, how they go on after a restart, what they tell of the past.

A subscription is a query that reads nothing but its view, with nothing to compute: it hears of each tick's change and
appends it.  Its topic and the contents of its view say the same, so that the one is the measure of the other: contents
at an earlier tick are those of now without the changes since; and where a restart cannot say the changes again because
the view was made anew, the contents that a checkpoint had and the changes after it are what followers know, and what is
different now is one more change.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import TypeVar

import numpy as np
import pyarrow as pa

from sqlengine.catalog.objects import CatalogObject, MaterializedView, Subscription, Table
from sqlengine.delta import Delta, concat
from sqlengine.errors import DataCorrupted, Error, HistoryGone, NotSupportedError, ObjectNotReady
from sqlengine.operators.consolidate import consolidate
from sqlengine.plan.pipeline import Planned
from sqlengine.runtime.checkpoint import Checkpoint
from sqlengine.runtime.instance import Instance
from sqlengine.runtime.latest import difference
from sqlengine.runtime.planning import Planning, emit_of
from sqlengine.runtime.subscription import SubscriptionOutput

T = TypeVar("T")

# ---------------------------------------------------------------- beginning


def subscriptions(instance: Instance) -> Iterator[Subscription]:
    """All there are, by name."""
    yield from sorted((o for o in instance.catalog if isinstance(o, Subscription)), key=lambda o: o.name)


def output_of(instance: Instance, subscription: Subscription) -> SubscriptionOutput:
    """Its changes; the error that keeps it from running."""
    instance.query_of(subscription)
    output = instance.outputs[subscription.name]
    assert isinstance(output, SubscriptionOutput)
    return output


def start(
    instance: Instance, subscription: Subscription, planned: Planned, started: Callable[[], None] | None = None
) -> SubscriptionOutput:
    """Have its query join the ticks; what is there already is told nobody.  The caller holds the lock."""
    output = instance.outputs.open(subscription, planned.schema)
    assert isinstance(output, SubscriptionOutput)
    try:
        instance.start_query(
            subscription.query_id,
            subscription.name,
            subscription.sql,
            planned,
            emit_of(subscription),
            keep=False,
            snapshot=False,
            prepare=lambda query: query.followers.append(output),
            started=started,
        )
    except BaseException:
        instance.release_sink(subscription.name)
        raise
    return output


def begin(instance: Instance, subscription: Subscription, planned: Planned, started: Callable[[], None]) -> None:
    """A new one, whose first snapshot is what its view holds at the present tick."""
    with instance.lock:
        start(instance, subscription, planned, started).begin(instance.scheduler.tick_number, instance.clock.now_us())


# ---------------------------------------------------------------- after a restart


def begin_again(instance: Instance, subscription: Subscription, planned: Planned) -> None:
    """One whose query the checkpoint cannot continue: its view was made anew, or there is no checkpoint."""
    with instance.lock:
        started = (lambda: instance.filled([subscription])) if subscription.filling else None
        output = start(instance, subscription, planned, started)
        try:
            output.told = output.last_tick()
            _settle(instance, subscription, output)
        except BaseException:
            instance.stop_query(subscription.query_id)
            instance.release_sink(subscription.name)
            raise


def after_restart(instance: Instance, checkpoint: Checkpoint) -> None:
    """Where ticks could not be run again as they were, subscriptions that went on have to be told the difference."""
    for subscription in subscriptions(instance):
        output, query = instance.outputs.get(subscription.name), instance.scheduler.queries.get(subscription.query_id)
        if isinstance(output, SubscriptionOutput) and query is not None:
            query.first_told = 0
            if checkpoint.is_irregular or output.told > instance.scheduler.tick_number:
                _settle(instance, subscription, output)


def _settle(instance: Instance, subscription: Subscription, output: SubscriptionOutput) -> None:
    """Have the changes lead to what the view holds: by one more, or by beginning anew where nobody knows."""
    scheduler = instance.scheduler
    known = None if output.told > scheduler.tick_number else _known(instance, subscription, output)
    if known is None:
        scheduler.tick_number = max(scheduler.tick_number, output.told)
        output.begin(scheduler.next_number(), instance.clock.now_us())
        return
    change = difference(known, _columns(instance.contents(_source(instance, subscription)), output.columns))
    if change is not None:
        scheduler.tell_alone(lambda tick, now_us: output(tick, now_us, change))


def _known(instance: Instance, subscription: Subscription, output: SubscriptionOutput) -> pa.Table | None:
    """The rows that a follower of all changes has: those of the checkpoint, and the changes after it."""
    checkpoint = instance.checkpoint
    found = None if checkpoint is None else checkpoint.subscribed(subscription, output)
    if found is None:
        return None
    rows, position = found
    output.settled = position
    change = output.change_from(position)
    return rows if change is None else _merged(rows, change)


def _source(instance: Instance, subscription: Subscription) -> CatalogObject:
    return instance.catalog.get(tuple(subscription.of.split(".")))


def _columns(table: pa.Table, columns: pa.Schema) -> pa.Table:
    return table.select(columns.names).cast(columns)


def _merged(rows: pa.Table, change: Delta) -> pa.Table:
    """Rows with a change made to them; DataCorrupted (XX001) when it takes rows that are not there."""
    merged = consolidate(concat([*(Delta(batch) for batch in rows.to_batches()), change]))
    if merged is None:
        return rows.schema.empty_table()
    weights = merged.weight_array()
    if int(weights.min()) < 0:
        raise DataCorrupted("the changes that a subscription has kept do not lead to what its view holds")
    at = np.repeat(np.arange(merged.num_rows), weights)
    return pa.Table.from_batches([merged.batch.take(pa.array(at))]).cast(rows.schema)


# ---------------------------------------------------------------- views that change


def follow_replaced(instance: Instance, planning: Planning, changed: Collection[str]) -> None:
    """Subscriptions whose views are about to be replaced read the new ones, if these look otherwise to a plan.  The
    lock is held; `planning` knows the plans of the new ones."""
    for subscription in subscriptions(instance):
        running = instance.scheduler.queries.get(subscription.query_id)
        if running is None or running.status != "running" or subscription.of not in changed:
            continue
        emit, planned = emit_of(subscription), planning.plan_again(subscription)
        if planned.physical == running.plan:
            continue
        fresh = instance.build(running.query_id, running.name, running.sql, planned, emit, keep=False)
        fresh.followers, running.followers = running.followers, []
        instance.scheduler.queries[running.query_id] = fresh


# ---------------------------------------------------------------- the past


def contents_as_of(instance: Instance, obj: CatalogObject, tick: int) -> pa.Table:
    """The rows of a materialized view or table after an earlier tick, which was one of this database.

    The lock is held.  HistoryGone (72000) when no subscription to it reaches back so far; NotSupportedError (0A000) for
    what cannot have one.
    """
    now = instance.contents(_with_past(obj))
    if tick == instance.scheduler.tick_number:
        return now
    return _as_after(now, reaching(instance, obj, tick)[1], tick)


def tick_at(instance: Instance, obj: CatalogObject, time_us: int) -> int:
    """The newest tick after which the rows of an object were those of a time, which has been; raises as
    `contents_as_of`.  The lock is held."""
    found = _told_by(instance, _with_past(obj), "that time", lambda _, output: output.tick_before(time_us))
    return instance.scheduler.tick_number if found is None else found


def _with_past(obj: CatalogObject) -> MaterializedView | Table:
    if isinstance(obj, (MaterializedView, Table)):
        return obj
    raise NotSupportedError(
        f'the rows of {obj.kind} "{obj.name}" at an earlier tick are not kept',
        hint="AS OF reads materialized views and tables that have a subscription",
    )


def rows_after(instance: Instance, subscription: Subscription, tick: int) -> pa.Table:
    """What a subscription's follower has after it has heard of all ticks up to one, under the columns of the
    subscription.  The lock is held; ObjectNotReady (55000) while its changes cannot be written."""
    output = output_of(instance, subscription)
    _require_running(instance, subscription)
    return _as_after(_columns(instance.contents(_source(instance, subscription)), output.columns), output, tick)


def _as_after(now: pa.Table, output: SubscriptionOutput, tick: int) -> pa.Table:
    """The rows there are now without all changes after a tick."""
    change = output.change_from(output.position_after(tick))
    if change is None:
        return now
    columns = [change.batch.column(change.batch.schema.get_field_index(name)) for name in now.schema.names]
    rows = pa.RecordBatch.from_arrays(columns, schema=now.schema)
    return _merged(now, Delta(rows, -change.weight_array()))


def reaching(instance: Instance, obj: CatalogObject, tick: int) -> tuple[Subscription, SubscriptionOutput]:
    """A subscription that has all changes of an object after a tick; raises as `contents_as_of`.  The lock is held."""
    columns = instance.contents(_with_past(obj)).schema

    def exact(subscription: Subscription, output: SubscriptionOutput) -> tuple[Subscription, SubscriptionOutput]:
        _require_exact(instance, subscription, output, columns, tick)
        return subscription, output

    return _told_by(instance, obj, f"tick {tick}", exact)


def _told_by(
    instance: Instance, obj: CatalogObject, when: str, ask: Callable[[Subscription, SubscriptionOutput], T]
) -> T:
    """What the first subscription to an object answers that does not raise."""
    reasons: list[Error] = []
    for subscription in subscriptions(instance):
        if subscription.of != obj.name:
            continue
        try:
            return ask(subscription, output_of(instance, subscription))
        except Error as error:
            reasons.append(error)
    if reasons:
        raise reasons[0]
    raise HistoryGone(
        f'{obj.kind} "{obj.name}" has no history of {when}',
        detail="its changes are kept as long as a subscription to it keeps them, and there is none",
        hint=f"CREATE SUBSCRIPTION ... FROM {obj.name} keeps them from then on",
    )


def _require_exact(
    instance: Instance, subscription: Subscription, output: SubscriptionOutput, columns: pa.Schema, tick: int
) -> None:
    """Whether contents at a tick can be told from the changes a subscription has."""
    _require_running(instance, subscription)
    if {(f.name, f.type) for f in columns} != {(f.name, f.type) for f in output.columns}:
        raise HistoryGone(
            f'subscription "{subscription.name}" has other columns than its view has now',
            hint="a subscription that is created now has the columns there are now, and history from now on",
        )
    kept = output.kept
    oldest = None if kept is None else max(kept.floor, kept.exact)
    if oldest is None or tick < oldest:
        raise HistoryGone(
            f'subscription "{subscription.name}" does not reach back to tick {tick}',
            detail=f"the oldest tick it can tell of is {oldest}",
            hint="a longer retention keeps more",
        )


def _require_running(instance: Instance, subscription: Subscription) -> None:
    """ObjectNotReady (55000) while its changes do not lead to what its view holds."""
    query = instance.query_of(subscription)
    if query.status != "running":
        raise ObjectNotReady(
            f'subscription "{subscription.name}" is {query.status}: {query.error.message if query.error else ""}',
            hint=f"RESUME QUERY {query.query_id} tries again at once",
        )
