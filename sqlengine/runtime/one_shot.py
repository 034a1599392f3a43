"""A query answered once by our own operators: its plan is run over the rows there are; the change is the answer.

Why not by DuckDB, as other one-shot queries are: what another dialect's operators and functions mean is said once, in
expr/ and functions/, for views and answers alike.  The plan knows of no watermarks: nothing is late, no window waits.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine import sql
from sqlengine.catalog.catalog import Catalog
from sqlengine.catalog.objects import CatalogObject, ColumnInfo, FileTable, PlanningInfo, Stream, Table
from sqlengine.catalog.system import SystemTable
from sqlengine.delta import Delta
from sqlengine.errors import DatatypeMismatch, SyntaxError  # noqa: A004 - SQL's word
from sqlengine.json_canonical import order_keys
from sqlengine.plan.nodes import Node
from sqlengine.plan.pipeline import Planned, plan_lowered
from sqlengine.quick_dataclass import dataclass
from sqlengine.runtime.dataflow import Dataflow
from sqlengine.runtime.feed import Feed
from sqlengine.runtime.file_tables import VIRTUAL
from sqlengine.runtime.made_rows import Found, Lowered, Made, given_rows, taken_out
from sqlengine.runtime.named_files import FORMATS, columns_of_files
from sqlengine.runtime.planning import Planning
from sqlengine.runtime.script_rows import written_rows
from sqlengine.sql import ast
from sqlengine.types import JSONB
from sqlengine.workers import ALONE, Workers

_END_OF_TIME = np.iinfo(np.int64).max
_HIDDEN = "$order"


class RowsOfNow:
    """A catalog as a query sees it that is answered once: no watermarks, and system tables and tables over files are
    tables; `virtual`: these with their virtual columns; `made`: tables that only the query knows."""

    def __init__(self, catalog: Catalog, *, virtual: bool = False, made: Sequence[MadePlan] = ()) -> None:
        self._catalog = catalog
        self._made = {(one.name,): one.table for one in made}
        self._found: dict[tuple[str, ...], CatalogObject] = {}
        self._virtual = VIRTUAL if virtual else ()

    def get(self, parts: Sequence[str], position: int | None = None) -> CatalogObject:
        """As Catalog.get."""
        key = tuple(parts)
        if key in self._made:
            return self._made[key]
        if key not in self._found:
            self._found[key] = self._as_rows(key, position)
        return self._found[key]

    def _as_rows(self, parts: tuple[str, ...], position: int | None) -> CatalogObject:
        obj = self._catalog.get(parts, position)
        if isinstance(obj, SystemTable):
            return Table(name=obj.name, columns=obj.columns, topic="", append_only=True)
        if isinstance(obj, FileTable):
            columns = (*obj.columns, *self._virtual)
            return Table(name=obj.name, columns=columns, topic="", append_only=True, virtual_columns=len(self._virtual))
        if isinstance(obj, Table):  # its rows come once, and none is taken back
            return replace(obj, watermark=None, append_only=True)
        return replace(obj, watermark=None) if isinstance(obj, Stream) else obj

    def __getattr__(self, name: str) -> Any:
        return getattr(self._catalog, name)


@dataclass(frozen=True)
class MadePlan:
    """Rows that are made before the query runs, as a table of that name; `given`: of a script, the query of the rows
    that it reads."""

    name: str
    relation: Made
    columns: tuple[ColumnInfo, ...]
    given: OneShot | None = None

    @property
    def table(self) -> Table:
        """What the planner takes it for."""
        return Table(name=self.name, columns=self.columns, topic="", append_only=True)


@dataclass(frozen=True)
class OneShot:
    """A planned query: `sort` are (column, descending, nulls first) of its rows, of whose columns the first `width` are
    its own; `sources` names what it reads of the database, `made` what is made for it before."""

    planned: Planned
    sort: tuple[tuple[int, bool, bool], ...]
    width: int
    sources: tuple[str, ...]
    made: tuple[MadePlan, ...] = ()

    def all(self) -> Iterator[OneShot]:
        """This query, and those that scripts are given the rows of."""
        yield self
        for one in self.made:
            if one.given is not None:
                yield from one.given.all()

    @property
    def plan(self) -> Node:
        """The plan that is run."""
        return self.planned.physical

    @property
    def schema(self) -> pa.Schema:
        """The answer's schema; fields of CHAR(n) and VARCHAR(n) say so (`text_limits.limit_in`)."""
        return pa.schema(list(self.planned.shown)[: self.width])

    def run(
        self,
        inputs: Mapping[str, pa.Table],
        now_us: int,
        workers: Workers = ALONE,
        check: Callable[[], None] | None = None,
        watch: Callable[[Dataflow], None] | None = None,
    ) -> pa.Table:
        """The answer over the rows of its sources by name; raises what an expression raises on a row.

        `check` is called every now and then, and raises when the statement is cancelled; `watch` is given the operators
        when they have done their work."""
        flow = Dataflow(self.plan, {}, workers=workers, check=check)
        feeds = {
            name: Feed(deltas=[Delta(b) for b in rows.to_batches()], watermark_us=_END_OF_TIME)
            for name, rows in inputs.items()
        }
        deltas = flow.tick(feeds, now_us, history=True)
        if flow.failures:
            raise flow.failures[0][1]
        if watch is not None:
            watch(flow)
        table = _rows(deltas, self.plan.schema)
        if self.sort:
            table = table.take(_sorted(table, self.sort))
        answer = table.select(list(range(self.width)))
        return pa.Table.from_arrays(answer.columns, schema=self.schema) if self.planned.limits else answer


