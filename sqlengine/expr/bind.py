"""Unbound expressions (sql/ast/) -> bound, typed ones (expr/tree.py): names to columns, calls to functions.

Types follow PostgreSQL: literals take the other side's type, numbers promote, everything else needs a written cast.
Operators and calls are found in the registry by their argument types; functions it does not know are DuckDB's
(bind_duck.py).  Aggregates and OVER are the planner's: one that arrives here is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Protocol

import pyarrow as pa

from sqlengine import errors
from sqlengine.expr import tree
from sqlengine.expr.bind_duck import duck_call, opaque, refuse_of_session
from sqlengine.expr.bind_json import json_operator, json_path
from sqlengine.expr.bind_user import user_call
from sqlengine.expr.coerce import as_arg, boolean, cast, coerce, type_name, unify, untyped
from sqlengine.expr.dialects import dialect_call, rules
from sqlengine.expr.higher_order import LambdaScope, Request, bind_higher_order
from sqlengine.expr.mz_now import operands
from sqlengine.expr.parameters import stand_in
from sqlengine.expr.simplify import simplify
from sqlengine.functions import BUILTINS, Registry
from sqlengine.functions.json import ARRAYS_AS_JSON, JSON_PATHS, OBJECTS, TWO_ARRAYS, odd_arguments
from sqlengine.functions.registry import Function, Resolved
from sqlengine.functions.signature import Arg
from sqlengine.sql import ast, deep
from sqlengine.types import INTERVAL, JSON, JSONB, TIMESTAMP, TIMESTAMPTZ, from_sql, has_jsonb, is_json, is_text, to_sql


class Scope(Protocol):
    """The names an expression may use."""

    def resolve(self, column: ast.Column) -> tree.InputRef:
        """The input column a name means; raises UndefinedColumn or AmbiguousColumn."""
        ...


def bind(expr: ast.Expr, scope: Scope, functions: Registry = BUILTINS, *, clause: str = "this clause") -> tree.Expr:
    """The bound expression, constants folded; `clause` names where it stands, for messages about aggregates.

    Raises ProgrammingErrors with positions where the text is at fault, DataErrors for constants without a value,
    NotSupportedError for sub-queries.
    """

    def work() -> tree.Expr:
        return simplify(_Binder(scope, functions, clause).bind(expr), functions)

    try:
        return work()
    except RecursionError:
        return deep.run(work)


def bind_predicate(expr: ast.Expr, scope: Scope, functions: Registry = BUILTINS, *, clause: str = "WHERE") -> tree.Expr:
    """As `bind`, for a condition; DatatypeMismatch (42804) when it is not boolean."""
    return boolean(bind(expr, scope, functions, clause=clause), clause)


OPERATORS: dict[str, str] = {
    "+": "add",
    "-": "subtract",
    "*": "multiply",
    "/": "divide",
    "%": "mod",
    "^": "power",
    "=": "eq",
    "<>": "ne",
    "!=": "ne",
    "<": "lt",
    "<=": "le",
    ">": "gt",
    ">=": "ge",
    "is distinct from": "is_distinct",
    "like": "like",
    "ilike": "ilike",
    "similar to": "similar_to",
    "~": "regex_match",
    "~*": "regex_imatch",
    "~~": "like",
    "&": "bit_and_op",
    "|": "bit_or_op",
    "#": "bit_xor_op",
    "<<": "shift_left",
    ">>": "shift_right",
    "->": "json_get",
    "->>": "json_get_text",
    "@>": "array_includes",
    "&&": "array_overlaps",
    "?": "json_has_key",
}
"""ast.Binary.op -> function."""

_NEGATED: dict[str, str] = {
    "is not distinct from": "is distinct from",
    "!~": "~",
    "!~*": "~*",
    "not like": "like",
    "not ilike": "ilike",
    "!~~": "like",
}
_NOW_CASTS: dict[str, pa.DataType] = {
    "current_date": pa.date32(),
    "localtimestamp": TIMESTAMP,
    "current_time": pa.time64("us"),
    "localtime": pa.time64("us"),
}
_TYPE_CALLS = frozenset({"date", "int2", "int4", "int8", "float4", "float8", "text", "varchar", "bool", "timestamptz"})
_LITERAL_TYPES: dict[str, pa.DataType] = {"unknown": pa.null(), "text": pa.string()}


class _Binder:
    """One binding; holds the scope, nothing else."""

    def __init__(self, scope: Scope, functions: Registry, clause: str) -> None:
        self.scope = scope
        self.functions = functions
        self.clause = clause

    def bind(self, expr: ast.Expr) -> tree.Expr:
        method = _METHODS.get(type(expr))
        if method is None:
            raise errors.NotSupportedError(f"{type(expr).__name__.lower()} is not supported in an expression")
        return method(self, expr)

    def bind_all(self, exprs: Sequence[ast.Expr]) -> list[tree.Expr]:
        return [self.bind(e) for e in exprs]

    # ------------------------------------------------------------ leaves

    def column(self, expr: ast.Column) -> tree.Expr:
        return self.scope.resolve(expr)

    def literal(self, expr: ast.Literal) -> tree.Expr:
        return literal(expr)

    def interval(self, expr: ast.Interval) -> tree.Expr:
        return tree.Const(INTERVAL, pa.MonthDayNano([expr.months, expr.days, expr.microseconds * 1000]))

    def param(self, expr: ast.Param) -> tree.Expr:
        found = stand_in(expr.key) if isinstance(expr.key, int) else None
        if found is not None:
            return found
        name = f"${expr.key + 1}" if isinstance(expr.key, int) else f":{expr.key}"
        raise errors.ProgrammingError(
            f"there is no parameter {name}", sqlstate="42P02", hint="give it a value when executing"
        )

    def subquery(self, expr: ast.Subquery) -> tree.Expr:
        raise errors.NotSupportedError(f"a sub-query in {self.clause} has no incremental form here")

    def star(self, expr: ast.Star) -> tree.Expr:
        raise errors.SyntaxError(f"* is not allowed in {self.clause}")

    def opaque(self, expr: ast.Opaque) -> tree.Expr:
        for name, count in expr.calls:
            if not self.functions.lookup(name):
                refuse_of_session(name, count, self.clause)
        return opaque(expr.text, expr.columns, [self.scope.resolve(c) for c in expr.columns])

    # ------------------------------------------------------------ operators

    def unary(self, expr: ast.Unary) -> tree.Expr:
        arg = self.bind(expr.arg)
        if expr.op == "not":
            return tree.Call(pa.bool_(), "not", (boolean(arg, "NOT"),))
        if expr.op == "+":
            return arg
        name = {"-": "negate", "~": "bit_not"}.get(expr.op, expr.op)
        return self.operator(expr.op, name, [arg], None)

    def binary(self, expr: ast.Binary) -> tree.Expr:
        if expr.op in ("and", "or"):
            return tree.Call(pa.bool_(), expr.op, tuple(self._condition(p, expr.op) for p in _flat(expr, expr.op)))
        if expr.op in _NEGATED:
            positive = ast.Binary(_NEGATED[expr.op], expr.left, expr.right, expr.position)
            return tree.Call(pa.bool_(), "not", (self.binary(positive),))
        if isinstance(expr.left, ast.Row) and isinstance(expr.right, ast.Row) and expr.op in ("=", "<>"):
            return self._rows(expr.op, expr.left, expr.right)
        left, right = operands(expr.left, expr.right, self.bind)
        try:
            if expr.rules:
                return rules(expr.rules).operation(expr.op, left, right)
            return self.combine(expr.op, left, right, expr.position)
        except errors.Error as err:
            raise err.at(expr.position) from None

    def _condition(self, expr: ast.Expr, op: str) -> tree.Expr:
        return boolean(self.bind(expr), op.upper())

    def combine(self, op: str, left: tree.Expr, right: tree.Expr, position: int | None) -> tree.Expr:
        """`left op right`, both bound."""
        if op == "||":
            return self._concatenate(left, right, position)
        if op == "<@":
            op, left, right = "@>", right, left
        if op in ("#>", "#>>"):
            return json_operator(op, left, right, position, self._json_step)
        name = OPERATORS.get(op)
        if name is None:
            raise errors.UndefinedFunction(f"operator {op} is not known", position=position)
        return self.operator(op, name, [left, right], position)

    def operator(self, op: str, name: str, args: list[tree.Expr], position: int | None) -> tree.Expr:
        """A call of an operator's function; 42883 `operator does not exist: text + integer`."""
        found = self._resolve_operator(name, args)
        if found is None:
            shown = [type_name(a) for a in args]
            text = f"{shown[0]} {op} {shown[1]}" if len(shown) == 2 else f"{op} {shown[0]}"
            raise errors.UndefinedFunction(
                f"operator does not exist: {text}",
                hint="an explicit cast of an operand may be needed",
                position=position,
            )
        return self.call_of(found, name, args)

    def _resolve_operator(self, name: str, args: list[tree.Expr]) -> Resolved | None:
        """With one bare literal, first assume it has the other side's type (PostgreSQL's rule)."""
        infos = [as_arg(a) for a in args]
        bare = [i.literal for i in infos]
        if len(args) == 2 and sum(bare) == 1:
            other = infos[bare.index(False)].type
            assumed = [Arg(other, False, i.constant, i.value) if i.literal else i for i in infos]
            found = self.functions.resolve(name, assumed, operators=True)
            if found is not None:
                return found
        return self.functions.resolve(name, infos, operators=True)

    def call_of(self, found: Resolved, name: str, args: Sequence[tree.Expr]) -> tree.Expr:
        """A bound call: arguments cast to the types the function wants."""
        cast_args = tuple(cast(a, t) for a, t in zip(args, found.arg_types, strict=True))
        return tree.Call(found.result, found.function.name if name not in ("and", "or") else name, cast_args)

    def _concatenate(self, left: tree.Expr, right: tree.Expr, position: int | None) -> tree.Expr:
        """|| of texts, of a text and anything, of arrays, of an array and an element."""
        lists = [pa.types.is_list(e.type) for e in (left, right)]
        if any(lists):
            name = (
                "array_cat"
                if all(lists) or _array_text(left) or _array_text(right)
                else ("array_append" if lists[0] else "array_prepend")
            )
            return self.operator("||", name, [left, right], position)
        if any(map(is_json, (left.type, right.type))) and all(
            is_json(e.type) or as_arg(e).literal for e in (left, right)
        ):
            kind = JSONB if JSONB in (left.type, right.type) else JSON
            return self.operator("||", "concat_op", [cast(e, kind) for e in (left, right)], position)
        if is_text(left.type) or is_text(right.type):
            return self.operator("||", "concat_op", [cast(e, pa.string()) for e in (left, right)], position)
        if left.type == pa.binary() and right.type == pa.binary():
            return self.operator("||", "concat_bytes", [left, right], position)
        return self.operator("||", "concat_op", [left, right], position)

    def _json_step(self, name: str, of: tree.Expr, key: tree.Expr) -> tree.Expr:
        return self.operator("->", name, [of, key], None)

    def _rows(self, op: str, left: ast.Row, right: ast.Row) -> tree.Expr:
        """(a, b) = (c, d), item by item."""
        if len(left.items) != len(right.items):
            raise errors.SyntaxError("unequal number of entries in row expressions")
        pairs = zip(left.items, right.items, strict=True)
        same = [self.binary(ast.Binary("=", a, b)) for a, b in pairs]
        whole = tree.Call(pa.bool_(), "and", tuple(same)) if len(same) > 1 else same[0]
        return whole if op == "=" else tree.Call(pa.bool_(), "not", (whole,))

    # ------------------------------------------------------------ tests and choices

    def is_test(self, expr: ast.IsTest) -> tree.Expr:
        arg = self.bind(expr.arg)
        if expr.test != "null":
            arg = boolean(arg, f"IS {expr.test.upper()}")
        elif pa.types.is_null(arg.type):
            arg = cast(arg, pa.string())
        if expr.test in ("true", "false"):
            made = tree.Call(pa.bool_(), f"is_{expr.test}", (arg,))
            return tree.Call(pa.bool_(), "not", (made,)) if expr.negated else made
        return tree.Call(pa.bool_(), "is_not_null" if expr.negated else "is_null", (arg,))

    def between(self, expr: ast.Between) -> tree.Expr:
        arg, low, high = self.bind(expr.arg), self.bind(expr.low), self.bind(expr.high)
        both = (self.combine(">=", arg, low, None), self.combine("<=", arg, high, None))
        made = tree.Call(pa.bool_(), "and", both)
        return tree.Call(pa.bool_(), "not", (made,)) if expr.negated else made

    def in_list(self, expr: ast.InList) -> tree.Expr:
        if isinstance(expr.arg, ast.Row) or any(isinstance(i, ast.Row) for i in expr.items):
            return self._in_by_comparing(expr)
        unified = rules(expr.rules).unified if expr.rules else unify
        arg, *items = unified([self.bind(expr.arg), *self.bind_all(expr.items)], "IN")
        constants = [i for i in items if isinstance(i, tree.Const)]
        if (
            len(constants) == len(items)
            and not pa.types.is_nested(arg.type)
            and arg.type not in (INTERVAL, JSON, JSONB)
        ):
            return tree.InList(pa.bool_(), arg, tuple(constants), expr.negated)
        return self._in_by_comparing(expr)

    def _in_by_comparing(self, expr: ast.InList) -> tree.Expr:
        tests = [self.binary(ast.Binary("=", expr.arg, item, rules=expr.rules)) for item in expr.items]
        made = tree.Call(pa.bool_(), "or", tuple(tests)) if len(tests) > 1 else tests[0]
        return tree.Call(pa.bool_(), "not", (made,)) if expr.negated else made

    def case(self, expr: ast.Case) -> tree.Expr:
        conditions = []
        for condition, _ in expr.whens:
            if expr.operand is not None:
                condition = ast.Binary("=", expr.operand, condition, rules=expr.rules)
            conditions.append(boolean(self.bind(condition), "CASE/WHEN"))
        results = self.bind_all([r for _, r in expr.whens])
        default = self.bind(expr.default) if expr.default is not None else tree.Const(pa.null(), None)
        unified = rules(expr.rules).unified if expr.rules else unify
        *results, default = unified([*results, default], "CASE")
        return tree.Case(default.type, tuple(zip(conditions, results, strict=True)), default)

    def cast(self, expr: ast.Cast) -> tree.Expr:
        target = from_sql(expr.type_name)
        arg = self.bind(expr.arg)
        if expr.safe and isinstance(arg, tree.Const):
            try:
                return cast(arg, target)
            except errors.DataError:
                return tree.Const(target, None)
        return cast(arg, target, safe=expr.safe)

    # ------------------------------------------------------------ structures

    def field(self, expr: ast.FieldAccess) -> tree.Expr:
        arg = self.bind(expr.arg)
        if pa.types.is_list(arg.type) and pa.types.is_struct(arg.type.value_type):  # the field of each of them (Hive)
            return rules("hive").call("member", [arg, tree.Const(pa.string(), expr.name)], self.functions)
        if not pa.types.is_struct(arg.type):
            raise errors.WrongObjectType(
                f"field {expr.name} asked of type {to_sql(arg.type)}, which is not a composite type"
            )
        if arg.type.get_field_index(expr.name) < 0:
            names = [f.name for f in arg.type]
            raise errors.UndefinedColumn(
                f'field "{expr.name}" does not exist in {to_sql(arg.type)}', hint=errors.did_you_mean(expr.name, names)
            )
        dtype = arg.type.field(expr.name).type
        return tree.Call(dtype, "struct_field", (arg, tree.Const(pa.string(), expr.name)))

    def subscript(self, expr: ast.Subscript) -> tree.Expr:
        arg, index = self.bind(expr.arg), self.bind(expr.index)
        if pa.types.is_list(arg.type):
            return tree.Call(arg.type.value_type, "array_get", (arg, coerce(index, pa.int64())))
        if pa.types.is_map(arg.type):
            return tree.Call(arg.type.item_type, "map_get", (arg, coerce(index, arg.type.key_type)))
        if is_json(arg.type):
            return self.operator("->", "json_get", [arg, index], None)
        if pa.types.is_struct(arg.type) and isinstance(expr.index, ast.Literal) and isinstance(expr.index.value, str):
            return self.field(ast.FieldAccess(expr.arg, expr.index.value))
        raise errors.DatatypeMismatch(f"cannot subscript type {to_sql(arg.type)}")

    def array(self, expr: ast.ArrayLiteral) -> tree.Expr:
        if not expr.items:
            raise errors.ProgrammingError(
                "cannot determine type of empty array", sqlstate="42P18", hint="say the type: ARRAY[]::bigint[]"
            )
        items = unify(self.bind_all(expr.items), "ARRAY")
        return tree.Call(pa.list_(items[0].type), "array", tuple(items))

    def row(self, expr: ast.Row) -> tree.Expr:
        bound = self.bind_all(expr.items)  # Hive's structs keep fields of no type until they meet others
        items = [cast(i, pa.string()) if pa.types.is_null(i.type) and not expr.rules else i for i in bound]
        names = expr.names or tuple(f"f{i + 1}" for i in range(len(items)))
        dtype = pa.struct([pa.field(n, i.type) for n, i in zip(names, items, strict=True)])
        return tree.Call(dtype, "row", tuple(items))

    # ------------------------------------------------------------ calls

    def call(self, expr: ast.Call) -> tree.Expr:
        if expr.over is not None:
            raise errors.WindowingError(f"window functions are not allowed in {self.clause}", position=expr.position)
        if expr.star or expr.distinct or expr.filter is not None or expr.within_group or expr.order_by:
            raise self.aggregate_error(expr)
        try:
            return self._plain_call(expr)
        except errors.Error as err:
            raise err.at(expr.position) from None

    def aggregate_error(self, expr: ast.Call) -> errors.Error:
        """42803 for an aggregate where none may stand."""
        return errors.GroupingError(f"aggregate functions are not allowed in {self.clause}", position=expr.position)

    def _plain_call(self, expr: ast.Call) -> tree.Expr:
        name = expr.name.lower()
        if name in _NOW_CASTS:
            return tree.Cast(_NOW_CASTS[name], tree.Call(TIMESTAMPTZ, "now", ()))
        if any(isinstance(arg, ast.Lambda) for arg in expr.args):
            return self._higher_order(name, expr)
        args = self.bind_all(expr.args)
        if expr.user is not None:
            return self._user_call(expr, args)
        if name in JSON_PATHS:
            if len(args) < 2:
                raise self._no_function(name, args, ())
            return json_path(name, args, self._json_step)
        if name == TWO_ARRAYS and len(args) == 2 and _of_arrays(args[0]):
            name = ARRAYS_AS_JSON
        if name in (ARRAYS_AS_JSON, "jsonb_object") and len(args) == 1 and _braces(args[0]).startswith("{{"):
            args = [cast(args[0], pa.list_(pa.list_(pa.string())))]
        if name in OBJECTS:
            if len(args) % 2:
                raise odd_arguments(name)
            args = [arg if i % 2 else cast(arg, pa.string()) for i, arg in enumerate(args)]
        if name == "pg_typeof" and len(args) == 1 and has_jsonb(args[0].type):  # for DuckDB it is json
            return tree.Const(pa.string(), to_sql(args[0].type))
        if (other := dialect_call(name)) is not None:
            return other[0].call(other[1], args, self.functions)
        special = _SPECIAL.get(name)
        if special is not None:
            return special(self, args)
        infos = [as_arg(a) for a in args]
        found = self.functions.resolve(name, infos)
        if name.startswith("jsonb_") and found is not None and found.arg_types[:1] == (JSON,) and infos[0].literal:
            found = self.functions.resolve(name, [Arg(JSONB), *infos[1:]]) or found
        if found is not None:
            self._check_constants(found.function, args)
            self._check_value(found.function, args)
            return self.call_of(found, name, args)
        return self._unregistered(expr, name, args)

    def _higher_order(self, name: str, expr: ast.Call) -> tree.Expr:
        """A call with lambdas, which only other dialects bind: ours leaves them to DuckDB."""
        dialect, _, bare = name.partition("$")
        values = self.bind_all([a for a in expr.args if not isinstance(a, ast.Lambda)])
        lambdas = [a for a in expr.args if isinstance(a, ast.Lambda)]
        found = rules(dialect)

        def body(written: ast.Expr, scope: LambdaScope) -> tree.Expr:
            return _Binder(scope, self.functions, f"a lambda of {bare}").bind(written)

        return bind_higher_order(Request(bare, values, lambdas, self.scope, body, found.to, found.met))

    def lambda_param(self, expr: ast.LambdaParam) -> tree.Expr:
        assert isinstance(self.scope, LambdaScope), "a parameter stands in its lambda"
        return self.scope.param(expr.name)

    def _user_call(self, expr: ast.Call, args: Sequence[tree.Expr]) -> tree.Expr:
        """A call of one of the database's own functions."""
        if expr.user.function is None:
            raise self.aggregate_error(expr)
        return user_call(expr.user, args)

    def _check_constants(self, function: Function, args: Sequence[tree.Expr]) -> None:
        if function.duck == "" and any(tree.input_columns(args[i]) for i in function.constant_args if i < len(args)):
            param = function.signatures[0].params[function.constant_args[0]].name
            raise errors.NotSupportedError(f"argument {param} of {function.name} must be a constant")

    def _check_value(self, function: Function, args: Sequence[tree.Expr]) -> None:
        if function.check is None:
            return
        first = args[function.constant_args[0]]
        if isinstance(first, tree.Const) and first.value is not None:
            function.check(first.value)

    def _unregistered(self, expr: ast.Call, name: str, args: list[tree.Expr]) -> tree.Expr:
        """A function-style cast, DuckDB's function, or 42883."""
        if name in _TYPE_CALLS and len(args) == 1:
            return cast(args[0], from_sql(name))
        known = [f for f in self.functions.lookup(name) if f.called(name)]
        nested = any(pa.types.is_nested(a.type) or is_json(a.type) for a in args)
        if not known or nested:
            made = duck_call(name, args, self.clause)
            if made is not None:
                return made
        raise self._no_function(name, args, known)

    def _no_function(self, name: str, args: Sequence[tree.Expr], known: Sequence[Function]) -> errors.Error:
        shown = ", ".join(type_name(a) for a in args)
        if known:
            forms = "; ".join(s.text for f in known for s in f.signatures)
            hint: str | None = f"it is declared as {forms}"
        else:
            hint = errors.did_you_mean(name, self.functions.names())
        return errors.UndefinedFunction(f"function {name}({shown}) does not exist", hint=hint)

    # ------------------------------------------------------------ calls that are choices

    def coalesce(self, args: list[tree.Expr]) -> tree.Expr:
        """One call over arguments of one type; the evaluator looks at each only where those before it are NULL."""
        if not args:
            raise errors.UndefinedFunction("function coalesce() does not exist", hint="it needs at least one argument")
        same = unify(args, "COALESCE")
        return tree.Call(same[0].type, "coalesce", tuple(same))

    def nullif(self, args: list[tree.Expr]) -> tree.Expr:
        """NULL where both are equal; the first keeps its own type, whatever the two are compared as."""
        if len(args) != 2:
            raise self._no_function("nullif", args, self.functions.lookup("nullif"))
        compared = self.operator("=", "eq", args, None)
        assert isinstance(compared, tree.Call)
        made = tree.Call(compared.args[0].type, "nullif", compared.args)
        kept = args[0].type if not untyped(args[0]) else made.type
        return cast(made, kept)

    def if_(self, args: list[tree.Expr]) -> tree.Expr:
        """CASE WHEN condition THEN a ELSE b END."""
        if len(args) != 3:
            raise self._no_function("if", args, self.functions.lookup("if"))
        yes, no = unify(args[1:], "IF")
        return tree.Case(no.type, ((boolean(args[0], "IF"), yes),), no)


