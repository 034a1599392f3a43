"""Lowering of names, literals, types and intervals: the leaves of a sqlglot tree.

Every function takes a sqlglot node and gives plain data of `ast`; nothing here recurses into expressions.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlglot import exp

from sqlengine import errors
from sqlengine.errors import InvalidParameter, NotSupportedError, OutOfRange
from sqlengine.sql import ast
from sqlengine.sql.interval import parse_interval
from sqlengine.sql.rewrite import PARAMETER

FILE = "file"
"""Key in the meta of an identifier that was written as a string: FROM 'x.parquet'."""

_INT32, _INT64 = 2**31, 2**63
_MAX_DIGITS = 1_000


def fold(identifier: exp.Expr) -> str:
    """An identifier's name: lower case unless it was quoted."""
    name = str(identifier.this)
    return name if identifier.args.get("quoted") else name.lower()


def position_of(node: exp.Expr | None) -> int | None:
    """Where a node's name starts in the statement, or None when sqlglot kept no position."""
    meta = node._meta if node is not None else None
    return meta.get("start") if meta else None


def parts_of(node: exp.Expr) -> tuple[str, ...]:
    """The dotted name of a Column or Table, outermost first."""
    names = [node.args.get(key) for key in ("catalog", "db", "table", "this")]
    return tuple(fold(name) for name in names if isinstance(name, exp.Identifier))


def alias_of(node: exp.Expr) -> tuple[str | None, tuple[str, ...]]:
    """(alias, column aliases) of a relation."""
    alias = node.args.get("alias")
    if alias is None:
        return None, ()
    if isinstance(alias, exp.Identifier):
        return fold(alias), ()
    name = fold(alias.this) if alias.this is not None else None
    columns = [
        column.this if isinstance(column, exp.ColumnDef) else column for column in alias.args.get("columns") or ()
    ]
    return name, tuple(fold(column) for column in columns)


STATE = "state"


def state_arguments(node: exp.Expr) -> tuple[str, ...] | None:
    """The arguments of `system.state(...)`; None for anything else. InvalidParameter (22023)."""
    call = node.this
    if not isinstance(node, exp.Table) or not isinstance(call, exp.Anonymous):
        return None
    if call.name.lower() != STATE or node.db.lower() != "system":
        return None
    if not 1 <= len(call.expressions) <= 3 or not all(isinstance(e, exp.Literal) for e in call.expressions):
        raise InvalidParameter(
            "system.state takes the names of a query, of an operator of it, and of one of that's tables",
            hint="system.state('view'), system.state('view', 'operator') or system.state('view', 'operator', 'table')",
            position=position_of(node),
        )
    return tuple(str(e.this) for e in call.expressions)


# ---------------------------------------------------------------- literals


def literal(node: exp.Expr) -> ast.Literal:
    """A number or string literal with PostgreSQL's type for it."""
    if node.args.get("is_string"):
        return ast.Literal(str(node.this), "text")
    return number(str(node.this), position_of(node))


def number(text: str, position: int | None = None) -> ast.Literal:
    """integer, bigint or numeric, whichever is the first to hold the number."""
    if len(text) > _MAX_DIGITS:
        raise OutOfRange(f"a number of {len(text)} digits is out of range", position=position)
    try:
        if not text.isdigit():
            return _decimal(Decimal(text), position)
        value = int(text)
    except ArithmeticError:
        raise errors.SyntaxError(f'invalid number "{text}"', position=position) from None
    return whole(value)


def _decimal(value: Decimal, position: int | None) -> ast.Literal:
    if not value.is_finite() or abs(value.adjusted()) > _MAX_DIGITS:
        raise OutOfRange("number is out of range", position=position)
    return ast.Literal(value, "numeric")


def whole(value: int) -> ast.Literal:
    """A whole number as the smallest of integer, bigint, numeric."""
    if -_INT32 <= value < _INT32:
        return ast.Literal(value, "integer")
    if -_INT64 <= value < _INT64:
        return ast.Literal(value, "bigint")
    return ast.Literal(Decimal(value), "numeric")


