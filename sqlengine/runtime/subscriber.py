"""Reading a subscription: a snapshot first where there is none yet, then every later change, once."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from sqlengine.catalog.objects import CatalogObject, Subscription
from sqlengine.delta import Delta, concat
from sqlengine.errors import InvalidParameter
from sqlengine.runtime.instance import Instance
from sqlengine.runtime.subscription import Change, SubscriptionOutput
from sqlengine.runtime.subscriptions import output_of, reaching, rows_after

POLL_S = 0.2
"""How often a waiting reader looks whether it was cancelled."""


class Subscriber:
    """One reader: `next()` for Changes, from any one thread.

    `keys`: columns that identify a row, None: unknown.  A follower (`is_follower`) takes the place of the one before,
    goes on behind what was acknowledged, and acknowledges; other readers begin where they say, beside it.
    """

    def __init__(
        self,
        instance: Instance,
        subscription: Subscription,
        check: Callable[[], None],
        position: int,
        snapshot: Change | None,
        epoch: int | None,
    ) -> None:
        self.output = output_of(instance, subscription)
        self.schema = self.output.columns
        self.keys = instance.query_of(subscription).plan.unique_keys
        self._instance = instance
        self._subscription = subscription
        self._check = check
        self._position = position
        self._snapshot = snapshot
        self._epoch = epoch
        self.closed = False

    @property
    def is_follower(self) -> bool:
        """Whether it is the one that acknowledges."""
        return self._epoch is not None

    def next(self, timeout_s: float | None = None) -> Change | None:
        """The next tick's change; None when none came within `timeout_s` or it was closed.

        Under a virtual clock nothing happens by itself: the engine is brought up to date first, and None says that
        there is nothing more now.  Raises ObjectInUse (55006) once another follower has taken over, HistoryGone (72000)
        when retention has overtaken it.
        """
        if self._instance.clock.virtual:
            self._instance.catch_up()
            timeout_s = 0.0
        waited = 0.0
        while not self.closed:
            self._check()
            self.require_first()
            if self._snapshot is not None:
                snapshot, self._snapshot = self._snapshot, None
                return snapshot
            found = self.output.read(self._position)
            if found is not None:
                change, self._position = found
                return change
            self._require_running()
            step = POLL_S if timeout_s is None else min(POLL_S, timeout_s - waited)
            if step <= 0:
                return None
            self.output.wait(self._position, step)
            waited += step
        return None

    def acknowledge(self, tick: int) -> None:
        """Everything up to a tick has been taken in: who follows later goes on behind it.  Durable when it returns;
        InvalidParameter (22023) for a tick that has not been, or of a reader that does not follow."""
        if not self.is_follower:
            raise InvalidParameter("only the follower of a subscription acknowledges")
        self.require_first()
        acknowledge(self._instance, self.output, tick)

    def require_first(self) -> None:
        """ObjectInUse (55006) once another follower has taken over."""
        self.output.require_follower(self._epoch)

    def _require_running(self) -> None:
        query = self._instance.scheduler.queries.get(self._subscription.query_id)
        if query is not None and query.status == "failed" and query.error is not None:
            raise query.error

    def close(self) -> None:
        """Stop; idempotent."""
        self.closed = True


def acknowledge(instance: Instance, output: SubscriptionOutput, tick: int) -> None:
    """See Subscriber.acknowledge."""
    since = 0 if output.kept is None else output.kept.since
    if not since <= tick <= instance.scheduler.tick_number:
        raise InvalidParameter(
            f"tick {tick} cannot be acknowledged",
            hint=f"the ticks of this subscription are {since} to {instance.scheduler.tick_number} now",
        )
    output.acknowledge(tick)


# ---------------------------------------------------------------- where to begin


def follow(instance: Instance, subscription: Subscription, check: Callable[[], None], anew: bool) -> Subscriber:
    """The follower: behind what was acknowledged, or with a snapshot: of the tick the subscription began with when
    nothing was acknowledged yet, of now when `anew`.  HistoryGone (72000) when it comes too late."""
    instance.catch_up(check)
    with instance.lock:
        output = output_of(instance, subscription)
        kept, newest = output.kept, instance.scheduler.tick_number
        assert kept is not None, "it runs"
        snapshot = None
        if anew:
            tick = newest
        else:
            tick = kept.since if kept.acknowledged is None else kept.acknowledged
            output.require_history(tick)
        if anew or kept.acknowledged is None:
            rows = rows_after(instance, subscription, tick)
            snapshot = Change(tick, instance.scheduler.tick_time_us, _whole(rows), is_snapshot=True)
        position = output.position_after(tick)
        return Subscriber(instance, subscription, check, position, snapshot, output.take_over())


def read_since(
    instance: Instance, subscription: Subscription, check: Callable[[], None], since: str | int
) -> Subscriber:
    """A reader beside the follower: of all changes that are kept ("begin"), of those that come ("now"), or of those
    after a tick."""
    instance.catch_up(check)
    with instance.lock:
        output = output_of(instance, subscription)
        newest = instance.scheduler.tick_number
        if since == "begin":
            position = output.log.start_offset
        else:
            tick = newest if since == "now" else int(since)
            if tick > newest:
                raise InvalidParameter(f"tick {tick} has not been yet", hint=f"the newest is {newest}")
            if since != "now":
                output.require_history(tick)
            position = output.position_after(tick)
        return Subscriber(instance, subscription, check, position, None, None)


def read_as_of(
    instance: Instance, obj: CatalogObject, check: Callable[[], None], tick: int, *, snapshot: bool
) -> Subscriber:
    """A reader of an object's rows after a tick (`snapshot`), then of all later changes, of those that have been and
    those that come. The lock is held; raises as `reaching`, NotSupportedError (0A000) for what has no past."""
    subscription, output = reaching(instance, obj, tick)
    whole = None
    if snapshot:
        time_us = output.time_of(tick)
        rows = _whole(rows_after(instance, subscription, tick))
        whole = Change(tick, instance.scheduler.tick_time_us if time_us is None else time_us, rows, is_snapshot=True)
    return Subscriber(instance, subscription, check, output.position_after(tick), whole, None)


def _whole(rows: pa.Table) -> Delta:
    """All rows as a change, even of none."""
    whole = concat([Delta(batch) for batch in rows.to_batches()])
    return whole or Delta(pa.RecordBatch.from_pylist([], schema=rows.schema))
