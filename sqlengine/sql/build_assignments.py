"""The list behind SET: `column = expression`, and several columns at once from a row or a query.

`(a, b) = (x, y)` is `a = x, b = y`.  `(a, b) = (SELECT ...)` becomes a scalar query for each column, which reads that
column of the query: what computes assignments knows one column at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import lark

from sqlengine import errors
from sqlengine.sql.build import Node, expr_text, ident
from sqlengine.sql.lexer import OP, QUERY_STARTS, Token
from sqlengine.sql.query import make_query
from sqlengine.sql.token_edit import matching, split_arguments

_ROW = "$assigned"
"""The name of a query that gives several columns, and the beginning of the names of those."""


def assignments(node: Node) -> tuple[tuple[str, str], ...]:
    """(column, text of an expression) of each column that the `assignments` child sets.

    Raises SyntaxError (42601) for a column set twice, and where there are more or fewer columns than values.
    """
    listed = node.node("assignments")
    if listed is None:
        return ()
    made = [pair for item in listed.spread() for pair in _pairs(item)]
    repeated = {name for name, _ in made if [n for n, _ in made].count(name) > 1}
    if repeated:
        raise errors.SyntaxError(f'multiple assignments to same column "{min(repeated)}"', position=_first(listed))
    return tuple(made)


def _first(node: Node) -> int | None:
    return next((leaf.start_pos for leaf in node.tree.scan_values(lambda value: isinstance(value, lark.Token))), None)


def _pairs(item: Node) -> Iterator[tuple[str, str]]:
    expr, several = item.leaf("EXPR"), item.node("names")
    assert expr is not None
    if several is None:
        leaf = item.leaf("IDENT")
        assert leaf is not None
        yield ident(item, leaf), expr_text(item, expr)
        return
    names = [ident(several, leaf) for leaf in several.flat()]
    yield from zip(names, _values(item, item.source(expr), len(names)), strict=True)


def _values(item: Node, tokens: list[Token], count: int) -> list[str]:
    """The texts of `count` expressions that `(...)`, `ROW (...)` or `(SELECT ...)` stand for."""
    opener = 1 if tokens[0].upper == "ROW" else 0
    if len(tokens) <= opener or tokens[opener].value != "(" or matching(tokens, opener) != len(tokens) - 1:
        raise errors.SyntaxError(
            "source for a multiple-column UPDATE item must be a sub-SELECT or ROW() expression",
            position=tokens[0].start,
        )
    inner = tokens[opener + 1 : -1]
    if not opener and _begins_query(inner):
        return _columns(item, inner, count)
    parts = split_arguments(inner)
    if len(parts) != count or not all(parts):
        raise _unequal(tokens[0])
    return [item.text[part[0].start : part[-1].end] for part in parts]


def _begins_query(tokens: Sequence[Token]) -> bool:
    first = next((token for token in tokens if token.kind != OP or token.value != "("), None)
    return first is not None and first.upper in QUERY_STARTS


def _columns(item: Node, tokens: list[Token], count: int) -> list[str]:
    """A scalar query for each of the query's columns."""
    query = make_query(tokens, item.text, item.dialect)
    given = query.tree.selects
    if len(given) != count and not any(column.is_star for column in given):
        raise _unequal(tokens[0])
    names = [f'"{_ROW}{number}"' for number in range(count)]
    rows = f'({query.text}) AS "{_ROW}" ({", ".join(names)})'
    return [f"(SELECT {name} FROM {rows})" for name in names]


def _unequal(at: Token) -> errors.SyntaxError:
    return errors.SyntaxError("number of columns does not match number of values", position=at.start)
