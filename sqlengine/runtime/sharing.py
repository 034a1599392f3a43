"""Views that have parts of their plans in common run them once.

A part of a new query that is at work in a running one and can tell all of its output there is taken from it as it is:
nothing of what the part stands on is read again (`adopt_parts`).  The rest of the query is brought up to date by itself
and afterwards compared with what runs (`share_parts`).

A new query is first brought up to date by itself.  Then each part of its plan that is at work in a running query, with
the same state, is left to that one's: the largest such parts, from the root down.  The two are known to be in the same
state when everything they read has its whole history, every watermark agrees, and so do the sizes of their states.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from sqlengine.delta import Delta
from sqlengine.plan import nodes
from sqlengine.plan.nodes import Node
from sqlengine.plan.pipeline import scanned
from sqlengine.plan.sharing import is_shareable, only_renames
from sqlengine.runtime.query import ContinuousQuery
from sqlengine.runtime.shared_part import PartBehind

if TYPE_CHECKING:
    from sqlengine.runtime.dataflow import Dataflow


def share_parts(flow: Dataflow, running: Sequence[Dataflow], whole: Collection[str]) -> None:
    """Leave parts of a dataflow to others'; `whole`: the names of sources whose history is all there."""
    if flow.timeout_us is not None:
        return
    others = [o for o in running if o is not flow and o.timeout_us is None]
    seen: set[Node] = set()

    def visit(node: Node) -> None:
        if node in seen or isinstance(node, nodes.Scan):
            return
        seen.add(node)
        holders = [other for other in others if other.holds(node)]
        if holders and is_shareable(node) and set(scanned(node)) <= set(whole):
            for other in holders:
                if _agree(flow, other, node):
                    _want_all_of_both(node, other)
                    flow.leave_to(node, other.part(node))
                    return
        for below in node.inputs:
            visit(below)

    visit(flow.plan)


def _agree(flow: Dataflow, other: Dataflow, node: Node) -> bool:
    """Whether the two are in the same state as far as the node depends on it."""
    other.synchronize()
    todo = [node]
    while todo:
        at = todo.pop()
        ours, theirs = flow.step_of(at), other.step_of(at)
        if ours.watermark_us != theirs.watermark_us:
            return False
        if ours.operator is not None and theirs.operator is not None:
            if ours.operator.state_size()["rows"] != theirs.operator.state_size()["rows"]:
                return False
        todo += at.inputs
    return True


def _want_all_of_both(node: Node, other: Dataflow) -> None:
    """Joins below that leave out what nobody wants of them here or there leave out nothing any more."""
    held = other.step_of(node)
    if isinstance(node, nodes.Join) and isinstance(held.node, nodes.Join) and node.best != held.node.best:
        assert held.operator is not None
        held.operator.want_all()
    for below in node.inputs:
        _want_all_of_both(below, other)


def adopt_parts(flow: Dataflow, running: Sequence[ContinuousQuery], whole: Collection[str]) -> list[PartBehind]:
    """Leave parts of a dataflow that has seen nothing yet to running queries', where these can tell the part's rows;
    `whole` as in `share_parts`.
    """
    if flow.timeout_us is not None:
        return []
    others = [query for query in running if query.dataflow.timeout_us is None]
    adopted: list[PartBehind] = []
    seen: set[Node] = set()

    def visit(node: Node) -> None:
        if node in seen or isinstance(node, nodes.Scan):
            return
        seen.add(node)
        if is_shareable(node) and set(scanned(node)) <= set(whole):
            for other in others:
                rows = _present(other, node) if other.dataflow.holds(node) else None
                if rows is not None:
                    _want_all_of_both(node, other.dataflow)
                    adopted.append(PartBehind(other.dataflow.part(node), rows))
                    flow.leave_to(node, adopted[-1])
                    return
        for below in node.inputs:
            visit(below)

    visit(flow.plan)
    return adopted


def _present(query: ContinuousQuery, node: Node) -> list[Delta] | None:
    """All rows of a node's output at present, where the query's contents or the operator can tell."""
    query.dataflow.synchronize()
    top = query.dataflow.plan
    while top != node and only_renames(top):
        (top,) = top.inputs
    if top == node and query.store is not None:
        table = query.store.snapshot_table().rename_columns(node.schema.names)
        return [Delta(batch) for batch in table.cast(node.schema).to_batches() if batch.num_rows]
    operator = query.dataflow.step_of(node).operator
    return None if operator is None else operator.present()
