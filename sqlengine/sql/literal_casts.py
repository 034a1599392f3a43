"""Casts of strings whose text PostgreSQL and DuckDB spell differently, in place: arrays in braces, intervals with
signs, the words `now`, `today`, `tomorrow` and `yesterday`.  What is no such text stays, for the cast to
read or refuse.
"""

from __future__ import annotations

import json
import re

import pyarrow as pa
from sqlglot import exp

from sqlengine.array_text import braces_to_json
from sqlengine.errors import Error, InvalidText
from sqlengine.moment_text import PRESENT
from sqlengine.sql.interval import parse_interval
from sqlengine.sql.nodes import find_all

FROM_TEXT = "from_text"
"""What notes at an array that it was written as a text: such a column is called after its type."""
_PRESENT = re.compile(rf"\s*({'|'.join(PRESENT)})(?:\s+(?:at\s+)?(\d{{1,2}}:\d{{1,2}}.*?))?\s*", re.IGNORECASE)


def spell_literals(tree: exp.Expr) -> None:
    """Rewrite all of a tree's; the root stays."""
    for cast in find_all(tree, exp.Cast):
        text = cast.this
        if not isinstance(text, exp.Literal) or not text.is_string or not isinstance(cast.to, exp.DataType):
            continue
        if cast.to.this == exp.DType.ARRAY:
            _array(cast, text.name)
        elif cast.to.this in _WHOLE and type(cast) is exp.Cast:
            _check_whole(text.name, _WHOLE[cast.to.this])
        elif cast.to.this == exp.DType.INTERVAL:
            _interval(cast, text.name)
        elif cast.to.this in MOMENT_KINDS:
            spell_present(cast)


_WHOLE = {exp.DType.SMALLINT: "smallint", exp.DType.INT: "integer", exp.DType.BIGINT: "bigint"}
_DIGITS = re.compile(r"\s*[+-]?\d+\s*")


def _check_whole(text: str, kind: str) -> None:
    """DuckDB rounds '1.5' to 2; PostgreSQL and the operators of views read no such number as a whole one."""
    if not _DIGITS.fullmatch(text):
        raise InvalidText(f'invalid input syntax for type {kind}: "{text}"')


MOMENT_KINDS = {
    exp.DType.DATE: "date",
    exp.DType.TIME: "time",
    exp.DType.TIMESTAMP: "timestamp",
    exp.DType.TIMESTAMPNTZ: "timestamp",
    exp.DType.TIMESTAMPTZ: "timestamptz",
    exp.DType.TIMESTAMPLTZ: "timestamptz",
}
"""Types of moments, as moment_text.py calls them."""


def spell_present(cast: exp.Cast) -> None:
    """`'tomorrow 10:00'::timestamp` is an expression of the present time: PostgreSQL reads it once, when it parses, and
    a view would keep that day."""
    found = _PRESENT.fullmatch(cast.this.name if cast.this.is_string else "")
    if found is None:
        return
    word, clock = found[1].lower(), found[2]
    if word == "now":
        if clock is None:
            cast.set("this", exp.CurrentTimestamp())
        return
    kind = MOMENT_KINDS[cast.to.this]
    if kind == "time" and clock is None:
        return
    day: exp.Expr = exp.CurrentDate()
    if PRESENT[word]:
        moved = exp.Add if PRESENT[word] > 0 else exp.Sub
        day = exp.Paren(this=moved(this=day, expression=exp.Literal.number(1)))
    if clock is None or kind == "date":
        cast.set("this", day)
    elif kind == "time":
        cast.set("this", exp.Literal.string(clock))
    else:
        time = exp.Cast(this=exp.Literal.string(clock), to=exp.DataType(this=exp.DType.TIME))
        cast.set("this", exp.Paren(this=exp.Add(this=day, expression=time)))


def _interval(cast: exp.Cast, text: str) -> None:
    try:
        parse_interval(text)
    except Error:
        return
    cast.set("this", exp.Interval(this=exp.Literal.string(text)))


def array_of_text(text: str, like: exp.Expr) -> exp.Array | None:
    """`{1,2}` as an array whose elements are literals as `like` is, an element of another; None for another text."""
    items = in_braces(text)
    if items is None or _depth(items) > 1:
        return None
    numbers = isinstance(like, exp.Literal) and not like.is_string
    literal = exp.Literal.number if numbers and all(i is None or _NUMBER.fullmatch(str(i)) for i in items) else None
    made = literal or exp.Literal.string
    return exp.Array(expressions=[exp.Null() if i is None else made(str(i)) for i in items])


_NUMBER = re.compile(r"\d+(\.\d+)?")


def in_braces(text: str) -> list[object] | None:
    """The elements of an array as PostgreSQL writes it; None for another text."""
    found = braces_to_json(pa.array([text]))[0].as_py()
    try:
        items = json.loads(found) if found is not text and text.lstrip().startswith("{") else None
    except ValueError:
        return None
    return items if isinstance(items, list) else None


def _array(cast: exp.Cast, text: str) -> None:
    items = in_braces(text)
    if items is not None:
        element = cast.to.expressions[0]
        deep = _depth(items) - array_levels(cast.to)
        for _ in range(deep):
            cast.set("to", exp.DataType(this=exp.DType.ARRAY, expressions=[cast.to.copy()], nested=True))
        made = _spelt(items, element if deep == 0 else _innermost(element))
        made.meta[FROM_TEXT] = True
        cast.set("this", made)
        spell_literals(cast)


def _spelt(items: list[object], element: exp.Expr) -> exp.Expr:
    """The array of elements, each cast to the element's type."""
    if element.this == exp.DType.ARRAY and all(isinstance(item, list) for item in items):
        element = element.expressions[0]
    made = []
    for item in items:
        if isinstance(item, list):
            made.append(_spelt(item, element))
        else:
            value = exp.Null() if item is None else exp.Literal.string(str(item))
            made.append(exp.Cast(this=value, to=element.copy()))
    return exp.Array(expressions=made)


def _depth(items: object) -> int:
    return 1 + max(map(_depth, items), default=0) if isinstance(items, list) else 0


def array_levels(kind: exp.Expr) -> int:
    """How many dimensions an array type is written with; 0 of another type."""
    return 1 + array_levels(kind.expressions[0]) if kind.this == exp.DType.ARRAY else 0


def _innermost(kind: exp.Expr) -> exp.Expr:
    return _innermost(kind.expressions[0]) if kind.this == exp.DType.ARRAY else kind
