"""GROUP BY: window functions among the keys, the aggregates of a block, and what stands above them.

The block's expressions are rewritten at the syntax level: every column to its position ("#3"), then every grouping
expression to "$g0", ... and every aggregate call to "$a0", ...; a column that is left over is not grouped (42803).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import TypeVar

import pyarrow as pa

from sqlengine import types
from sqlengine.errors import DatatypeMismatch, Error, GroupingError, UndefinedFunction, did_you_mean
from sqlengine.expr.bind import bind as bind_scalar
from sqlengine.expr.bind_user import user_types
from sqlengine.expr.coerce import boolean, cast
from sqlengine.expr.dialects import aggregated
from sqlengine.expr.tree import Const, Expr, InputRef
from sqlengine.functions.aggregates import AGGREGATES, aggregate
from sqlengine.plan import build
from sqlengine.plan.columns import columns_of
from sqlengine.plan.comparable import normal, ordered
from sqlengine.plan.nodes import AggregateCall, AssignWindow, Filter, Node, Project
from sqlengine.plan.rewrite import transform, walk
from sqlengine.plan.scope import Relation, Visible
from sqlengine.plan.unplannable import Unplannable
from sqlengine.plan.window import to_window, window_origin, window_relation
from sqlengine.quick_dataclass import dataclass
from sqlengine.sql import approximate, ast, grouping_window
from storage.replacing import replace

GROUP_WINDOWS = {
    "tumble": "tumble",
    "hop": "hop",
    "cumulate": "cumulate",
    "session": "session",
    "window": "window",
    "session_window": "session",
}
GROUPING = ("grouping", "grouping_id")
"""Functions that tell which keys a grouping set has."""
NOTHING = ast.Literal(None, "null")
T = TypeVar("T")
_PARTS = {"start": 0, "end": 1, "rowtime": 2, "proctime": 2, "time": 2}


def is_aggregate(expr: ast.Expr) -> bool:
    """True for a call of an aggregate function that is not an OVER call."""
    if not isinstance(expr, ast.Call) or expr.over is not None:
        return False
    if expr.user is not None:
        return expr.user.aggregate is not None
    return expr.star or aggregate(expr.name) is not None


def has_aggregates(items: tuple[ast.SelectItem, ...]) -> bool:
    """True when a select list makes its block an aggregation."""
    return any(is_aggregate(e) for e in walk(items))


# ---------------------------------------------------------------- windows in GROUP BY


def group_windows(relation: Relation, s: ast.Select) -> tuple[Relation, ast.Select]:
    """`GROUP BY tumble(ts, INTERVAL ...)`: append the window columns, group by them, resolve tumble_start(...) etc."""
    s = _windows_spelt_out(relation, s)
    calls = [e for e in s.group_by if isinstance(e, ast.Call) and e.name in GROUP_WINDOWS]
    if not calls:
        return relation, s
    if len(calls) > 1:
        raise Unplannable("two window functions in one GROUP BY")
    call = calls[0]
    spec, time = _window_call(call)
    at = relation.resolve(time)
    if not pa.types.is_timestamp(at.type):
        raise DatatypeMismatch(
            f'window functions need a timestamp column, "{at.name}" is {types.to_sql(at.type)}', position=call.position
        )
    others = [e for e in s.group_by if e is not call]
    partition: tuple[int, ...] = ()
    if spec.kind == "session":
        partition = tuple(relation.resolve(e).index for e in others if isinstance(e, ast.Column))
        if len(partition) != len(others):
            raise Unplannable("a session window grouped by an expression")
    relation = window_relation(relation, at.index, to_window(spec), None, partition)
    start = len(relation.columns) - 3
    columns = [ast.Column((f"#{start + i}",)) for i in range(3)]
    family = "tumble hop cumulate session window".split()

    def replace_call(e: ast.Expr) -> ast.Expr | None:
        if isinstance(e, ast.Column) and e.parts[:-1] == (call.name,) and e.parts[-1] in ("start", "end"):
            return columns[_PARTS[e.parts[-1]]]  # Spark: window.start
        if not isinstance(e, ast.Call):
            return None
        if e == call:
            return ast.Row((columns[0], columns[1]), ("start", "end"))
        head, _, part = e.name.rpartition("_")
        if head in family and part in _PARTS and (found := grouping_window(e)) is not None and found[0] == time:
            return columns[_PARTS[part]]
        return None

    return relation, replace(
        s,
        items=transform(s.items, replace_call),
        having=transform(s.having, replace_call),
        order_by=transform(s.order_by, replace_call),
        group_by=(*others, *columns),
    )


def _windows_spelt_out(relation: Relation, s: ast.Select) -> ast.Select:
    """`GROUP BY w` where w is the output name of a window function, and no column's."""
    named = {i.name: i.expr for i in s.items if isinstance(i.expr, ast.Call) and i.expr.name in GROUP_WINDOWS}
    columns = {c.name for c in relation.columns}

    def meant(e: ast.Expr) -> ast.Expr:
        single = isinstance(e, ast.Column) and len(e.parts) == 1 and e.parts[0] not in columns
        return named.get(e.parts[0], e) if single and isinstance(e, ast.Column) else e

    return replace(s, group_by=tuple(map(meant, s.group_by)))


