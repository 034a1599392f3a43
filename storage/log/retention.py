"""Which of the oldest pieces of a log its retention no longer covers. A pure decision; must not delete
anything.
"""

from __future__ import annotations

from collections.abc import Iterable

from storage.config import TopicConfig


def expired_count(pieces: Iterable[tuple[int, int]], total_bytes: int, config: TopicConfig, now_ms: int) -> int:
    """How many of the leading `pieces` (size in bytes, newest append in us; oldest first) may go.

    A piece goes when all of it is older than retention_ms, or when what remains still reaches
    retention_bytes. Stops at the first piece to be kept, so nothing is dropped from the middle.
    """
    if not config.deletes:
        return 0
    expired = 0
    for size, newest_append_us in pieces:
        too_old = config.retention_ms is not None and newest_append_us < (now_ms - config.retention_ms) * 1000
        too_much = config.retention_bytes is not None and total_bytes - size >= config.retention_bytes
        if not too_old and not too_much:
            break
        total_bytes -= size
        expired += 1
    return expired
