"""Binding: a lowered query becomes a plan of nodes with every name resolved and every expression typed.

What no incremental operator can do raises Unplannable, naming the part; the caller then maintains the view by
recompute-and-diff.  User errors (unknown names, wrong types) are ordinary errors and end the statement.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field

import pyarrow as pa

from sqlengine import types
from sqlengine.catalog.catalog import Catalog
from sqlengine.catalog.objects import FOLLOWED, CatalogObject, FileTable, MaterializedView, Stream, Table, View
from sqlengine.catalog.system import SystemTable
from sqlengine.errors import (
    DatatypeMismatch,
    DuplicateColumn,
    InvalidParameter,
    NotSupportedError,
    UndefinedColumn,
    WrongObjectType,
)
from sqlengine.expr.bind import bind as bind_scalar
from sqlengine.expr.tree import Expr
from sqlengine.plan import build, nodes
from sqlengine.plan.aggregate import Aggregation, group_windows, has_aggregates, is_aggregate
from sqlengine.plan.aggregate_forms import spelt_out
from sqlengine.plan.columns import schema_with
from sqlengine.plan.correlation import Domain, is_grouped, padded
from sqlengine.plan.join import bind_join, join_onto, joined
from sqlengine.plan.late import slack_us
from sqlengine.plan.match import match_relation
from sqlengine.plan.outer_aggregates import beside_groups, lifted
from sqlengine.plan.over import over_windows
from sqlengine.plan.pivot import pivot, unpivot
from sqlengine.plan.ranking import Bind, first_of_each, limited, order_output, qualified, ranked_subquery
from sqlengine.plan.recursion import bind_recursion, mentions
from sqlengine.plan.rewrite import contains, walk
from sqlengine.plan.sample import sample
from sqlengine.plan.scope import Relation, Visible, named, whole_rows
from sqlengine.plan.set_operations import bind_set_operation
from sqlengine.plan.subquery import COUNTS, Subqueries
from sqlengine.plan.unify import coerce, met
from sqlengine.plan.unnest import ONE_ROW, items_unnested, unnested
from sqlengine.plan.unplannable import Unplannable
from sqlengine.plan.using_first import in_order, merged_names
from sqlengine.plan.window import to_window, window_relation
from sqlengine.quick_dataclass import dataclass
from sqlengine.sql import ast
from sqlengine.types import to_sql
from storage.replacing import replace

QueryText = Callable[[str], ast.Select | ast.SetOperation]


@dataclass(frozen=True)
class Binder:
    """`catalog` names objects, `lowered(text)` parses a view's text, `view_plan(object)` is the plan a materialized
    view runs by, which knows its rows' properties.  `closing`: the query is EMIT ON WINDOW CLOSE.  `ctes`: the WITH
    items in scope, each with the binder of the place where it stands; `recurring`: those of them whose own step is
    being bound, as the rows so far.  `domain`: what the query to be bound depends on, below `depth` others that do."""

    catalog: Catalog
    lowered: QueryText
    view_plan: Callable[[MaterializedView], nodes.Node]
    closing: bool = False
    ctes: Mapping[str, tuple[ast.Cte, Binder]] = field(default_factory=dict)
    recurring: Mapping[str, Relation] = field(default_factory=dict)
    domain: Domain | None = None
    depth: int = 0
    bound: dict[tuple[int, int, int], tuple[ast.Cte, Binder, Relation]] = field(default_factory=dict)
    """WITH items that were bound, by item, place and depth: one that is named again has the same rows."""

    def within(self, domain: Domain | None) -> Binder:
        """The binder for a query that depends on a domain, or on nothing."""
        return replace(self, domain=domain, depth=self.depth + (domain is not None))

    def query(self, query: ast.Select | ast.SetOperation) -> Relation:
        """Bind a whole query; the relation's visible names are its output names, behind them the domain's handles."""
        binder = self._with_ctes(query.ctes)
        if isinstance(query, ast.SetOperation):
            if self.domain is not None and (query.limit is not None or query.offset is not None):
                bare = replace(query, order_by=(), limit=None, offset=None, ctes=())
                whole = ast.Select(items=(ast.SelectItem(ast.Star(), "*"),), from_=ast.SubqueryRef(bare, "$set"))
                return binder._select(replace(whole, order_by=query.order_by, limit=query.limit, offset=query.offset))
            return order_output(bind_set_operation(binder, query), query)
        return binder._select(query)

    def _with_ctes(self, ctes: tuple[ast.Cte, ...]) -> Binder:
        """The binder in the scope of WITH items, of which each may name those before it."""
        binder = self
        for cte in ctes:
            recurring = {n: r for n, r in binder.recurring.items() if n != cte.name}
            binder = replace(binder, ctes={**binder.ctes, cte.name: (cte, binder)}, recurring=recurring)
        return binder

    # ------------------------------------------------------------ FROM

    def relation(self, rel: ast.Relation) -> Relation:
        """Bind one FROM item."""
        match rel:
            case ast.TableRef():
                return self._table(rel)
            case ast.SubqueryRef(lateral=True):
                return join_onto(self, ast.Join("cross", rel, rel), ONE_ROW)
            case ast.SubqueryRef(query=query, alias=alias, column_aliases=names):
                return self.within(None).query(query).under(alias or "", names)
            case ast.WindowRef():
                return self._window(rel)
            case ast.MatchRef(input=read, alias=alias, column_aliases=names):
                return match_relation(self.within(None).relation(read), rel).under(alias, names)
            case ast.FunctionRef():
                return unnested(ONE_ROW, rel)
            case ast.ChangelogRef(input=read):
                return self._changelog(self.relation(read))
            case ast.Join():
                return bind_join(self, rel)
            case ast.PivotRef():
                return pivot(self.within(None), rel)
            case ast.UnpivotRef():
                return unpivot(self.within(None), rel)
            case ast.SampleRef():
                return sample(self.within(None), rel)
            case ast.ValuesRef():
                return self._values(rel)
            case ast.TransformRef(position=position):
                raise NotSupportedError(
                    "TRANSFORM runs a script, which may answer otherwise each time: no view has it",
                    hint="INSERT its rows into a table, and read that",
                    position=position,
                )
            case ast.FileRef(path=path):
                raise NotSupportedError(
                    f'no view follows the files "{path}"',
                    hint="a table over them (CREATE TABLE ... LOCATION) is followed",
                )
        raise Unplannable(f"{type(rel).__name__} in FROM")

    def _table(self, table: ast.TableRef) -> Relation:
        if table.as_of is not None:
            raise NotSupportedError(
                "FOR SYSTEM_TIME AS OF stands on the right side of a join in a view", position=table.position
            )
        name = table.parts[-1] if len(table.parts) == 1 else ""
        if name in self.recurring:
            return self.recurring[name].under(table.alias or name, table.column_aliases)
        if name in self.ctes:
            return self._cte(*self.ctes[name]).under(table.alias or name, table.column_aliases)
        obj = self.catalog.get(table.parts, table.position)
        alias = table.alias or table.parts[-1]
        if isinstance(obj, View):
            relation = replace(self, ctes={}, recurring={}, domain=None).query(self.lowered(obj.query))
            return relation.under(alias, tuple(c.name for c in obj.columns)).under(alias, table.column_aliases)
        relation = named(self._scan(obj, table.position), alias)
        if isinstance(obj, Table) and (obj.primary_key or obj.virtual_columns):
            virtual = len(relation.columns) - obj.virtual_columns
            columns = (
                replace(c, key=c.name in obj.primary_key, virtual=i >= virtual) for i, c in enumerate(relation.columns)
            )
            relation = Relation(relation.node, tuple(columns))
        return relation.under(alias, table.column_aliases)

    def _changelog(self, below: Relation) -> Relation:
        for name in nodes.CHANGELOG_COLUMNS:
            if any(c.name == name for c in below.columns):
                raise DuplicateColumn(
                    f'column "{name}" clashes with a column of the changelog', hint="give it another name in a view"
                )
        added = (Visible(below.columns[0].table, name) for name in nodes.CHANGELOG_COLUMNS)
        return Relation(build.changelog(below.node), (*below.columns, *added))

    def _cte(self, cte: ast.Cte, scope: Binder) -> Relation:
        """The rows of a WITH item; those of equal items are equal plans and run once."""
        key = (id(cte), id(scope), self.depth)
        if key not in self.bound:
            self.bound[key] = (cte, scope, self._bound_cte(cte, scope))
        return self.bound[key][2]

    def _bound_cte(self, cte: ast.Cte, scope: Binder) -> Relation:
        binder = replace(scope, domain=None, depth=self.depth)
        if cte.recursive and mentions(cte.query, cte.name):
            level = len(scope.recurring)

            def inside(rows: Relation) -> Binder:
                return replace(binder, recurring={**scope.recurring, cte.name: rows})

            return bind_recursion(cte, binder, inside, level)
        return binder.query(cte.query).under(cte.name, cte.column_aliases)

    def _scan(self, obj: CatalogObject, position: int | None) -> nodes.Scan:
        schema = schema_with(pa.field(c.name, c.type) for c in obj.columns)
        names = tuple(c.name for c in obj.columns)
        scan = nodes.Scan(schema=schema, source=obj.name, columns=tuple(c.stored_name for c in obj.columns))
        match obj:
            case Stream(watermark=mark, options=options):
                times: tuple[int, ...] = (names.index(mark.column),) if mark else ()
                return replace(scan, time_columns=times, whole="late_topic" in options)
            case Table(watermark=mark, primary_key=key, append_only=append_only):
                return replace(
                    scan,
                    append_only=append_only,
                    unique_keys=tuple(names.index(k) for k in key) or None,
                    time_columns=(names.index(mark.column),) if mark else (),
                )
            case MaterializedView():
                plan = self.view_plan(obj)
                return replace(
                    scan,
                    append_only=plan.append_only,
                    unique_keys=plan.unique_keys,
                    time_columns=plan.time_columns,
                    slacks_us=tuple(slack_us(plan, c) for c in range(len(names))),
                )
            case SystemTable():
                raise WrongObjectType(
                    f'"{obj.name}" tells of this moment and cannot be followed', hint="SELECT it", position=position
                )
            case FileTable():
                beside = self.catalog.find(tuple((obj.name + FOLLOWED).split(".")))
                if beside is None:
                    raise NotSupportedError(
                        f'nothing follows the files of table "{obj.name}"',
                        hint="a materialized view over it, a sink or SUBSCRIBE does",
                        position=position,
                    )
                return replace(scan, source=beside.name)
        raise WrongObjectType(f'"{obj.name}" is a {obj.kind} and cannot be read', position=position)

    def _window(self, rel: ast.WindowRef) -> Relation:
        below = self.relation(rel.input)
        time = below.resolve(rel.time)
        if not pa.types.is_timestamp(time.type):
            raise DatatypeMismatch(
                f'window functions need a timestamp column, "{time.name}" is {types.to_sql(time.type)}',
                position=rel.time.position,
            )
        partition = tuple(below.resolve(c).index for c in rel.partition_by)
        return window_relation(below, time.index, to_window(rel.window), rel.alias, partition)

    def _values(self, rel: ast.ValuesRef) -> Relation:
        nothing = ONE_ROW
        rows = [[bind_scalar(e, nothing) for e in row] for row in rel.rows]
        merged = [met([row[i] for row in rows], rel.rules) for i in range(len(rows[0]))]
        names = [*rel.column_aliases, *(f"column{i + 1}" for i in range(len(rel.column_aliases), len(merged)))]
        schema = pa.schema([pa.field(n, t) for n, t in zip(names, merged, strict=True)])
        cast = tuple(tuple(coerce(e, t, rel.rules) for e, t in zip(row, merged, strict=True)) for row in rows)
        return named(nodes.Values(schema=schema, rows=cast, time_columns=()), rel.alias)

    def subquery_of(self, relation: ast.Relation | None) -> tuple[ast.SubqueryRef, Bind | None] | None:
        """The subquery a FROM item is, or stands for by naming a CTE, with how it is bound there; None for anything
        else."""
        if isinstance(relation, ast.SubqueryRef) and not relation.lateral:
            return relation, None
        if isinstance(relation, ast.TableRef) and len(relation.parts) == 1 and relation.parts[0] in self.ctes:
            if relation.parts[0] in self.recurring:
                return None
            cte, scope = self.ctes[relation.parts[0]]
            names = relation.column_aliases or cte.column_aliases
            return ast.SubqueryRef(cte.query, relation.alias or cte.name, names), scope.within(None).query
        return None

    # ------------------------------------------------------------ SELECT

    def _select(self, s: ast.Select) -> Relation:
        s = spelt_out(s)
        if self.domain is not None:
            s = self.domain.spread(s)
        return self._spread(s)

    def _spread(self, s: ast.Select) -> Relation:
        """A block that says itself what it takes of the domain."""
        if s.distinct_on:
            s = first_of_each(s)
        if s.qualify is not None:
            return self._qualified(s)
        if s.limit is not None or s.offset is not None:
            return limited(self._spread, s, self._handles(s))
        if self.domain is None and (ranked := ranked_subquery(self.query, self, s)) is not None:
            return self.block(*ranked)
        return self.block(s, self._from(s.from_))

    def _handles(self, s: ast.Select) -> tuple[str, ...]:
        return self.domain.handles if self.domain is not None else ()

    def _qualified(self, s: ast.Select) -> Relation:
        """QUALIFY: what is asked of the window functions is asked of a subquery's columns, the domain's among them."""
        outer = qualified(s)
        assert isinstance(outer.from_, ast.SubqueryRef) and isinstance(outer.from_.query, ast.Select)
        free = self.within(None)
        ranked = ranked_subquery(self._spread, free, outer)
        if ranked is None:
            inner = self._spread(outer.from_.query).under(outer.from_.alias)
            ranked = outer, inner
        block, relation = ranked
        if block.limit is not None or block.offset is not None:
            return limited(lambda b: free.block(b, relation), block, self._handles(s))
        return free.block(block, relation)

    def _from(self, rel: ast.Relation | None) -> Relation:
        if self.domain is None:
            return self.relation(rel) if rel is not None else ONE_ROW
        return self._beside(self.domain.relation, rel)

    def _beside(self, left: Relation, rel: ast.Relation | None) -> Relation:
        """FROM with the domain before it, so that its items and conditions may name the domain's columns."""
        if rel is None:
            return left
        if isinstance(rel, ast.Join) and rel.kind not in ("right", "full"):
            return join_onto(self, rel, self._beside(left, rel.left))
        return join_onto(self, ast.Join("cross", rel, rel), left)

    def block(self, s: ast.Select, relation: Relation) -> Relation:
        """A block over the relation its FROM is bound to."""
        free = self.within(None)
        if s.where is not None:
            relation = Subqueries(free).restricted(relation, whole_rows(s.where, relation), "WHERE")
        s = replace(s, items=_expand_stars(s.items, relation, merged_names(s.from_)))
        s = replace(s, items=whole_rows(s.items, relation), group_by=whole_rows(s.group_by, relation))
        s = lifted(free, replace(s, having=whole_rows(s.having, relation)), relation)
        if s.group_by == (ast.Star(),):
            s = replace(s, group_by=tuple(i.expr for i in s.items if not has_aggregates((i,))))
        grouped = is_grouped(s)
        if grouped:
            relation, s = Subqueries(free).below_aggregates(relation, s)
            relation, s = self._aggregated(relation, s)
        relation, s = Subqueries(free, grouped).of_items(relation, s)
        relation, s = over_windows(relation, s)
        relation, s = items_unnested(relation, s)
        return self._output(relation, s)

    def _aggregated(self, relation: Relation, s: ast.Select) -> tuple[Relation, ast.Select]:
        """GROUP BY and HAVING; a HAVING with subqueries, or over the rows of combinations without rows, is a condition
        over the groups."""
        relation, s = group_windows(relation, s)
        only = self.domain if self.domain is not None and self.domain.is_only_key(s) else None
        apart = s.having is not None and (only is not None or contains(s.having, ast.Subquery))
        if apart and s.having is not None:
            s = replace(s, items=(*s.items, ast.SelectItem(s.having, "$having")), having=None)
        relation, placed = Aggregation(relation, s).bind()
        relation = relation if only is None else _with_empty(only, relation)
        relation, placed = beside_groups(self, relation, placed)
        if not apart:
            return relation, placed
        condition = placed.items[-1].expr
        relation = Subqueries(self.within(None), grouped=True).restricted(relation, condition, "HAVING")
        return relation, replace(placed, items=placed.items[:-1])

    def joined(self, rel: ast.Join, left: Relation, right: Relation) -> Relation:
        """A join of two bound relations."""
        return joined(self, rel, left, right)

    def restricted(self, relation: Relation, condition: ast.Expr, clause: str) -> Relation:
        """The rows for which a condition with subqueries holds."""
        return Subqueries(self.within(None)).restricted(relation, condition, clause)

    def subqueries(self) -> Subqueries:
        """What gives relations columns for the subqueries of expressions, no two under one name."""
        return Subqueries(self.within(None))

    def kept(self, relation: Relation, condition: ast.Expr, clause: str) -> Relation:
        """The rows for which a condition holds."""
        return relation.on(build.filtered(relation.node, self.condition(condition, relation, clause)))

    def _output(self, relation: Relation, s: ast.Select) -> Relation:
        exprs = [self.item(item.expr, relation) for item in s.items]
        names = [item.name for item in s.items]
        node = build.projected(relation.node, exprs, names)
        if s.distinct:
            node = build.renamed(build.grouped(node, range(len(names)), ()), names)
        return named(node, None)

    def item(self, expr: ast.Expr, relation: Relation) -> Expr:
        """A bound item of a select list; NULL alone is text."""
        bound = bind_scalar(expr, relation)
        if pa.types.is_null(bound.type):
            return coerce(bound, pa.string())
        return bound

    def condition(self, expr: ast.Expr, relation: Relation, clause: str) -> Expr:
        """A bound boolean; DatatypeMismatch (42804) naming the clause otherwise."""
        bound = bind_scalar(expr, relation, clause=clause)
        if pa.types.is_null(bound.type):
            return coerce(bound, pa.bool_())
        if not pa.types.is_boolean(bound.type):
            raise DatatypeMismatch(f"argument of {clause} must be type boolean, not type {types.to_sql(bound.type)}")
        return bound


