"""Expressions of MATCH_RECOGNIZE: what they ask of the rows of a match, and the rest over that.

`UP.price > PREV(UP.price)` asks for the price of the last row of UP and that of the row before it: two slots.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field

import pyarrow as pa

from sqlengine.errors import (
    GroupingError,
    InvalidParameter,
    NotSupportedError,
    UndefinedColumn,
    UndefinedFunction,
    UndefinedObject,
    WindowingError,
    did_you_mean,
)
from sqlengine.expr.bind import bind as bind_scalar
from sqlengine.expr.tree import Const, Expr
from sqlengine.plan import nodes
from sqlengine.plan.aggregate import Aggregation, is_aggregate
from sqlengine.plan.match_node import Slot
from sqlengine.plan.rewrite import transform, walk
from sqlengine.plan.scope import Relation, named, whole_rows
from sqlengine.quick_dataclass import dataclass
from sqlengine.sql import ast
from storage.replacing import replace

CLASSIFIER = "$classifier"
_MARK = ast.Literal(CLASSIFIER, "text")
"""Stands for CLASSIFIER() where a column is asked for: no row has a value of its own for it."""
_LABEL = Const(pa.string(), CLASSIFIER)
_NAVIGATION = ("first", "last")
_PHYSICAL = ("prev", "next")
_OWN = (*_NAVIGATION, *_PHYSICAL, "classifier", "match_number", "match_rowtime")
_SEMANTICS = ("final", "running")


@dataclass(frozen=True, slots=True)
class Variables:
    """`numbers`: of the pattern's variables, in the order of their first mention; `unions`: what SUBSET adds."""

    numbers: Mapping[str, int]
    unions: Mapping[str, tuple[int, ...]]
    labels: tuple[str, ...]

    def __contains__(self, name: str) -> bool:
        return name in self.numbers or name in self.unions

    def members(self, name: str, position: int | None) -> tuple[int, ...]:
        """The variables a name stands for; UndefinedObject (42704) with the nearest names."""
        if name in self.unions:
            return self.unions[name]
        if name in self.numbers:
            return (self.numbers[name],)
        raise UndefinedObject(
            f'pattern variable "{name}" does not exist',
            hint=did_you_mean(name, [*self.numbers, *self.unions]),
            position=position,
        )


