"""Binding joins: which parts of the condition are keys, which a residual; ASOF's nearest-time condition."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import pyarrow as pa

from sqlengine import types
from sqlengine.catalog.catalog import Catalog
from sqlengine.errors import (
    DatatypeMismatch,
    InvalidDefinition,
    SyntaxError,  # noqa: A004 - SQL's word
    UndefinedColumn,
    UndefinedTable,
)
from sqlengine.expr.bind import bind as bind_scalar
from sqlengine.expr.dialects import rules
from sqlengine.expr.tree import Call, Expr, InputRef, input_columns
from sqlengine.plan import build, nodes
from sqlengine.plan.comparable import key
from sqlengine.plan.correlation import (
    DependentBinder,
    is_dependent,
    is_dependent_values,
    joined_laterally,
    joined_values,
)
from sqlengine.plan.exprs import map_refs, shift
from sqlengine.plan.properties import derive
from sqlengine.plan.rewrite import conjoin, conjuncts, contains, transform, walk
from sqlengine.plan.scope import Relation, Visible, whole_rows
from sqlengine.plan.temporal_join import bind_temporal_join, is_temporal
from sqlengine.plan.unify import coerce, meet
from sqlengine.plan.unnest import unnested
from sqlengine.plan.unplannable import Unplannable
from sqlengine.quick_dataclass import dataclass
from sqlengine.sql import ast
from storage.replacing import replace

LEFT_ONLY = ("semi", "anti")
"""Joins whose rows are the left side's."""

_FLIPPED = {">=": "<=", ">": "<", "<=": ">=", "<": ">"}


class Attacher(Protocol):
    """The part of plan/subquery.py this file needs."""

    def attached(self, relation: Relation, expr: ast.Expr) -> tuple[Relation, ast.Expr]:
        """The relation with a column for each subquery of an expression, and the expression over those."""
        ...


class RelationBinder(DependentBinder, Protocol):
    """The part of the binder this file needs."""

    @property
    def catalog(self) -> Catalog:
        """The objects names stand for."""
        ...

    @property
    def closing(self) -> bool:
        """Whether windows will leave once."""
        ...

    def relation(self, rel: ast.Relation) -> Relation:
        """Bind a FROM item."""
        ...

    def restricted(self, relation: Relation, condition: ast.Expr, clause: str) -> Relation:
        """The rows for which a condition with subqueries holds."""
        ...

    def subqueries(self) -> Attacher:
        """What gives relations columns for the subqueries of expressions, no two under one name."""
        ...

    def kept(self, relation: Relation, condition: ast.Expr, clause: str) -> Relation:
        """The rows for which a condition holds."""
        ...

    def condition(self, expr: ast.Expr, relation: Relation, clause: str) -> Expr:
        """Bind a boolean."""
        ...


@dataclass
class _Side:
    """One input while keys are being collected: computed keys become extra columns at its end."""

    relation: Relation
    extra: list[Expr]
    keys: list[int]

    @property
    def width(self) -> int:
        return len(self.relation.node.schema)

    def add_key(self, expr: Expr) -> int:
        """The column position of an expression over this side."""
        if isinstance(expr, InputRef):
            return expr.index
        if expr not in self.extra:
            self.extra.append(expr)
        return self.width + self.extra.index(expr)

    def node(self) -> nodes.Node:
        """The input with the extra columns."""
        node = self.relation.node
        names = [*node.schema.names, *(f"$k{i}" for i in range(len(self.extra)))]
        return build.projected(node, [*build.refs(node), *self.extra], names) if self.extra else node


def bind_join(binder: RelationBinder, rel: ast.Join) -> Relation:
    """Bind a join; output columns are the left's then the right's, under their own table names."""
    if rel.kind == "right":
        return _swapped(binder, rel)
    return join_onto(binder, rel, binder.relation(rel.left))