def _own_window(node: Node) -> Node:
    """The outermost AssignWindow below projections and filters, or what ends them."""
    while isinstance(node, (Project, Filter)):
        node = node.input
    return node


def _determined(window: AssignWindow, which: int, *, whole: bool) -> tuple[int, ...]:
    """The columns (0 start, 1 end, 2 time) of a window that one of them determines: a start does not say how far a
    cumulating window has come; nor, unless `whole`, when which session ended."""
    kind = window.window.kind
    if kind in ("tumble", "hop") or (kind == "cumulate" and which > 0) or (kind == "session" and whole):
        return (0, 1, 2)
    return (0,) if which == 0 else (1, 2)


def _divides(node: Node, own: Node, keys: list[ast.Expr]) -> bool:
    """Whether what divides the sessions of `own` is among the keys, columns of `node`: its sessions do not overlap."""
    if not isinstance(own, AssignWindow):
        return False
    held: set[int | None] = {int(k.parts[0][1:]) for k in keys if isinstance(k, ast.Column)}
    while isinstance(node, (Project, Filter)):
        if isinstance(node, Project):
            exprs = [node.exprs[h] for h in held if h is not None]
            held = {e.index if isinstance(e, InputRef) else None for e in exprs}
        node = node.input
    return held >= set(own.partition)


def _window_call(call: ast.Call) -> tuple[ast.WindowSpec, ast.Column]:
    """The window and time column of `tumble(ts, size[, offset])`, `hop(ts, slide, size)`, `window(ts, size)` ..."""
    found = grouping_window(call)
    if found is None or not isinstance(found[0], ast.Column):
        raise UndefinedFunction(
            f"{call.name}() needs a time column and intervals",
            position=call.position,
            hint=f"for example {call.name}(ts, INTERVAL '1 minute')",
        )
    return found[1], found[0]


# ---------------------------------------------------------------- the aggregation itself


