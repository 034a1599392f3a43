"""Queries that stand still for a while, and go on from where they were.

A query that is paused, or whose output cannot be written, holds its position: how far it has read each topic, and a tap
on the views it reads.  Going on is a fill that begins with the query's own state.  Where that cannot be, because the
query has failed within a tick or what it would read is gone, a view is made anew and takes its own place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlengine.arrow_ipc import from_ipc, to_ipc
from sqlengine.catalog.objects import MaterializedView, Sink, Subscription, Table
from sqlengine.delta import Delta, concat
from sqlengine.errors import Error, ObjectInUse, ObjectNotReady
from sqlengine.operators.base import State
from sqlengine.operators.consolidate import consolidate
from sqlengine.runtime import subscriptions
from sqlengine.runtime.cut import make_cut
from sqlengine.runtime.failures import RETRY_AFTER_MAX_US, RETRY_AFTER_US, as_error
from sqlengine.runtime.feed import Feed
from sqlengine.runtime.fill import Cut, Fill, Member, Pace, rate_limit
from sqlengine.runtime.instance import Instance
from sqlengine.runtime.outputs import ConnectorOutput
from sqlengine.runtime.planning import emit_of
from sqlengine.runtime.query import ContinuousQuery, Held
from sqlengine.runtime.sources import make_tracker
from sqlengine.runtime.subscription import SubscriptionOutput
from sqlengine.runtime.topic_output import TopicOutput
from sqlengine.state.row_store import RowStore

if TYPE_CHECKING:
    from sqlengine.runtime.dataflow import Dataflow


def pause(instance: Instance, query: ContinuousQuery) -> None:
    """Stand still from the present tick on; the caller holds the lock.  ObjectNotReady (55000) for one that failed."""
    if query.status == "failed":
        raise ObjectNotReady(f'"{query.name}" has failed', hint="RESUME QUERY tries again")
    remember(instance, query, is_paused=True)
    if query.status == "running":
        hold(instance, query)
    query.status = "paused"


def hold(instance: Instance, query: ContinuousQuery) -> None:
    """Keep where a query stands, and its state to itself."""
    _make_alone(instance, query)
    instance.scheduler.hold(query)


def remember(instance: Instance, query: ContinuousQuery, is_paused: bool) -> None:
    """Have the catalog say whether it is paused."""
    obj = object_of(instance, query.query_id)
    if obj is not None and obj.paused != is_paused:
        instance.catalog.update(obj, paused=is_paused)


def object_of(instance: Instance, query_id: str) -> MaterializedView | Sink | None:
    """What a query stands behind; None of a follower."""
    found = [o for o in instance.catalog if isinstance(o, (MaterializedView, Sink)) and o.query_id == query_id]
    return found[0] if found else None


def _make_alone(instance: Instance, query: ContinuousQuery) -> None:
    """Have it share neither its dataflow nor parts of it nor its contents with others, who go on."""
    flow = query.dataflow
    twins = [q for q in instance.scheduler.queries.values() if q is not query and q.dataflow is flow]
    if not twins and not flow.has_parts:
        return
    # an operator's snapshot may be its very arrays
    states = {
        step: {name: from_ipc(to_ipc(table)) for name, table in operator.snapshot().items()}
        for step, operator in flow.operators().items()
    }
    query.dataflow = _dataflow(instance, query, states, flow.marks())
    if twins and query.store is not None:
        store = RowStore(query.store.schema, query.store.key_columns)
        store.restore(query.store.snapshot())
        query.store = store


def _dataflow(
    instance: Instance, query: ContinuousQuery, states: Mapping[str, State], marks: Mapping[str, Any]
) -> Dataflow:
    """One of a query's own, with a state."""
    # Lazy: operators and their kernels are many modules, needed only once a continuous query exists.
    from sqlengine.runtime.dataflow import Dataflow

    stored = [instance.stored(name) for name in query.sources]
    trackers = {obj.name: make_tracker(obj, instance.topic_of(obj)) for obj in stored}
    own = Dataflow(query.dataflow.plan, trackers, query.dataflow.timeout_us, instance.workers(0))
    own.restore(states, dict(marks))
    return own


