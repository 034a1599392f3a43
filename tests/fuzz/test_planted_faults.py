"""The random queries can fail: each of these faults, put into an operator or a rule, is found by the ordinary seeds."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from sqlengine.kernels import group
from sqlengine.operators import iterate, join
from sqlengine.operators.aggregates import distinct, extremes
from sqlengine.operators.aggregates.user import UserObjects
from sqlengine.operators.asof_join import CorrectedAsof
from sqlengine.operators.base import Times
from sqlengine.operators.emit_every import EmitEveryOperator
from sqlengine.operators.hold_watermark import HoldWatermarkOperator
from sqlengine.operators.sharded import Sharded
from sqlengine.operators.temporal_filter import TemporalFilterOperator
from sqlengine.operators.top_n import TopNOperator
from sqlengine.operators.union_all import UnionAllOperator
from sqlengine.operators.versions import VersionsOperator
from sqlengine.operators.waiting_rows import ALL
from sqlengine.operators.window_aggregate import WindowAggregateOperator
from sqlengine.operators.windows import WindowGrid
from sqlengine.plan import nodes, rules
from sqlengine.plan.properties import rebuild
from sqlengine.runtime.dataflow import Dataflow
from sqlengine.state.join_side import JoinSide
from sqlengine.state.multiset import Changes
from sqlengine.state.ranked_rows import RankedRows
from tests.fuzz.check import check_batch, make_batch

BATCHES, QUERIES_PER_BATCH = 100, 20
Patch = pytest.MonkeyPatch


def around(owner: Any, name: str, fault: Callable[..., Any]) -> Callable[[Patch], None]:
    """`fault(original, *arguments)` in place of a method or function."""

    def plant(patch: Patch) -> None:
        original = getattr(owner, name)
        patch.setattr(owner, name, lambda *args, **named: fault(original, *args, **named))

    return plant


def keep_null_rows(changes: Any, side: Any, matched: bool) -> Iterator[Any]:
    """What stood alone before its first match is not taken back."""
    for delta in changes(side, matched):
        yield delta if delta.weights is None else delta.filter(pa.array(delta.weights > 0))


def one_match_is_none(add: Any, side: Any, rows: Any, by: Any) -> None:
    add(side, rows[1:], by[1:])


def dead_extremes_stay(changed: Any, extreme: Any, values: Any, changes: Changes) -> None:
    born = changes.after > 0
    changed(extreme, values, Changes(changes.entries[born], changes.before[born], changes.after[born]))


def distinct_values_stay(pass_on: Any, call: Any, changes: Changes) -> None:
    after = np.maximum(changes.after, (changes.before > 0).astype(np.int64))
    pass_on(call, Changes(changes.entries, changes.before, after))


def one_partition_less(of_partitions: Any, rows: Any, touched: Any) -> Any:
    return of_partitions(rows, touched[:-1] if len(touched) > 1 else touched)


def cycles_hold_themselves(unsupported: Any, fixpoint: Any) -> Any:
    lost = unsupported(fixpoint)
    return lost[fixpoint._derivations.values[lost] <= 0]


def merged_too_far(merge: Any, keys: Any, firsts: Any, lasts: Any, gap: int) -> Any:
    return merge(keys, firsts, lasts, gap + 1)


def as_it_is(refilled: Any, operator: Any, best: Any, touched: Any) -> Any:
    return best


def deaf_to_deletions(process: Any, operator: Any, delta: Any, port: int, now_us: int) -> Any:
    kept = delta if delta.weights is None else delta.filter(pa.array(delta.weights > 0))
    return process(operator, kept, port, now_us) if kept.num_rows else None


def no_null_rows_on_the_right(patch: Patch) -> None:
    patch.setitem(join.KINDS, "full", join.JoinKind(lonely=(True, None)))


def left_joins_are_inner(patch: Patch) -> None:
    def rule(node: nodes.Node) -> nodes.Node:
        node = rebuild(node, tuple(rule(i) for i in node.inputs))
        if isinstance(node, nodes.Join) and node.kind == "left":
            return nodes.Join(
                schema=node.schema,
                left=node.left,
                right=node.right,
                kind="inner",
                left_keys=node.left_keys,
                right_keys=node.right_keys,
                residual=node.residual,
                append_only=node.append_only,
            )
        return node

    patch.setattr(rules, "RULES", (*rules.RULES, rule))


def forgotten_at_a_checkpoint(restore: Any, operator: Any, state: Any) -> None:
    restore(operator, state | {"right": state["right"].slice(0, 0)})


def nothing_is_deleted(flagged: Any, operator: Any, batch: Any, deleted: Any) -> Any:
    return flagged(operator, batch, np.zeros_like(deleted))


def rows_stay(advance: Any, operator: Any, times: Times) -> Any:
    out = advance(operator, times)
    return out if out is None or out.weights is None else out.filter(pa.array(out.weights > 0))


def rows_stay_in_the_view_below(scan: Any, flow: Any, place: int, node: nodes.Scan, feed: Any, *args: Any) -> Any:
    if feed is not None and re.fullmatch(r"m\d", node.source):
        kept = [d if d.weights is None else d.filter(pa.array(d.weights > 0)) for d in feed.deltas]
        feed = replace(feed, deltas=kept)
    return scan(flow, place, node, feed, *args)


def nothing_is_removed(run: Any, objects: Any, call: Any, *args: Any) -> Any:
    return None if getattr(call, "__name__", "") == "remove" else run(objects, call, *args)


FAULTS: dict[str, tuple[str, Callable[[Patch], None]]] = {
    "a join forgets to take back NULL rows": (
        r"LEFT JOIN|RIGHT JOIN",
        around(JoinSide, "take_changes", keep_null_rows),
    ),
    "a join counts one match too few": (
        r"EXISTS|SEMI|ANTI| IN \(SELECT",
        around(JoinSide, "add_matches", one_match_is_none),
    ),
    "a full join has no NULL rows on one side": ("FULL JOIN", no_null_rows_on_the_right),
    "a join's right side is not in the checkpoint": (
        " JOIN ",
        around(join.JoinOperator, "restore", forgotten_at_a_checkpoint),
    ),
    "min and max miss deletions": (r"(min|max)\(", around(extremes._Extreme, "_changed", dead_extremes_stay)),
    "distinct values never leave": (r"\(DISTINCT ", around(distinct.Distinct, "_pass_on", distinct_values_stay)),
    "sessions a gap apart are one": ("SESSION", around(group, "merge_runs", merged_too_far)),
    "windows miss deletions": ("TUMBLE|HOP|CUMULATE", around(WindowAggregateOperator, "process", deaf_to_deletions)),
    "a ranking is not filled up again": (r"LIMIT|DISTINCT ON|row_number", around(TopNOperator, "_refilled", as_it_is)),
    "OVER leaves a partition as it was": (r"OVER \(", around(RankedRows, "of_partitions", one_partition_less)),
    "an ASOF join does not correct itself": ("ASOF", around(CorrectedAsof, "_correct", lambda correct, *args: None)),
    "recursion lets cycles hold themselves": (
        "RECURSIVE",
        around(iterate._DistinctRows, "_unsupported", cycles_hold_themselves),
    ),
    "UNION ALL misses deletions": ("UNION ALL", around(UnionAllOperator, "process", deaf_to_deletions)),
    "a rule makes left joins inner": ("LEFT JOIN", left_joins_are_inner),
    "deleted versions are valid": ("SYSTEM_TIME", around(VersionsOperator, "_flagged", nothing_is_deleted)),
    "rows stay when their time is over": ("localtimestamp", around(TemporalFilterOperator, "advance", rows_stay)),
    "EMIT EVERY does not wait": (
        "EMIT EVERY",
        around(EmitEveryOperator, "advance", lambda advance, op, times: advance(op, replace(times, history=True))),
    ),
    "what waits for EMIT EVERY is not in the checkpoint": (
        "EMIT EVERY",
        around(
            EmitEveryOperator, "restore", lambda restore, op, state: (restore(op, state), op._held.take_due(ALL))[0]
        ),
    ),
    "windows close a window too early": (
        "WINDOW CLOSE",
        around(WindowGrid, "closed_by", lambda closed_by, grid, mark: closed_by(grid, mark) + 1),
    ),
    "windows over a join do not wait for its rows": (
        "WINDOW CLOSE",
        around(HoldWatermarkOperator, "output_watermark", lambda held, op, times: times.watermark_us),
    ),
    "a program's aggregate keeps what was taken back": ("user_xor", around(UserObjects, "_run", nothing_is_removed)),
    "a view over a view misses deletions": (r"\bm\d AS", around(Dataflow, "_scan", rows_stay_in_the_view_below)),
    "one shard alone is heard": (
        r"GROUP BY|OVER \(|LIMIT",
        around(Sharded, "_together", lambda together, sharded, answers: together(sharded, answers[:1])),
    ),
}
"""Fault -> a pattern of the queries that can notice it (the others only take time), and what plants it."""


FOUND_BY = {
    "deleted versions are valid": 43,
    "a program's aggregate keeps what was taken back": 23,
    "recursion lets cycles hold themselves": 14,
    "a join's right side is not in the checkpoint": 8,
    "distinct values never leave": 8,
    "what waits for EMIT EVERY is not in the checkpoint": 8,
    "a join counts one match too few": 5,
    "min and max miss deletions": 4,
    "sessions a gap apart are one": 3,
    "a ranking is not filled up again": 3,
    "an ASOF join does not correct itself": 3,
    "a join forgets to take back NULL rows": 2,
    "a full join has no NULL rows on one side": 2,
}
"""The seed to begin with, where it is not among the first."""


@pytest.mark.sampled(12)
@pytest.mark.slow
@pytest.mark.parametrize("fault", list(FAULTS))
def test_a_planted_fault_is_found(fault: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pattern, plant = FAULTS[fault]
    plant(monkeypatch)
    for seed in (FOUND_BY.get(fault, 1), *range(1, BATCHES + 1)):
        batch = make_batch(seed, QUERIES_PER_BATCH)
        able = tuple(q for q in batch.queries if re.search(pattern, q.statement))
        if not able or ("checkpoint" in fault and batch.way != "reopened"):
            continue
        failures, _ = check_batch(replace(batch, queries=able), tmp_path / str(len(list(tmp_path.iterdir()))))
        if failures:
            return
    pytest.fail(f"no seed notices it: {fault}")
