"""Where a sink's changes go: a connector's Sink, or a topic of this database."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from sqlengine.catalog.objects import Sink
from sqlengine.connectors import connector, parse_options
from sqlengine.connectors.base import Sink as ConnectorSink
from sqlengine.delta import Delta
from storage import Storage


class TopicOutput:
    """Appends a query's rows to a topic's first partition."""

    def __init__(self, storage: Storage, topic: str) -> None:
        self._name = topic
        self._log = storage.topic(topic).partitions[0]
        self._schema = storage.topic(topic).schema

    def __call__(self, tick: int, now_us: int, delta: Delta | None) -> None:
        """A follower of the query (see runtime/query.py)."""
        if delta is not None:
            self._log.append(delta.batch.cast(self._schema), timestamp_us=now_us)

    @property
    def topic(self) -> str:
        """Where it writes to."""
        return self._name

    @property
    def end(self) -> int:
        """How far it has written: the topic's end offset."""
        return self._log.end_offset

    def cut(self, end: int) -> None:
        """Take away what lies behind an offset: it will be written again."""
        self._log.truncate_to(end)

    def clear(self) -> None:
        """Take everything away; offsets go on from where they were."""
        self._log.delete_before(self._log.end_offset)

    def close(self) -> None:
        """Nothing is held."""


class ConnectorOutput:
    """Writes a query's changes to a connector; every tick that changes something is an epoch of its own.

    What raises may be written again under the same tick: a part that was staged is dropped first, and whatever the
    epoch has made visible already is replaced.
    """

    def __init__(self, sink: Sink, schema: pa.Schema) -> None:
        kind = connector(sink.connector)
        options = parse_options(kind, {k: v for k, v in sink.options.items() if k not in ("connector", "envelope")})
        self._open: Callable[[], ConnectorSink] = lambda: kind.sink(options, schema)
        self._sink = self._open()
        self._is_clean = True

    def __call__(self, tick: int, now_us: int, delta: Delta | None) -> None:
        """A follower of the query (see runtime/query.py)."""
        if delta is None:
            return
        if not self._is_clean:
            self._sink.close()
            self._sink = self._open()
        self._is_clean = False
        self._sink.write(delta.batch, delta.weights)
        self._sink.prepare(tick)
        self._sink.commit(tick)
        self._is_clean = True

    def close(self) -> None:
        """Release the connector."""
        self._sink.close()
