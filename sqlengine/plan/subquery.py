"""Subqueries in expressions become joins.

A subquery is cut loose from the query around it: comparisons of its WHERE that mention outer columns become the ON of a
join, and what they compare on the inner side becomes further output columns (and, under an aggregate, further grouping
columns).  EXISTS and IN as conditions are semi joins, NOT EXISTS and NOT IN anti joins; as values they, and scalar
subqueries, are left joins with one row per combination of the correlated columns.  This is unnesting for correlation by
comparison (Kim, "On Optimizing an SQL-like Nested Query", TODS 1982, with the outer joins that its count bug needs);
other correlation raises Unplannable.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import field
from typing import Protocol

from sqlengine.errors import GroupingError, SyntaxError, UndefinedColumn, UndefinedTable  # noqa: A004 - SQL's word
from sqlengine.plan import build
from sqlengine.plan.aggregate import has_aggregates, is_aggregate
from sqlengine.plan.aggregate_forms import spelt_out
from sqlengine.plan.array_subquery import listed
from sqlengine.plan.correlation import DependentBinder, semi_join, value_beside
from sqlengine.plan.quantified import by_extreme, counted_answers, operands
from sqlengine.plan.rewrite import conjoin, conjuncts, contains, transform, walk
from sqlengine.plan.scope import Relation
from sqlengine.plan.unplannable import Unplannable
from sqlengine.quick_dataclass import dataclass
from sqlengine.sql import ast
from storage.replacing import replace

COUNTS = frozenset({"count", "approx_count_distinct"})
"""Aggregates that are 0, not NULL, of no rows."""
CANNOT_CUT = (Unplannable, UndefinedColumn, UndefinedTable, GroupingError)
"""What says that a subquery depends on the query around it by more than comparisons in its WHERE, or is wrong."""
TRUE, FALSE = ast.Literal(True, "boolean"), ast.Literal(False, "boolean")


class QueryBinder(DependentBinder, Protocol):
    """The part of the binder this file needs."""

    def query(self, query: ast.Select | ast.SetOperation) -> Relation:
        """Bind a query."""
        ...

    def relation(self, rel: ast.Relation) -> Relation:
        """Bind a FROM item."""
        ...

    def joined(self, rel: ast.Join, left: Relation, right: Relation) -> Relation:
        """Join two bound relations; semi and anti joins keep the left's columns only."""
        ...

    def kept(self, relation: Relation, condition: ast.Expr, clause: str) -> Relation:
        """The rows for which a condition holds."""
        ...


@dataclass
class _Cut:
    """A subquery cut loose: `query` without correlation; per correlated condition its ON, in which inner columns are
    named `alias`.$k0, ...; `inner` are the expressions behind those names."""

    query: ast.Select
    alias: str
    on: list[ast.Expr] = field(default_factory=list)
    inner: list[ast.Expr] = field(default_factory=list)
    only_equal: bool = True

    def column(self, expr: ast.Expr) -> ast.Column:
        """The output column that carries an inner expression."""
        if expr not in self.inner:
            self.inner.append(expr)
        return ast.Column((self.alias, f"$k{self.inner.index(expr)}"))

    def keys(self) -> tuple[ast.SelectItem, ...]:
        """The output columns the ON needs."""
        return tuple(ast.SelectItem(e, f"$k{i}") for i, e in enumerate(self.inner))


