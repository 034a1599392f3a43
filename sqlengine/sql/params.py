"""Parameters: Python values take the places of `?`, `$1` and `:name`.

Values go into the tree as typed literals; text is only ever changed by replacing the parameter's own span
with a literal the generator has quoted.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from sqlglot import exp

from sqlengine.errors import InterfaceError, InvalidText, OutOfRange, ProgrammingError
from sqlengine.sql import ast, deep
from sqlengine.sql.interval import parse_interval
from sqlengine.sql.lexer import Token, lex
from sqlengine.sql.lower_values import parameter, whole
from sqlengine.sql.nodes import find_all
from sqlengine.sql.plain_params import Template, filled, template_of
from sqlengine.sql.rewrite import parameter_spans
from sqlengine.sql.to_sqlglot import to_tree
from sqlengine.sql.typed import Typed

Params = Sequence[Any] | Mapping[str, Any]
Bindable = TypeVar("Bindable", ast.Query, ast.Statement)

_TEXT_FIELDS = (
    "assignments",
    "as_of",
    "from_text",
    "using_text",
    "where",
    "conflict_set",
    "source",
    "condition",
    "whens",
    "returning",
    "arguments",
)
"""Fields that hold SQL text, in the order they are written in."""


def bind_params(target: Bindable, params: Params) -> Bindable:
    """The query or statement with values for all its parameters.

    Raises ProgrammingError (07001) when values are missing or left over, InterfaceError for a value without
    an SQL type.
    """
    template = template_of(target.query.text) if isinstance(target, ast.Insert) else None
    if template is None:
        return deep.run(_bound, target, params)
    values = _Values(params)
    made = _statement(target, values, template)
    values.check_all_used()
    return made


def bind_rows(target: ast.Statement, sets: Sequence[Params]) -> ast.Insert | None:
    """One INSERT of the rows that it would bring with each of the sets of values; None when it is no INSERT of
    parameters alone, or has to do more than to insert.  Raises as `bind_params`."""
    if not isinstance(target, ast.Insert) or any(getattr(target, name, None) for name in ("with_text", *_TEXT_FIELDS)):
        return None  # ON CONFLICT DO UPDATE, too: of two sets with one key the second changes the first's row
    template = template_of(target.query.text)
    if template is None or not sets:
        return None
    if all(type(params) in (tuple, list) and len(params) == template.positions for params in sets):
        places: Any = sets
        made = filled(template, *(params.__getitem__ for params in places))
    else:
        values = [_Values(params) for params in sets]
        made = filled(template, *(one.take for one in values))
        for one in values:
            one.check_all_used()
    return None if made is None else dataclasses.replace(target, query=_of_rows(target.query, *made))


def _of_rows(query: ast.Query, rows: Any, casts: tuple[str | None, ...]) -> ast.Query:
    return dataclasses.replace(query, tree=exp.Values(expressions=[]), rows=rows, casts=casts)


def _bound(target: Bindable, params: Params) -> Bindable:
    values = _Values(params)
    made = values.query(target) if isinstance(target, ast.Query) else _statement(target, values)
    values.check_all_used()
    return made  # type: ignore[return-value]


def _statement(statement: Any, values: _Values, template: Template | None = None) -> Any:
    """`template`: of an INSERT that is run; one that another statement explains has to have a tree."""
    changes: dict[str, Any] = {}
    if isinstance(statement, ast.With):
        changes["items"] = tuple(_item(item, values) for item in statement.items)
    if getattr(statement, "with_text", ""):
        changes["with_text"] = values.text(statement.with_text)
    for field in dataclasses.fields(statement):
        value = getattr(statement, field.name)
        if isinstance(value, ast.Query):
            plain = values.rows(value, template) if template is not None else None
            changes[field.name] = plain or values.query(value)
        elif field.name == "statement" and isinstance(value, ast.Statement):
            changes[field.name] = _statement(value, values)
    for name in _TEXT_FIELDS:
        value = getattr(statement, name, None)
        if value:
            changes[name] = _texts(value, values)
    return dataclasses.replace(statement, **changes)


def _item(item: ast.WithItem, values: _Values) -> ast.WithItem:
    return dataclasses.replace(item, statement=_statement(item.statement, values))


def _texts(value: Any, values: _Values) -> Any:
    """A text field: one text, several, (name, text) pairs, or the WHENs of MERGE."""
    if isinstance(value, str):
        return values.text(value)
    if isinstance(value[0], ast.MergeWhen):
        return tuple(_when(when, values) for when in value)
    return tuple((item[0], values.text(item[1])) if isinstance(item, tuple) else values.text(item) for item in value)


def _when(when: ast.MergeWhen, values: _Values) -> ast.MergeWhen:
    condition = None if when.condition is None else values.text(when.condition)
    return dataclasses.replace(when, condition=condition, values=tuple(values.text(text) for text in when.values))


class _Values:
    """The caller's values and which of them have been used."""

    def __init__(self, params: Params) -> None:
        if isinstance(params, (str, bytes)) or not isinstance(params, (Sequence, Mapping)):
            raise InterfaceError("parameters are a sequence or a mapping", hint="write execute(sql, [value])")
        self.params = params
        self.used: set[int | str] = set()
        self.marks = 0  # `?` passed so far in the statement

    def query(self, query: ast.Query) -> ast.Query:
        """The query with literals in its tree and, for people and catalogs, in its text."""
        tokens = lex(query.text)
        spans = parameter_spans(tokens)
        if not spans:
            return query
        first = self.marks if _has_marks(tokens, spans) else 0
        tree = query.tree.copy()
        for node in find_all(tree, exp.Anonymous):
            param = parameter(node)
            if param is not None:
                key = param.key + first if isinstance(param.key, int) else param.key
                node.replace(self.literal(key))
        return dataclasses.replace(query, tree=tree, text=self.text(query.text))

    def rows(self, query: ast.Query, template: Template) -> ast.Query | None:
        """The query of an INSERT as the rows it brings; None when its values need expressions."""
        first = self.marks if template.marks else 0
        made = filled(template, lambda key: self._value(key + first if isinstance(key, int) else key))
        if made is None:
            return None
        for column in template.columns:
            if isinstance(column, tuple):
                self.used.update(key + first if isinstance(key, int) else key for key in column)
        self.marks += template.marks
        return _of_rows(query, *made)

    def text(self, text: str) -> str:
        """SQL text with its parameters' spans replaced."""
        tokens = lex(text)
        spans = parameter_spans(tokens)
        first = self.marks if _has_marks(tokens, spans) else 0
        out, resume = [], 0
        for start, end, key in spans:
            literal = self.literal(key + first if isinstance(key, int) else key)
            out += [text[resume : tokens[start].start], _spelt(literal)]
            resume = tokens[end - 1].end
            self.marks += tokens[start].value == "?"
        return "".join([*out, text[resume:]])

    def literal(self, key: int | str) -> exp.Expr:
        """The literal of one value."""
        self.used.add(key)
        return to_tree(to_literal(self._value(key)), lambda column: "")

    def take(self, key: int | str) -> Any:
        """One value, which is used."""
        self.used.add(key)
        return self._value(key)

    def _value(self, key: int | str) -> Any:
        if isinstance(self.params, Mapping):
            for name in (key, str(key + 1) if isinstance(key, int) else str(key).lower()):
                if name in self.params:
                    return self.params[name]  # type: ignore[index]
            raise ProgrammingError(f"no value was given for parameter {_shown(key)}", sqlstate="07001")
        if isinstance(key, str):
            raise ProgrammingError(f"parameter :{key} needs a mapping of names to values", sqlstate="07001")
        if key >= len(self.params):
            raise ProgrammingError(
                f"no value was given for parameter {_shown(key)}: {len(self.params)} values in all",
                sqlstate="07001",
            )
        return self.params[key]

    def check_all_used(self) -> None:
        """Positional values that no parameter took are a mistake; extra names are not."""
        if not isinstance(self.params, Mapping) and len(self.used) < len(self.params):
            raise ProgrammingError(
                f"{len(self.params)} values were given for {len(self.used)} parameters", sqlstate="07001"
            )


