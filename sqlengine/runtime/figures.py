"""What each operator of a running dataflow has done and keeps: for EXPLAIN ANALYZE and system.operators."""

from __future__ import annotations

from collections.abc import Sequence

from sqlengine.plan.nodes import Node
from sqlengine.quick_dataclass import dataclass
from sqlengine.runtime.dataflow import Dataflow, Step
from sqlengine.state.spill import spilled_bytes

FAR_US = 250_000_000_000_000_000
"""No event lies so far from 1970; the marks before any event, after all, and of inputs without a watermark do."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one operator, since the query began in this process.  `number` and `inputs` are places in the dataflow;
    `skipped`: batches left out by their statistics; `shared`: one for several queries.
    `watermark_us` is None where there is none yet, `lag_us` how far it is behind the clock; `busy_share` of the
    query's busy time, 0 to 1; `rows_per_second` of its own busy time, None before it did anything;
    `spilled_bytes`: those of `state_bytes` that are in files."""

    number: int
    node: Node
    inputs: Sequence[int]
    rows_in: int
    rows_out: int
    batches: int
    skipped: int
    shared: bool
    late_rows: int
    state_rows: int
    state_bytes: int
    spilled_bytes: int
    watermark_us: int | None
    lag_us: int | None
    busy_ms: float
    busy_share: float
    rows_per_second: float | None


def figures(dataflow: Dataflow, now_us: int) -> list[Figures]:
    """All operators, inputs before those that read them."""
    dataflow.synchronize()
    total_ns = sum(step.busy_ns for step in dataflow.steps)
    return [_of_step(number, step, total_ns, now_us) for number, step in enumerate(dataflow.steps)]


def _of_step(number: int, step: Step, total_ns: int, now_us: int) -> Figures:
    size = step.operator.state_size() if step.operator is not None else {"rows": 0, "bytes": 0}
    watermark_us = visible_watermark(step.watermark_us)
    return Figures(
        number=number,
        node=step.node,
        inputs=tuple(step.inputs),
        rows_in=step.rows_in,
        rows_out=step.rows_out,
        batches=step.batches,
        skipped=step.skipped,
        shared=step.shared,
        late_rows=step.late_rows,
        state_rows=size["rows"],
        state_bytes=size["bytes"],
        spilled_bytes=spilled_bytes(step.operator),
        watermark_us=watermark_us,
        lag_us=None if watermark_us is None else now_us - watermark_us,
        busy_ms=step.busy_ns / 1e6,
        busy_share=step.busy_ns / total_ns if total_ns else 0.0,
        rows_per_second=step.rows_in / step.busy_ns * 1e9 if step.busy_ns and step.rows_in else None,
    )


def visible_watermark(watermark_us: int) -> int | None:
    """A watermark people may see: None for the marks before any event, after all, and where there is none."""
    return watermark_us if abs(watermark_us) < FAR_US else None