def join_onto(binder: RelationBinder, rel: ast.Join, left: Relation) -> Relation:
    """A join whose left side is bound already."""
    if rel.on is not None and contains(rel.on, ast.Subquery):
        return _with_subqueries(binder, rel, left)
    if isinstance(rel.right, ast.ValuesRef) and rel.kind in ("cross", "inner") and is_dependent_values(rel.right, left):
        return joined_values(binder, rel, left, rel.right)
    if rel.kind not in ("inner", "cross", "left", "full", "asof", "asof_left", *LEFT_ONLY):
        raise Unplannable(f"a {rel.kind} join")
    if isinstance(rel.right, ast.FunctionRef) and rel.kind in ("cross", "inner", "left"):
        return _with_function(binder, rel, left, rel.right)
    if isinstance(rel.right, ast.SubqueryRef) and is_dependent(rel.right, left):
        return joined_laterally(binder, rel, left, rel.right)
    if is_temporal(rel):
        assert isinstance(rel.right, ast.TableRef)
        right = binder.relation(replace(rel.right, as_of=None))
        bind = lambda *join: joined(binder, *join)  # noqa: E731 - the binder is the only thing added
        return bind_temporal_join(rel, left, right, bind, binder.catalog, binder.closing)
    return joined(binder, rel, left, binder.relation(rel.right))


def _with_subqueries(binder: RelationBinder, rel: ast.Join, left: Relation) -> Relation:
    """ON with subqueries: of an inner join a filter, of a left join a filter of what stands on the right, else columns
    of the side they are about."""
    parts = conjuncts(rel.on)
    if rel.kind in ("inner", "cross"):
        plain = conjoin([p for p in parts if not contains(p, ast.Subquery)])
        rest = conjoin([p for p in parts if contains(p, ast.Subquery)])
        assert rest is not None
        return binder.restricted(join_onto(binder, replace(rel, on=plain), left), rest, "JOIN/ON")
    right = rel.right
    if rel.kind != "left" or not isinstance(right, (ast.TableRef, ast.SubqueryRef)):
        return _with_values(binder, rel, left)
    alias = right.alias or (right.parts[-1] if isinstance(right, ast.TableRef) else None)
    rows = ast.Select(items=(ast.SelectItem(ast.Star(), "*"),), from_=right, where=rel.on)
    always = ast.Literal(True, "boolean")
    return join_onto(binder, replace(rel, right=ast.SubqueryRef(rows, alias, (), True), on=always), left)


def _with_values(binder: RelationBinder, rel: ast.Join, left: Relation) -> Relation:
    """A join whose condition has subqueries that are each about one side: their values are columns of it."""
    right = binder.relation(rel.right)
    widths = len(left.columns), len(right.columns)
    subqueries = binder.subqueries()
    parts: list[ast.Expr] = []
    for part in conjuncts(rel.on):
        for sub in dict.fromkeys(e for e in walk(part) if isinstance(e, ast.Subquery)):
            try:
                left, value = subqueries.attached(left, sub)
            except (UndefinedColumn, UndefinedTable):
                with _about_both(rel):
                    right, value = subqueries.attached(right, sub)
            part = _with(part, sub, value)
        parts.append(part)
    made = joined(binder, replace(rel, on=conjoin(parts)), left, right)
    if rel.kind in LEFT_ONLY:
        return _columns_of(made, range(widths[0]))
    second = len(left.columns)
    return _columns_of(made, [*range(widths[0]), *range(second, second + widths[1])])


def _with(expr: ast.Expr, old: ast.Expr, new: ast.Expr) -> ast.Expr:
    """The expression with another one in the place of one of its parts."""
    made: ast.Expr = transform(expr, lambda e: new if e == old else None)
    return made


@contextmanager
def _about_both(rel: ast.Join) -> Iterator[None]:
    try:
        yield
    except (UndefinedColumn, UndefinedTable) as error:
        raise Unplannable(f"a subquery about both sides in the condition of a {rel.kind} join") from error


def _columns_of(relation: Relation, places: Sequence[int]) -> Relation:
    node = relation.node
    return Relation(build.chosen(node, places), tuple(relation.columns[i] for i in places))


def _with_function(binder: RelationBinder, rel: ast.Join, left: Relation, function: ast.FunctionRef) -> Relation:
    """A function in FROM sees what stands before it; a condition on its rows is a filter."""
    always = rel.on is None or isinstance(rel.on, ast.Literal) and rel.on.value is True
    if rel.kind != "left" or always:
        relation = unnested(left, function, outer=rel.kind == "left")
        return relation if always or rel.on is None else binder.kept(relation, rel.on, "JOIN/ON")
    rows = ast.Select(items=(ast.SelectItem(ast.Star(), "*"),), from_=function)
    sub = ast.SubqueryRef(rows, function.alias or function.name, (), True)
    return joined_laterally(binder, rel, left, sub)


