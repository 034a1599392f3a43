"""When a partition is compacted, and the note of how far that came. Must not take a log's locks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from storage import checked
from storage.config import TopicConfig
from storage.env import Env, write_file
from storage.errors import CorruptFile
from storage.log.compaction import Cleaned, Frames, Pass, Rewritten
from storage.log.log import Pace, TopicContext
from storage.log.segment import Segment
from storage.log.trailer import NO_HORIZON

CLEANED_FILE = "cleaned"


class Cleaner:
    """The passes over one partition."""

    def __init__(
        self, context: TopicContext, directory: str, frames: Frames, replace: Callable[[Rewritten], bool]
    ) -> None:
        self._cleaned = Cleaned(0, NO_HORIZON, 0)
        self._context = context
        self._env: Env = context.env
        self._path = f"{directory}/{CLEANED_FILE}"
        self._directory = directory
        self._frames = frames
        self._replace = replace

    def load(self, durable_offset: int) -> None:
        """Read the note. A damaged one makes everything dirty, which costs time, and forbids truncation."""
        if self._env.exists(self._path):
            try:
                found = checked.load_json(self._env, self._path)
                self._cleaned = Cleaned(*(int(found[name]) for name in Cleaned._fields))
            except CorruptFile:
                self._cleaned = Cleaned(0, NO_HORIZON, durable_offset)

    @property
    def offset(self) -> int:
        """Passes have gone over all records before it."""
        return self._cleaned.offset

    @property
    def reach(self) -> int:
        """Records before it may have made older ones go."""
        return self._cleaned.reach

    def run(self, sealed: Sequence[Segment], limit: int, remembered: set[int], now_us: int, pace: Pace) -> int:
        """A pass over the sealed segments that end at or below `limit`, if it is due; returns the records removed."""
        config, before = self._context.config, self._cleaned
        if not config.compacts:
            return 0
        segments = _old_enough(sealed, before, config, limit, now_us)
        if not _is_due(segments, before, config, now_us):
            return 0
        before = before._replace(reach=max(before.reach, segments[-1].index.next_offset))
        self._save(before)
        work = Pass(self._context, self._directory, now_us)
        removed, cleaned = work.run(segments, before, remembered, self._frames, self._replace, pace)
        if cleaned is not None:
            self._save(cleaned)
        return removed

    def _save(self, cleaned: Cleaned) -> None:
        """Keep the note durably; what a pass may do is written before it does so."""
        if cleaned != self._cleaned:
            write_file(self._env, self._path, [checked.seal_json(cleaned._asdict())])
            self._cleaned = cleaned


def _is_due(segments: Sequence[Segment], cleaned: Cleaned, config: TopicConfig, now_us: int) -> bool:
    """Whether a pass over `segments` is worth it: enough of them is dirty, or tombstones may go."""
    if not segments:
        return False
    if cleaned.horizon_us != NO_HORIZON and cleaned.horizon_us <= now_us:
        return True
    total = sum(segment.index.position for segment in segments)
    dirty = sum(segment.index.position for segment in segments if segment.index.next_offset > cleaned.offset)
    return dirty > 0 and dirty >= config.min_dirty_ratio * total


def _old_enough(
    segments: Sequence[Segment], cleaned: Cleaned, config: TopicConfig, limit: int, now_us: int
) -> list[Segment]:
    """The leading segments that end at or below offset `limit` and were gone over before, or were appended to long
    enough ago.
    """
    newest = now_us - config.min_compaction_lag_ms * 1000
    found: list[Segment] = []
    for segment in segments:
        index = segment.index
        if index.next_offset > limit or (index.next_offset > cleaned.offset and index.max_append_us > newest):
            break
        found.append(segment)
    return found
