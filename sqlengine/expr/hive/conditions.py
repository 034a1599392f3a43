"""Choices, tests, and operators under the names functions have in Hive: made of other expressions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pyarrow as pa

from sqlengine import errors
from sqlengine.expr import tree
from sqlengine.expr.coerce import constant
from sqlengine.expr.hive.coercion import STRING, compared_as, is_null, to, unified
from sqlengine.expr.hive.operators import operation
from sqlengine.types import hive_name, to_sql

_BOOL = pa.bool_()


def _count(name: str, args: list[tree.Expr], least: int, most: int | None = None) -> None:
    if len(args) < least or (most is not None and len(args) > most):
        raise errors.UndefinedFunction(f"{name} does not take {len(args)} arguments")


def _boolean(expr: tree.Expr, what: str) -> tree.Expr:
    if pa.types.is_boolean(expr.type) or is_null(expr.type):
        return to(expr, _BOOL)
    raise errors.DatatypeMismatch(f"{what} takes a boolean, not {to_sql(expr.type)}")


def _null_test(negated: bool) -> Callable[[list[tree.Expr]], tree.Expr]:
    name = "isnotnull" if negated else "isnull"

    def form(args: list[tree.Expr]) -> tree.Expr:
        _count(name, args, 1, 1)
        value = to(args[0], STRING) if is_null(args[0].type) else args[0]
        return tree.Call(_BOOL, "is_not_null" if negated else "is_null", (value,))

    return form


def _truth_test(word: str, negated: bool) -> Callable[[list[tree.Expr]], tree.Expr]:
    name = f"is{'not' if negated else ''}{word}"

    def form(args: list[tree.Expr]) -> tree.Expr:
        _count(name, args, 1, 1)
        made = tree.Call(_BOOL, f"is_{word}", (_boolean(args[0], name),))
        return tree.Call(_BOOL, "not", (made,)) if negated else made

    return form


def _nullif(args: list[tree.Expr]) -> tree.Expr:
    _count("nullif", args, 2, 2)
    same = operation("=", args[0], args[1])
    kind = STRING if is_null(args[0].type) else args[0].type
    return tree.Case(kind, ((same, tree.Const(kind, None)),), to(args[0], kind))


def _nvl2(args: list[tree.Expr]) -> tree.Expr:
    _count("nvl2", args, 3, 3)
    known = _null_test(True)(args[:1])
    there, gone = unified(args[1:], "nvl2")
    return tree.Case(there.type, ((known, there),), gone)


def _when(args: list[tree.Expr]) -> tree.Expr:
    """`if(c, a[, b])` and `when(c, a, ..., b)`: the value of the first condition that is true."""
    _count("when", args, 2)
    pairs = [(_boolean(args[i], "a condition"), args[i + 1]) for i in range(0, len(args) - 1, 2)]
    default = args[-1] if len(args) % 2 else tree.Const(pa.null(), None)
    values = unified([*(v for _, v in pairs), default], "CASE")
    return tree.Case(values[0].type, tuple((c, v) for (c, _), v in zip(pairs, values, strict=False)), values[-1])


def _case(args: list[tree.Expr]) -> tree.Expr:
    """`case(x, v, a, ..., b)`: the value beside the first of the values that x is."""
    _count("case", args, 3)
    flat: list[tree.Expr] = []
    for at in range(1, len(args) - 1, 2):
        flat += [operation("=", args[0], args[at]), args[at + 1]]
    return _when(flat + (args[-1:] if len(args) % 2 == 0 else []))


def _extreme(name: str) -> Callable[[list[tree.Expr]], tree.Expr]:
    """Values at the type they are compared as, else as texts (GenericUDFBaseNwayCompare)."""

    def form(args: list[tree.Expr]) -> tree.Expr:
        _count(name, args, 2)
        kind = args[0].type
        for arg in args[1:]:
            if pa.types.is_nested(arg.type) or pa.types.is_nested(kind):
                raise errors.DatatypeMismatch(f"{name} takes primitive types, not {to_sql(arg.type)}")
            kind = _meeting(kind, arg.type)
        kind = STRING if is_null(kind) else kind
        made = tree.Call(kind, f"hive${name}", tuple(to(a, kind) for a in args))
        return constant(made) if all(isinstance(a, tree.Const) for a in made.args) else made

    return form


def _meeting(a: pa.DataType, b: pa.DataType) -> pa.DataType:
    if a == STRING or b == STRING:
        return STRING if not (is_null(a) or is_null(b)) else a if is_null(b) else b
    return compared_as(a, b) or STRING


def _between(args: list[tree.Expr]) -> tree.Expr:
    """`between(turned round, x, low, high)`, as Hive's own operator is called."""
    _count("between", args, 4, 4)
    inside = tree.Call(_BOOL, "and", (operation(">=", args[1], args[2]), operation("<=", args[1], args[3])))
    turned = args[0]
    if not isinstance(turned, tree.Const) or not isinstance(turned.value, bool):
        raise errors.UndefinedFunction("between takes a constant truth value first")
    return tree.Call(_BOOL, "not", (inside,)) if turned.value else inside


