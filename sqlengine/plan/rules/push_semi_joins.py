"""Semi and anti joins (IN, EXISTS and their opposites) move below the joins they stand on, to the side they ask about.

Whether a row stays depends on its own values and the other input alone, so that a semi join may keep rows before they
are joined as well as after.  It goes where fewer rows are, by estimate: below a join that multiplies rows, not below
one that leaves few.  A key that the join equates with a column of its other side counts as a column of either.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeGuard

from sqlengine.expr.tree import InputRef, input_columns
from sqlengine.plan import nodes
from sqlengine.plan.exprs import map_refs
from sqlengine.plan.nodes import Node
from sqlengine.plan.properties import derive, over_inputs, rebuild
from sqlengine.plan.rules.once import once_a_node
from sqlengine.plan.statistics import Estimates
from sqlengine.plan.time_bounds import time_distances
from storage.replacing import replace

KEEPING = ("semi", "anti")


@once_a_node
def push_semi_joins(node: Node, sizes: Estimates) -> Node:
    """The plan with semi and anti joins as low as that makes their input smaller."""
    node = over_inputs(node, push_semi_joins, sizes)
    if _movable(node) and node.kind in KEEPING:
        return _sunk(node, sizes) or node
    return node


def _movable(node: Node) -> TypeGuard[nodes.Join]:
    """Plain joins; those that bound how far apart two times are stay, what they may forget depends on it."""
    return type(node) is nodes.Join and not time_distances(node)


def _sunk(semi: nodes.Join, sizes: Estimates) -> Node | None:
    """What answers the same with the semi join below a join; None when it stays where it is."""
    match semi.left:
        case nodes.Project(input=below, exprs=exprs):
            places = {at: e.index for at, e in enumerate(exprs) if isinstance(e, InputRef)}
            inside = _moved(semi, below, places, places)
        case nodes.Join(kind=kind, left=below) if _movable(semi.left) and kind in KEEPING:
            here = {at: at for at in range(len(below.schema))}
            inside = _moved(semi, below, here, here)
        case nodes.Join(kind="inner" | "left"):
            return _into_join(semi, semi.left, sizes) if _movable(semi.left) else None
        case _:
            return None
    lower = _sunk(inside, sizes) if inside is not None else None
    return None if lower is None else rebuild(semi.left, (lower, *semi.left.inputs[1:]))


def _into_join(semi: nodes.Join, join: nodes.Join, sizes: Estimates) -> Node | None:
    """The join with the semi join on that of its sides which has the columns and fewer rows than the join."""
    width, best, made = len(join.left.schema), sizes.rows(join), None
    equal = dict(zip(join.left_keys, join.right_keys, strict=True))
    back = {right + width: left for left, right in equal.items()}
    left = {at: at for at in range(width)}
    right = {at: at - width for at in range(width, len(join.schema))}
    sides = [(join.left, left, {**left, **back})]
    if join.kind == "inner":
        sides.append((join.right, right, {**right, **equal}))
    for at, (side, columns, keys) in enumerate(sides):
        inside = _moved(semi, side, columns, keys if join.kind == "inner" else columns)
        if inside is not None and (count := sizes.rows(side)) <= best:
            lower = _sunk(inside, sizes) or inside
            best, made = count, rebuild(join, (join.left, lower) if at else (lower, join.right))
    return made


def _moved(semi: nodes.Join, left: Node, columns: Mapping[int, int], keys: Mapping[int, int]) -> nodes.Join | None:
    """The semi join over another left input, given where its left columns and keys are there; None when one is not."""
    width, by = len(semi.left.schema), len(left.schema) - len(semi.left.schema)
    asked = input_columns(semi.residual) if semi.residual is not None else set()
    if not set(semi.left_keys) <= keys.keys() or not {c for c in asked if c < width} <= columns.keys():
        return None

    def place(ref: InputRef) -> InputRef:
        return replace(ref, index=columns[ref.index] if ref.index < width else ref.index + by)

    moved = replace(
        semi,
        schema=left.schema,
        left=left,
        left_keys=tuple(keys[k] for k in semi.left_keys),
        residual=None if semi.residual is None else map_refs(semi.residual, place),
    )
    found = derive(moved)
    assert isinstance(found, nodes.Join)
    return found