def _array_text(expr: tree.Expr) -> bool:
    """Whether a bare literal beside an array stands for an array: NULL, or a text in braces or brackets."""
    return untyped(expr) and not (isinstance(expr, tree.Const) and str(expr.value or "{")[0] not in "{[")


def _of_arrays(keys: tree.Expr) -> bool:
    """Whether JSON_OBJECT(keys, items) is of two arrays."""
    return pa.types.is_list(keys.type) or _braces(keys).startswith("{")


def _braces(expr: tree.Expr) -> str:
    """A bare literal's text without spaces; of anything else none."""
    written = isinstance(expr, tree.Const) and untyped(expr) and isinstance(expr.value, str)
    return expr.value.replace(" ", "") if isinstance(expr, tree.Const) and written else ""


def _flat(expr: ast.Expr, op: str) -> list[ast.Expr]:
    """The terms of a chain of AND or OR, left to right, without recursion on its length."""
    terms: list[ast.Expr] = []
    todo = [expr]
    while todo:
        top = todo.pop()
        if isinstance(top, ast.Binary) and top.op == op:
            todo += [top.right, top.left]
        else:
            terms.append(top)
    return terms


def literal(expr: ast.Literal) -> tree.Const:
    """A constant of the literal's own type: numeric ones as narrow as their digits."""
    value = expr.value
    if isinstance(value, Decimal):
        return _numeric(value)
    if value is None and expr.type_name in ("unknown", "text"):
        return tree.Const(pa.null(), None)
    dtype = _LITERAL_TYPES.get(expr.type_name) or from_sql(expr.type_name)
    if isinstance(value, str) and not is_text(dtype):
        made = cast(tree.Const(pa.string(), value), dtype)
        assert isinstance(made, tree.Const)
        return made
    return tree.Const(dtype, value)


