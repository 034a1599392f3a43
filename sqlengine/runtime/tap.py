"""Tap: what the ticks bring to tables, views and shared parts, kept from a moment on for a query that is behind.

Why: rows of streams can be read again from their topics, but a view's changes and a shared part's are nowhere else.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import pyarrow as pa

from sqlengine.delta import Delta
from sqlengine.operators.held_rows import HeldRows
from sqlengine.runtime.feed import Feed
from sqlengine.runtime.shared_part import PartBehind


class Tap:
    """`inputs`: by the name of a table or view, its schema; `parts`: shared parts as the query sees them; `sources`:
    what must go on being read for it.  The scheduler's lock guards it.
    """

    def __init__(self, inputs: Mapping[str, pa.Schema], parts: Sequence[PartBehind], sources: Collection[str]) -> None:
        self.sources = frozenset(sources)
        self.parts = tuple(parts)
        self._changes = {name: HeldRows(schema) for name, schema in inputs.items()}
        self._watermarks: dict[str, int | None] = {}
        self._names: dict[str, Mapping[str, str]] = {}

    @property
    def held(self) -> list[HeldRows]:
        """The changes it keeps."""
        return list(self._changes.values())

    def takes(self, name: str) -> bool:
        """Whether it keeps the changes of a table or view."""
        return name in self._changes

    def record(self, feeds: Mapping[str, Feed], now_us: int) -> None:
        """Keep what a tick has brought."""
        for name, held in self._changes.items():
            if name not in feeds:
                continue
            feed = feeds[name]
            for delta in (*feed.deltas, *(Delta(b.visible(), b.weights) for b in feed.batches)):
                held.add(delta)
            self._watermarks[name], self._names[name] = feed.watermark_us, feed.names
        for part in self.parts:
            part.record(feeds, now_us)

    def take(self) -> dict[str, Feed]:
        """All that was kept; the parts hand on theirs themselves."""
        for part in self.parts:
            part.take_over()
        watermarks, self._watermarks = self._watermarks, {}
        kept = {name: self._changes[name].take() for name in watermarks}
        return {
            n: Feed(deltas=[] if d is None else [d], watermark_us=watermarks[n], names=self._names[n])
            for n, d in kept.items()
        }
