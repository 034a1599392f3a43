"""The stages a continuous query goes through, each one call, each with text for EXPLAIN:

lower -> bind -> optimize -> physical
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import field

import pyarrow as pa

from sqlengine import sql
from sqlengine.catalog.catalog import Catalog
from sqlengine.catalog.objects import FileTable, MaterializedView, Stream, Table
from sqlengine.errors import InvalidDefinition, NotSupportedError
from sqlengine.expr.tree import Cast, Expr
from sqlengine.functions.user import UserFunctions
from sqlengine.plan import build, nodes
from sqlengine.plan.bind import Binder
from sqlengine.plan.blame import placed
from sqlengine.plan.distinct import distinct_nodes
from sqlengine.plan.hidden_times import with_times, without_times
from sqlengine.plan.nodes import Node
from sqlengine.plan.physical import recompute, to_physical
from sqlengine.plan.rules import optimize
from sqlengine.plan.statistics import RowCount
from sqlengine.plan.temporal import first_moment, place_temporal_filters
from sqlengine.plan.text_types import Limits, blanks_ignored, has_limits, limits_of
from sqlengine.plan.unplannable import Unplannable
from sqlengine.plan.user_functions import mark_user_functions
from sqlengine.plan.views_as_streams import views_as_streams
from sqlengine.quick_dataclass import dataclass
from sqlengine.reading import UTC, reading_in
from sqlengine.sql import ast
from sqlengine.sql.dialect import POSTGRES
from sqlengine.text_limits import TextLimit, with_limit
from sqlengine.types import JSON, JSONB
from storage.replacing import replace


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
    """`expand` renders a query for DuckDB (the snapshot executor's own text); `view_plan`: a running view's plan;
    `rows`: how many rows an object has now, or had when the view to be planned was made."""

    catalog: Catalog
    view_plan: Callable[[MaterializedView], Node]
    expand: Callable[[ast.Query], RecomputeText]
    functions: UserFunctions
    rows: RowCount
    disabled_rules: Collection[str] = ()

    def plan_of(self, name: str) -> Node | None:
        """The plan of a materialized view; None of anything else."""
        obj = self.catalog.get(tuple(name.split(".")))
        return self.view_plan(obj) if isinstance(obj, MaterializedView) else None

    def is_limited(self, name: str) -> bool:
        """Whether an object has columns that are CHAR(n) or VARCHAR(n)."""
        obj = self.catalog.find(tuple(name.split(".")))
        return obj is not None and any(c.limit is not None for c in obj.columns)

    def text_limit(self, name: str, column: str) -> TextLimit | None:
        """What the texts of an object's column, by its stored name, are limited to."""
        obj = self.catalog.find(tuple(name.split(".")))
        return None if obj is None else next((c.limit for c in obj.columns if c.stored_name == column), None)


def _was_json(now: pa.DataType, before: pa.DataType) -> bool:
    if pa.types.is_list(now) and pa.types.is_list(before):
        return _was_json(now.value_type, before.value_type)
    return bool(now == JSONB and before == JSON)


@dataclass(frozen=True)
class Planned:
    """`stages`: name -> plan, in order; `reason` names what has no incremental operator, None when all has one;
    `streams`: the scanned objects whose rows come for ever; `threads` it may run on, 0 = as many as the database's
    queries do; `rows`: the row counts the plan was chosen by; `limits` of the columns of texts, () where
    there are none or the query's dialect has no such types."""

    physical: Node
    stages: dict[str, Node] = field(default_factory=dict)
    reason: str | None = None
    streams: frozenset[str] = frozenset()
    threads: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    limits: Limits = ()

    @property
    def schema(self) -> pa.Schema:
        """The output's schema."""
        return self.physical.schema

    @property
    def shown(self) -> pa.Schema:
        """The output's schema, in which fields of CHAR(n) and VARCHAR(n) say so (`text_limits.limit_in`)."""
        if not self.limits:
            return self.schema
        return pa.schema([with_limit(f, limit) for f, limit in zip(self.schema, self.limits, strict=True)])

    def renamed(self, names: list[str]) -> Planned:
        """The same plan with other output names."""
        if names == self.schema.names:
            return self
        return replace(self, physical=build.renamed(self.physical, names))

    def declared(self, types: Sequence[pa.DataType]) -> Planned:
        """The same plan with those of its first columns as json that are declared so: what is jsonb now was json in
        older directories."""
        if not any(_was_json(have, wanted) for have, wanted in zip(self.schema.types, types, strict=False)):
            return self
        columns: list[Expr] = [
            Cast(types[i], ref) if i < len(types) and _was_json(ref.type, types[i]) else ref
            for i, ref in enumerate(build.refs(self.physical))
        ]
        return replace(self, physical=build.projected(self.physical, columns, self.schema.names))

    def sources(self) -> list[str]:
        """Names of the objects the plan scans."""
        return scanned(self.physical)


@reading_in(UTC)
def plan_query(query: ast.Query, emit: ast.Emit, planner: Planner) -> Planned:
    """Plan a continuous query: incrementally where operators exist, else as recompute-and-diff."""
    try:
        return _incremental(query, emit, planner)
    except Unplannable as gap:
        reason = gap.reason
    except NotSupportedError as gap:
        if query.dialect != POSTGRES:  # nothing else can answer it
            raise
        reason = gap.message
    return _recomputed(query, emit, planner, reason)


@reading_in(UTC)
def plan_lowered(
    tree: ast.Select | ast.SetOperation, emit: ast.Emit, planner: Planner, dialect: str = POSTGRES
) -> Planned:
    """Plan a query as plain data; NotSupportedError (0A000) for what no incremental operator does."""
    try:
        return _planned(tree, emit, planner, dialect)
    except Unplannable as gap:
        raise NotSupportedError(f"{gap.reason} is not supported here") from None


def _incremental(query: ast.Query, emit: ast.Emit, planner: Planner) -> Planned:
    return _planned(sql.lower(query), emit, planner, query.dialect)


def _planned(lowered: ast.Select | ast.SetOperation, emit: ast.Emit, planner: Planner, dialect: str) -> Planned:
    closing = emit.mode == "final"
    tree = mark_user_functions(lowered, planner.functions)
    bound = bind_lowered(tree, planner, closing)
    limits: Limits = ()
    if dialect != POSTGRES and has_limits(bound, planner.is_limited):
        bound = blanks_ignored(bound, planner.text_limit)
        limits = limits_of(bound, planner.text_limit)
    try:
        stages = _stages(bound, emit, planner, lambda: first_moment(tree))
    except InvalidDefinition as error:
        raise (placed(error, bound, tree) if closing else error) from None
    physical = stages["physical"]
    rows = {name: planner.rows(name) for name in scanned(physical)}
    return Planned(
        physical, stages, streams=_streams(rows, planner.catalog), rows=rows, limits=limits if any(limits) else ()
    )


def bind_lowered(tree: ast.Select | ast.SetOperation, planner: Planner, closing: bool = False) -> Node:
    """The bound plan of a query as plain data; Unplannable for what no plan has."""

    def lowered(text: str) -> ast.Select | ast.SetOperation:
        return mark_user_functions(sql.lower(sql.parse_query(text)), planner.functions)

    return Binder(planner.catalog, lowered, planner.view_plan, closing).query(tree).node


def _stages(bound: Node, emit: ast.Emit, planner: Planner, now_at: Callable[[], int | None]) -> dict[str, Node]:
    """The stages from a bound plan; rows that could leave once by a time that is not selected are read with it."""
    try:
        return {"bound": bound, **_after_binding(bound, emit, planner, now_at)}
    except InvalidDefinition:
        wide = with_times(bound)
        if emit.mode != "final" or wide.schema == bound.schema:
            raise
        stages = _after_binding(wide, emit, planner, now_at)
        return {"bound": bound, **stages, "physical": without_times(stages["physical"], bound.schema)}


def _after_binding(bound: Node, emit: ast.Emit, planner: Planner, now_at: Callable[[], int | None]) -> dict[str, Node]:
    optimized = optimize(bound, planner.rows, planner.disabled_rules)
    told = place_temporal_filters(optimized, now_at)
    if emit.mode == "final":
        told = views_as_streams(told, planner.plan_of)
    return {"logical": optimized, "physical": to_physical(told, emit)}


def _stored(catalog: Catalog, source: str, schema: pa.Schema) -> tuple[str, ...]:
    """The stored names of some columns of an object."""
    obj = catalog.find(tuple(source.split(".")))
    stored = {} if obj is None else {c.name: c.stored_name for c in obj.columns}
    return tuple(stored.get(name, name) for name in schema.names)


def _recomputed(query: ast.Query, emit: ast.Emit, planner: Planner, reason: str) -> Planned:
    """Every input scanned whole, the query run again when one changes."""
    if query.dialect != POSTGRES:
        raise NotSupportedError(f"{reason} is not supported in the dialect {query.dialect}")
    if emit.mode == "final":
        raise NotSupportedError(
            f"EMIT ON WINDOW CLOSE is not supported with {reason}",
            hint="put the windowed part into a materialized view of its own and read that",
        )
    if sql.matches_rows(query):
        raise NotSupportedError(
            f"{reason} is not supported in a query with MATCH_RECOGNIZE",
            hint="put MATCH_RECOGNIZE into a materialized view of its own and read that",
        )
    text = planner.expand(query)
    if text.changes:
        raise NotSupportedError(f"AS CHANGELOG cannot be read with {reason}, which has no incremental operator")
    branches = tuple(
        nodes.Scan(schema=schema, source=name, columns=_stored(planner.catalog, name, schema), append_only=append_only)
        for name, schema, append_only in text.inputs
    )
    node = recompute(branches, text.schema, text.text, reason, text.time_dependent)
    physical = to_physical(node, emit)
    stages = {"bound": node, "logical": node, "physical": physical}
    return Planned(physical, stages, reason, _streams(scanned(physical), planner.catalog))


def _streams(names: Iterable[str], catalog: Catalog) -> frozenset[str]:
    """Those of the scanned objects that are streams."""
    return frozenset(n for n in names if isinstance(catalog.get(tuple(n.split("."))), Stream))


def scanned(node: Node) -> list[str]:
    """Names of the objects a plan scans, first mention first."""
    return list(dict.fromkeys(one.source for one in distinct_nodes(node) if isinstance(one, nodes.Scan)))


def is_append_only(obj: object) -> bool:
    """Whether a stored object never takes a row back."""
    return not isinstance(obj, (Table, FileTable, MaterializedView)) or (isinstance(obj, Table) and obj.append_only)