_VIRTUAL_WORDS = (*(column.name for column in VIRTUAL), "input_file_name")
"""What a text has that asks for virtual columns: their names, and Spark's function of one."""
_MADE = re.compile(r"\busing\b|\b(?:" + "|".join(FORMATS) + r")\s*\.", re.IGNORECASE)
"""What a text has that asks for rows to be made; most have not."""


def prepare(query: ast.Query, planning: Planning, *, makes_rows: bool = True) -> OneShot:
    """Plan a query to be answered once; `makes_rows` False: as a view has to be planned, for which no rows are made
    beforehand.  Raises NotSupportedError (0A000) for what no operator can do."""
    return _prepared(sql.lower(query), query.text, query.dialect, planning, makes_rows)


def _prepared(tree: Lowered, text: str, dialect: str, planning: Planning, makes_rows: bool = True) -> OneShot:
    tree, found = taken_out(tree) if makes_rows and _MADE.search(text) else (tree, [])
    made = tuple(_made(one, text, dialect, planning) for one in found)
    names_virtual = any(word in text.lower() for word in _VIRTUAL_WORDS)
    ordered, order = _with_order(tree)
    now = RowsOfNow(planning.catalog, virtual=names_virtual, made=made)
    timeless = replace(planning, catalog=now)  # type: ignore[arg-type]
    planned = plan_lowered(ordered, ast.Emit(), timeless.planner(PlanningInfo()), dialect)
    hidden = len(ordered.items) - len(tree.items) if isinstance(tree, ast.Select) else 0
    width = len(planned.schema) - hidden
    sort = tuple(_place(item, planned.schema, width) for item in order)
    names = {one.name for one in made}
    return OneShot(planned, sort, width, tuple(name for name in planned.sources() if name not in names), made)


def _made(found: Found, text: str, dialect: str, planning: Planning) -> MadePlan:
    relation = found.relation
    if isinstance(relation, ast.FileRef):
        return MadePlan(found.name, relation, columns_of_files(relation.path))
    given = _prepared(given_rows(relation, found.ctes), text, dialect, planning)
    written = written_rows(relation)
    return MadePlan(found.name, relation, tuple(ColumnInfo(f.name, f.type) for f in written.schema), given)


# ---------------------------------------------------------------- ORDER BY


