"""Binding MATCH_RECOGNIZE: variables to numbers, what expressions ask of a match to slots (plan/match_node.py).

What is inside FIRST, LAST, PREV, NEXT and aggregates is an expression over single rows: it becomes a column of the
input.  Everything around is bound over the slots as if these were columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field

import pyarrow as pa

from sqlengine import types
from sqlengine.errors import (
    DatatypeMismatch,
    DuplicateAlias,
    DuplicateColumn,
    Error,
    InvalidDefinition,
    InvalidParameter,
    UndefinedObject,
    did_you_mean,
)
from sqlengine.expr.bind import bind as bind_scalar
from sqlengine.expr.coerce import boolean, cast
from sqlengine.expr.tree import Expr, InputRef
from sqlengine.plan import build
from sqlengine.plan.match_expressions import MatchExpressions, Variables
from sqlengine.plan.match_node import MatchRecognize, Skip
from sqlengine.plan.match_program import (
    compile_pattern,
    first_variables,
    is_nullable,
    parts_of,
    variables_of,
)
from sqlengine.plan.properties import derive
from sqlengine.plan.scope import Relation, Visible, whole_rows
from sqlengine.plan.window import DAY_US
from sqlengine.quick_dataclass import dataclass
from sqlengine.sql import ast


def match_relation(below: Relation, ref: ast.MatchRef) -> Relation:
    """The matches as a relation: ONE ROW PER MATCH the columns of PARTITION BY and the measures; ALL ROWS PER MATCH
    those, the columns of ORDER BY, the measures, and what else the input has."""
    return _Match(below, ref).relation()


@dataclass
class _Match:
    below: Relation
    ref: ast.MatchRef
    variables: Variables = field(init=False)

    def __post_init__(self) -> None:
        self.variables = _variables(self.ref)
        self._inputs: list[Expr] = []
        self._names: list[str] = []

    def relation(self) -> Relation:
        """Bind it all."""
        ref = self.ref
        partition = tuple(self._key(e) for e in ref.partition_by)
        order = tuple(
            (self._key(o.expr), o.descending, o.nulls_first if o.nulls_first is not None else o.descending)
            for o in ref.order_by
        )
        keys = list(dict.fromkeys([*partition, *(c for c, _, _ in order)]))
        rest = self._others() if ref.all_rows else []
        expressions = MatchExpressions(self.below, self.variables, self.column)
        defines = self._defines(expressions)
        measures = [self._measure(expressions, m) for m in ref.measures]
        node = self._node(expressions, partition, order, defines, measures, keys, rest)
        return self._shown(node, keys if ref.all_rows else list(dict.fromkeys(partition)), rest)

    def _node(
        self,
        expressions: MatchExpressions,
        partition: tuple[int, ...],
        order: tuple[tuple[int, bool, bool], ...],
        defines: dict[str, Expr],
        measures: list[Expr],
        keys: list[int],
        rest: list[int],
    ) -> MatchRecognize:
        """The node over a projection of what is asked of the input."""
        ref, names = self.ref, self.variables
        input_node = build.projected(self.below.node, self._inputs, self._names)
        carried = tuple([*keys, *rest] if ref.all_rows else dict.fromkeys(partition))
        fields = [input_node.schema.field(c) for c in carried]
        fields += [pa.field(m.name, e.type) for m, e in zip(ref.measures, measures, strict=True)]
        node = MatchRecognize(
            schema=pa.schema(fields),
            input=input_node,
            partition=partition,
            order=order,
            program=compile_pattern(ref.pattern, names.numbers, names.labels),
            slots=tuple(expressions.slots),
            defines=tuple(defines.get(name) for name in names.numbers),
            measures=tuple(measures),
            carried=carried,
            classifier=expressions.classifier,
            all_rows=ref.all_rows,
            shown=ref.shown,
            skip=_skip(ref, names),
            within_us=self._within(order),
        )
        derived = derive(node)
        assert isinstance(derived, MatchRecognize)
        return derived

    def _shown(self, node: MatchRecognize, keys: list[int], rest: list[int]) -> Relation:
        """Keys, measures, then other columns."""
        first = len(node.carried)
        places = [*range(len(keys)), *range(first, len(node.schema)), *range(len(keys), len(keys) + len(rest))]
        shown = build.chosen(node, places)
        names = [shown.schema.names[i] for i in range(len(places))]
        for at, measure in enumerate(self.ref.measures):
            if names.count(measure.name) > 1:
                raise DuplicateColumn(
                    f'column "{measure.name}" is there twice in the answer of MATCH_RECOGNIZE',
                    hint="a measure needs a name of its own",
                    position=self.ref.measures[at].position,
                )
        return Relation(shown, tuple(Visible(self.ref.alias or "", n) for n in names))

    # ------------------------------------------------------------ columns of the input

    def column(self, expr: Expr, name: str | None = None) -> int:
        """The place of an expression over single rows among the input's columns, added if new."""
        if expr in self._inputs:
            return self._inputs.index(expr)
        self._inputs.append(expr)
        taken = set(self._names)
        wanted = name or (expr.name if isinstance(expr, InputRef) else f"$e{len(self._names)}")
        self._names.append(wanted if wanted not in taken else f"$e{len(self._names)}")
        return len(self._inputs) - 1

    def _key(self, expr: ast.Expr) -> int:
        bound = bind_scalar(whole_rows(expr, self.below), self.below)
        return self.column(bound, expr.parts[-1] if isinstance(expr, ast.Column) else None)

    def _others(self) -> list[int]:
        """The columns that are not keys."""
        taken = len(self._inputs)
        visible = [i for i, c in enumerate(self.below.columns) if c.depth == 0 and not c.virtual and not c.merged]
        places = [self.column(self.below.at(i), self.below.columns[i].name) for i in visible]
        return [at for at in places if at >= taken]

    # ------------------------------------------------------------ clauses

    def _defines(self, expressions: MatchExpressions) -> dict[str, Expr]:
        made: dict[str, Expr] = {}
        for define in self.ref.defines:
            if define.name not in self.variables.numbers:
                raise UndefinedObject(
                    f'pattern variable "{define.label}" is defined but not in the pattern',
                    hint=did_you_mean(define.name, list(self.variables.numbers)),
                    position=define.position,
                )
            if define.name in made:
                raise DuplicateAlias(f'pattern variable "{define.label}" is defined twice', position=define.position)
            bound = expressions.bind(define.condition, defining=True)
            try:
                made[define.name] = boolean(bound, f"DEFINE {define.label}")
            except Error as error:
                raise error.at(define.position) from None
        return made

    def _measure(self, expressions: MatchExpressions, measure: ast.MatchMeasure) -> Expr:
        bound = expressions.bind(measure.expr, defining=False)
        return cast(bound, pa.string()) if pa.types.is_null(bound.type) else bound

    def _within(self, order: Sequence[tuple[int, bool, bool]]) -> int | None:
        within = self.ref.within
        if within is None:
            return None
        if within.months:
            raise InvalidParameter("WITHIN cannot be in months", position=self.ref.position)
        micros = within.days * DAY_US + within.microseconds
        if micros <= 0:
            raise InvalidParameter("WITHIN must be positive", position=self.ref.position)
        kind = self._inputs[order[0][0]].type if order else None
        if kind is None or order[0][1] or not pa.types.is_timestamp(kind):
            shown = "nothing" if kind is None else types.to_sql(kind) + (" DESC" if order[0][1] else "")
            raise DatatypeMismatch(
                f"WITHIN needs rows in ascending order of a timestamp, not of {shown}",
                hint="ORDER BY the time first",
                position=self.ref.position,
            )
        return micros


