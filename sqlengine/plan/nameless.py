"""Plans without the names of columns: what two texts that mean the same have in common."""

from __future__ import annotations

import dataclasses
from typing import Any

import pyarrow as pa

from sqlengine.plan import nodes
from sqlengine.plan.nodes import Node
from sqlengine.plan.sharing import only_renames
from storage.replacing import replace


def nameless(node: Node, *, with_texts: bool = True) -> Node:
    """The plan without projections that only rename, the columns of every node called c0, c1, ...

    `with_texts` False: what DuckDB is given where a query is computed again is left out, too. Scans read by stored
    names, and fields of structs keep theirs."""
    while only_renames(node):
        (node,) = node.inputs
    changes: dict[str, Any] = {"schema": _numbered(node.schema)}
    for field in dataclasses.fields(node):
        value = getattr(node, field.name)
        if isinstance(value, Node):
            changes[field.name] = nameless(value, with_texts=with_texts)
        elif isinstance(value, tuple) and value and isinstance(value[0], Node):
            changes[field.name] = tuple(nameless(each, with_texts=with_texts) for each in value)
    if isinstance(node, nodes.Recompute) and not with_texts:
        changes["sql"] = ""
    return replace(node, **changes)


def _numbered(schema: pa.Schema) -> pa.Schema:
    return pa.schema([pa.field(f"c{at}", column.type) for at, column in enumerate(schema)])