def _with_order(
    tree: ast.Select | ast.SetOperation,
) -> tuple[Any, list[tuple[int | str, bool, bool]]]:
    """The query with what it is ordered by among its columns, and (place or name, descending, nulls first) of each.

    ORDER BY stays where a LIMIT or DISTINCT ON needs it."""
    order: list[tuple[int | str, bool, bool]] = []
    hidden: list[ast.SelectItem] = []
    names = [i.name for i in tree.items] if isinstance(tree, ast.Select) else None
    for item in tree.order_by:
        place = _named(item.expr, tree, names)
        if place is None:
            if not isinstance(tree, ast.Select) or tree.distinct:
                raise SyntaxError(
                    "ORDER BY of a set operation or of SELECT DISTINCT may name output columns only", sqlstate="42P10"
                )
            place = f"{_HIDDEN}{len(hidden)}"
            hidden.append(ast.SelectItem(item.expr, place))
        order.append((place, item.descending, bool(item.nulls_first)))
    is_needed = tree.limit is not None or tree.offset is not None or isinstance(tree, ast.Select) and tree.distinct_on
    bare = tree if is_needed else replace(tree, order_by=())
    if hidden and isinstance(bare, ast.Select):
        bare = replace(bare, items=(*bare.items, *hidden))
    return bare, order


def _named(expr: ast.Expr, tree: Any, names: list[str] | None) -> int | str | None:
    """The output column an ORDER BY item means: its place, its name, or None for an expression of its own."""
    if isinstance(expr, ast.Literal) and type(expr.value) is int:
        return expr.value - 1
    if isinstance(expr, ast.Column) and len(expr.parts) == 1 and (names is None or names.count(expr.parts[0]) == 1):
        return expr.parts[0]
    if names is None:
        return None
    same = [i for i in tree.items if i.expr == expr]
    return same[0].name if same and names.count(same[0].name) == 1 else None


def _place(item: tuple[int | str, bool, bool], schema: pa.Schema, width: int) -> tuple[int, bool, bool]:
    key, descending, nulls_first = item
    if isinstance(key, str):
        found = schema.get_all_field_indices(key)
        if len(found) != 1:
            raise SyntaxError(f'ORDER BY "{key}" is no output column, or several', sqlstate="42703")
        return found[0], descending, nulls_first
    if not 0 <= key < width:
        raise SyntaxError(f"ORDER BY position {key + 1} is not in select list", sqlstate="42P10")
    return key, descending, nulls_first


def _sorted(table: pa.Table, sort: Sequence[tuple[int, bool, bool]]) -> pa.Array:
    """Row numbers in order; rows that are equal stay as they come."""
    arrays, keys = [], []
    for place, descending, nulls_first in sort:
        column = table.column(place)
        if pa.types.is_nested(column.type):
            raise DatatypeMismatch(f"rows cannot be ordered by {table.schema.names[place]}: it is nested")
        if column.type == JSONB:
            column = pa.chunked_array([order_keys(c.storage) for c in column.chunks], pa.binary())
        if isinstance(column.type, pa.BaseExtensionType):
            column = pa.chunked_array([c.storage for c in column.chunks], column.type.storage_type)
        nulls = pc.is_null(column).cast(pa.int8())
        arrays += [nulls, column]
        keys += [
            (f"n{place}", "descending" if nulls_first else "ascending"),
            (f"k{place}", "descending" if descending else "ascending"),
        ]
    named = pa.table(arrays, names=[name for name, _ in keys])
    return pc.sort_indices(named, sort_keys=keys)


def _rows(deltas: Sequence[Delta], schema: pa.Schema) -> pa.Table:
    """The rows of a net change, each as often as its weight says."""
    batches = []
    for delta in deltas:
        if delta.weights is None:
            batches.append(delta.batch)
            continue
        batches.append(delta.batch.take(pa.array(np.repeat(np.arange(delta.num_rows), delta.weights))))
    return pa.Table.from_batches(batches, schema)