@dataclass
class Aggregation:
    """One aggregating block over `relation`."""

    relation: Relation
    select: ast.Select
    listed: list[ast.Call] = field(default_factory=list)
    """Calls that DuckDB makes of the group's list, because of their arguments' types."""

    def bind(self) -> tuple[Relation, ast.Select]:
        """The grouped relation (columns $g0.., $a0..) and the select rewritten onto it, HAVING applied."""
        s = self._canonical()
        bare = transform((s.items, s.having or (), s.order_by), lambda e: NOTHING if is_aggregate(e) else None)
        shown: set[ast.Expr] = {e for e in walk(bare) if isinstance(e, ast.Column)}
        keys = self._with_window_keys(list(dict.fromkeys(s.group_by)), shown)
        if not s.grouping_sets:
            keys += self._dependent(keys, shown)
        calls = list(dict.fromkeys(e for e in walk((s.items, s.having or (), s.order_by)) if is_aggregate(e)))
        inputs: list[Expr] = []
        key_at = [self._input(inputs, bind_scalar(k, self.relation)) for k in keys]
        bound = [self._call(inputs, c) for c in calls if isinstance(c, ast.Call)]
        if not keys and not bound:  # `SELECT 1 HAVING true`: one group, whatever there is
            bound = [AggregateCall("count", (), pa.int64())]
        names = [e.name if hasattr(e, "name") else f"$e{i}" for i, e in enumerate(inputs)]
        # `SELECT count(*)` reads no column, and a batch without columns would not know its number of rows.
        below = build.projected(self.relation.node, inputs, names) if inputs else self.relation.node
        groupings = self._groupings(s, keys)
        sets = [self._with_window_keys(list(g.exprs), shown) for g in s.grouping_sets]
        written = [set(g.exprs) for g in s.grouping_sets]
        node = self._grouped(below, sets, written, keys, key_at, bound, groupings)
        named_keys = [self._visible(k, f"$g{i}") for i, k in enumerate(keys)]
        post = Relation(node, (*named_keys, *(Visible(None, n) for n in columns_of(node.schema).names[len(keys) :])))
        places: dict[ast.Expr, ast.Expr] = {k: ast.Column((f"#{i}",)) for i, k in enumerate(keys)}
        first = len(keys)
        places |= {c: self._value(c, ast.Column((f"#{first + i}",))) for i, c in enumerate(calls)}
        first += len(bound)
        places |= {c: ast.Column((f"#{first + i}",)) for i, c in enumerate(groupings)}
        s = replace(
            s,
            items=self._above(s.items, places),
            order_by=self._above(s.order_by, places),
            having=self._above(s.having, places),
            group_by=(),
            grouping_sets=(),
        )
        if s.having is not None:
            condition = bind_scalar(s.having, post)
            if not pa.types.is_boolean(condition.type):
                raise DatatypeMismatch(
                    f"argument of HAVING must be type boolean, not type {types.to_sql(condition.type)}"
                )
            post = post.on(build.filtered(node, condition))
        return post, replace(s, having=None)

    def _visible(self, key: ast.Expr, name: str) -> Visible:
        """A grouped column keeps its name, for subqueries that mention it."""
        return self.relation.columns[int(key.parts[0][1:])] if isinstance(key, ast.Column) else Visible(None, name)

    def _canonical(self) -> ast.Select:
        """Every column by position; aliases of the select list where GROUP BY, HAVING or ORDER BY use them."""
        s = self.select
        aliases = {i.name: i.expr for i in s.items}

        def by_position(e: ast.Expr) -> ast.Expr | None:
            if isinstance(e, ast.Column) and not e.parts[0].startswith("#"):
                return replace(e, parts=(f"#{self.relation.resolve(e).index}",))
            return None

        def by_alias(e: ast.Expr) -> ast.Expr | None:
            if isinstance(e, ast.Column) and not e.parts[0].startswith("#"):
                try:
                    return by_position(e)
                except Error:
                    if len(e.parts) == 1 and e.parts[0] in aliases:
                        return transform(aliases[e.parts[0]], by_position)
                    raise
            return None

        items = tuple(replace(i, expr=transform(i.expr, by_position)) for i in s.items)
        return replace(
            s,
            items=items,
            group_by=transform(s.group_by, by_alias),
            grouping_sets=tuple(ast.GroupingSet(transform(g.exprs, by_alias)) for g in s.grouping_sets),
            having=transform(s.having, by_alias),
            order_by=s.order_by,
        )

    def _groupings(self, s: ast.Select, keys: list[ast.Expr]) -> list[ast.Call]:
        """The calls of grouping(...), whose arguments must be among the keys (42803)."""
        found = [
            e for e in walk((s.items, s.having or (), s.order_by)) if isinstance(e, ast.Call) and e.name in GROUPING
        ]
        for call in found:
            if any(a not in keys for a in call.args):
                raise GroupingError(
                    "arguments to GROUPING must be grouping expressions of the associated query level",
                    position=call.position,
                )
        return list(dict.fromkeys(found))

    def _grouped(
        self,
        below: Node,
        sets: list[list[ast.Expr]],
        written: list[set[ast.Expr]],
        keys: list[ast.Expr],
        key_at: list[int],
        calls: list[AggregateCall],
        groupings: list[ast.Call],
    ) -> Node:
        """The groups; of several grouping sets, one grouping each over the same input, all in one layout."""
        if not sets and not groupings:
            return build.grouped(below, key_at, calls)
        branches = []
        anywhere: set[ast.Expr] = set().union(*written)
        for exprs, mine in zip(sets or [keys], written or [set(keys)], strict=True):
            own = [i for i, k in enumerate(keys) if k in exprs]
            # What a window's other columns determine is NULL all the same where another set groups by it.
            shown = [i for i in own if keys[i] in mine or keys[i] not in anywhere]
            # Without keys and calls there would be no row: the empty set has one, even of no input.
            some = calls or [AggregateCall("count", (), pa.int64())]
            node = build.grouped(below, [key_at[i] for i in own], some if not own else calls)
            columns: list[Expr] = [
                build.ref(node, own.index(i)) if i in shown else Const(columns_of(below.schema).fields[at].type, None)
                for i, at in enumerate(key_at)
            ]
            columns += [build.ref(node, len(own) + i) for i in range(len(calls))]
            columns += [Const(pa.int64(), _mask(call, [keys[i] for i in shown])) for call in groupings]
            names = [f"$g{i}" for i in range(len(keys))] + [f"$a{i}" for i in range(len(calls))]
            branches.append(build.projected(node, columns, [*names, *(f"$q{i}" for i in range(len(groupings)))]))
        return build.union_all(branches) if len(branches) > 1 else branches[0]

    def _with_window_keys(self, keys: list[ast.Expr], shown: set[ast.Expr]) -> list[ast.Expr]:
        """The window columns that the keys determine too: those in `shown`, and all of the input's own windows, for
        which operators are made."""
        node = self.relation.node
        own = _own_window(node)
        origins: dict[tuple[int, int], int] = {}
        for i in range(len(self.relation.columns)):
            if (origin := window_origin(node, i)) is not None:
                origins.setdefault((id(origin[0]), origin[1]), i)
        for key in list(keys):
            if not isinstance(key, ast.Column):
                continue
            origin = window_origin(node, int(key.parts[0][1:]))
            if origin is None:
                continue
            for which in _determined(*origin, whole=origin[0].window.kind != "session" or _divides(node, own, keys)):
                at = origins.get((id(origin[0]), which))
                column = ast.Column((f"#{at}",))
                if at is not None and column not in keys and (origin[0] is own or column in shown):
                    keys.append(column)
        return keys

    def _dependent(self, keys: list[ast.Expr], shown: set[ast.Expr]) -> list[ast.Expr]:
        """The columns in `shown` of tables whose whole primary key is grouped by: a group has one value of each."""
        parts: dict[tuple[str | None, int], set[ast.Expr]] = {}
        for i, column in enumerate(self.relation.columns):
            if column.key:
                parts.setdefault((column.table, column.depth), set()).add(ast.Column((f"#{i}",)))
        whole = {table for table, key in parts.items() if key <= set(keys)}
        found: list[ast.Expr] = []
        for i, column in enumerate(self.relation.columns):
            place = ast.Column((f"#{i}",))
            if (column.table, column.depth) in whole and place in shown and place not in keys:
                found.append(place)
        return found

    @staticmethod
    def _input(inputs: list[Expr], expr: Expr) -> int:
        """Position of the expression among the aggregate's inputs, added if new."""
        if expr not in inputs:
            inputs.append(expr)
        return inputs.index(expr)

    def _call(self, inputs: list[Expr], call: ast.Call) -> AggregateCall:
        if any(is_aggregate(e) for a in call.args for e in walk(a)):
            raise GroupingError("aggregate function calls cannot be nested", position=call.position)
        args, constants = _split_constants(call)
        bound = [bind_scalar(a, self.relation) for a in args]
        if _only_over_list(call, bound):
            self.listed.append(call)
            call = replace(call, name="array_agg")
        try:
            bound, kind = _typed(call, bound)
            if call.name in approximate.NAMES:
                approximate.check(call.name, constants)
                kind = pa.list_(kind) if any(isinstance(c, tuple) for c in constants) else kind
        except Error as error:
            raise error.at(call.position) from None
        flag = None if call.filter is None else self._input(inputs, self._condition(call.filter))
        order = tuple(
            (
                self._input(inputs, ordered(bind_scalar(o.expr, self.relation))),
                o.descending,
                o.nulls_first if o.nulls_first is not None else o.descending,
            )
            for o in (*call.order_by, *call.within_group)
        )
        at = tuple(self._input(inputs, normal(b) if call.distinct else b) for b in bound)
        return AggregateCall(call.name, at, kind, call.distinct, flag, order, tuple(constants), call.user)

    def single(self, inputs: list[Expr], call: ast.Call) -> tuple[AggregateCall, Callable[[ast.Column], ast.Expr]]:
        """One call on its own, over `inputs`, to which its arguments are added; and what stands for it above, given its
        column."""
        bound = self._call(inputs, call)
        return bound, lambda column: self._value(call, column)

    def _condition(self, expr: ast.Expr) -> Expr:
        return boolean(bind_scalar(expr, self.relation), "FILTER")

    def _value(self, call: ast.Expr, column: ast.Column) -> ast.Expr:
        """What stands for a call above the groups, given its column."""
        assert isinstance(call, ast.Call)
        return ast.Call("list_aggr", (column, ast.Literal(call.name, "text"))) if call in self.listed else column

    def _above(self, node: T, places: dict[ast.Expr, ast.Expr]) -> T:
        """Rewrite onto the grouped relation; GroupingError (42803) for columns that are not grouped."""

        def place(e: ast.Expr) -> ast.Expr | None:
            if e in places:
                return places[e]
            if isinstance(e, ast.Column) and e.parts[0].startswith("#"):
                visible = self.relation.columns[int(e.parts[0][1:])]
                spelt = f"{visible.table}.{visible.name}" if visible.table else visible.name
                raise GroupingError(
                    f'column "{spelt}" must appear in the GROUP BY clause or be used in an aggregate function',
                    position=e.position,
                )
            return None

        placed: T = transform(node, place)
        return placed


