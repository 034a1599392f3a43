"""Token rewriting before the query parser, for what Hive spells as no other dialect does; positions are kept."""

from __future__ import annotations

import calendar
import re
from collections.abc import Sequence
from itertools import pairwise

from sqlengine import errors
from sqlengine.sql.lexer import NUMBER, OP, QUOTED, STRING, WORD, Token
from sqlengine.sql.rewrite import streaming_forms
from sqlengine.sql.token_edit import matching, word, words_of

SIZED = "hive_"
"""Begins the names of types with a length: `hive_varchar_3`."""
_RESPELT = {"==": "=", "!": "NOT"}


def rewrite(tokens: Sequence[Token]) -> list[Token]:
    """All rewrites: `==`, `!x`, and the window functions and changelogs that our own SQL has as well."""
    _check_dates(tokens)
    made, words = [_respelt(token) for token in tokens], words_of(tokens)
    if words & {"VARCHAR", "CHAR"}:
        made = _lengths(made)
    if "EXISTS" in words:
        made = _exists(made)
    if "FLOOR" in words:
        made = _floors(made)
    return streaming_forms(made)


_DAY = re.compile(r"\s*(\d{4})-(\d{1,2})-(\d{1,2})(?:[ T].*)?\s*")


def _check_dates(tokens: Sequence[Token]) -> None:
    """DATE '2024-02-30' and TIMESTAMP 'x' are errors, where a cast of the text gives NULL."""
    for before, token in pairwise(tokens):
        if token.kind != STRING or before.upper not in ("DATE", "TIMESTAMP"):
            continue
        found = _DAY.fullmatch(token.value)
        is_day = found is not None and 1 <= int(found[2]) <= 12 and _has_day(*(int(part) for part in found.groups()))
        if not is_day and not re.fullmatch(r"\s*[+-]?\d{4,}(?:-\d{1,2})?\s*", token.value):
            raise errors.InvalidDatetime(
                f"invalid {before.upper} literal: '{token.value}'",
                hint="DATE '2024-02-29', TIMESTAMP '2024-02-29 12:00:00'",
                position=before.start,
            )


def _has_day(year: int, month: int, day: int) -> bool:
    return 1 <= day <= calendar.monthrange(max(year, 1), month)[1]


_QUERIES = ("SELECT", "WITH", "FROM", "VALUES", "(")


def _exists(tokens: list[Token]) -> list[Token]:
    """`exists(array, x -> ...)` under its other name, which no query can follow."""
    out = list(tokens)
    for at in range(len(tokens) - 2):
        opens = tokens[at + 1].kind == OP and tokens[at + 1].value == "("
        if tokens[at].upper == "EXISTS" and opens and tokens[at + 2].upper not in _QUERIES:
            out[at] = word("any_match", tokens[at])
    return out


def _floors(tokens: list[Token]) -> list[Token]:
    """`floor(t TO hour)` as `floor_hour(t)`."""
    out = list(tokens)
    at = 0
    while at < len(out) - 1:
        if out[at].upper == "FLOOR" and out[at + 1].value == "(":
            end = matching(out, at + 1)
            if end - at > 4 and out[end - 2].upper == "TO" and out[end - 1].kind == WORD:
                out[at] = word(f"floor_{out[end - 1].value.lower()}", out[at])
                del out[end - 2 : end]
        at += 1
    return out


def _lengths(tokens: list[Token]) -> list[Token]:
    """`AS VARCHAR(3)` with a type of its own name, because the parser forgets the length."""
    out: list[Token] = []
    at = 0
    while at < len(tokens):
        kind, *rest = tokens[at : at + 4]
        sized = len(rest) == 3 and [t.value for t in (rest[0], rest[2])] == ["(", ")"] and rest[1].kind == NUMBER
        if sized and kind.upper in ("VARCHAR", "CHAR") and at and tokens[at - 1].upper == "AS":
            out.append(Token(QUOTED, f"{SIZED}{kind.value.lower()}_{rest[1].value}", kind.start, rest[2].end))
            at += 4
        else:
            out.append(kind)
            at += 1
    return out


def _respelt(token: Token) -> Token:
    if token.kind != OP or token.value not in _RESPELT:
        return token
    other = _RESPELT[token.value]
    return word(other, token) if other.isalpha() else Token(OP, other, token.start, token.end)