def _numeric(value: Decimal) -> tree.Const:
    _, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    scale = max(0, -exponent)
    precision = max(len(digits) + max(0, exponent), scale, 1)
    if precision > 38:
        raise errors.OutOfRange("a numeric constant has at most 38 digits")
    return tree.Const(pa.decimal128(precision, scale), value)


_Method = Callable[[_Binder, Any], tree.Expr]
_METHODS: dict[type[ast.Expr], _Method] = {
    ast.Column: _Binder.column,
    ast.Literal: _Binder.literal,
    ast.Interval: _Binder.interval,
    ast.Param: _Binder.param,
    ast.Unary: _Binder.unary,
    ast.Binary: _Binder.binary,
    ast.IsTest: _Binder.is_test,
    ast.Between: _Binder.between,
    ast.InList: _Binder.in_list,
    ast.Case: _Binder.case,
    ast.Cast: _Binder.cast,
    ast.Call: _Binder.call,
    ast.FieldAccess: _Binder.field,
    ast.Subscript: _Binder.subscript,
    ast.ArrayLiteral: _Binder.array,
    ast.Row: _Binder.row,
    ast.Star: _Binder.star,
    ast.LambdaParam: _Binder.lambda_param,
    ast.Subquery: _Binder.subquery,
    ast.Opaque: _Binder.opaque,
}
_SPECIAL: dict[str, Callable[[_Binder, list[tree.Expr]], tree.Expr]] = {
    "coalesce": _Binder.coalesce,
    "ifnull": _Binder.coalesce,
    "nvl": _Binder.coalesce,
    "nullif": _Binder.nullif,
    "if": _Binder.if_,
    "iff": _Binder.if_,
}