def _mask(call: ast.Call, keys: list[ast.Expr]) -> int:
    """grouping(a, b, ...): one bit an argument, the last the lowest, 1 where it is not grouped by."""
    mask = 0
    for arg in call.args:
        mask = mask << 1 | (arg not in keys)
    return mask


def _only_over_list(call: ast.Call, args: list[Expr]) -> bool:
    """min and max of arrays and structs, avg of intervals: no accumulator orders or adds those."""
    if call.user is not None or len(args) != 1:
        return False
    kind = types.storage_type(args[0].type)
    if call.name in ("min", "max"):
        return bool(pa.types.is_nested(kind))
    return call.name in ("avg", "mean") and bool(pa.types.is_interval(kind))


def _typed(call: ast.Call, args: list[Expr]) -> tuple[list[Expr], pa.DataType]:
    """The arguments as the aggregate wants them and its result's type; UndefinedFunction (42883) otherwise."""
    if call.user is not None:
        return list(map(cast, args, user_types(call.user, args))), call.user.returns
    function = aggregate(call.name)
    if function is None:
        raise UndefinedFunction(
            f"aggregate function {call.name}(*) does not exist",
            position=call.position,
            hint=did_you_mean(call.name, [f.name for f in AGGREGATES]),
        )
    return args, aggregated(call.rules, call.name, function.result_type([a.type for a in args], call.distinct), args)


def _split_constants(call: ast.Call) -> tuple[list[ast.Expr], list[object]]:
    """Column-like arguments, and trailing literals such as a separator or a percentile."""
    if call.within_group:
        return [o.expr for o in call.within_group], [_constant(a) for a in call.args if _is_constant(call, a)]
    if call.star:
        return [], []
    if call.user is not None:
        return list(call.args), []
    args, constants = list(call.args[:1]), []
    for arg in call.args[1:]:
        if _is_constant(call, arg):
            constants.append(_constant(arg))
        else:
            args.append(arg)
    return args, constants


def _is_constant(call: ast.Call, arg: ast.Expr) -> bool:
    """A literal, or where a list of fractions may stand an ARRAY of them."""
    if isinstance(arg, ast.ArrayLiteral) and call.name in approximate.QUANTILES:
        return all(isinstance(i, ast.Literal) for i in arg.items)
    return isinstance(arg, ast.Literal)


def _constant(arg: ast.Expr) -> object:
    """The value of a literal, a tuple of those of an ARRAY."""
    return tuple(map(_constant, arg.items)) if isinstance(arg, ast.ArrayLiteral) else getattr(arg, "value", None)
