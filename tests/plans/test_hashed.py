"""Nodes of plans compute their hash once, and it is still that of what they hold."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace

import pyarrow as pa

from sqlengine.expr.tree import Expr
from sqlengine.plan import nodes
from sqlengine.plan.nodes import Filter, Node, Scan
from sqlengine.quick_dataclass import dataclass

SCHEMA = pa.schema([pa.field("a", pa.int64())])


@dataclass(frozen=True)
class Counted(Expr):
    """A predicate that counts how often it is hashed."""

    asked: list[None]

    def __hash__(self) -> int:
        self.asked.append(None)
        return 7


def filtered(asked: list[None]) -> Filter:
    """A filter over a scan, made anew."""
    scan = Scan(schema=SCHEMA, source="s", columns=("a",))
    return Filter(schema=SCHEMA, input=scan, predicate=Counted(pa.bool_(), asked))


def test_a_node_is_hashed_once_and_equal_ones_alike() -> None:
    asked: list[None] = []
    node = filtered(asked)
    above = replace(node, input=node)
    assert hash(node) == hash(node) and hash(above) == hash(above)
    assert len(asked) == 2
    other = filtered(asked)
    assert other == node and hash(other) == hash(node) and {node: 1}[other] == 1


def test_what_is_made_of_a_node_has_a_hash_of_its_own() -> None:
    node = filtered([])
    hash(node)
    changed = replace(node, unique_keys=(0,))
    assert changed != node and hash(changed) != hash(node)
    assert hash(copy.copy(node)) == hash(node)
    scan = node.input
    hash(scan)
    assert str(scan._hash).encode() not in pickle.dumps(scan, protocol=0)  # it means nothing in another process
    assert hash(pickle.loads(pickle.dumps(scan))) == hash(scan)


def test_every_kind_of_node_does() -> None:
    everything = [kind for kind in vars(nodes).values() if isinstance(kind, type) and issubclass(kind, Node)]
    assert len(everything) > 25
    assert {kind.__hash__.__qualname__ for kind in everything} == {Node.__hash__.__qualname__}
