"""LATERAL VIEW of Hive and Spark as joins with the elements of arrays."""

from __future__ import annotations

from collections.abc import Sequence

from sqlengine import errors
from sqlengine.errors import NotSupportedError
from sqlengine.sql.lexer import NUMBER, OP, QUOTED, WORD, Token
from sqlengine.sql.token_edit import matching, operator, word

_COLUMNS = {"EXPLODE": ("col",), "POSEXPLODE": ("pos", "col")}
"""The functions and what Spark calls their columns."""
_AFTER = frozenset(
    "AS LATERAL WHERE GROUP HAVING QUALIFY ORDER SORT CLUSTER DISTRIBUTE LIMIT OFFSET WINDOW JOIN INNER LEFT RIGHT "
    "FULL CROSS NATURAL UNION INTERSECT EXCEPT MINUS EMIT".split()
)
"""Words that may follow where a name may be left out."""


def lateral_views(tokens: list[Token]) -> list[Token]:
    """`LATERAL VIEW [OUTER] explode(a) q AS e` -> `CROSS JOIN UNNEST(a) AS q(e)`, OUTER -> `LEFT JOIN ... ON TRUE`; of
    posexplode a subquery that counts places from 0."""
    for at in range(len(tokens) - 1):
        if (tokens[at].upper, tokens[at + 1].upper) != ("LATERAL", "VIEW"):
            continue
        outer = at + 2 < len(tokens) and tokens[at + 2].upper == "OUTER"
        called = at + 2 + outer
        if called + 1 >= len(tokens) or tokens[called].upper not in _COLUMNS or tokens[called + 1].value != "(":
            raise NotSupportedError(
                "LATERAL VIEW is supported of explode and posexplode only",
                hint="JOIN LATERAL takes any query",
                position=tokens[at].start,
            )
        like = tokens[called]
        close = matching(tokens, called + 1)
        name, columns, end = _names(tokens, close + 1, like)
        made = [word("LEFT" if outer else "CROSS", like), word("JOIN", like)]
        made += _rows(like, tokens[called + 1 : close + 1], name, columns)
        made += [word("ON", like), word("TRUE", like)] if outer else []
        return lateral_views([*tokens[:at], *made, *tokens[end:]])
    return tokens


def _names(tokens: Sequence[Token], at: int, like: Token) -> tuple[Token, list[Token], int]:
    """The view's name, its columns' names, and where what follows begins."""
    name = _quoted(f"${like.value.lower()}", like)
    if at < len(tokens) and _is_name(tokens[at]) and tokens[at].upper not in _AFTER:
        name, at = tokens[at], at + 1
    wanted = _COLUMNS[like.upper]
    if at >= len(tokens) or tokens[at].upper != "AS":
        return name, [_quoted(column, like) for column in wanted], at
    columns = list(tokens[at + 1 : at + 2 * len(wanted) : 2])
    commas = tokens[at + 2 : at + 2 * len(wanted) : 2]
    if len(columns) < len(wanted) or not all(map(_is_name, columns)) or any(c.value != "," for c in commas):
        raise errors.SyntaxError(
            f"{like.value.lower()} has {len(wanted)} column{'s' if len(wanted) > 1 else ''}", position=tokens[at].start
        )
    return name, columns, at + 2 * len(wanted)


def _is_name(token: Token) -> bool:
    return token.kind in (WORD, QUOTED)


def _quoted(name: str, like: Token) -> Token:
    return Token(QUOTED, name, like.start, like.end)


def _rows(like: Token, arguments: Sequence[Token], name: Token, columns: Sequence[Token]) -> list[Token]:
    """The elements of the arguments, in parentheses, under a name."""
    unnest = [word("UNNEST", like), *arguments]
    if len(columns) == 1:
        return [*unnest, word("AS", like), name, operator("(", like), columns[0], operator(")", like)]
    element, place = _quoted("$element", like), _quoted("$place", like)
    items = [place, operator("-", like), Token(NUMBER, "1", like.start, like.end), word("AS", like), columns[0]]
    items += [operator(",", like), element, word("AS", like), columns[1]]
    source = [*unnest, word("WITH", like), word("ORDINALITY", like), word("AS", like), _quoted("$exploded", like)]
    source += [Token(OP, "(", like.start, like.end), element, operator(",", like), place, operator(")", like)]
    query = [word("SELECT", like), *items, word("FROM", like), *source]
    return [word("LATERAL", like), operator("(", like), *query, operator(")", like), word("AS", like), name]
