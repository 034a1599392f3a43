"""Places in a partition by other means than an offset: functions from a log to an offset in it."""

from __future__ import annotations

from collections.abc import Callable

from storage.log.log import Log

Place = Callable[[Log], int]


def earliest(log: Log) -> int:
    """The oldest record kept."""
    return log.start_offset


def latest(log: Log) -> int:
    """The next record that comes."""
    return log.last_stable_offset


def at_offset(offset: int) -> Place:
    """That record, or the nearest that the partition has, as Kafka's tool for groups does."""
    return lambda log: min(max(offset, log.start_offset), log.last_stable_offset)


def at_timestamp(timestamp_us: int) -> Place:
    """The first record of that time (microseconds since 1970 UTC) or later, the next that comes if there is none."""

    def place(log: Log) -> int:
        found = log.offset_for_timestamp(timestamp_us)
        return log.last_stable_offset if found is None else found

    return place