@dataclass
class Subqueries:
    """The subqueries of one block, over its FROM or, `grouped`, over its groups; `serial` numbers their aliases."""

    binder: QueryBinder
    grouped: bool = False
    serial: int = 0

    # ------------------------------------------------------------ conditions

    def restricted(self, relation: Relation, condition: ast.Expr, clause: str) -> Relation:
        """`relation` where `condition`; without subqueries simply a filter."""
        width = len(relation.columns)
        plain: list[ast.Expr] = []
        for part in conjuncts(condition):
            test = _as_test(part)
            if test is None:
                relation, part = self.attached(relation, part)
                plain.append(part)
            else:
                relation = self._tested(relation, test, clause)
        rest = conjoin(plain)
        if rest is not None:
            relation = self.binder.kept(relation, rest, clause)
        return _first_columns(relation, width)

    def _tested(self, relation: Relation, test: ast.Subquery, clause: str) -> Relation:
        """EXISTS or IN as a condition: by comparisons if it can be, else with a domain."""
        try:
            return self._exists(relation, test) if test.kind == "exists" else self._in(relation, test)
        except CANNOT_CUT as gap:
            with _or_first(gap):
                if test.kind != "exists" and test.negated:
                    relation, value = self._quantified(relation, test)
                    return self.binder.kept(relation, value, clause)
                args = () if test.kind == "exists" else operands(test)
                kind = "anti" if test.negated else "semi"
                return semi_join(self.binder, kind, relation, test.query, args)

    def _exists(self, relation: Relation, test: ast.Subquery) -> Relation:
        query = _rows_of(test.query)
        if query is None:
            return relation if not test.negated else self.binder.kept(relation, FALSE, "WHERE")
        cut = self._cut(query, relation)
        bare = replace(cut.query, items=cut.keys() or (ast.SelectItem(TRUE, "$k0"),), order_by=(), distinct=False)
        kind = "anti" if test.negated else "semi"
        return self._join(relation, self._named(bare, cut), kind, cut.on)

    def _in(self, relation: Relation, test: ast.Subquery) -> Relation:
        cut, args = self._cut_in(relation, test)
        values = [ast.Column((cut.alias, f"$v{i}")) for i in range(len(args))]
        equal: list[ast.Expr] = [ast.Binary("=", a, v, rules=test.rules) for a, v in zip(args, values, strict=True)]
        if not test.negated:
            return self._join(relation, self._named(_with_keys(cut), cut), "semi", [*cut.on, *equal])
        if len(args) > 1 or not cut.only_equal:
            raise Unplannable("NOT IN of this form")
        width = len(relation.columns)
        relation = self._join(relation, self._named(_with_keys(cut), cut), "anti", [*cut.on, *equal])
        relation, counts = self._counted(relation, cut)
        # NULL on either side makes NOT IN unknown, unless there is nothing to be in.
        empty = ast.Binary("=", counts[0], ast.Literal(0, "bigint"))
        known = ast.Binary("and", ast.IsTest(args[0], "null", True), ast.Binary("=", counts[0], counts[1]))
        relation = self.binder.kept(relation, ast.Binary("or", empty, known), "WHERE")
        return _first_columns(relation, width)

    def _cut_in(self, relation: Relation, test: ast.Subquery) -> tuple[_Cut, list[ast.Expr]]:
        """The subquery with its columns named $v0, ..., and the expressions compared with them."""
        query = test.query if isinstance(test.query, ast.Select) else _wrapped(test.query)
        assert test.arg is not None
        args = list(test.arg.items) if isinstance(test.arg, ast.Row) else [test.arg]
        if any(isinstance(e, ast.Subquery) for a in args for e in walk(a)):
            raise Unplannable("a subquery compared with a subquery")
        query = self._without_star(query)
        if len(query.items) != len(args):
            raise SyntaxError(f"subquery has {'too many' if len(query.items) > len(args) else 'too few'} columns")
        items = tuple(replace(item, name=f"$v{i}") for i, item in enumerate(query.items))
        return self._cut(replace(query, items=items), relation), args

    def _without_star(self, query: ast.Select) -> ast.Select:
        """A star among the items spelt out by binding the query once."""
        if not any(isinstance(i.expr, ast.Star) for i in query.items):
            return query
        return _wrapped(query, self.binder.query(query))

    def _width(self, query: ast.Select | ast.SetOperation) -> int:
        """How many columns a query has."""
        if isinstance(query, ast.SetOperation):
            return self._width(query.left)
        if isinstance(query.from_, ast.ValuesRef) and query.items == (ast.SelectItem(ast.Star(), "*"),):
            return len(query.from_.rows[0])
        try:
            return len(self._without_star(query).items)
        except CANNOT_CUT:
            raise Unplannable("a star in ARRAY of a query that depends on the query around it") from None

    def _counted(self, relation: Relation, cut: _Cut) -> tuple[Relation, list[ast.Expr]]:
        """The relation with two more columns: how many rows the subquery has for each row, and how many not NULL."""
        source = ast.SubqueryRef(_with_keys(cut), "$rows")
        keys = tuple(ast.Column(("$rows", f"$k{i}")) for i in range(len(cut.inner)))
        alias = self._alias()
        items = [ast.SelectItem(k, k.parts[1]) for k in keys]
        items += [
            ast.SelectItem(ast.Call("count", (), star=True), "$n"),
            ast.SelectItem(ast.Call("count", (ast.Column(("$rows", "$v0")),)), "$known"),
        ]
        query = ast.Select(items=tuple(items), from_=source, group_by=keys)
        on = [_renamed(c, cut.alias, alias) for c in cut.on]
        relation = self._join(relation, self.binder.query(query).under(alias), "left" if keys else "inner", on)
        zero = ast.Literal(0, "bigint")
        return relation, [ast.Call("coalesce", (ast.Column((alias, n)), zero)) for n in ("$n", "$known")]

    # ------------------------------------------------------------ values

    def of_items(self, relation: Relation, s: ast.Select) -> tuple[Relation, ast.Select]:
        """The subqueries of the select list."""
        if not contains(s.items, ast.Subquery):
            return relation, s
        items = []
        for item in s.items:
            relation, expr = self.attached(relation, item.expr)
            items.append(replace(item, expr=expr))
        return relation, replace(s, items=tuple(items))

    def below_aggregates(self, relation: Relation, s: ast.Select) -> tuple[Relation, ast.Select]:
        """The subqueries that aggregates or grouping expressions of the block are computed from."""
        calls = [e for e in walk((s.items, s.having or ())) if is_aggregate(e)]
        inside = [e for e in walk((tuple(calls), s.group_by)) if isinstance(e, ast.Subquery)]
        places: dict[ast.Expr, ast.Expr] = {}
        for sub in dict.fromkeys(inside):
            relation, places[sub] = self._value(relation, sub)
        if not places:
            return relation, s
        placed = {
            name: transform(getattr(s, name), lambda e: places.get(e)) for name in ("items", "having", "group_by")
        }
        return relation, replace(s, **placed)

    def attached(self, relation: Relation, expr: ast.Expr) -> tuple[Relation, ast.Expr]:
        """The relation with a column for each subquery in `expr`, and `expr` with those columns in their places."""
        found = list(dict.fromkeys(e for e in walk(expr) if isinstance(e, ast.Subquery)))
        places: dict[ast.Expr, ast.Expr] = {}
        for sub in found:
            relation, places[sub] = self._value(relation, sub)
        return relation, transform(expr, lambda e: places.get(e)) if places else expr

    def _value(self, relation: Relation, sub: ast.Subquery) -> tuple[Relation, ast.Expr]:
        if sub.kind in ("any", "all") and (extreme := by_extreme(sub)) is not None:
            return self._value(relation, extreme)
        if sub.kind == "array":
            if self._width(sub.query) != 1:
                raise SyntaxError("subquery must return only one column")
            return self._value(relation, ast.Subquery("scalar", listed(sub.query)))
        try:
            return self._cut_value(relation, sub)
        except CANNOT_CUT as gap:
            with _or_first(gap):
                if sub.kind != "scalar":
                    return self._quantified(relation, sub)
                return value_beside(self.binder, relation, _at_most_one(sub.query), self._alias())

    def _quantified(self, relation: Relation, sub: ast.Subquery) -> tuple[Relation, ast.Expr]:
        """EXISTS, IN, ANY and ALL as the value of an aggregate over the subquery's rows."""
        return value_beside(self.binder, relation, counted_answers(sub), self._alias())

    def _cut_value(self, relation: Relation, sub: ast.Subquery) -> tuple[Relation, ast.Expr]:
        if sub.kind == "scalar":
            return self._scalar(relation, sub)
        if sub.kind == "exists":
            query = _rows_of(sub.query)
            if query is None:
                return relation, ast.Literal(not sub.negated, "boolean")
            cut = self._cut(query, relation)
            relation, found = self._marked(relation, cut, [])
            return relation, ast.IsTest(found, "null", not sub.negated)
        if sub.kind == "in" or (sub.kind == "any" and sub.op == "=" and not sub.negated):
            return self._in_value(relation, sub)
        raise Unplannable(f"a subquery ({sub.kind.upper()}) in an expression")

    def _in_value(self, relation: Relation, sub: ast.Subquery) -> tuple[Relation, ast.Expr]:
        """Three values: true when found; NULL when nothing was found but a NULL might have been it; else false."""
        cut, args = self._cut_in(relation, sub)
        if len(args) != 1:
            raise Unplannable("IN of several columns as a value")
        relation, counts = self._counted(relation, cut)
        equal = ast.Binary("=", args[0], cut.column(cut.query.items[0].expr), rules=sub.rules)
        relation, found = self._marked(relation, cut, [equal])
        unknown = ast.Binary("or", ast.IsTest(args[0], "null"), ast.Binary("<>", counts[0], counts[1]))
        some = ast.Binary(">", counts[0], ast.Literal(0, "bigint"))
        answer: ast.Expr = ast.Case(
            None,
            (
                (ast.IsTest(found, "null", True), TRUE),
                (ast.Binary("and", some, unknown), ast.Literal(None, "boolean")),
            ),
            FALSE,
        )
        return relation, ast.Unary("not", answer) if sub.negated else answer

    def _marked(self, relation: Relation, cut: _Cut, more: list[ast.Expr]) -> tuple[Relation, ast.Column]:
        """The relation left-joined with the distinct keys of the subquery; a column that is NULL where none matches."""
        if not cut.only_equal:
            raise Unplannable("a subquery correlated by more than equality, as a value")
        items = (*cut.keys(), ast.SelectItem(TRUE, "$mark"))
        bare = replace(cut.query, items=items, distinct=True, order_by=())
        joined = self._join(relation, self._named(bare, cut), "left", [*cut.on, *more])
        return joined, ast.Column((cut.alias, "$mark"))

    def _scalar(self, relation: Relation, sub: ast.Subquery) -> tuple[Relation, ast.Expr]:
        query = sub.query if isinstance(sub.query, ast.Select) else _wrapped(sub.query)
        query = self._without_star(query)
        if len(query.items) != 1:
            raise SyntaxError("subquery must return only one column")
        cut = self._cut(replace(query, items=(replace(query.items[0], name="$v0"),)), relation)
        if cut.inner and not cut.only_equal:
            raise Unplannable("a scalar subquery correlated by more than equality")
        query = cut.query
        if not query.group_by and has_aggregates(query.items) and not query.distinct and query.limit is None:
            return self._scalar_aggregate(relation, cut)
        once = _one_row_per_key(query, cut) or self._checked(cut)
        relation = self._join(relation, self.binder.query(once).under(cut.alias), "left", cut.on)
        return relation, ast.Column((cut.alias, "$v0"))

    def _scalar_aggregate(self, relation: Relation, cut: _Cut) -> tuple[Relation, ast.Expr]:
        """Always one row: the aggregates themselves are joined, and the expression around them stands above, where a
        count of no rows can be made 0."""
        query = cut.query
        if not cut.inner and query.having is not None:
            right = self.binder.query(replace(query, order_by=())).under(cut.alias)
            return self._join(relation, right, "left", []), ast.Column((cut.alias, "$v0"))
        if query.having is not None:
            raise Unplannable("a correlated subquery with HAVING and no GROUP BY")
        calls = list(dict.fromkeys(e for e in walk(query.items) if is_aggregate(e)))
        places = {c: ast.Column((cut.alias, f"$a{i}")) for i, c in enumerate(calls)}
        items = (*cut.keys(), *(ast.SelectItem(c, f"$a{i}") for i, c in enumerate(calls)))
        bare = replace(query, items=items, group_by=tuple(cut.inner), order_by=())
        kind = "left" if cut.inner else "inner"
        relation = self._join(relation, self._named(bare, cut), kind, cut.on)

        def place(e: ast.Expr) -> ast.Expr | None:
            if e not in places:
                return None
            assert isinstance(e, ast.Call)
            zero = ast.Literal(0, "bigint")
            return ast.Call("coalesce", (places[e], zero)) if e.name in COUNTS else places[e]

        return relation, transform(query.items[0].expr, place)

    def _checked(self, cut: _Cut) -> ast.Select:
        """One row per key, with an error (21000) in place of the value where there are several."""
        keys = tuple(ast.Column(("$rows", f"$k{i}")) for i in range(len(cut.inner)))
        value = ast.Call("first", (ast.Column(("$rows", "$v0")),))
        only = ast.Call("only_row", (value, ast.Call("count", (), star=True)))
        items = (*(ast.SelectItem(k, k.parts[1]) for k in keys), ast.SelectItem(only, "$v0"))
        having = None if keys else ast.Binary(">", ast.Call("count", (), star=True), ast.Literal(0, "bigint"))
        return ast.Select(items=items, from_=ast.SubqueryRef(_with_keys(cut), "$rows"), group_by=keys, having=having)

    # ------------------------------------------------------------ cutting

    def _cut(self, query: ast.Select, outer: Relation) -> _Cut:
        """Move the correlated conditions of the subquery's WHERE to the ON of the join to come."""
        query = spelt_out(query)
        cut = _Cut(query, self._alias())
        inner = self.binder.relation(query.from_) if query.from_ is not None else None
        scope = _Scope(inner, outer, self.binder, self.grouped)
        others = (
            _below_groups(query),
            query.group_by,
            query.having or (),
            query.order_by,
            query.distinct_on,
            query.qualify or (),
        )
        if any(scope.outside(e) for e in _columns(others)):
            raise Unplannable("a subquery correlated outside its WHERE")
        kept: list[ast.Expr] = []
        for part in conjuncts(query.where):
            if not scope.mentions_outer(part):
                kept.append(part)
                continue
            if scope.nested_outer(part):
                raise Unplannable("a subquery correlated over two levels")
            cut.on.append(self._moved(part, scope, cut))
        if cut.inner and (query.limit is not None or query.offset is not None or query.qualify is not None):
            raise Unplannable("a correlated subquery with LIMIT or QUALIFY")
        cut.query = replace(query, where=conjoin(kept))
        grouped = bool(query.group_by) or query.having is not None or has_aggregates(query.items)
        if cut.inner and grouped:
            if not cut.only_equal:
                raise Unplannable("a subquery with aggregates correlated by more than equality")
            if query.group_by:
                cut.query = replace(cut.query, group_by=(*query.group_by, *cut.inner))
        return cut

    def _moved(self, part: ast.Expr, scope: _Scope, cut: _Cut) -> ast.Expr:
        """A correlated condition over the outer columns and the subquery's output columns."""
        if isinstance(part, ast.Binary) and part.op == "=":
            for inner, outer in ((part.left, part.right), (part.right, part.left)):
                if scope.all_inner(inner) and scope.all_outer(outer):
                    return ast.Binary("=", outer, cut.column(inner), part.position, part.rules)
        cut.only_equal = False

        def place(e: ast.Expr) -> ast.Expr | None:
            return cut.column(e) if isinstance(e, ast.Column) and not scope.outside(e) else None

        return transform(part, place)

    # ------------------------------------------------------------ small steps

    def _alias(self) -> str:
        self.serial += 1
        return f"$q{self.serial}"

    def _named(self, query: ast.Select, cut: _Cut) -> Relation:
        return self.binder.query(query).under(cut.alias)

    def _join(self, left: Relation, right: Relation, kind: str, on: list[ast.Expr]) -> Relation:
        nothing = ast.ValuesRef(())
        return self.binder.joined(ast.Join(kind, nothing, nothing, conjoin(on)), left, right)