def _variables(ref: ast.MatchRef) -> Variables:
    """The variables of the pattern by number, and what SUBSET adds."""
    found = variables_of(ref.pattern)
    if not found:
        raise InvalidDefinition("the pattern has no variable", position=ref.position)
    numbers = {v.name: i for i, v in enumerate(found)}
    unions: dict[str, tuple[int, ...]] = {}
    for subset in ref.subsets:
        if subset.name in numbers or subset.name in unions:
            raise DuplicateAlias(f'pattern variable "{subset.label}" is there twice', position=subset.position)
        unknown = next((m for m in subset.members if m not in numbers), None)
        if unknown is not None:
            raise UndefinedObject(
                f'pattern variable "{unknown}" does not exist',
                hint=did_you_mean(unknown, list(numbers)),
                position=subset.position,
            )
        unions[subset.name] = tuple(sorted({numbers[m] for m in subset.members}))
    _check_exclusions(ref)
    return Variables(numbers, unions, tuple(v.label for v in found))


def _check_exclusions(ref: ast.MatchRef) -> None:
    if ref.shown != "unmatched":
        return
    todo = [ref.pattern]
    while todo:
        part = todo.pop()
        if isinstance(part, ast.PatternExcluded):
            raise InvalidDefinition(
                "ALL ROWS PER MATCH WITH UNMATCHED ROWS cannot leave rows of a match out", position=part.position
            )
        todo += parts_of(part)


def _skip(ref: ast.MatchRef, variables: Variables) -> Skip:
    skip = ref.skip
    if not skip.name:
        return Skip(skip.kind)
    members = variables.members(skip.name, skip.position)
    starts = {variables.numbers[name] for name in first_variables(ref.pattern)}
    if skip.kind == "to first" and not is_nullable(ref.pattern) and starts <= set(members):
        raise InvalidDefinition(
            "AFTER MATCH SKIP TO the first row of a match would find the same match for ever",
            hint="SKIP TO NEXT ROW begins at the row behind it",
            position=skip.position,
        )
    return Skip(skip.kind, members)
