"""WITH MUTUALLY RECURSIVE (Materialize): each item has typed columns and one query, which may read the item itself.

`name (a INT) AS (query)` becomes `name (a) AS (SELECT CAST(NULL AS INT) AS a WHERE mark() UNION ALL SELECT ...)` of
WITH RECURSIVE, whose marked first half says that the rows of each round replace those before.  Items that read each
other become one (sql/recursive_items.py).  The arguments of the mark are those of RECURSION LIMIT, where it is given:
the number of rounds, and 1 when the rows of the last one are the answer instead of an error.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlengine.errors import SyntaxError  # noqa: A004 - SQL's word
from sqlengine.sql.lexer import NUMBER, OP, QUOTED, WORD, Token
from sqlengine.sql.token_edit import call, matching, operator, split_arguments, word

ROUNDS_MARK = "$rounds"
"""Function name of the condition that marks the first half."""
STEP = "$step"
"""The alias of what makes an item's rows anew, behind it the arguments of the mark."""

_LIMIT_FORMS = {
    ("RECURSION", "LIMIT"): 0,
    ("ERROR", "AT", "RECURSION", "LIMIT"): 0,
    ("RETURN", "AT", "RECURSION", "LIMIT"): 1,
}


def mutual_recursions(tokens: list[Token]) -> list[Token]:
    """All such WITH clauses, the innermost first."""
    for at in reversed(range(len(tokens) - 2)):
        if [token.upper for token in tokens[at : at + 3]] == ["WITH", "MUTUALLY", "RECURSIVE"]:
            tokens = [*tokens[:at], *_clause(tokens[at:])]
    return tokens


def _clause(tokens: list[Token]) -> list[Token]:
    """The clause and all that follows it."""
    out = [tokens[0], tokens[2]]
    at = 3
    limit: list[Token] = []
    if at < len(tokens) and tokens[at].value == "(":
        close = matching(tokens, at)
        limit, at = _limit(tokens[at : close + 1]), close + 1
    items: list[tuple[Token, list[list[Token]], list[Token]]] = []
    while True:
        name, columns, body, at = _item(tokens, at)
        items.append((name, columns, body))
        if at >= len(tokens) or tokens[at].value != ",":
            break
        at += 1
    for place, (name, columns, body) in enumerate(items):
        out += [operator(",", name)] if place else []
        out += _rewritten(name, columns, body, limit)
    return [*out, *tokens[at:]]


def _limit(tokens: list[Token]) -> list[Token]:
    """The mark's arguments for `([ERROR AT | RETURN AT] RECURSION LIMIT [=] n)`."""
    inner = [token for token in tokens[1:-1] if token.value != "="]
    returns = _LIMIT_FORMS.get(tuple(token.upper for token in inner[:-1]))
    if returns is None or not (inner[-1].kind == NUMBER and inner[-1].value.isdigit() and int(inner[-1].value) > 0):
        raise SyntaxError(
            "an option of WITH MUTUALLY RECURSIVE is expected",
            hint="(RETURN AT RECURSION LIMIT n) or (ERROR AT RECURSION LIMIT n)",
            position=(inner or tokens)[0].start,
        )
    like = inner[-1]
    return [like, operator(",", like), Token(NUMBER, str(returns), like.start, like.end)]


def _item(tokens: list[Token], at: int) -> tuple[Token, list[list[Token]], list[Token], int]:
    """(name, columns with their types, query, one past the item)."""
    if at + 1 >= len(tokens) or tokens[at].kind not in (WORD, QUOTED) or tokens[at + 1].value != "(":
        found = tokens[min(at + 1, len(tokens) - 1)]
        raise SyntaxError(
            "WITH MUTUALLY RECURSIVE names columns and their types",
            hint="name (a INT, b TEXT) AS (query)",
            position=found.start,
        )
    close = matching(tokens, at + 1)
    columns = split_arguments(tokens[at + 2 : close])
    for column in columns:
        if len(column) < 2 or column[0].kind not in (WORD, QUOTED):
            raise SyntaxError("a column has a name and a type here", position=(column or tokens[at : at + 1])[0].start)
    if close + 2 >= len(tokens) or tokens[close + 1].upper != "AS" or tokens[close + 2].value != "(":
        raise SyntaxError("AS and a query in parentheses are expected", position=tokens[close].end)
    end = matching(tokens, close + 2)
    return tokens[at], columns, tokens[close + 3 : end], end + 1


def _rewritten(name: Token, columns: list[list[Token]], body: list[Token], limit: list[Token]) -> list[Token]:
    def listed(items: Sequence[Sequence[Token]]) -> list[Token]:
        return [t for i, item in enumerate(items) for t in ([operator(",", name)] if i else []) + list(item)]

    names = [[column[0]] for column in columns]
    step = " ".join([STEP, *(token.value for token in limit if token.kind == NUMBER)])
    head = [name, operator("(", name), *listed(names), operator(")", name), word("AS", name), operator("(", name)]
    made = [word("SELECT", name), *listed([_cast([c[0]], c) for c in columns]), word("FROM", name)]
    empty = [word("SELECT", name), *listed([_cast([word("NULL", name)], c) for c in columns]), word("WHERE", name)]
    union = [word("UNION", name), word("ALL", name)]
    # So many columns and no other number of them: a union says so.
    query = [*empty, word("FALSE", name), *union, operator("(", name), *body, operator(")", name)]
    made += [operator("(", name), *query, operator(")", name), word("AS", name), _quoted(step, name)]
    made += [operator("(", name), *listed(names), operator(")", name)]
    if any(token.kind in (WORD, QUOTED) and _folded(token) == _folded(name) for token in body):
        made = [*empty, *call(ROUNDS_MARK, limit, name), *union, *made]
    return [*head, *made, operator(")", name)]


def _quoted(text: str, like: Token) -> Token:
    return Token(QUOTED, text, like.start, like.end)


def _cast(value: Sequence[Token], column: Sequence[Token]) -> list[Token]:
    """CAST(value AS the column's type) AS its name."""
    like = column[0]
    inner = [word("CAST", like), Token(OP, "(", like.start, like.end), *value, word("AS", like), *column[1:]]
    return [*inner, Token(OP, ")", like.start, like.end), word("AS", like), like]


def _folded(token: Token) -> str:
    return token.value.lower() if token.kind == WORD else token.value