@dataclass
class MatchExpressions:
    """`column` gives an expression over single rows a place in the node's input."""

    relation: Relation
    variables: Variables
    column: Callable[[Expr, str | None], int]
    slots: list[Slot] = field(default_factory=list)
    classifier: int | None = None

    def bind(self, expr: ast.Expr, *, defining: bool) -> Expr:
        """An expression of DEFINE or MEASURES over the slots."""
        for part in walk(expr):
            if isinstance(part, ast.Subquery):
                raise NotSupportedError("a subquery in MATCH_RECOGNIZE is not supported", hint="join before, or behind")
            if isinstance(part, ast.Call) and part.over is not None:
                raise WindowingError("window functions are not allowed in MATCH_RECOGNIZE", position=part.position)
        over_slots = transform(expr, lambda e: self._asked(e, defining))
        fields = [pa.field(f"s{i}", slot.type) for i, slot in enumerate(self.slots)]
        return bind_scalar(over_slots, named(nodes.Values(schema=pa.schema(fields), rows=()), None))

    def _slot(self, slot: Slot) -> ast.Expr:
        if slot not in self.slots:
            self.slots.append(slot)
        return ast.Column((f"#{self.slots.index(slot)}",))

    def _asked(self, expr: ast.Expr, defining: bool) -> ast.Expr | None:
        """What stands for an expression that asks something of a match; None for one whose parts may."""
        if isinstance(expr, ast.Column):
            return self._row(expr, expr, last=True)
        if not isinstance(expr, ast.Call):
            return None
        semantics, _, name = expr.name.rpartition("$")
        if semantics and semantics not in _SEMANTICS:
            return None
        call = replace(expr, name=name)
        if semantics and name not in _NAVIGATION and not is_aggregate(call):
            raise UndefinedFunction(
                f"{semantics.upper()} stands before FIRST, LAST and aggregates, not before {name}()",
                position=expr.position,
            )
        if semantics == "final" and defining:
            raise InvalidParameter("FINAL is not allowed in DEFINE: the match is not known yet", position=expr.position)
        if name in _OWN and call.user is None:
            return self._own(call, semantics == "final")
        if is_aggregate(call):
            return self._aggregate(call, semantics == "final")
        return None

    def _own(self, call: ast.Call, final: bool) -> ast.Expr:
        name = call.name
        if name == "match_number":
            _count(call, 0, 0)
            return self._slot(Slot("number", pa.int64()))
        if name == "match_rowtime":
            raise UndefinedFunction(
                "function match_rowtime() does not exist",
                hint="LAST(ts) is the time of a match's last row",
                position=call.position,
            )
        if name == "classifier":
            return self._row(call, call, last=True, final=final)
        if name in _NAVIGATION:
            _count(call, 1, 2)
            offset = _offset(call, 0)
            return self._row(call.args[0], call, last=name == "last", offset=offset, final=final)
        return self._physical(call)

    def _physical(self, call: ast.Call) -> ast.Expr:
        """PREV or NEXT, of a value or of FIRST or LAST of one."""
        _count(call, 1, 2)
        step = _offset(call, 1) * (-1 if call.name == "prev" else 1)
        inner = call.args[0]
        semantics, _, name = inner.name.rpartition("$") if isinstance(inner, ast.Call) else ("", "", "")
        if isinstance(inner, ast.Call) and name in _NAVIGATION:
            inner = replace(inner, name=name)
            _count(inner, 1, 2)
            last, offset, final = name == "last", _offset(inner, 0), semantics == "final"
            return self._row(inner.args[0], call, last=last, offset=offset, step=step, final=final)
        return self._row(inner, call, last=True, step=step)

    # ------------------------------------------------------------ single rows

    def _row(
        self, value: ast.Expr, whole: ast.Expr, *, last: bool, offset: int = 0, step: int = 0, final: bool = False
    ) -> ast.Expr:
        """A slot of the value of one row."""
        plain, variables = self._plain(value, whole)
        bound = bind_scalar(plain, self.relation)
        if pa.types.is_null(bound.type):
            bound = Const(pa.string(), None)
        column = self._column(bound)
        return self._slot(Slot("row", bound.type, variables, column, last, offset, step, final))

    def _plain(self, value: ast.Expr, whole: ast.Expr) -> tuple[ast.Expr, tuple[int, ...] | None]:
        """An expression over single rows with its columns unqualified, and the variables it is of."""
        for part in walk(value):
            if isinstance(part, ast.Call) and (part.name.rpartition("$")[2] in _OWN or is_aggregate(part)):
                if part is value and part.name == "classifier":
                    continue
                raise GroupingError(
                    f"{part.name.replace('$', ' ').upper()} cannot stand inside another function of a match",
                    hint="FIRST and LAST may stand inside PREV and NEXT",
                    position=part.position,
                )
        if isinstance(value, ast.Call) and value.name == "classifier":
            return _MARK, self._classified(value)
        found: set[tuple[int, ...] | None] = set()
        plain = transform(value, lambda e: self._unqualified(e, found))
        if len(found) > 1:
            raise InvalidParameter(
                "one function of a match reads columns of one variable",
                hint="A.x + B.y asks for two values; LAST(A.x + B.y) has no row to be of",
                position=getattr(whole, "position", None),
            )
        return plain, found.pop() if found else None

    def _classified(self, call: ast.Call) -> tuple[int, ...] | None:
        _count(call, 0, 1)
        if not call.args:
            return None
        given = call.args[0]
        if not isinstance(given, ast.Column) or len(given.parts) != 1:
            raise InvalidParameter("CLASSIFIER takes a pattern variable", position=call.position)
        return self.variables.members(given.parts[0], given.position)

    def _unqualified(self, expr: ast.Expr, found: set[tuple[int, ...] | None]) -> ast.Expr | None:
        if isinstance(expr, ast.Star):
            found.add(None if expr.table is None else self.variables.members(expr.table, None))
            return ast.Star()
        if not isinstance(expr, ast.Column):
            return None
        first = expr.parts[0]
        if len(expr.parts) > 1 and first in self.variables:
            found.add(self.variables.members(first, expr.position))
            return self._resolved(replace(expr, parts=expr.parts[1:]), expr)
        if len(expr.parts) > 1 and first not in self.relation.places:
            raise UndefinedObject(
                f'pattern variable "{first}" does not exist',
                hint=did_you_mean(first, [*self.variables.numbers, *self.variables.unions]),
                position=expr.position,
            )
        found.add(None)
        return self._resolved(expr, expr)

    def _resolved(self, column: ast.Column, whole: ast.Column) -> ast.Expr:
        """The column by its place, or a field of it."""
        made: ast.Expr = whole_rows(column, self.relation)
        if isinstance(made, ast.Column):
            return replace(made, parts=(f"#{self.relation.resolve(column).index}",))
        if isinstance(made, ast.Row):
            raise UndefinedColumn(f'column "{".".join(whole.parts)}" does not exist', position=whole.position)
        return made

    def _column(self, expr: Expr) -> int:
        """The place of a bound expression over single rows."""
        at = self.column(expr, CLASSIFIER if expr == _LABEL else None)
        if expr == _LABEL:
            self.classifier = at
        return at

    # ------------------------------------------------------------ aggregates

    def _aggregate(self, call: ast.Call, final: bool) -> ast.Expr:
        found: set[tuple[int, ...] | None] = set()
        plain = self._without_variables(call, found)
        if len(found) > 1:
            raise InvalidParameter("an aggregate of a match reads columns of one variable", position=call.position)
        inputs: list[Expr] = []
        bound, value = Aggregation(self.relation, ast.Select(items=())).single(inputs, plain)
        moved = tuple(self._column(e) for e in inputs)
        own = replace(
            bound,
            args=tuple(moved[a] for a in bound.args),
            filter=None if bound.filter is None else moved[bound.filter],
            order_by=tuple((moved[c], d, f) for c, d, f in bound.order_by),
        )
        variables = found.pop() if found else None
        asked = self._slot(Slot("aggregate", own.type, variables, final=final, call=own))
        assert isinstance(asked, ast.Column)
        return value(asked)

    def _without_variables(self, call: ast.Call, found: set[tuple[int, ...] | None]) -> ast.Call:
        """The call over plain columns; COUNT(A.*) counts rows of A."""
        if len(call.args) == 1 and isinstance(call.args[0], ast.Star):
            self._unqualified(call.args[0], found)
            return replace(call, args=(), star=True)

        def inner(expr: ast.Expr) -> ast.Expr | None:
            if isinstance(expr, ast.Call) and expr.name == "classifier" and expr in call.args:
                found.add(self._classified(expr))
                return _MARK
            if isinstance(expr, ast.Call) and (expr.name.rpartition("$")[2] in _OWN or is_aggregate(expr)):
                raise GroupingError(
                    f"{expr.name.replace('$', ' ').upper()} cannot stand inside an aggregate of a match",
                    position=expr.position,
                )
            return self._unqualified(expr, found)

        args, order, within = transform((call.args, call.order_by, call.within_group), inner)
        condition = None if call.filter is None else transform(call.filter, inner)
        return replace(call, args=args, filter=condition, order_by=order, within_group=within)


def _count(call: ast.Call, least: int, most: int) -> None:
    if call.star or not least <= len(call.args) <= most or call.distinct:
        raise UndefinedFunction(f"{call.name.upper()} does not take {len(call.args)} arguments", position=call.position)


def _offset(call: ast.Call, default: int) -> int:
    """The whole number behind a value; InvalidParameter (22023) when it is none, or negative."""
    if len(call.args) < 2:
        return default
    given = call.args[1]
    if not isinstance(given, ast.Literal) or not isinstance(given.value, int) or isinstance(given.value, bool):
        raise InvalidParameter(
            f"the offset of {call.name.upper()} is a constant whole number, and not negative", position=call.position
        )
    return given.value


def is_row_of(slot: Slot, variable: int) -> bool:
    """Whether, where a row is held against the condition of a variable, a slot asks for that row or one so many steps
    from it, whatever the match is so far."""
    own = slot.variables is None or variable in slot.variables
    return slot.kind == "row" and slot.last and slot.offset == 0 and not slot.final and own