@dataclass(frozen=True)
class _Scope:
    """Names inside a subquery: its own FROM first, then the query around it."""

    inner: Relation | None
    outer: Relation
    binder: QueryBinder
    grouped: bool = False

    def outside(self, column: ast.Column) -> bool:
        """Whether a column is the outer query's; Unplannable when it is neither's."""
        if self.inner is not None and _knows(self.inner, column):
            return False
        if not _knows(self.outer, column):
            if self.grouped:
                raise Unplannable("a subquery correlated with groups")
            self.outer.resolve(column)
        return True

    def mentions_outer(self, expr: ast.Expr) -> bool:
        """Whether an expression, subqueries in it included, needs the outer query."""
        return any(self.outside(c) for c in _columns(expr)) or self.nested_outer(expr)

    def nested_outer(self, expr: ast.Expr) -> bool:
        """Whether a subquery inside the expression needs the outer query."""
        nested = [e.query for e in walk(expr) if isinstance(e, ast.Subquery)]
        return any(self.outside(c) for query in nested for c in free_columns(query, self.binder))

    def all_inner(self, expr: ast.Expr) -> bool:
        """Whether an expression needs the inner relation alone."""
        return bool(_columns(expr)) and not self.mentions_outer(expr)

    def all_outer(self, expr: ast.Expr) -> bool:
        """Whether an expression, without subqueries, needs the outer relation alone."""
        columns = _columns(expr)
        return all(self.outside(c) for c in columns) and not any(isinstance(e, ast.Subquery) for e in walk(expr))


