"""A topic of this database as the place where a query's changes go."""

from __future__ import annotations

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
