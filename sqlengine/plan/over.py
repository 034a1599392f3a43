"""Binding OVER: the window functions of a block become Over nodes, one for each PARTITION BY and ORDER BY.

Functions and frames that `operators/over` computes itself carry their frame; every other function DuckDB knows is
handed to it as text, partition by partition.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from sqlengine import duck, types
from sqlengine.errors import InvalidParameter, UndefinedFunction, WindowingError, WrongObjectType
from sqlengine.expr.bind import bind as bind_scalar
from sqlengine.expr.coerce import boolean, cast
from sqlengine.expr.dialects import aggregated
from sqlengine.expr.tree import Const, Expr, InputRef
from sqlengine.functions import BUILTINS
from sqlengine.functions.aggregates import aggregate
from sqlengine.plan import build, nodes
from sqlengine.plan.comparable import key, ordered
from sqlengine.plan.frame import frame_of
from sqlengine.plan.properties import derive
from sqlengine.plan.rewrite import transform, walk
from sqlengine.plan.scope import Relation, Visible
from sqlengine.plan.unplannable import Unplannable
from sqlengine.quick_dataclass import dataclass
from sqlengine.sql import ast
from storage.replacing import replace

RANKING = {
    "row_number": pa.int64(),
    "rank": pa.int64(),
    "dense_rank": pa.int64(),
    "ntile": pa.int64(),
    "percent_rank": pa.float64(),
    "cume_dist": pa.float64(),
}
PICKING = ("lag", "lead", "first_value", "last_value", "nth_value")
NUMBERED = ("lag", "lead", "nth_value", "ntile")
"""Functions with a whole number, which only DuckDB computes where it differs from row to row."""
BY_ROW = ("row_number", "ntile", "lag", "lead")
"""Functions whose answer depends on every row's place, whatever the frame."""
ARGUMENTS = {"ntile": (1, 1), "lag": (1, 3), "lead": (1, 3), "nth_value": (2, 2), "first_value": (1, 1)}
ARGUMENTS["last_value"] = ARGUMENTS["first_value"]
DUCK_NAMES = {"every": "bool_and", "listagg": "string_agg", "mean": "avg"}
DUCK_AGGREGATES = frozenset(
    "count sum avg mean min max stddev stddev_samp stddev_pop variance var_samp var_pop bool_and bool_or every"
    " array_agg string_agg listagg arg_min arg_max min_by max_by median quantile_cont quantile_disc".split()
)
"""Aggregates that mean the same in DuckDB's windows as in GROUP BY here."""
INTERPOLATED = frozenset(("median", "quantile_cont"))
OWN_AGGREGATES = frozenset("count sum avg mean min max bool_and bool_or every".split())
"""Those `operators/over` has arithmetic of its own for."""


def over_windows(relation: Relation, s: ast.Select) -> tuple[Relation, ast.Select]:
    """The relation with a column per window function of the select list, and the list that reads those columns."""
    calls = [e for e in dict.fromkeys(walk(s.items)) if isinstance(e, ast.Call) and e.over is not None]
    if not calls:
        return relation, s
    for call in calls:
        inside = [e for e in walk((call.args, call.filter or (), call.over)) if isinstance(e, ast.Call) and e.over]
        if inside:
            raise WindowingError("window function calls cannot be nested", position=inside[0].position)
    places: dict[ast.Expr, ast.Expr] = {}
    for stack in _stacks(calls):
        first = len(places)
        places |= {call: ast.Column((f"$w{first + i}",)) for i, call in enumerate(stack)}
        relation = _Stack(relation, first).over(stack)
    return relation, replace(s, items=transform(s.items, places.get))


def _stacks(calls: Sequence[ast.Call]) -> list[list[ast.Call]]:
    """The calls by PARTITION BY and ORDER BY: one node can do those of one stack."""
    stacks: dict[Any, list[ast.Call]] = {}
    for call in calls:
        assert call.over is not None
        stacks.setdefault((call.over.partition_by, call.over.order_by), []).append(call)
    return list(stacks.values())


