"""Planning against a catalog: the one there is, or the one there will be once some views are replaced."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field, replace
from functools import cache
from typing import TYPE_CHECKING

from sqlengine import sql
from sqlengine.catalog.catalog import Catalog
from sqlengine.catalog.objects import (
    FOLLOWED,
    CatalogObject,
    FileTable,
    MaterializedView,
    PlanningInfo,
    Sink,
    Stream,
    Table,
    View,
)
from sqlengine.catalog.seen import as_seen, planned_text
from sqlengine.errors import NotSupportedError
from sqlengine.plan.nodes import Node
from sqlengine.plan.pipeline import Planned, Planner, RecomputeText, bind_lowered, is_append_only, plan_query
from sqlengine.plan.properties import own_time
from sqlengine.plan.user_functions import mark_user_functions
from sqlengine.quick_dataclass import dataclass
from sqlengine.runtime.operator_state import state_table
from sqlengine.snapshot.expand import Expanded, declared_time, expand
from sqlengine.sql import ast

if TYPE_CHECKING:
    from sqlengine.runtime.instance import Instance


@dataclass(frozen=True)
class Planning:
    """`plans`: by name, the plans of materialized views that do not run yet."""

    instance: Instance
    catalog: Catalog
    plans: Mapping[str, Node] = field(default_factory=dict)

    def plan(self, query: ast.Query, emit: ast.Emit, planning: PlanningInfo, threads: int = 0) -> Planned:
        """Plan a continuous query; what `planning` has no row count of is counted now."""
        seen = replace(self, catalog=as_seen(self.catalog, planning))
        return replace(plan_query(query, emit, seen.planner(planning)), threads=threads)

    def plan_again(self, obj: MaterializedView | Sink) -> Planned:
        """The plan of a view or sink as it was made; a view's columns keep the types that they had then."""
        planned = self.plan(sql.parse_query(planned_text(obj)), emit_of(obj), obj.planning)
        return planned.declared([c.type for c in obj.columns]) if isinstance(obj, MaterializedView) else planned

    def planner(self, planning: PlanningInfo) -> Planner:
        """What planning needs to know; what `planning` has no row count of is counted now."""
        return self._planner(planning, self._row_count)

    def bound(self, tree: ast.Select | ast.SetOperation) -> Node:
        """A query's bound plan; Unplannable for what no plan has."""
        marked = mark_user_functions(tree, self.instance.functions)
        return bind_lowered(marked, self.planner(PlanningInfo()))

    def expanded(self, query: ast.Query, lent: Mapping[str, CatalogObject] | None = None) -> Expanded:
        """A query's text for the snapshot executor; `lent`: relations the catalog does not have."""
        return expand(query, self.catalog, self.instance.functions, self._state_table, self._time_column, lent)

    def _state_table(self, ref: ast.StateRef) -> CatalogObject:
        return state_table(self.instance, ref.arguments, ref.position)

    def _planner(self, planning: PlanningInfo, count: Callable[[str], int]) -> Planner:
        counted = cache(count)  # planning asks for the same rows again and again
        return Planner(
            self.catalog,
            self._plan_of,
            self._recompute_text,
            self.instance.functions,
            lambda name: planning.rows[name] if name in planning.rows else counted(name),
            [r.strip() for r in planning.disabled_rules.split(",") if r.strip()],
        )

    def _plan_of(self, view: MaterializedView) -> Node:
        return self.plans[view.name] if view.name in self.plans else self.instance.query_of(view).plan

    def _row_count(self, name: str) -> int:
        """Rows of a stream (all that its topic keeps), table or view; 0 of what has none of its own."""
        obj = self.catalog.get(tuple(name.split(".")))
        with self.instance.lock:  # to count contents settles them, which ticks do too
            if isinstance(obj, MaterializedView):
                query = self.instance.scheduler.by_name(obj.name)
                return 0 if query is None or query.store is None else query.store.num_rows
            source = self.instance.scheduler.sources.get(name)
            if source is not None and source.store is not None:
                if not source.reader.at_end():  # a plan must not depend on how far the pump has come
                    self.instance.scheduler.catch_up()
                return source.store.num_rows
        if not isinstance(obj, (Stream, Table)) or not obj.topic:  # a system table, a table over files
            return 0
        return sum(log.last_stable_offset - log.start_offset for log in self.instance.topic_of(obj).partitions)

    def _time_column(self, obj: CatalogObject) -> str | None:
        """A stream's or table's declared time; a view's as its plan knows it."""
        if isinstance(obj, MaterializedView):
            plan = self._plan_of(obj)
        elif isinstance(obj, View):
            plan = self._uncounted(obj)
        else:
            return declared_time(obj)
        at = own_time(plan)
        return None if at is None else obj.columns[at].name

    def _uncounted(self, view: View) -> Node:
        """A plan that tells what a view's columns are, however many rows there are. It is made while the executor's
        text is, on a thread that may wait for nothing (sql/deep.py) and so for no lock."""
        planner = self._planner(PlanningInfo(), lambda _name: 0)
        return plan_query(sql.parse_query(view.query), ast.Emit(), planner).physical

    def _recompute_text(self, query: ast.Query) -> RecomputeText:
        expanded = self.expanded(query)
        if expanded.of_session:
            raise NotSupportedError(
                "a continuous query cannot ask for the session or for PostgreSQL's catalog",
                hint="a SELECT may, from a materialized view too",
            )
        inputs = tuple(
            (_source_of(obj), expanded.schemas()[name], self._append_only(obj)) for name, obj in expanded.inputs.items()
        )
        return RecomputeText(expanded.text, inputs, expanded.describe(), expanded.time_dependent, expanded.changes)

    def _append_only(self, obj: CatalogObject) -> bool:
        return self._plan_of(obj).append_only if isinstance(obj, MaterializedView) else is_append_only(obj)


def _source_of(obj: CatalogObject) -> str:
    """What is scanned for an object: of a table over files, the rows that are kept of it."""
    return obj.name + FOLLOWED if isinstance(obj, FileTable) else obj.name


def emit_of(obj: MaterializedView | Sink) -> ast.Emit:
    """When the query of an object speaks, as its statement said."""
    return ast.Emit(obj.emit.mode, obj.emit.every_us, obj.emit.lateness_us, obj.emit.timeout_us)
