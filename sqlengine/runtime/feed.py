"""What one source brings to a tick, whole or in pieces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from itertools import zip_longest
from typing import Protocol, TypeVar

from sqlengine.delta import Delta
from sqlengine.quick_dataclass import dataclass
from sqlengine.runtime.reader import SourceBatch

PIECE_ROWS = 1 << 18
"""Rows of one source that go through all operators together: enough of them to be worth a call, few enough to lie in
memory that was used a moment ago."""


@dataclass(slots=True)
class Feed:
    """What one source brings to a tick: batches of a topic, or deltas of a table's contents or of another view with its
    watermark; `names`: of the deltas' columns, by their stored names where these differ."""

    batches: Sequence[SourceBatch] = ()
    deltas: Sequence[Delta] = ()
    watermark_us: int | None = None
    names: Mapping[str, str] = field(default_factory=dict)


def pieces(feeds: Mapping[str, Feed]) -> Iterator[dict[str, Feed]]:
    """The rows of all sources in order, cut between batches into pieces of about PIECE_ROWS rows of each source."""
    cut = [[(name, feed) for feed in _pieces(whole)] for name, whole in feeds.items()]
    for side_by_side in zip_longest(*cut):
        yield dict(one for one in side_by_side if one is not None)


def _pieces(feed: Feed) -> Iterator[Feed]:
    for batches in _groups(feed.batches):
        yield Feed(batches=batches)
    for deltas in _groups(feed.deltas):
        yield Feed(deltas=deltas, names=feed.names)


class _Rows(Protocol):
    @property
    def num_rows(self) -> int: ...


SomeRows = TypeVar("SomeRows", bound=_Rows)


def _groups(items: Sequence[SomeRows]) -> Iterator[list[SomeRows]]:
    group: list[SomeRows] = []
    rows = 0
    for item in items:
        group.append(item)
        rows += item.num_rows
        if rows >= PIECE_ROWS:
            yield group
            group, rows = [], 0
    if group:
        yield group
