"""The stages a continuous query goes through, each one call, each with text for EXPLAIN:

lower -> bind -> optimize -> physical
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace

import pyarrow as pa

from sqlengine import sql
from sqlengine.catalog.catalog import Catalog
from sqlengine.catalog.objects import MaterializedView, Table
from sqlengine.errors import NotSupportedError
from sqlengine.functions.user import UserFunctions
from sqlengine.plan import build, nodes
from sqlengine.plan.bind import Binder
from sqlengine.plan.nodes import Node
from sqlengine.plan.physical import recompute, to_physical
from sqlengine.plan.rules import optimize
from sqlengine.plan.temporal import place_temporal_filters
from sqlengine.plan.unplannable import Unplannable
from sqlengine.plan.user_functions import mark_user_functions
from sqlengine.sql import ast

Properties = tuple[bool, tuple[int, ...] | None, tuple[int, ...]]
"""Of a materialized view's rows: append-only, unique keys, time columns."""


@dataclass(frozen=True)
class RecomputeText:
    """What recompute-and-diff needs of a query: DuckDB text over in0, in1, ..., their objects, the answer's schema;
    `changes`: it reads a CHANGELOG, which cannot be recomputed."""

    text: str
    inputs: tuple[tuple[str, pa.Schema, bool], ...]
    schema: pa.Schema
    time_dependent: bool
    changes: bool = False


@dataclass(frozen=True)
class Planner:
    """`expand` renders a query for DuckDB (the snapshot executor's own text); `properties` knows running views."""

    catalog: Catalog
    properties: Callable[[MaterializedView], Properties]
    expand: Callable[[ast.Query], RecomputeText]
    functions: UserFunctions
    disabled_rules: Collection[str] = ()


@dataclass(frozen=True)
class Planned:
    """`stages`: name -> plan, in order; `reason` names what has no incremental operator, None when all has one."""

    physical: Node
    stages: dict[str, Node] = field(default_factory=dict)
    reason: str | None = None

    @property
    def schema(self) -> pa.Schema:
        """The output's schema."""
        return self.physical.schema

    def renamed(self, names: list[str]) -> Planned:
        """The same plan with other output names."""
        if names == self.schema.names:
            return self
        return replace(self, physical=build.renamed(self.physical, names))

    def sources(self) -> list[str]:
        """Names of the objects the plan scans."""
        return scanned(self.physical)


def plan_query(query: ast.Query, emit: ast.Emit, planner: Planner) -> Planned:
    """Plan a continuous query: incrementally where operators exist, else as recompute-and-diff."""
    try:
        return _incremental(query, emit, planner)
    except Unplannable as gap:
        reason = gap.reason
    except NotSupportedError as gap:
        reason = gap.message
    return _recomputed(query, emit, planner, reason)


def _incremental(query: ast.Query, emit: ast.Emit, planner: Planner) -> Planned:

    def lowered(query: ast.Query) -> ast.Select | ast.SetOperation:
        return mark_user_functions(sql.lower(query), planner.functions)

    binder = Binder(planner.catalog, lambda text: lowered(sql.parse_query(text)), planner.properties)
    bound = binder.query(lowered(query)).node
    optimized = optimize(bound, planner.disabled_rules)
    physical = to_physical(place_temporal_filters(optimized), emit)
    return Planned(physical, {"bound": bound, "logical": optimized, "physical": physical})


def _recomputed(query: ast.Query, emit: ast.Emit, planner: Planner, reason: str) -> Planned:
    """Every input scanned whole, the query run again when one changes."""
    if emit.mode == "final":
        raise NotSupportedError(
            f"EMIT ON WINDOW CLOSE is not supported with {reason}",
            hint="put the windowed part into a materialized view of its own and read that",
        )
    text = planner.expand(query)
    if text.changes:
        raise NotSupportedError(f"AS CHANGELOG cannot be read with {reason}, which has no incremental operator")
    branches = tuple(
        nodes.Scan(schema=schema, source=name, columns=tuple(schema.names), append_only=append_only)
        for name, schema, append_only in text.inputs
    )
    node = recompute(branches, text.schema, text.text, reason, text.time_dependent)
    physical = to_physical(node, emit)
    return Planned(physical, {"bound": node, "logical": node, "physical": physical}, reason)


def scanned(node: Node) -> list[str]:
    """Names of the objects a plan scans, first mention first."""
    found = [node.source] if isinstance(node, nodes.Scan) else []
    for below in node.inputs:
        found += [n for n in scanned(below) if n not in found]
    return found


def is_append_only(obj: object) -> bool:
    """Whether a stored object never takes a row back."""
    return not isinstance(obj, (Table, MaterializedView)) or (isinstance(obj, Table) and obj.append_only)
