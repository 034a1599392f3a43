"""What a log tells of its segments."""

from __future__ import annotations

from typing import NamedTuple

from storage.log.index import NO_TIMESTAMP


class SegmentInfo(NamedTuple):
    """A piece of a partition that retention drops as a whole.

    It covers the offsets from `base_offset` to before `end_offset`. state: "active" while it is appended to, "sealed",
    "compacted" once compaction has gone over it, "memory" for an append of a storage without a directory. durable:
    whether all of it would survive a power failure. max_timestamp_us, last_append_us: microseconds since 1970 UTC, None
    without records. file: None in memory.
    """

    base_offset: int
    end_offset: int
    bytes: int
    state: str
    durable: bool
    max_timestamp_us: int | None
    last_append_us: int | None
    file: str | None


def known(timestamp_us: int) -> int | None:
    """None for the timestamp that stands for none."""
    return None if timestamp_us == NO_TIMESTAMP else timestamp_us