def joined(binder: RelationBinder, rel: ast.Join, left: Relation, right: Relation) -> Relation:
    """The join of two bound relations; a semi or anti join has the left's columns only."""
    both, conditions = _scope_and_conditions(left, right, rel)
    sides = (_Side(left, [], []), _Side(right, [], []))
    rest = [c for c in conditions if not _take_key(c, both, sides)]
    if rel.kind.startswith("asof"):
        node = _asof(both, rel, sides, rest)
    else:
        node = _hash(binder, both, rel, sides, rest)
    if rel.kind in LEFT_ONLY:
        width = sides[0].width
        kept = build.chosen(node, range(width))
        return Relation(kept, left.columns)
    made = Relation(_without_extra(node, sides), both.columns)
    return _coalesced(made, left, right) if rel.kind == "full" and (rel.using or rel.natural) else made


def _coalesced(joined: Relation, left: Relation, right: Relation) -> Relation:
    """A full join USING: its merged columns are those of whichever side has a row, in the places of the left's."""
    node, width = joined.node, len(left.columns)
    merged: dict[int, Expr] = {}
    for i, column in enumerate(joined.columns[width:]):
        if column.merged and not right.columns[i].merged:
            at = next(n for n, c in enumerate(left.columns) if c.name == column.name and not c.merged)
            kind = meet([node.schema.field(at).type, node.schema.field(width + i).type])
            both = (coerce(build.ref(node, at), kind), coerce(build.ref(node, width + i), kind))
            merged[at] = Call(kind, "coalesce", both)
    return _merged_in_place(joined, merged)


def _merged_in_place(joined: Relation, merged: dict[int, Expr]) -> Relation:
    """The join with the values of merged columns, by the places of the columns they stand before; those keep their
    table's name only."""
    exprs: list[Expr] = []
    columns: list[Visible] = []
    for i, column in enumerate(joined.columns):
        if i in merged:
            exprs.append(merged[i])
            columns.append(Visible(None, column.name))
            column = replace(column, merged=True)
        exprs.append(build.ref(joined.node, i))
        columns.append(column)
    return Relation(build.projected(joined.node, exprs, [c.name for c in columns]), tuple(columns))


def _swapped(binder: RelationBinder, rel: ast.Join) -> Relation:
    """RIGHT JOIN as a LEFT JOIN the other way round, its columns put back in order."""
    relation = bind_join(binder, replace(rel, kind="left", left=rel.right, right=rel.left))
    before = binder.relation(rel.left).columns
    first = len(relation.columns) - len(before)
    order = [*range(first, len(relation.columns)), *range(first)]
    node = build.chosen(relation.node, order)
    joined = Relation(node, tuple(relation.columns[i] for i in order))
    merged: dict[int, Expr] = {}
    columns = list(joined.columns)
    for i, column in enumerate(before):
        if columns[i].merged and not column.merged:
            rights = range(len(before), len(columns))
            at = next(n for n in rights if columns[n].name == column.name and not columns[n].merged)
            merged[i] = build.ref(node, at)
            columns[at] = replace(columns[at], merged=True)
    return _merged_in_place(Relation(node, tuple(columns)), merged) if merged else joined


def _scope_and_conditions(left: Relation, right: Relation, rel: ast.Join) -> tuple[Relation, list[ast.Expr]]:
    """Both sides' names together, and the ON conjuncts (USING and NATURAL spelt out)."""
    names = list(rel.using)
    if rel.natural:
        names = [c.name for c in left.columns if c.depth == 0 and any(c.name == r.name for r in right.columns)]
    offset = len(left.columns)
    conditions = conjuncts(rel.on)
    for name in names:
        pair = []
        for side, shift_by in ((left, 0), (right, offset)):
            found = [i for i, c in enumerate(side.columns) if c.name == name and not (c.merged or c.depth)]
            if len(found) != 1:
                raise UndefinedColumn(
                    f'column "{name}" specified in USING clause does not exist exactly once on each side'
                )
            pair.append(ast.Column((f"#{found[0] + shift_by}",)))
        nearest = rel.kind.startswith("asof") and name == names[-1]
        conditions.append(ast.Binary(">=" if nearest else "=", pair[0], pair[1]))
    merged = right.columns
    if names:
        merged = tuple(replace(c, merged=c.merged or c.name in names) for c in merged)
    schema = build.side_by_side(left.node, right.node)
    times = (*left.node.time_columns, *(c + offset for c in right.node.time_columns))
    placeholder = nodes.Values(schema=schema, rows=(), time_columns=times)
    both = Relation(placeholder, (*left.columns, *merged))
    return both, list(whole_rows(tuple(conditions), both))


