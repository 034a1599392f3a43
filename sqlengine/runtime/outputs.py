"""Where a sink's changes go: a connector's Sink, or a topic of this database."""

from __future__ import annotations

import logging
from collections.abc import Callable
from hashlib import sha256
from typing import Literal

import pyarrow as pa

from sqlengine.catalog.objects import STREAM_QUERY, Sink, Subscription, TableSink
from sqlengine.connectors import connector, parse_options
from sqlengine.connectors.base import Moment
from sqlengine.connectors.base import Sink as ConnectorSink
from sqlengine.delta import Delta
from sqlengine.errors import Error
from sqlengine.runtime.failures import RETRY_AFTER_MAX_US, RETRY_AFTER_US, as_error
from sqlengine.runtime.scheduler import Scheduler
from sqlengine.runtime.subscription import SubscriptionOutput
from sqlengine.runtime.table_output import TableOutput
from sqlengine.runtime.topic_output import TopicOutput
from storage import Storage

Keep = Literal["all", "shown", "nothing", "none"]


class ConnectorOutput:
    """Writes a query's changes to a connector. `is_repeatable(tick)`: whether a restart tells that tick again.

    What a sink holds back is shown when it is due; where that fails it is tried again after a while, and the query goes
    on meanwhile: its rows are taken.
    """

    def __init__(self, sink: Sink, schema: pa.Schema, is_repeatable: Callable[[int], bool]) -> None:
        kind = connector(sink.connector)
        options = parse_options(kind, {k: v for k, v in sink.options.items() if k not in ("connector", "envelope")})
        self.sink: ConnectorSink = kind.sink(options, schema, identity_of(sink))
        self._is_repeatable = is_repeatable
        self._wait_us = 0
        self._not_before_us = 0
        self.failure: Error | None = None
        """Why what is due cannot be shown."""

    def __call__(self, tick: int, now_us: int, delta: Delta | None) -> None:
        """A follower of the query (see runtime/query.py)."""
        moment = Moment(tick, now_us, self._is_repeatable(tick))
        if delta is None:
            self.sink.write(moment, None, None)
        else:
            self.sink.write(moment, delta.batch, delta.weights)
        self.show_due(now_us)

    def due_us(self) -> int | None:
        """When `show_due` has something to do."""
        due_us = self.sink.due_us()
        return None if due_us is None else max(due_us, self._not_before_us)

    def show_due(self, now_us: int) -> None:
        """Show what is due; never raises."""
        due_us = self.due_us()
        if due_us is None or now_us < due_us:
            return
        try:
            self.sink.show_due(now_us)
        except Exception as error:  # whatever a sink does must not take the tick along
            self.failure = as_error(error)
            self._wait_us = min(2 * self._wait_us, RETRY_AFTER_MAX_US) or RETRY_AFTER_US
            self._not_before_us = now_us + self._wait_us
        else:
            self.failure, self._wait_us, self._not_before_us = None, 0, 0

    def close(self) -> None:
        """Release the connector; what it holds back stays so."""
        self.sink.close()


def identity_of(sink: Sink) -> str:
    """A word that no other sink has, of this database or another."""
    return sha256(f"{sink.query_id}/{sink.created_us}".encode()).hexdigest()[:8]


class Outputs(dict[str, TopicOutput | ConnectorOutput]):
    """Those of a database, by the name of the sink; `is_durable`: it lies in a directory."""

    def __init__(self, storage: Storage, scheduler: Scheduler, is_durable: bool) -> None:
        self._storage = storage
        self._scheduler = scheduler
        self._is_durable = is_durable

    def open(self, sink: Sink, schema: pa.Schema) -> TopicOutput | ConnectorOutput:
        """Begin to write to where a sink does."""
        output: TopicOutput | ConnectorOutput
        before = self.get(sink.name)
        if isinstance(before, TopicOutput):
            before.discard()
        if isinstance(sink, Subscription):
            output = SubscriptionOutput(self._storage, sink)
        elif isinstance(sink, TableSink):
            output = TableOutput(self._storage, sink, self._scheduler.is_repeatable, self._is_durable)
            self._scheduler.derived.add(sink.into)
        elif sink.connector == "topic":
            output = TopicOutput(self._storage, sink.options["topic"])
            self._scheduler.derived.add(sink.name.removesuffix(STREAM_QUERY))
        else:
            output = ConnectorOutput(sink, schema, self._scheduler.is_repeatable)
            self._scheduler.timers[sink.name] = output
        self[sink.name] = output
        return output

    def release(self, name: str, keep: Keep) -> None:
        """Close an output; nothing for what is no sink. `keep`: what becomes of rows that it holds back: "all" stay
        where they are; "shown": they are shown, as far as that can be yet; "nothing": they are shown, and nothing but
        files stays behind; "none": they are forgotten. What cannot be shown is logged, and stays."""
        output = self.get(name)
        if isinstance(output, TopicOutput) and keep in ("nothing", "none"):
            output.discard()
        self.pop(name, None)
        self._scheduler.timers.pop(name, None)
        written = output.sink.into if isinstance(output, TableOutput) else name.removesuffix(STREAM_QUERY)
        if not self.into(written):
            self._scheduler.derived.discard(written)
        if isinstance(output, ConnectorOutput):
            try:
                if keep == "none":
                    output.sink.clear()
                elif keep != "all":
                    output.sink.finish(for_good=keep == "nothing" or not self._is_durable)
            except Exception as error:  # whatever a sink does must not keep the rest from closing
                logging.getLogger("sqlengine").error('sink "%s" holds rows that could not be written: %s', name, error)
        if output is not None:
            output.close()

    def unpublished(self) -> dict[str, TopicOutput]:
        """Those with a history that is not seen yet."""
        return {n: o for n, o in self.items() if isinstance(o, TopicOutput) and o.is_unpublished}

    def into(self, table: str) -> list[TableOutput]:
        """Those that write into a table."""
        return [each for each in self.into_tables() if each.sink.into == table]

    def into_tables(self) -> list[TableOutput]:
        """Those that write into tables."""
        return [output for output in self.values() if isinstance(output, TableOutput)]

    def ends(self) -> dict[str, int]:
        """The ends of the topics that queries write to, of those that are at work."""
        running = (
            {query.name for query in self._scheduler.queries.values() if query.status == "running"} if self else ()
        )
        return {
            output.topic: output.end
            for name, output in self.items()
            if isinstance(output, TopicOutput) and name in running
        }