@dataclass
class _Stack:
    """One Over node in the making; columns it computes first are appended to the relation's."""

    relation: Relation
    first: int

    def __post_init__(self) -> None:
        self._exprs: list[Expr] = build.refs(self.relation.node)

    def over(self, calls: Sequence[ast.Call]) -> Relation:
        """The relation with hidden columns and one column a call, named $w<first>, ..."""
        window = calls[0].over
        assert window is not None
        partition = tuple(self._column(key(bind_scalar(e, self.relation))) for e in window.partition_by)
        order = tuple(
            (
                self._column(ordered(bind_scalar(o.expr, self.relation))),
                o.descending,
                o.nulls_first if o.nulls_first is not None else o.descending,
            )
            for o in window.order_by
        )
        bound = tuple(self._call(c, order) for c in calls)
        old = len(self.relation.columns)
        hidden = [f"$e{self.first}_{i}" for i in range(old, len(self._exprs))]
        below = build.projected(self.relation.node, self._exprs, [*self.relation.node.schema.names, *hidden])
        made = [f"$w{self.first + i}" for i in range(len(bound))]
        fields = [*below.schema, *(pa.field(n, c.type) for n, c in zip(made, bound, strict=True))]
        node = nodes.Over(schema=pa.schema(fields), input=below, partition=partition, order=order, calls=bound)
        columns = (*self.relation.columns, *(Visible(None, n) for n in (*hidden, *made)))
        return Relation(derive(node), columns)

    def _column(self, expr: Expr) -> int:
        if isinstance(expr, InputRef):
            return expr.index
        if expr not in self._exprs:
            self._exprs.append(expr)
        return self._exprs.index(expr)

    def _call(self, call: ast.Call, order: tuple[tuple[int, bool, bool], ...]) -> nodes.WindowCall:
        assert call.over is not None
        _check_name(call)
        args = [bind_scalar(a, self.relation) for a in call.args]
        args, constants, kind = _typed(call, args)
        flag = None if call.filter is None else self._column(boolean(bind_scalar(call.filter, self.relation), "FILTER"))
        inner = [(self._column(bind_scalar(o.expr, self.relation)), o) for o in call.order_by]
        columns = [self._column(a) for a in args]
        order_type = self._exprs[order[0][0]].type if len(order) == 1 else None
        frame = frame_of(call.over, order_type, lambda e: bind_scalar(e, self.relation), bool(order))
        mine = _is_own(call, args, kind, len(constants)) and frame is not None
        reads = [*columns, *([] if flag is None else [flag]), *(at for at, _ in inner)]
        return nodes.WindowCall(
            function=DUCK_NAMES.get(call.name, call.name),
            args=tuple(columns),
            constants=constants,
            filter=flag,
            type=kind,
            frame=frame if mine else None,
            reads=tuple(reads),
            sql=_text(call, len(columns), args, constants, [o for _, o in inner]),
            frame_sql=call.over.frame_text or "",
            by_row=call.name in BY_ROW
            or (call.name not in RANKING and (call.over.frame_text or "").startswith("ROWS")),
        )


def _check_name(call: ast.Call) -> None:
    """Only window functions and aggregates stand before OVER."""
    if call.user is not None or call.within_group:
        raise Unplannable(f"{call.name}() OVER")
    known = call.star or call.name in RANKING or call.name in PICKING or aggregate(call.name) is not None
    if known:
        return
    if BUILTINS.lookup(call.name):
        raise WrongObjectType(
            f"OVER specified, but {call.name} is not a window function nor an aggregate function",
            position=call.position,
        )
    raise UndefinedFunction(f"window function {call.name}() does not exist", position=call.position)


def _typed(call: ast.Call, args: list[Expr]) -> tuple[list[Expr], tuple[object, ...], pa.DataType]:
    """Column arguments, trailing constants, and the type of the result."""
    if call.name in RANKING or call.name in PICKING:
        least, most = ARGUMENTS.get(call.name, (0, 0))
        if not least <= len(args) <= most:
            raise UndefinedFunction(
                f"window function {call.name}() does not exist with {len(args)} arguments", position=call.position
            )
    if call.name == "ntile":
        return (*_number(call, args[0], 1), pa.int64())
    if call.name in RANKING:
        return [], (), RANKING[call.name]
    if call.name in PICKING:
        return _picked(call, args)
    if call.name not in DUCK_AGGREGATES and not call.star:
        raise Unplannable(f"{call.name}() OVER")
    constants = [a.value for a in args[1:] if isinstance(a, Const)]
    columns = args[:1] + [a for a in args[1:] if not isinstance(a, Const)]
    if call.name in INTERPOLATED and columns and pa.types.is_decimal(columns[0].type):
        columns[0] = cast(columns[0], pa.float64())  # DuckDB interpolates numeric in numeric and rounds
    function = aggregate(call.name)
    assert function is not None
    kind = function.result_type([a.type for a in columns], call.distinct)
    return columns, tuple(constants), aggregated(call.rules, call.name, kind, columns)