# ---------------------------------------------------------------- going on


def resume(instance: Instance, query: ContinuousQuery, pace: Pace) -> Fill:
    """Begin to go on; the caller holds the lock and has the fill's steps made.

    Raises what writing out what waits raises, ObjectNotReady (55000) when neither going on nor beginning again can be.
    """
    if instance.fills.get(query.query_id) is not None:
        raise ObjectInUse(f'"{query.name}" is being brought up to date already', hint="WAIT waits for it")
    if query.held is None and query.stands is not None and instance.checkpoints.has_where_it_stood(query):
        instance.scheduler.hold(query, query.stands)  # it was going on, and something ended that
    held = query.held
    gone = None if held is None else _gone(instance, held)
    if held is None or gone is not None:
        return _begin_anew(instance, query, pace, gone)
    query.tell_undelivered(held, instance.clock.now_us())
    readers = {name: instance.reader(instance.stored(name), at) for name, at in held.positions.items()}
    own = replace(query, store=None, followers=[], held=None)

    def let_in(fill: Fill) -> None:
        _go_on(instance, query, own, fill.members[0].staged or [])

    instance.scheduler.taps.remove(held.tap)
    query.held, query.stands = None, held.positions
    cut = Cut(readers, held.tap.take(), held.tap)
    members = [Member(own, query.query_id, staged=[])]
    fill = Fill(instance.scheduler, members, cut, let_in, pace, history=False)
    fill.before = lambda: _let_move(instance, query, own)
    instance.fills.add(fill)
    return fill


def _let_move(instance: Instance, query: ContinuousQuery, own: ContinuousQuery) -> None:
    """Have checkpoints keep where a query stands; one that has moved before is put back there. Without the lock."""
    stood = instance.checkpoints.let_move(query)
    if stood is not None:
        query.dataflow = own.dataflow = _dataflow(instance, query, *stood)


def _gone(instance: Instance, held: Held) -> str | None:
    """The topic that does not have any more what comes behind a held position."""
    for name, positions in held.positions.items():
        obj = instance.stored(name)
        for at, log in zip(positions, instance.topic_of(obj).partitions, strict=False):
            if log.start_offset > at or (isinstance(obj, Table) and log.compacted_offset > at):
                return obj.topic
    return None


def _go_on(instance: Instance, query: ContinuousQuery, own: ContinuousQuery, staged: Sequence[Delta]) -> None:
    """A query has taken in what it had missed: its readers and followers are told in one tick."""
    query.stands, query.is_moving = None, False
    remember(instance, query, is_paused=False)
    change = consolidate(concat(staged))
    deltas = [] if change is None else [change]
    if query.store is not None and change is not None:
        query.store.apply(change, net=True)
    query.status, query.error = "running", None
    query.last_change_us, query.last_change_tick = own.last_change_us, own.last_change_tick
    instance.share(query)
    scheduler = instance.scheduler
    feed = Feed(deltas=deltas, watermark_us=query.dataflow.watermark_us)
    scheduler.tell_all({query.name: feed}, [query.query_id])
    output = instance.outputs.get(query.name)
    if isinstance(output, SubscriptionOutput):
        output.skip_to(scheduler.tick_number)
    scheduler.tell_followers(query, deltas, instance.clock.now_us())