def _in(args: list[tree.Expr]) -> tree.Expr:
    _count("in", args, 2)
    return _folded("or", [operation("=", args[0], value) for value in args[1:]])


def _folded(word: str, tests: Sequence[tree.Expr]) -> tree.Expr:
    return tests[0] if len(tests) == 1 else tree.Call(_BOOL, word, tuple(tests))


def _like_each(word: str) -> Callable[[list[tree.Expr]], tree.Expr]:
    def form(args: list[tree.Expr]) -> tree.Expr:
        _count("like", args, 2)
        return _folded(word, [operation("like", args[0], pattern) for pattern in args[1:]])

    return form


def _logic(word: str) -> Callable[[list[tree.Expr]], tree.Expr]:
    def form(args: list[tree.Expr]) -> tree.Expr:
        _count(word, args, 2)
        return tree.Call(_BOOL, word, tuple(_boolean(a, word) for a in args))

    return form


def _not(args: list[tree.Expr]) -> tree.Expr:
    _count("not", args, 1, 1)
    return tree.Call(_BOOL, "not", (_boolean(args[0], "not"),))


def _binary(op: str) -> Callable[[list[tree.Expr]], tree.Expr]:
    def form(args: list[tree.Expr]) -> tree.Expr:
        _count(f"`{op}`", args, 2, 2)
        return operation(op, args[0], args[1])

    return form


def _typeof(args: list[tree.Expr]) -> tree.Expr:
    _count("typeof", args, 1, 1)
    return tree.Const(STRING, _type_name(args[0].type))


def _type_name(kind: pa.DataType) -> str:
    if is_null(kind):
        return "void"
    if pa.types.is_list(kind):
        return f"array<{_type_name(kind.value_type)}>"
    if pa.types.is_map(kind):
        return f"map<{_type_name(kind.key_type)},{_type_name(kind.item_type)}>"
    if pa.types.is_struct(kind):
        return f"struct<{','.join(f'{f.name}:{_type_name(f.type)}' for f in kind)}>"
    if pa.types.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    if pa.types.is_timestamp(kind):
        return "timestamp with local time zone" if kind.tz else "timestamp"
    return hive_name(kind) or to_sql(kind)


def _field(args: list[tree.Expr]) -> tree.Expr:
    """All values as texts: `arguments are compared using str.equals(x)`."""
    _count("field", args, 2)
    made = tree.Call(pa.int32(), "hive$field", tuple(_as_text(a, "field") for a in args))
    return constant(made) if all(isinstance(a, tree.Const) for a in made.args) else made


def _as_text(arg: tree.Expr, what: str) -> tree.Expr:
    if pa.types.is_nested(arg.type):
        raise errors.DatatypeMismatch(f"{what} takes primitive types, not {to_sql(arg.type)}")
    return to(arg, STRING)


def _concat_ws(args: list[tree.Expr]) -> tree.Expr:
    _count("concat_ws", args, 1)
    if len(args) == 1:  # nothing to join
        args = [args[0], tree.Const(pa.list_(STRING), ())]
    parts = [to(a, pa.list_(STRING)) if pa.types.is_list(a.type) else _as_text(a, "concat_ws") for a in args[1:]]
    made = tree.Call(STRING, "hive$concat_ws", (_as_text(args[0], "concat_ws"), *parts))
    return constant(made) if all(isinstance(a, tree.Const) for a in made.args) else made


def _printf(args: list[tree.Expr]) -> tree.Expr:
    _count("printf", args, 1)
    for arg in args:
        if pa.types.is_nested(arg.type):
            raise errors.DatatypeMismatch(f"printf takes primitive types, not {to_sql(arg.type)}")
    values = [to(a, STRING) if is_null(a.type) else a for a in args[1:]]
    made = tree.Call(STRING, "hive$printf", (to(args[0], STRING), *values))
    return constant(made) if all(isinstance(a, tree.Const) for a in made.args) else made


FORMS: dict[str, Callable[[list[tree.Expr]], tree.Expr]] = {
    "isnull": _null_test(False),
    "isnotnull": _null_test(True),
    "istrue": _truth_test("true", False),
    "isnottrue": _truth_test("true", True),
    "isfalse": _truth_test("false", False),
    "isnotfalse": _truth_test("false", True),
    "nullif": _nullif,
    "nvl2": _nvl2,
    "if": _when,
    "when": _when,
    "case": _case,
    "greatest": _extreme("greatest"),
    "least": _extreme("least"),
    "between": _between,
    "in": _in,
    "likeany": _like_each("or"),
    "likeall": _like_each("and"),
    "and": _logic("and"),
    "or": _logic("or"),
    "not": _not,
    "!": _not,
    **{op: _binary(op) for op in "= <> < <= > >= + - * / % & | ^ div ||".split()},
    "==": _binary("="),
    "!=": _binary("<>"),
    "<=>": _binary("is not distinct from"),
    "is_not_distinct_from": _binary("is not distinct from"),
    "typeof": _typeof,
    "field": _field,
    "concat_ws": _concat_ws,
    "printf": _printf,
}
"""Forms by Hive's names; also names of operators, which backquotes make callable."""