def negated(value: ast.Literal) -> ast.Literal | None:
    """The literal of the opposite sign; None when it is not a number."""
    if isinstance(value.value, bool) or not isinstance(value.value, (int, float, Decimal)):
        return None
    if isinstance(value.value, int) or (
        isinstance(value.value, Decimal)
        and value.value == value.value.to_integral_value()
        and value.value.as_tuple().exponent == 0
    ):
        return whole(-int(value.value))
    return ast.Literal(-value.value, value.type_name)


def hex_bytes(node: exp.Expr) -> ast.Literal:
    """X'..' as bytes."""
    try:
        return ast.Literal(bytes.fromhex(str(node.this)), "bytea")
    except ValueError:
        raise errors.SyntaxError(f"invalid hexadecimal string X'{node.this}'", position=position_of(node)) from None


def parameter(node: exp.Expr) -> ast.Param | None:
    """The Param a marked call stands for (see rewrite.py), or None for any other call."""
    if node.name != PARAMETER:
        return None
    key = node.expressions[0]
    return ast.Param(str(key.this) if key.is_string else int(key.this))


# ---------------------------------------------------------------- intervals


def interval(node: exp.Expr) -> ast.Interval | None:
    """INTERVAL of a constant; None when its amount is an expression.  Raises InvalidDatetime (22007)."""
    amount, unit = node.this, node.args.get("unit")
    negative = False
    while isinstance(amount, (exp.Neg, exp.Paren)):
        negative ^= isinstance(amount, exp.Neg)
        amount = amount.this
    if not isinstance(amount, exp.Literal):
        return None
    text = ("-" if negative else "") + str(amount.this)
    return parse_interval(text, _unit_text(unit, node), position_of(amount))


def _unit_text(unit: exp.Expr | None, node: exp.Expr) -> str | None:
    if unit is None:
        return None
    if isinstance(unit, exp.IntervalSpan):
        return f"{unit.this.this} to {unit.expression.this}"
    if not isinstance(unit, exp.Var):
        raise NotSupportedError("this spelling of INTERVAL is not supported", position=position_of(node.this))
    return str(unit.this)


# ---------------------------------------------------------------- types


def type_name(node: exp.Expr, tinyint: str = "tinyint") -> str:
    """A type as `types.from_sql` reads it, lower case, quoted field names kept; `tinyint`: what that is written as."""
    kind = node.args.get("this")
    inner = node.args.get("expressions") or []
    if kind == exp.DType.ARRAY and inner:
        return type_name(inner[0], tinyint) + "[]"
    if kind == exp.DType.MAP and len(inner) == 2:
        return f"map<{type_name(inner[0], tinyint)}, {type_name(inner[1], tinyint)}>"
    if kind == exp.DType.STRUCT:
        return "struct<" + ", ".join(_field(item, tinyint) for item in inner) + ">"
    if kind == exp.DType.TINYINT:
        return tinyint
    text = str(node.sql(dialect="postgres")).lower()
    base, bracket, arguments = text.partition("(")
    return _RESPELT.get(base, base) + bracket + arguments


_RESPELT = {"timestampltz": "timestamptz"}


def _field(node: exp.Expr, tinyint: str) -> str:
    if not isinstance(node, exp.ColumnDef) or not isinstance(node.args.get("kind"), exp.DataType):
        raise errors.SyntaxError("a field of ROW or STRUCT has a name and a type")
    name = fold(node.this)
    plain = name.isidentifier() and name == name.lower()
    return f"{name if plain else chr(34) + name + chr(34)} {type_name(node.args['kind'], tinyint)}"


def flag(node: exp.Expr, key: str) -> bool:
    """A boolean argument of a node."""
    value: Any = node.args.get(key)
    return bool(value)
