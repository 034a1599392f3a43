"""PIVOT as aggregates with FILTER, UNPIVOT as the elements of lists of columns."""

from __future__ import annotations

from functools import reduce
from itertools import product
from typing import Protocol

from sqlengine.errors import DuplicateColumn, GroupingError
from sqlengine.plan.aggregate import is_aggregate
from sqlengine.plan.aggregate_forms import spelt_out
from sqlengine.plan.join import RelationBinder, join_onto
from sqlengine.plan.rewrite import conjoin, transform, walk
from sqlengine.plan.scope import Relation
from sqlengine.sql import ast
from storage.replacing import replace


class BlockBinder(RelationBinder, Protocol):
    """The part of the binder this file needs."""

    def block(self, s: ast.Select, relation: Relation) -> Relation:
        """A SELECT block over a relation its FROM is bound to."""
        ...


def pivot(binder: BlockBinder, rel: ast.PivotRef) -> Relation:
    """A column for each choice (of every combination of several FOR) and aggregate; GroupingError (42803) for an
    expression that aggregates nothing."""
    below = binder.relation(rel.input)
    keys = _kept(below, rel) if rel.group_by is None else [ast.SelectItem(k, _name(k)) for k in rel.group_by]
    items = list(keys)
    for choices in product(*(f.choices for f in rel.fields)):
        label = "_".join(label for _, label in choices)
        chosen = [_equal(k, v) for f, (vs, _) in zip(rel.fields, choices, strict=True) for k, v in zip(f.keys, vs)]
        condition = conjoin(chosen)
        assert condition is not None
        for item in rel.aggregates:
            name = f"{label}_{item.name}" if item.name else label
            items.append(ast.SelectItem(_filtered(item.expr, condition), name))
    names = [item.name for item in items]
    if len(set(names)) < len(names):
        raise DuplicateColumn(f'PIVOT makes the column "{next(n for n in names if names.count(n) > 1)}" twice')
    block = ast.Select(items=tuple(items), group_by=tuple(item.expr for item in keys))
    return binder.block(block, below).under(rel.alias or "", rel.column_aliases)


def _kept(below: Relation, rel: ast.PivotRef) -> list[ast.SelectItem]:
    """The columns that PIVOT does not mention."""
    parts = (rel.aggregates, tuple(f.keys for f in rel.fields))
    used = {below.resolve(e).index for e in walk(parts) if isinstance(e, ast.Column)}
    shown = [(i, c) for i, c in enumerate(below.columns) if c.depth == 0 and not c.merged and i not in used]
    return [ast.SelectItem(ast.Column((f"#{i}",)), c.name) for i, c in shown]


def _name(key: ast.Expr) -> str:
    return key.parts[-1] if isinstance(key, ast.Column) else "?column?"


def _equal(key: ast.Expr, value: ast.Expr) -> ast.Expr:
    unknown = isinstance(value, ast.Literal) and value.value is None
    return ast.IsTest(key, "null") if unknown else ast.Binary("=", key, value)


def _filtered(expr: ast.Expr, condition: ast.Expr) -> ast.Expr:
    """The expression with every aggregate over the rows of one choice."""
    expr = spelt_out(ast.Select(items=(ast.SelectItem(expr, ""),))).items[0].expr
    if not any(is_aggregate(e) for e in walk(expr)):
        raise GroupingError("PIVOT takes aggregates")

    def over_choice(e: ast.Expr) -> ast.Expr | None:
        if not (isinstance(e, ast.Call) and is_aggregate(e)):
            return None
        both = condition if e.filter is None else ast.Binary("and", e.filter, condition)
        return replace(e, filter=both)

    filtered: ast.Expr = transform(expr, over_choice)
    return filtered


def unpivot(binder: BlockBinder, rel: ast.UnpivotRef) -> Relation:
    """A row for each group of columns, without those that have a NULL unless INCLUDE NULLS."""
    below = binder.relation(rel.input)
    used = {below.resolve(e).index for parts, _ in rel.groups for e in parts if isinstance(e, ast.Column)}
    shown = [(i, c) for i, c in enumerate(below.columns) if c.depth == 0 and not c.merged and i not in used]
    labels = ast.ArrayLiteral(tuple(ast.Literal(label, "text") for _, label in rel.groups))
    lists = tuple(ast.ArrayLiteral(tuple(parts[i] for parts, _ in rel.groups)) for i in range(len(rel.values)))
    made = tuple(ast.Column(("$unpivot", f"$u{i}")) for i in range(len(lists) + 1))
    rows = ast.FunctionRef("unnest", (labels, *lists), "$unpivot", tuple(c.parts[1] for c in made))
    relation = join_onto(binder, ast.Join("cross", rel.input, rows), below)
    tests: list[ast.Expr] = [ast.IsTest(c, "null", True) for c in made[1:]]
    any_known = reduce(lambda left, right: ast.Binary("or", left, right), tests)
    known = None if rel.include_nulls else any_known if rel.any_known else conjoin(tests)
    items = [ast.SelectItem(ast.Column((f"#{i}",)), c.name) for i, c in shown]
    items += [ast.SelectItem(c, n) for c, n in zip(made, (rel.name, *rel.values), strict=True)]
    block = ast.Select(items=tuple(items), where=known)
    return binder.block(block, relation).under(rel.alias or "", rel.column_aliases)
