"""State kept as if it were large: limits of hundreds or thousands of rows become a few, so that small histories reach
what else only long runs do (compaction, merging of chunks, input in several pieces)."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from sqlengine import workers
from sqlengine.operators import asof_settle, iterate, ranking, sharded, top_n, window_winners
from sqlengine.operators.aggregates import aggregate_set
from sqlengine.operators.over import operator as over
from sqlengine.runtime import feed, fill
from sqlengine.state import (
    densifier,
    gather,
    join_side,
    ranked_rows,
    row_arena,
    row_chains,
    row_store,
    time_queue,
    timed_rows,
)

LIMITS = (
    (asof_settle, "TRIM_AT"),
    (aggregate_set, "COMPACT_ABOVE"),
    (iterate, "COMPACT_ABOVE"),
    (over, "COMPACT_AT"),
    (top_n, "SPARE"),
    (top_n, "WINNOW_AT"),
    (join_side, "COMPACT_AT"),
    (join_side, "LINK_AT_ONCE"),
    (join_side, "RENT"),
    (ranked_rows, "COMPACT_AT"),
    (ranked_rows, "REPLACE_AT"),
    (ranking, "SPARSE"),
    (window_winners, "NEAR"),
    (densifier, "MASK_COST"),
    (gather, "NOTING"),
    (row_arena, "FULL_CHUNK"),
    (row_arena, "FAN_IN"),
    (row_chains, "PAIRS_AT_ONCE"),
    (row_store, "COMPACT_AT"),
    (row_store, "PENDING_LIMIT"),
    (time_queue, "COMPACT_AT"),
    (timed_rows, "COMPACT_AT"),
    (fill, "STEP_ROWS_MAX"),
    (fill, "SWITCH_ROWS_MAX"),
    (workers, "ROWS_MIN"),
    (feed, "PIECE_ROWS"),
    (sharded, "PIECE_ROWS"),
)


@contextmanager
def small_limits(seed: int) -> Iterator[None]:
    """Some of the limits, chosen by the seed, are between 2 and 5; every third seed leaves them as they are."""
    rng = random.Random(f"limits {seed}")
    if seed % 3 == 0:
        yield
        return
    patches = [patch.object(module, name, rng.randint(2, 5)) for module, name in LIMITS if rng.random() < 0.6]
    try:
        for made in patches:
            made.start()
        yield
    finally:
        for made in patches:
            made.stop()