def _spelt(literal: exp.Expr) -> str:
    """Text that reads back as the literal; PostgreSQL has none for a struct with names."""
    return str(literal.sql(dialect="duckdb" if literal.find(exp.Struct) else "postgres"))


def _has_marks(tokens: Sequence[Token], spans: Sequence[tuple[int, int, int | str]]) -> bool:
    return any(tokens[start].value == "?" for start, _, _ in spans)


def _shown(key: int | str) -> str:
    return f"${key + 1}" if isinstance(key, int) else f":{key}"


# ---------------------------------------------------------------- Python value -> literal


def to_literal(value: Any) -> ast.Expr:
    """The typed literal of a Python value (also NumPy and Arrow scalars).

    Raises InterfaceError for a type without a counterpart, InvalidText (22021) for text with NUL.
    """
    for kind, make in _LITERALS:
        if isinstance(value, kind):
            return make(value)
    for method in ("as_py", "item"):  # Arrow and NumPy scalars
        if hasattr(value, method) and not isinstance(plain := getattr(value, method)(), type(value)):
            return to_literal(plain)
    raise InterfaceError(f"cannot use a value of type {type(value).__name__} as a parameter")


def _text(value: str) -> ast.Expr:
    if "\0" in value:
        raise InvalidText("text cannot contain the character NUL", sqlstate="22021")
    return ast.Literal(value, "text")


