"""PRINT a topic's records; ASSERT that queries agree."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.errors import AssertionFailed
from sqlengine.result import Result
from sqlengine.sql import ast
from sqlengine.statements.context import Context
from sqlengine.statements.select import run_snapshot
from sqlengine.statements.topics import get_topic


def print_topic(statement: ast.Print, context: Context) -> Result:
    """PRINT 'topic' [FROM BEGINNING] [LIMIT n]: records as they are, with partition, offset and time; endless without
    a limit."""
    topic = get_topic(context, statement.topic)
    head = [
        pa.field("partition", pa.int32()),
        pa.field("offset", pa.int64()),
        pa.field("append_time", pa.timestamp("us", "UTC")),
    ]
    schema = pa.schema([*head, *topic.schema])
    positions = [log.start_offset if statement.from_beginning else log.last_stable_offset for log in topic.partitions]
    left = statement.limit

    def batches() -> Iterator[pa.RecordBatch]:
        nonlocal left
        tick = context.instance.scheduler.tick_number
        while left is None or left > 0:
            found = False
            for partition, log in enumerate(topic.partitions):
                if positions[partition] >= log.last_stable_offset or left == 0:
                    continue
                for frame in log.read(positions[partition]):
                    batch = frame.batch if left is None else frame.batch.slice(0, left)
                    positions[partition] = frame.next_offset
                    left = None if left is None else left - batch.num_rows
                    found = True
                    if not batch.num_rows:
                        continue
                    yield _printed(batch, partition, frame.offsets(), frame.append_timestamp_us, schema)
                    if left == 0:
                        break
            context.check()
            if not found:
                if context.instance.clock.virtual:
                    return
                context.instance.scheduler.wait_for_change(tick, 0.1)

    return Result("PRINT", schema=schema, batches=batches(), endless=statement.limit is None)


def _printed(
    batch: pa.RecordBatch, partition: int, offsets: npt.NDArray[np.int64], at_us: int, schema: pa.Schema
) -> pa.RecordBatch:
    n = batch.num_rows
    arrays = [
        pa.repeat(pa.scalar(partition, pa.int32()), n),
        pa.array(offsets[:n]),
        pa.repeat(pa.scalar(at_us, pa.int64()), n).cast(pa.timestamp("us", "UTC")),
        *batch.columns,
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def assert_(statement: ast.Assert, context: Context) -> Result:
    """ASSERT ROWS (query) = (query), in any order unless the statement says otherwise: AssertionFailed (P0004)."""
    left = run_snapshot(context, statement.left)
    right = run_snapshot(context, statement.right)
    got, want = _rows(left, statement.ordered), _rows(right, statement.ordered)
    if got != want:
        missing = [r for r in want if r not in got][:5]
        extra = [r for r in got if r not in want][:5]
        raise AssertionFailed(
            f"assertion failed: {len(got)} rows against {len(want)}",
            detail=f"not expected: {extra}; missing: {missing}",
        )
    return Result("ASSERT")


def _rows(table: pa.Table, ordered: bool) -> list[str]:
    rows = [repr(tuple(r)) for r in zip(*(c.to_pylist() for c in table.columns), strict=True)]
    return rows if ordered else sorted(rows)