def free_columns(query: ast.Select | ast.SetOperation, binder: QueryBinder) -> list[ast.Column]:
    """The columns in a query's expressions that its own FROM does not have."""
    if isinstance(query, ast.SetOperation):
        return [*free_columns(query.left, binder), *free_columns(query.right, binder)]
    own = binder.relation(query.from_) if query.from_ is not None else None
    parts = (query.items, query.where or (), query.group_by, query.having or (), query.order_by)
    aliases = {i.name for i in query.items}
    columns = [c for c in _columns(parts) if not (len(c.parts) == 1 and c.parts[0] in aliases)]
    for nested in (e for e in walk(parts) if isinstance(e, ast.Subquery)):
        columns += free_columns(nested.query, binder)
    return [c for c in columns if own is None or not _knows(own, c)]


def _knows(relation: Relation, column: ast.Column) -> bool:
    try:
        relation.resolve(column)
    except (UndefinedColumn, UndefinedTable):
        return False
    return True


def _below_groups(query: ast.Select) -> object:
    """What of the select list is evaluated inside the subquery: of one row of aggregates only their arguments."""
    if query.group_by or query.having is not None or query.distinct or not has_aggregates(query.items):
        return query.items
    return tuple(e for e in walk(query.items) if is_aggregate(e))


def _columns(node: object) -> list[ast.Column]:
    """Columns named in expressions; the operands of IN among them, what stands inside subqueries not."""
    return [e for e in walk(node) if isinstance(e, ast.Column)]


