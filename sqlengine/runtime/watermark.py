"""Watermarks of one source: per partition, the least over those that are not idle; never going back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.operators.base import NEVER_HOLDS, NO_WATERMARK

Times = npt.NDArray[np.int64]
WatermarkValues = Callable[[pa.RecordBatch], Times]
"""int64 microseconds per row of a batch: the WATERMARK FOR expression, int64 minimum for NULL."""


class WatermarkTracker:
    """`values` is None for a source without a watermark: it never holds anything back.

    `idle_timeout_us`: a partition without records for so long (one that never had any: so long after the first record
    of another) is left out of the minimum until it has some again; None = it holds for ever.
    `partitions` tells how many there are now; `columns` are the stored names of those `values` reads, in its order;
    `delay_us`: the values are the first column's less so much, None when they are anything else.
    """

    def __init__(
        self,
        values: WatermarkValues | None,
        idle_timeout_us: int | None = None,
        partitions: Callable[[], int] = lambda: 0,
        columns: Sequence[str] = (),
        delay_us: int | None = None,
    ) -> None:
        self.columns = columns
        self.delay_us = delay_us
        self._values = values
        self._idle_timeout_us = idle_timeout_us
        self._partitions = partitions
        self._first_us: int | None = None
        self._latest: dict[int, int] = {}
        self._active_us: dict[int, int] = {}
        self._watermark = NO_WATERMARK

    def observe(self, partition: int, batch: pa.RecordBatch, now_us: int) -> None:
        """Take a batch's times in."""
        self.seen(partition, now_us)
        if self._values is not None and batch.num_rows:
            before = self._latest.get(partition, NO_WATERMARK)
            self._latest[partition] = max(before, int(self._values(batch).max()))

    @property
    def has_times(self) -> bool:
        """Whether batches move it at all."""
        return self._values is not None

    def observe_greatest(self, partition: int, greatest_us: int, now_us: int) -> None:
        """`observe` of a batch of which only the greatest time is known."""
        assert self.delay_us is not None
        self.seen(partition, now_us)
        self._latest[partition] = max(self.latest_of(partition), greatest_us - self.delay_us)

    def latest_of(self, partition: int) -> int:
        """The greatest watermark a partition has reached."""
        return self._latest.get(partition, NO_WATERMARK)

    def observe_running(self, partition: int, batch: pa.RecordBatch, now_us: int) -> Times:
        """`observe`, and for each row the partition's watermark before that row (int64[n])."""
        self.seen(partition, now_us)
        if self._values is None:
            return np.full(batch.num_rows, NO_WATERMARK, dtype=np.int64)
        running = np.empty(batch.num_rows + 1, dtype=np.int64)
        running[0] = self._latest.get(partition, NO_WATERMARK)
        running[1:] = self._values(batch)
        np.maximum.accumulate(running, out=running)
        self._latest[partition] = int(running[-1])
        return running[:-1]

    def current(self, now_us: int) -> int:
        """The source's watermark now, in microseconds."""
        if self._values is None:
            return NEVER_HOLDS
        waiting = {p for p in (*range(self._partitions()), *self._latest) if not self._is_idle(p, now_us)}
        held = [self._latest.get(p, NO_WATERMARK) for p in waiting]
        self._watermark = max(self._watermark, min(held, default=NO_WATERMARK))
        return self._watermark

    def idle_since_us(self) -> int | None:
        """When the last record of any partition came, by the engine's clock; None before the first."""
        return max(self._active_us.values(), default=None)

    def latest(self) -> int:
        """The greatest watermark any partition has reached."""
        return max(self._latest.values(), default=NO_WATERMARK)

    def by_partition(self) -> dict[int, int]:
        """Each partition's own watermark."""
        return dict(self._latest)

    def next_idle_us(self, now_us: int) -> int | None:
        """When the next partition turns idle, if nothing comes."""
        if self._values is None or self._idle_timeout_us is None:
            return None
        known = range(self._partitions())
        ends = [self._active_since(p) for p in {*known, *self._active_us} if not self._is_idle(p, now_us)]
        return min((at + self._idle_timeout_us for at in ends if at is not None), default=None)

    def seen(self, partition: int, now_us: int) -> None:
        """A record of the partition came."""
        self._active_us[partition] = now_us
        if self._first_us is None:
            self._first_us = now_us

    def wake(self, now_us: int) -> None:
        """Partitions that have had records count as active now."""
        self._active_us = dict.fromkeys(self._active_us, now_us)
        if self._first_us is not None:
            self._first_us = now_us

    def postpone(self, by_us: int) -> None:
        """So long nobody could have brought records: what waits for silence waits on."""
        self._active_us = {partition: at + by_us for partition, at in self._active_us.items()}
        if self._first_us is not None:
            self._first_us += by_us

    def _active_since(self, partition: int) -> int | None:
        """When the partition last had a record, or could first have had one; None before any record of the source."""
        return self._active_us.get(partition, self._first_us)

    def _is_idle(self, partition: int, now_us: int) -> bool:
        since = self._active_since(partition)
        if self._idle_timeout_us is None or since is None:
            return False
        return now_us - since >= self._idle_timeout_us

    def fork(self) -> WatermarkTracker:
        """Another one that stands where this one does."""
        other = copy(self)
        other._latest, other._active_us = dict(self._latest), dict(self._active_us)
        return other

    def snapshot(self) -> dict[str, dict[str, int] | int]:
        """JSON-able state."""
        state: dict[str, dict[str, int] | int] = {
            "latest": {str(p): w for p, w in self._latest.items()},
            "active_us": {str(p): at for p, at in self._active_us.items()},
            "watermark": self._watermark,
        }
        return state if self._first_us is None else {**state, "first_us": self._first_us}

    def restore(self, state: dict[str, dict[str, int] | int]) -> None:
        """Continue from a snapshot, at its time; `postpone` when that is not now."""
        latest, active_us, watermark = state["latest"], state["active_us"], state["watermark"]
        first_us = state.get("first_us")
        assert isinstance(latest, dict) and isinstance(active_us, dict) and isinstance(watermark, int)
        assert not isinstance(first_us, dict)
        self._latest = {int(p): w for p, w in latest.items()}
        self._active_us = {int(p): at for p, at in active_us.items()}
        self._first_us = first_us
        self._watermark = watermark
