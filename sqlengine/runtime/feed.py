"""What one source brings to a tick."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlengine.delta import Delta
from sqlengine.runtime.reader import SourceBatch


@dataclass(slots=True)
class Feed:
    """What one source brings to a tick: batches of a topic, or a delta of another view with its watermark."""

    batches: Sequence[SourceBatch] = ()
    deltas: Sequence[Delta] = ()
    watermark_us: int | None = None