def _with_empty(domain: Domain, groups: Relation) -> Relation:
    """The groups and a row for every combination without rows; of none a count is 0."""
    assert isinstance(groups.node, nodes.GroupAggregate)
    first = len(groups.node.keys)
    counts = [first + i for i, c in enumerate(groups.node.aggregates) if c.function in COUNTS]
    return padded(domain, groups, counts)


def _columns_pattern(expr: ast.Expr) -> str | None:
    """The regular expression of DuckDB's `COLUMNS('...')`; None for anything else."""
    match expr:
        case ast.Call(name="columns", args=(ast.Literal(value=str() as pattern),)):
            return pattern
    return None


def _matching_columns(pattern: str, expr: ast.Expr, relation: Relation) -> list[ast.SelectItem]:
    """The columns in whose names a regular expression is found."""
    position = expr.position if isinstance(expr, ast.Call) else None
    try:
        find = re.compile(pattern).search
    except re.error as error:
        raise InvalidParameter(f"invalid regular expression: {error}", sqlstate="2201B", position=position) from None
    chosen = [(i, c) for i, c in enumerate(relation.columns) if c.depth == 0 and not c.merged and find(c.name)]
    if not chosen:
        raise UndefinedColumn(f"no column's name matches '{pattern}'", position=position)
    return [ast.SelectItem(ast.Column((f"#{i}",)), c.name) for i, c in chosen]


