"""TRANSFORM, MAP and REDUCE ... USING: their tokens in the one spelling that the query parser reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlengine.sql.lexer import OP, STRING, Token
from sqlengine.sql.token_edit import CLOSERS, matching, operator, word, words_of

_BEHIND_COLUMNS = frozenset(
    "FROM WHERE GROUP HAVING ROW RECORDREADER SORT ORDER CLUSTER DISTRIBUTE LIMIT LATERAL UNION INSERT MAP REDUCE "
    "SELECT WINDOW".split()
)
"""Words that end a list of columns without parentheses."""


def script_forms(tokens: Sequence[Token]) -> list[Token]:
    """`MAP a, b USING` and `REDUCE a, b USING` as `SELECT TRANSFORM(a, b) USING`, and the columns behind AS in
    parentheses."""
    out = list(tokens)
    if not words_of(tokens) & {"MAP", "REDUCE", "USING"}:
        return out
    at = 0
    while at < len(out):
        if out[at].upper in ("MAP", "REDUCE") and _begins_select(out, at):
            _as_transform(out, at)
        if out[at].upper == "USING" and at + 1 < len(out) and out[at + 1].kind == STRING:
            _in_parentheses(out, at + 2)
        at += 1
    return out


def _begins_select(tokens: Sequence[Token], at: int) -> bool:
    """Whether MAP or REDUCE is no name here but a clause, with its USING 'script' in the same parentheses."""
    if at + 1 >= len(tokens) or (at and tokens[at - 1].upper in ("AS", ".", ",", "SELECT")):
        return False
    end = _until(tokens, at + 1, lambda token: token.upper in ("USING", "FROM", "SELECT"))
    return end > at + 1 and end + 1 < len(tokens) and tokens[end].upper == "USING" and tokens[end + 1].kind == STRING


def _until(tokens: Sequence[Token], start: int, stops: Callable[[Token], bool]) -> int:
    """The index of the first token outside of parentheses that stops, of the parenthesis around them, or the end."""
    at = start
    while at < len(tokens):
        token = tokens[at]
        if token.kind == OP and token.value in CLOSERS:
            at = matching(tokens, at)
        elif stops(token) or (token.kind == OP and token.value in ")]}"):
            return at
        at += 1
    return at


def _as_transform(tokens: list[Token], at: int) -> None:
    head = tokens[at]
    end = _until(tokens, at + 1, lambda token: token.upper in ("USING", "ROW", "RECORDWRITER"))
    columns = tokens[at + 1 : end]
    tokens[at:end] = [
        word("SELECT", head),
        word("TRANSFORM", head),
        operator("(", head),
        *columns,
        operator(")", columns[-1]),
    ]


def _in_parentheses(tokens: list[Token], at: int) -> None:
    """`AS a, b int` as `AS (a, b int)`, where AS stands at this place."""
    if at + 1 >= len(tokens) or tokens[at].upper != "AS" or tokens[at + 1].value == "(":
        return
    end = _until(tokens, at + 1, lambda token: token.upper in _BEHIND_COLUMNS or token.value == ";")
    if end > at + 1:
        tokens.insert(end, operator(")", tokens[end - 1]))
        tokens.insert(at + 1, operator("(", tokens[at + 1]))