def _take_key(condition: ast.Expr, both: Relation, sides: tuple[_Side, _Side]) -> bool:
    """Record an equality between the two sides as a key; False when the condition is something else."""
    if not (isinstance(condition, ast.Binary) and condition.op == "="):
        return False
    pair = _split(condition, both, sides[0].width)
    if pair is None:
        return False
    a, b = pair
    met = rules(condition.rules).compared_as if condition.rules else types.common_type
    common = met(a.type, b.type)
    if common is None:
        raise DatatypeMismatch(
            f"operator does not exist: {types.to_sql(a.type)} = {types.to_sql(b.type)}",
            sqlstate="42883",
            position=condition.position,
            hint="cast one of the two sides",
        )
    for side, expr in zip(sides, (a, b), strict=True):
        side.keys.append(side.add_key(key(coerce(expr, common, condition.rules))))
    return True


def _split(condition: ast.Binary, both: Relation, width: int) -> tuple[Expr, Expr] | None:
    """(left expression, right expression over the right side alone), whichever way they are written."""
    a, b = bind_scalar(condition.left, both), bind_scalar(condition.right, both)
    in_a, in_b = input_columns(a), input_columns(b)
    if not in_a or not in_b:
        return None
    if max(in_a) < width <= min(in_b):
        return a, shift(b, -width)
    if max(in_b) < width <= min(in_a):
        return b, shift(a, -width)
    return None


def _hash(
    binder: RelationBinder, both: Relation, rel: ast.Join, sides: tuple[_Side, _Side], rest: list[ast.Expr]
) -> nodes.Node:
    residual: Expr | None = None
    for condition in rest:
        bound = _beyond_extra(binder.condition(condition, both, "JOIN/ON"), sides)
        residual = bound if residual is None else Call(type=pa.bool_(), function="and", args=(residual, bound))
    kind = "inner" if rel.kind == "cross" else rel.kind
    return build.joined(sides[0].node(), sides[1].node(), kind, sides[0].keys, sides[1].keys, residual)


def _asof(both: Relation, rel: ast.Join, sides: tuple[_Side, _Side], rest: list[ast.Expr]) -> nodes.Node:
    if len(rest) != 1 or not (isinstance(rest[0], ast.Binary) and rest[0].op in _FLIPPED):
        raise SyntaxError(
            "an ASOF JOIN needs equalities and exactly one inequality between times",
            hint="for example ON a.k = b.k AND a.ts >= b.ts",
            position=rel.position,
        )
    condition = rest[0]
    pair = _split(condition, both, sides[0].width)
    if pair is None:
        raise SyntaxError("the inequality of an ASOF JOIN must compare the two sides", position=condition.position)
    turned = input_columns(bind_scalar(condition.left, both)) == {c + sides[0].width for c in input_columns(pair[1])}
    op = _FLIPPED[condition.op] if turned else condition.op
    left_time, right_time = sides[0].add_key(pair[0]), sides[1].add_key(pair[1])
    left, right = sides[0].node(), sides[1].node()
    if left.schema.field(left_time).type != right.schema.field(right_time).type:
        raise InvalidDefinition("the two times of an ASOF JOIN must have the same type", position=condition.position)
    return derive(
        nodes.AsofJoin(
            schema=build.side_by_side(left, right),
            left=left,
            right=right,
            kind="left" if rel.kind == "asof_left" else "inner",
            left_keys=tuple(sides[0].keys),
            right_keys=tuple(sides[1].keys),
            left_time=left_time,
            right_time=right_time,
            direction="backward" if op in (">=", ">") else "forward",
            strict=op in (">", "<"),
        )
    )


def _beyond_extra(expr: Expr, sides: tuple[_Side, _Side]) -> Expr:
    """Renumber an expression over (left, right) for (left + its extra columns, right + its extra columns)."""
    width, extra = sides[0].width, len(sides[0].extra)
    return map_refs(expr, lambda r: r if r.index < width else replace(r, index=r.index + extra))


def _without_extra(node: nodes.Node, sides: tuple[_Side, _Side]) -> nodes.Node:
    """Only the two sides' own columns."""
    first, skipped, second = sides[0].width, len(sides[0].extra), sides[1].width
    kept = [*range(first), *range(first + skipped, first + skipped + second)]
    if len(kept) == len(node.schema):
        return node
    return build.chosen(node, kept)
