"""Variables of scripts: `:x` is replaced by the value as it is, `:'x'` by a string, `:"x"` by an identifier.

Only where a variable of that name is set, and never inside strings and comments: the text is cut by the
engine's own lexer, so `a::int` and `'12:30'` stay what they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from sqlengine.errors import Error
from sqlengine.sql import lex_in, quote_identifier

_NAME = re.compile(r"[^\W\d]\w*")
_PLAIN = re.compile(rf":(?P<name>{_NAME.pattern})")
_QUOTED = re.compile(rf""":(['"])(?P<name>{_NAME.pattern})\1""")


def is_variable_name(name: str) -> bool:
    """Whether a variable can be called so: letters, digits and underscores, no digit first."""
    return _NAME.fullmatch(name) is not None


def unset(text: str, position: int, sqlstate: str) -> str | None:
    """The name of the variable that an error at a colon is about: `:x` is a parameter that has no value (42P02) where
    no variable stood, `:'x'` and `:"x"` are syntax errors (42601)."""
    pattern = {"42P02": _PLAIN, "42601": _QUOTED}.get(sqlstate)
    found = pattern and pattern.match(text, position)
    return found["name"] if found else None


def substitute(text: str, variables: Mapping[str, str], dialect: str = "postgres") -> str:
    """The text of a dialect with its variables replaced; what cannot be cut into tokens is left as it is."""
    if not variables or ":" not in text:
        return text
    try:
        tokens = lex_in(text, dialect)
    except Error:
        return text
    parts, at = [], 0
    for colon, name in zip(tokens, tokens[1:]):
        touches = colon.end == name.start and text[colon.start - 1 : colon.start] != ":"
        value = variables.get(name.value) if colon.kind == "op" and colon.value == ":" and touches else None
        if value is None or name.kind not in ("word", "string", "quoted"):
            continue
        parts += [text[at : colon.start], _written(value, name.kind)]
        at = name.end
    return "".join([*parts, text[at:]])


def _written(value: str, kind: str) -> str:
    if kind == "string":
        return "'" + value.replace("'", "''") + "'"
    return quote_identifier(value) if kind == "quoted" else value
