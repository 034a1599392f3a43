"""Batches that scans leave out because their statistics exclude them, and what watermarks learn of them all the same.

A batch that is left out still moves the watermark: by the greatest time in its statistics, or by reading that column.
Where late rows are reported, only a batch that holds none may be left out, else its late rows would go unsaid: there
the time column is read in any case.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from sqlengine.plan.nodes import BatchTest, Scan
from sqlengine.runtime.reader import SourceBatch
from sqlengine.runtime.watermark import Times, WatermarkTracker
from storage import ColumnStatistics


def may_hold(tests: Sequence[BatchTest], statistics: Mapping[str, ColumnStatistics], rows: int) -> bool:
    """Whether some row of a batch of `rows` with these bounds may pass all tests."""
    return all(_may_pass(test, statistics[test.column], rows) for test in tests if test.column in statistics)


def _may_pass(test: BatchTest, known: ColumnStatistics, rows: int) -> bool:
    if test.op == "is_null":
        return known.null_count > 0
    if test.op == "is_not_null":
        return known.null_count < rows
    if known.min is None or known.max is None:
        return known.null_count < rows
    low, high = known.min, known.max
    match test.op:
        case "lt":
            return low < test.values[0]
        case "le":
            return low <= test.values[0]
        case "gt":
            return high > test.values[0]
        case "ge":
            return high >= test.values[0]
    return any(low <= value <= high for value in test.values)


def is_excluded(scan: Scan, batch: SourceBatch) -> bool:
    """Whether no row of a batch passes what was pushed to the scan."""
    if not scan.pushed:
        return False
    statistics = batch.statistics()
    return bool(statistics) and not may_hold(scan.pushed, statistics, batch.frame.stored_rows)


def has_late(batch: SourceBatch, tracker: WatermarkTracker, running_us: Times) -> bool:
    """Whether some row has no time or comes behind `running_us`, the watermark before it; True where nobody knows."""
    if tracker.delay_us is None:
        return True
    times = batch.select(tracker.columns).column(0)
    return bool(times.null_count or (np.asarray(times.view(pa.int64())) < running_us).any())


def observe_unread(batch: SourceBatch, tracker: WatermarkTracker, now_us: int) -> None:
    """The watermark takes in a batch nobody looks at; its time column is read only where statistics do not do."""
    times = None
    if tracker.delay_us is not None and batch.is_whole_frame:
        times = batch.statistics().get(tracker.columns[0])
    if not tracker.has_times:
        tracker.seen(batch.partition, now_us)
    elif times is not None and times.max is not None:
        tracker.observe_greatest(batch.partition, int(times.max), now_us)
    else:
        tracker.observe(batch.partition, batch.select(tracker.columns), now_us)
