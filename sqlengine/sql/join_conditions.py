"""JOIN without ON or USING: the foreign parser takes it for a comma; in PostgreSQL it is a syntax error."""

from __future__ import annotations

from collections.abc import Sequence

from sqlengine.errors import SyntaxError  # noqa: A004 - SQL's word
from sqlengine.sql.lexer import Token

_WITHOUT = frozenset(("CROSS", "NATURAL"))
_CONDITIONS = frozenset(("ON", "USING", "MATCH_CONDITION"))
_SIDES = frozenset(("INNER", "LEFT", "RIGHT", "FULL", "OUTER"))
_OPEN, _CLOSE = frozenset(("(", "[")), frozenset((")", "]"))
_BEFORE_NAMES = frozenset((".", "JOIN", "AS"))
"""Behind them stands a name, whatever it is: b.offset, JOIN emit."""
_ENDS = frozenset("WHERE GROUP HAVING ORDER LIMIT OFFSET FETCH UNION INTERSECT EXCEPT WINDOW QUALIFY EMIT , ;".split())


def check_join_conditions(tokens: Sequence[Token]) -> None:
    """SyntaxError (42601) at what stands in the place of a condition."""
    open_: list[int] = [0]
    """For each parenthesis, how many joins still wait for their condition."""
    for at, token in enumerate(tokens):
        word = token.upper
        if word in _OPEN:
            open_.append(0)
        elif at and tokens[at - 1].upper in _BEFORE_NAMES:
            continue
        elif word in _CLOSE or word in _ENDS:
            if open_[-1]:
                raise SyntaxError(f'syntax error at or near "{token.value}"', hint=_HINT, position=token.start)
            if word in _CLOSE and len(open_) > 1:
                open_.pop()
        elif word == "JOIN" and _wants_condition(tokens, at):
            open_[-1] += 1
        elif word in _CONDITIONS and open_[-1]:
            open_[-1] -= 1
    if open_[-1] and len(open_) == 1:
        raise SyntaxError("syntax error at end of input", hint=_HINT, position=tokens[-1].end)


_HINT = "a JOIN has ON or USING, a CROSS JOIN has neither"


def _wants_condition(tokens: Sequence[Token], at: int) -> bool:
    before = at - 1
    while before >= 0 and tokens[before].upper in _SIDES:
        before -= 1
    return before < 0 or tokens[before].upper not in _WITHOUT