def _at_most_one(query: ast.Select | ast.SetOperation) -> ast.Select | ast.SetOperation:
    """A scalar subquery with an error (21000) in place of its value where it has several rows."""
    if isinstance(query, ast.Select):
        one = isinstance(query.limit, ast.Literal) and query.limit.value in (0, 1)
        if one or (has_aggregates(spelt_out(query).items) and not query.group_by and not query.grouping_sets):
            return query
    value = ast.Call("first", (ast.Column(("$rows", "$v0")),))
    only = ast.Call("only_row", (value, ast.Call("count", (), star=True)))
    return ast.Select(items=(ast.SelectItem(only, "$v0"),), from_=ast.SubqueryRef(query, "$rows", ("$v0",)))


@contextmanager
def _or_first(gap: Exception) -> Iterator[None]:
    """A mistake is told as it was first found."""
    try:
        yield
    except CANNOT_CUT:
        if isinstance(gap, Unplannable):
            raise
        raise gap from None


def _as_test(part: ast.Expr) -> ast.Subquery | None:
    """EXISTS or IN, maybe under NOT, as a condition of its own; None for anything else."""
    negated = False
    while isinstance(part, ast.Unary) and part.op == "not":
        part, negated = part.arg, not negated
    if not isinstance(part, ast.Subquery) or part.kind not in ("exists", "in", "any"):
        return None
    if part.kind == "any" and (part.op != "=" or part.negated or negated):
        return None
    return replace(part, negated=part.negated != negated)