def _begin_anew(instance: Instance, query: ContinuousQuery, pace: Pace, gone: str | None) -> Fill:
    obj = object_of(instance, query.query_id)
    if obj is None:
        raise ObjectNotReady(f'"{query.name}" cannot go on', hint="follow it again")
    if isinstance(obj, Subscription):
        raise ObjectNotReady(f'"{query.name}" cannot go on', hint="drop it and create it again")
    if gone is not None and isinstance(obj, Sink):
        raise ObjectNotReady(
            f'"{query.name}" cannot go on: retention or compaction has deleted records of topic "{gone}" that it had '
            "not read",
            hint="drop it and create it again to begin with what there is",
        )
    instance.scheduler.catch_up()
    planned = instance.planning.plan_again(obj)
    if isinstance(obj, MaterializedView):
        planned = planned.renamed([c.name for c in obj.columns])
    is_view = isinstance(obj, MaterializedView)
    fresh = instance.build(obj.query_id, obj.name, obj.sql, planned, emit_of(obj), keep=is_view)
    fresh.followers, query.followers = query.followers, []
    output = instance.outputs.get(obj.name)
    if isinstance(output, TopicOutput):
        output.begin_history()
    elif isinstance(output, ConnectorOutput):
        output.sink.clear()

    def let_in(fill: Fill) -> None:
        remember(instance, query, is_paused=False)
        instance.scheduler.swap({query.query_id: fresh})
        instance.share(fresh)

    cut = make_cut(instance, [fresh], snapshot=True)
    fill = Fill(instance.scheduler, [Member(fresh, query.query_id)], cut, let_in, pace)
    instance.fills.add(fill)
    return fill


# ---------------------------------------------------------------- outputs that fail


class Retry:
    """Tries an output again after a while, and lets its query go on when it can be written: a feeder of the ticks."""

    def __init__(self, instance: Instance, query: ContinuousQuery, now_us: int) -> None:
        self._instance = instance
        self._query = query
        self._wait_us = RETRY_AFTER_US
        self._due_us = now_us + RETRY_AFTER_US

    def step(self, now_us: int) -> bool:
        """True when the output has been written.  Never raises: the query tells why it stands still."""
        query, scheduler = self._query, self._instance.scheduler
        if query.status != "failing" or query.query_id not in scheduler.queries or query.held is None:
            scheduler.feeders.remove(self.step)
            return False
        if now_us < self._due_us:
            return False
        try:
            query.tell_undelivered(query.held, now_us)
            soon(self._instance, query)
        except Exception as error:  # whatever an output does must not take the rest along
            query.error = as_error(error)
            self._wait_us = min(2 * self._wait_us, RETRY_AFTER_MAX_US)
            self._due_us = now_us + self._wait_us
            return False
        scheduler.feeders.remove(self.step)
        return True


def soon(instance: Instance, query: ContinuousQuery) -> None:
    """Have a query go on, in the background where it has much to take in; the caller holds the lock."""
    fill = resume(instance, query, Pace())
    if fill.is_short or instance.clock.virtual:
        fill.before, query.is_moving = None, True  # no checkpoint comes between its steps
        instance.fills.run(fill)
    else:
        instance.fills.run_behind(fill)


def output_failed(instance: Instance, query: ContinuousQuery, deltas: Sequence[Delta], error: Error) -> None:
    """What a tick has made of a query could not be written: it stands still until it can be."""
    hold(instance, query)
    query.error = error
    assert query.held is not None
    query.held.undelivered = list(deltas)
    query.held.tick = instance.scheduler.tick_number
    try_again(instance, query)


def try_again(instance: Instance, query: ContinuousQuery) -> None:
    """Have a query whose output has not taken everything stand still until it has."""
    query.status = "failing"
    instance.scheduler.feeders.append(Retry(instance, query, instance.clock.now_us()).step)


# ---------------------------------------------------------------- from the beginning


def begin_again(instance: Instance, obj: MaterializedView | Sink, *, behind: bool) -> None:
    """Run the query of an object that has no state, from the beginning of what it reads."""
    emit, planned = emit_of(obj), instance.planning.plan_again(obj)
    started = (lambda: instance.filled([obj])) if obj.filling else None
    pace = Pace(rate_limit(obj.options) or 0) if behind else None
    if isinstance(obj, Subscription):
        subscriptions.begin_again(instance, obj, planned)
        return
    if isinstance(obj, Sink):
        instance.start_sink(obj, planned, emit, started=started, pace=pace, behind=behind)
        return
    planned = planned.renamed([c.name for c in obj.columns])
    instance.start_query(obj.query_id, obj.name, obj.sql, planned, emit, started=started, pace=pace, behind=behind)
