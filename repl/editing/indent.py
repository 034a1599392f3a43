"""How far the next line of a statement is indented.  Pure."""

from __future__ import annotations

from sqlengine.errors import Error
from sqlengine.sql import Token, lex

STEP = 2
_CLAUSES = frozenset(
    "SELECT FROM WHERE GROUP HAVING QUALIFY WINDOW ORDER LIMIT UNION INTERSECT EXCEPT VALUES SET EMIT WITH RETURNING "
    "JOIN LEFT RIGHT FULL INNER CROSS".split()
)
_GOES_ON = frozenset("SELECT FROM WHERE BY HAVING QUALIFY SET VALUES AND OR ON WHEN THEN ELSE DISTINCT".split())


def indent_after(before: str) -> int:
    """Blanks at the beginning of the line after `before`, the text of a statement up to where Enter was typed.

    Each open bracket indents what follows by a step; so does a line that ends inside a clause (`SELECT`, `a,`).
    """
    try:
        tokens = lex(before)
    except Error:
        return 0  # inside a string or a comment, where blanks would count
    semicolon = max((k for k, t in enumerate(tokens) if t.kind == "op" and t.value == ";"), default=-1)
    tokens = tokens[semicolon + 1 :]
    if not tokens:
        return 0
    opened = _open(tokens)
    base = _margin(before, opened[-1].start) + STEP if opened else _margin(before, tokens[0].start)
    last = tokens[-1]
    if last.kind == "op" and last.value == "(" or not (last.value == "," or last.upper in _GOES_ON):
        return base
    line = before.rfind("\n") + 1
    first = next((token for token in tokens if token.start >= line), last)
    return base + STEP if _in_clause(first, tokens, opened) else base


def _in_clause(first: Token, tokens: list[Token], opened: list[Token]) -> bool:
    """Whether the text since the last bracket is a list that a clause word began."""
    since = [token for token in tokens if not opened or token.start > opened[-1].start]
    return first.upper in _CLAUSES or any(token.upper in _CLAUSES for token in since)


def _open(tokens: list[Token]) -> list[Token]:
    opened: list[Token] = []
    for token in tokens:
        if token.kind == "op" and token.value in ("(", "[", "{"):
            opened.append(token)
        elif token.kind == "op" and token.value in (")", "]", "}") and opened:
            opened.pop()
    return opened


def _margin(text: str, at: int) -> int:
    """Blanks at the beginning of the line that holds character `at`."""
    line = text[text.rfind("\n", 0, at) + 1 :].partition("\n")[0].expandtabs(4)
    return len(line) - len(line.lstrip())


def margin_of_closing(before: str) -> int | None:
    """Where a closing bracket typed first on its line belongs: the margin of the line that opened it."""
    try:
        opened = _open(lex(before))
    except Error:
        return None
    return _margin(before, opened[-1].start) if opened else None