def _rows_of(query: ast.Select | ast.SetOperation) -> ast.Select | None:
    """The query whose having a row EXISTS asks for; None when it always has one."""
    if isinstance(query, ast.SetOperation):
        return _wrapped(query)
    if query.limit is not None or query.offset is not None:
        if not (isinstance(query.limit, ast.Literal) and isinstance(query.limit.value, int) and query.limit.value > 0):
            raise Unplannable("EXISTS of a query with LIMIT")
        if query.offset is not None:
            raise Unplannable("EXISTS of a query with OFFSET")
        query = replace(query, limit=None, order_by=())
    if has_aggregates(query.items) and not query.group_by and query.having is None:
        return None
    return query


def _wrapped(query: ast.Select | ast.SetOperation, bound: Relation | None = None) -> ast.Select:
    """`SELECT * FROM (query)`, its columns spelt out when they are known."""
    source = ast.SubqueryRef(query, "$all")
    if bound is None:
        return ast.Select(items=(ast.SelectItem(ast.Star(), "*"),), from_=source)
    items = tuple(ast.SelectItem(ast.Column(("$all", c.name)), c.name) for c in bound.columns)
    return ast.Select(items=items, from_=source)


def _with_keys(cut: _Cut) -> ast.Select:
    """The subquery with the columns its ON needs behind its own."""
    return replace(cut.query, items=(*cut.query.items, *cut.keys()), order_by=())


def _one_row_per_key(query: ast.Select, cut: _Cut) -> ast.Select | None:
    """The subquery itself when LIMIT 1 says it has one row at most."""
    if not cut.inner and isinstance(query.limit, ast.Literal) and query.limit.value == 1:
        return query
    return None


def _renamed(expr: ast.Expr, old: str, new: str) -> ast.Expr:
    renamed: ast.Expr = transform(
        expr,
        lambda e: ast.Column((new, e.parts[1])) if isinstance(e, ast.Column) and e.parts[0] == old else None,
    )
    return renamed


def _first_columns(relation: Relation, width: int) -> Relation:
    """Without the columns that were added."""
    if len(relation.columns) == width:
        return relation
    node = relation.node
    return Relation(build.chosen(node, range(width)), relation.columns[:width])
