"""Greatest and least values over a join: for each row of the side that the groups are of, one pair is enough.

"The highest of the bids that came while an auction was open" (NEXMark query 4) makes millions of pairs and groups them
by the auction.  Where rows only come, pairs of one auction fall into one group, and of those that come together only
the best can change it: the join leaves the others out (operators/best_pairs.py).  A join that something else of the
plan reads as well stays what it is, for it is run once for both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pyarrow as pa

from sqlengine.expr.tree import InputRef
from sqlengine.plan import nodes
from sqlengine.plan.distinct import distinct_nodes
from sqlengine.plan.nodes import Best, Node
from sqlengine.plan.properties import with_inputs
from sqlengine.plan.rules.once import once_a_node
from storage.replacing import replace


def keep_best_pairs(node: Node) -> Node:
    """The plan with such joins told what is wanted of their pairs."""
    if not any(_wants_extremes(one) for one in distinct_nodes(node)):
        return node  # as most plans: which joins are read twice takes longer to find out
    return _marked(node, frozenset(_read_twice(node)))


def _wants_extremes(node: Node) -> bool:
    """Whether it is groups of which nothing but greatest and least values are wanted."""
    if not isinstance(node, nodes.GroupAggregate) or not node.keys or not node.aggregates:
        return False
    return all(map(_is_extreme, node.aggregates))


def _read_twice(plan: Node) -> Iterator[Node]:
    """Joins that several nodes read."""
    readers = Counter(below for node in _distinct(plan, set()) for below in set(node.inputs))
    return (node for node, count in readers.items() if count > 1 and isinstance(node, nodes.Join))


def _distinct(node: Node, seen: set[Node]) -> Iterator[Node]:
    if node not in seen:
        seen.add(node)
        yield node
        for below in node.inputs:
            yield from _distinct(below, seen)


@once_a_node
def _marked(node: Node, but: frozenset[Node]) -> Node:
    node = _over(node, tuple(_marked(i, but) for i in node.inputs))
    if not isinstance(node, nodes.GroupAggregate) or not _wants_extremes(node):
        return node
    wanted = [(call.args[0], call.function == "max") for call in node.aggregates]
    return _over(node, (_below(node.input, node.keys, wanted, but),))


def _over(node: Node, inputs: tuple[Node, ...]) -> Node:
    """`rebuild`, which looks whether inputs are equal: joins are, whatever is wanted of them."""
    same = all(a is b for a, b in zip(inputs, node.inputs, strict=True))
    return node if same else with_inputs(node, inputs)


def _is_extreme(call: nodes.AggregateCall) -> bool:
    kind = call.type
    is_word = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_temporal(kind)
    return call.function in ("max", "min") and call.filter is None and is_word and not pa.types.is_interval(kind)


def _below(node: Node, keys: tuple[int, ...], wanted: list[tuple[int, bool]], but: frozenset[Node]) -> Node:
    """The input of such groups, its join marked."""
    if isinstance(node, nodes.Project):
        columns = {i: e.index for i, e in enumerate(node.exprs) if isinstance(e, InputRef)}
        if not columns.keys() >= {*keys, *(at for at, _ in wanted)}:
            return node
        through = tuple(columns[k] for k in keys), [(columns[at], largest) for at, largest in wanted]
        return _over(node, (_below(node.input, *through, but),))
    if type(node) is not nodes.Join or node.kind != "inner" or node.best is not None or node in but:
        return node
    if not (node.left.append_only and node.right.append_only):
        return node
    side = _side(node, keys)
    return node if side is None else replace(node, best=Best(side, tuple(dict.fromkeys(wanted))))


def _side(join: nodes.Join, keys: tuple[int, ...]) -> int | None:
    """The side all of whose pairs with one row have the same keys: 0 left, 1 right."""
    width = len(join.left.schema)
    met = set(join.left_keys) | {width + k for k in join.right_keys}
    others = [k for k in keys if k not in met]
    if all(k < width for k in others):
        return 0
    return 1 if all(k >= width for k in others) else None
