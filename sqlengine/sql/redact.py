"""Statements' texts as they may be shown: without passwords."""

from __future__ import annotations

import re

from sqlengine.errors import SyntaxError  # noqa: A004 - SQL's word
from sqlengine.sql.lexer import STRING, lex

_HIDDEN = "'***'"
_WORD = re.compile(r"\bpassword\b", re.IGNORECASE)


def without_passwords(text: str) -> str:
    """The text with every string behind the word PASSWORD hidden; of what is no SQL, nothing behind that word."""
    found = _WORD.search(text)
    if found is None:
        return text
    try:
        tokens = lex(text)
    except SyntaxError:
        return text[: found.end()] + " ..."
    for before, token in reversed(list(zip(tokens, tokens[1:], strict=False))):
        if before.upper == "PASSWORD" and token.kind == STRING:
            text = text[: token.start] + _HIDDEN + text[token.end :]
    return text
