"""Where a statement names what an error complains about: many errors, DuckDB's among them, come without a position."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlengine import errors
from sqlengine.sql.lexer import Token, lex

_QUOTED = re.compile(r'"([^"]+)"')
_QUALIFIED = re.compile(r"^column (\S+\.\S+) does not exist")
_CALLED = re.compile(r"(?:\bfunction (?:name )?|'|^)\"?(\w+)\"?(?:\(| does not exist| is not)")
_OF_TYPE = re.compile(r'^type "([^"]+)" does not exist')
_NAMING = (
    errors.UndefinedColumn,
    errors.UndefinedTable,
    errors.UndefinedObject,
    errors.AmbiguousColumn,
    errors.GroupingError,
    errors.WrongObjectType,
)
_BY_VALUE = (errors.InvalidParameter, errors.InvalidText, errors.InvalidDatetime)
"""What they quote is a value or a word of the statement."""


def named_at(error: errors.Error, text: str) -> int | None:
    """The position in a statement's text, 0-based; None where there is none to be told.

    Where the error has one already, it is that, but for unknown types, which have that of their column.
    """
    try:
        tokens = lex(text)
    except errors.Error:
        return error.position
    of_type = _OF_TYPE.match(error.message)
    if of_type is not None:
        return _of_type(tokens, of_type[1], error.position)
    if error.position is not None:
        return error.position
    if isinstance(error, errors.UndefinedFunction):
        name = called_name(error)
        return _call(tokens, name) if name is not None else None
    quoted = _QUOTED.search(error.message) or _QUALIFIED.match(error.message)
    if quoted is None or not isinstance(error, (*_NAMING, *_BY_VALUE)):
        return None
    kinds = ("word", "quoted") if isinstance(error, _NAMING) else ("word", "quoted", "string", "number")
    return _first(tokens, quoted[1].rpartition(".")[2] if isinstance(error, _NAMING) else quoted[1], kinds)


def called_name(error: errors.UndefinedFunction) -> str | None:
    """The function that an error says does not exist."""
    called = _CALLED.search(error.message)
    return called[1] if called is not None else None


def _first(tokens: Sequence[Token], name: str, kinds: Sequence[str], start: int = 0) -> int | None:
    wanted = name.lower()
    found = (t.start for t in tokens if t.kind in kinds and t.start >= start and t.value.lower() == wanted)
    return next(found, None)


def _call(tokens: Sequence[Token], name: str) -> int | None:
    """Where a function is called."""
    for token, following in zip(tokens, [*tokens[1:], None], strict=False):
        if token.kind == "word" and token.value.lower() == name.lower() and following and following.value == "(":
            return token.start
    return None


def _of_type(tokens: Sequence[Token], name: str, position: int | None) -> int | None:
    """Where a type stands, which may be several words and part of another: from what the error points at on."""
    words = name.lower().split()
    first = re.match(r"\w+", words[0]) if words else None
    if first is None:
        return position
    kinds = ("word", "quoted")
    found = _first(tokens, first[0], kinds, position or 0)
    if found is not None and found == position:  # perhaps a column of that name, with its type behind it
        behind = next((token for token in tokens if token.start > found), None)
        return _first(tokens, first[0], kinds, found + 1) if behind and behind.value.lower() == first[0] else found
    return position if found is None else found