def _is_column(name: str, relation: Relation) -> bool:
    """Whether `(name).*` is of a column of structs: no table has the name."""
    tables = {c.table for c in relation.columns}
    return name not in tables and any(c.name == name and c.depth == 0 for c in relation.columns)


def _fields_of(of: ast.Expr, relation: Relation) -> list[ast.SelectItem]:
    """The fields of a struct, each by its name; Unplannable where only a later step knows the struct's type."""
    of = whole_rows(of, relation)
    computed = any(isinstance(e, ast.Call) and e.over is not None for e in walk(of))
    if computed or contains(of, ast.Subquery) or any(is_aggregate(e) for e in walk(of)):
        raise Unplannable("the fields of what is not a column are not known before it is computed")
    kind = bind_scalar(of, relation).type
    if not pa.types.is_struct(kind):
        raise WrongObjectType(f"column notation .* applied to type {to_sql(kind)}, which is not a composite type")
    return [ast.SelectItem(ast.FieldAccess(of, field.name), field.name) for field in kind]


def _expand_stars(
    items: tuple[ast.SelectItem, ...], relation: Relation, merged: Sequence[str]
) -> tuple[ast.SelectItem, ...]:
    """Each `*` becomes the columns it stands for, of which those of the names `merged` come first."""
    out: list[ast.SelectItem] = []
    for item in items:
        if (pattern := _columns_pattern(item.expr)) is not None:
            out += _matching_columns(pattern, item.expr, relation)
            continue
        if isinstance(item.expr, ast.FieldsOf):
            out += _fields_of(item.expr.arg, relation)
            continue
        if not isinstance(item.expr, ast.Star):
            out.append(item)
            continue
        star = item.expr
        if star.table is not None and _is_column(star.table, relation):
            out += _fields_of(ast.Column((star.table,)), relation)
            continue
        replaced = dict(star.replace)
        chosen = [
            (i, c)
            for i, c in enumerate(relation.columns)
            if c.depth == 0
            and not c.virtual
            and c.name not in star.except_
            and (c.table == star.table if star.table else not c.merged)
        ]
        if not star.table and merged:
            chosen = in_order(chosen, merged)
        if star.table and not any(c.table == star.table for c in relation.columns):
            relation.resolve(ast.Column((star.table, "*")))
        out += [ast.SelectItem(replaced.get(c.name, ast.Column((f"#{i}",))), c.name) for i, c in chosen]
    return tuple(out)
