"""Token rewriting of what sqlglot does not read in and behind FROM: ROWS FROM, VALUES before UNION and its like, and
Materialize's hints of how large groups are.
"""

from __future__ import annotations

from sqlengine import errors
from sqlengine.sql.lexer import NUMBER, QUOTED, WORD, Token
from sqlengine.sql.token_edit import call, matching, operator, split_arguments, word

ROWS_FROM = "$rows_from"
"""Function name of ROWS FROM inside UNNEST; its arguments are the functions."""


def rows_from_tokens(tokens: list[Token]) -> list[Token]:
    """`ROWS FROM (f(a), g(b))` -> `UNNEST("$rows_from"(f(a), g(b)))`, what follows as it is."""
    out: list[Token] = []
    at = 0
    while at < len(tokens):
        token = tokens[at]
        here = [t.upper for t in tokens[at : at + 3]] == ["ROWS", "FROM", "("]
        if not here or not out or out[-1].upper not in ("FROM", "JOIN", "LATERAL", ","):
            out.append(token)
            at += 1
            continue
        close = matching(tokens, at + 2)
        inner = call(ROWS_FROM, tokens[at + 3 : close], token)
        out = out[:-1] if out[-1].upper == "LATERAL" else out
        out += [word("UNNEST", token), operator("(", token), *inner, operator(")", tokens[close])]
        at = close + 1
    return out


SET_WORDS = frozenset(("UNION", "INTERSECT", "EXCEPT"))


def values_combined(tokens: list[Token]) -> list[Token]:
    """`(VALUES (1) UNION ...)` -> `(SELECT * FROM (VALUES (1)) UNION ...)`: in FROM sqlglot reads VALUES alone."""
    out: list[Token] = []
    for at, token in enumerate(tokens):
        if token.upper == "VALUES" and at and tokens[at - 1].value == "(":
            end = at + 1
            while end < len(tokens) and tokens[end].value == "(":
                end = matching(tokens, end) + 1
                end += end < len(tokens) and tokens[end].value == ","
            if end < len(tokens) and tokens[end].upper in SET_WORDS:
                every = [word("SELECT", token), operator("*", token), word("FROM", token), operator("(", token)]
                wrapped = [*every, *tokens[at:end], operator(")", tokens[end - 1])]
                return [*out, *wrapped, *values_combined(tokens[end:])]
        out.append(token)
    return out


def values_named(tokens: list[Token]) -> list[Token]:
    """`((VALUES (1)) v (x) JOIN ...)` -> `((SELECT * FROM (VALUES (1))) v (x) JOIN ...)`: of these in parentheses
    sqlglot makes a table, which nothing else reads."""
    out: list[Token] = []
    at = 0
    while at < len(tokens):
        token = tokens[at]
        out.append(token)
        at += 1
        if token.value == "(" and [t.upper for t in tokens[at : at + 2]] == ["(", "VALUES"]:
            close = matching(tokens, at)
            if close + 1 < len(tokens) and tokens[close + 1].kind in (WORD, QUOTED):
                every = [word("SELECT", token), operator("*", token), word("FROM", token)]
                end = tokens[close]
                out += [tokens[at], *every, *tokens[at : close + 1], operator(")", end)]
                at = close + 1
    return out


def without_size_hints(tokens: list[Token]) -> list[Token]:
    """Without Materialize's `OPTIONS (AGGREGATE INPUT GROUP SIZE = 100, ...)`, which changes no answer."""
    out: list[Token] = []
    at = 0
    while at < len(tokens):
        opens = tokens[at].upper in ("OPTIONS", "OPTION") and at + 1 < len(tokens) and tokens[at + 1].value == "("
        close = matching(tokens, at + 1) if opens else at
        if opens and _are_size_hints(tokens[at + 2 : close]):
            at = close + 1
            continue
        out.append(tokens[at])
        at += 1
    return out


def _are_size_hints(tokens: list[Token]) -> bool:
    """Whether options are all sizes of groups; SyntaxError (42601) for a size that is no whole number."""
    hints = split_arguments(tokens)
    for hint in hints:
        words, size = [t.upper for t in hint[:-1]], hint[-1]
        words = words[:-1] if words[-1:] == ["="] else words
        if words[-2:] != ["GROUP", "SIZE"]:
            return False
        if size.kind != NUMBER or not size.value.isdigit():
            raise errors.SyntaxError("the size of a group is a whole number", position=size.start)
    return bool(hints)
