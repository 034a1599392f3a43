"""lark tree -> Statement: cursors of subscriptions, and what their followers acknowledge."""

from __future__ import annotations

from typing import Any

from sqlengine import errors
from sqlengine.sql import ast
from sqlengine.sql.build import Node, full_name, ident, name_of, options_of
from sqlengine.sql.build_session import whole_number

_PLACES = {"begin": "begin", "now": "now", "proctime": "now"}
"""Functions behind SINCE."""


def declare(node: Node) -> ast.Statement:
    """DECLARE name SUBSCRIPTION CURSOR FOR subscription [FULL | SINCE place]."""
    since = node.node("since")
    place = "full" if node.has("full") else "" if since is None else _place(since)
    return ast.DeclareCursor(cursor=_cursor(node), subscription=name_of(node), since=place)


def declare_query_head(node: Node) -> dict[str, Any]:
    """Name and life of DECLARE name CURSOR [WITH HOLD] FOR ..."""
    return {"cursor": _cursor(node), "hold": node.has("hold")}


def _place(node: Node) -> str:
    number, called = node.leaf("NUMBER"), node.leaf("IDENT")
    if number is not None:
        return str(whole_number(number))
    assert called is not None
    place = _PLACES.get(str(node.text_of(called)).lower())
    if place is None:
        raise errors.SyntaxError(
            f"a subscription is not read since {node.text_of(called)}()",
            hint="one of: SINCE begin(), SINCE now(), SINCE TICK n",
            position=called.start_pos,
        )
    return place


def _cursor(node: Node) -> str:
    leaf = node.leaf("IDENT")
    assert leaf is not None
    return ident(node, leaf)


def fetch(node: Node) -> ast.Statement:
    """FETCH [NEXT | n | ALL] [FROM] cursor [WITH (timeout = ...)]."""
    some = node.node("fetch_some")
    number = some.leaf("NUMBER") if some is not None else None
    rows = None if node.has("all") else 1 if number is None else whole_number(number)
    return ast.Fetch(cursor=_cursor(node), rows=rows, options=options_of(node))


def close(node: Node) -> ast.Statement:
    """CLOSE cursor | ALL."""
    return ast.CloseCursor(cursor=None if node.has("all") else _cursor(node))


def acknowledge(node: Node) -> ast.Statement:
    """ACKNOWLEDGE subscription TICK n."""
    number, name = node.leaf("NUMBER"), node.node("name")
    assert number is not None and name is not None
    return ast.Acknowledge(subscription=full_name(name), tick=whole_number(number))