def _picked(call: ast.Call, args: list[Expr]) -> tuple[list[Expr], tuple[object, ...], pa.DataType]:
    """lag and lead with constant distance and default, nth_value with a constant place."""
    value = args[0] if not pa.types.is_null(args[0].type) else cast(args[0], pa.string())
    if call.name == "nth_value":
        place, constant = _number(call, args[1], 1)
        return [value, *place], constant, value.type
    if call.name not in ("lag", "lead"):
        return [value], (), value.type
    distance, constant = _number(call, args[1], None) if len(args) > 1 else ([], (1,))
    if len(args) < 3:
        return [value, *distance], constant, value.type
    common = types.common_type(value.type, args[2].type)
    if common is None:
        raise UndefinedFunction(f"the default of {call.name}() has another type than its value", position=call.position)
    value, default = cast(value, common), cast(args[2], common)
    return [value, *distance, default], constant, common


def _number(call: ast.Call, arg: Expr, least: int | None) -> tuple[list[Expr], tuple[object, ...]]:
    """A whole number as a column or, if it is one, as a constant; InvalidParameter (22023) when that is too small."""
    if not isinstance(arg, Const) or not isinstance(arg.value, int):
        if not pa.types.is_integer(arg.type) and not pa.types.is_null(arg.type):
            raise UndefinedFunction(
                f"window function {call.name}() takes a whole number, not {types.to_sql(arg.type)}",
                position=call.position,
            )
        return [cast(arg, pa.int64())], ()
    if least is not None and arg.value < least:
        raise InvalidParameter(f"argument of {call.name} must be greater than zero", position=call.position)
    return [], (arg.value,)


def _is_own(call: ast.Call, args: Sequence[Expr], kind: pa.DataType, constants: int) -> bool:
    """Whether operators/over computes the function itself (if it can do the frame)."""
    if call.distinct or call.order_by or call.ignore_nulls:
        return False
    if call.name in NUMBERED and not constants:
        return False
    if call.name in RANKING or call.name in PICKING or call.star:
        return True
    if call.name not in OWN_AGGREGATES or constants or len(args) != 1:
        return False
    if call.name in ("sum", "avg", "mean"):
        return pa.types.is_integer(args[0].type) or pa.types.is_floating(args[0].type)
    if call.name in ("min", "max"):
        return not pa.types.is_boolean(kind)
    return True


def _text(
    call: ast.Call, columns: int, args: Sequence[Expr], constants: Sequence[object], inner: Sequence[ast.OrderItem]
) -> str:
    """The call for DuckDB, without its OVER."""
    spelt = [f"a{i}" for i in range(columns)]
    literals = [str(c) if isinstance(c, int) else duck.literal(c, pa.array([c]).type) for c in constants]
    if call.name in ("lag", "lead"):
        spelt = [spelt[0], *literals, *spelt[1:]]
    else:
        spelt += literals
    text = "*" if call.star else ", ".join(spelt)
    if call.distinct:
        text = f"DISTINCT {text}"
    if inner:
        at = columns + (call.filter is not None)
        keys = (f"a{at + i}{' DESC' if o.descending else ''}" for i, o in enumerate(inner))
        ends = (
            f" NULLS {'FIRST' if o.nulls_first or o.nulls_first is None and o.descending else 'LAST'}" for o in inner
        )
        text += " ORDER BY " + ", ".join(key + end for key, end in zip(keys, ends, strict=True))
    if call.ignore_nulls:
        text += " IGNORE NULLS"
    made = f"{DUCK_NAMES.get(call.name, call.name)}({text})"
    return f"{made} FILTER (WHERE a{columns})" if call.filter is not None else made