def _typed(value: Typed) -> ast.Expr:
    if isinstance(value.value, list):
        inner: ast.Expr = ast.ArrayLiteral(tuple(to_literal(item) for item in value.value))
    else:
        if value.type_name == "interval" and value.value is not None:
            return parse_interval(value.value)
        text = value.value
        inner = ast.Literal(None, "unknown") if text is None else _text(text)
        if value.type_name == "text" and value.value is not None:
            return inner
    return ast.Cast(inner, value.type_name)


def _decimal(value: Decimal) -> ast.Expr:
    if not value.is_finite() or abs(value.adjusted()) > 1_000:
        raise OutOfRange(f"{value} is out of range for numeric")
    return ast.Literal(value, "numeric")


def _datetime(value: dt.datetime) -> ast.Expr:
    return ast.Literal(value.isoformat(sep=" "), "timestamp" if value.tzinfo is None else "timestamptz")


def _timedelta(value: dt.timedelta) -> ast.Expr:
    return ast.Interval(0, value.days, value.seconds * 1_000_000 + value.microseconds)


def _mapping(value: Mapping[str, Any]) -> ast.Expr:
    return ast.Row(tuple(to_literal(item) for item in value.values()), tuple(str(key) for key in value))


_LITERALS: tuple[tuple[Any, Callable[[Any], ast.Expr]], ...] = (
    (type(None), lambda value: ast.Literal(None, "unknown")),
    (Typed, _typed),
    (bool, lambda value: ast.Literal(value, "boolean")),
    (int, lambda value: whole(int(value))),
    (float, lambda value: ast.Literal(str(float(value)), "double precision")),
    (Decimal, _decimal),
    (str, _text),
    ((bytes, bytearray, memoryview), lambda value: ast.Literal(bytes(value), "bytea")),
    (dt.datetime, _datetime),
    (dt.date, lambda value: ast.Literal(value.isoformat(), "date")),
    (dt.time, lambda value: ast.Literal(value.isoformat(), "time")),
    (dt.timedelta, _timedelta),
    (uuid.UUID, lambda value: ast.Literal(str(value), "uuid")),
    (Mapping, _mapping),
    ((list, tuple), lambda value: ast.ArrayLiteral(tuple(to_literal(item) for item in value))),
)
"""Python type -> maker, the first that fits."""
