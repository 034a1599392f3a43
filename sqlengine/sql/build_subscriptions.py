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
    """Name and life of DECLARE name [[NO] SCROLL] CURSOR [WITH HOLD] FOR ..."""
    scroll, no_scroll = node.has("scroll"), node.has("no_scroll")
    if scroll and no_scroll:
        raise errors.InvalidParameter("cannot specify both SCROLL and NO SCROLL", sqlstate="42P11")
    return {
        "cursor": _cursor(node),
        "hold": node.has("hold"),
        "scroll": scroll or (False if no_scroll else None),
        "binary": node.has("binary"),
    }


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
    """FETCH | MOVE [where] [FROM] cursor [WITH (timeout = ...)]."""
    way, rows = _where(node)
    moves = node.rule == "move"
    return ast.Fetch(cursor=_cursor(node), way=way, rows=rows, moves=moves, options=options_of(node))


_PLACED: dict[str, tuple[ast.Way, int]] = {
    "fetch_next": ("forward", 1),
    "fetch_prior": ("backward", 1),
    "fetch_first": ("absolute", 1),
    "fetch_last": ("absolute", -1),
}
_WAYS: tuple[ast.Way, ...] = ("forward", "backward", "absolute", "relative")


def _where(node: Node) -> tuple[ast.Way, int | None]:
    """Which way, and how far; None is all there is."""
    for rule, placed in _PLACED.items():
        if node.has(rule):
            return placed
    for way in _WAYS:
        found = node.node(f"fetch_{way}")
        if found is not None:
            return way, _how_far(found)
    return "forward", _how_far(node)


def _how_far(node: Node) -> int | None:
    if node.has("all"):
        return None
    number = node.node("number")
    if number is None:
        return 1
    leaf = number.leaf("NUMBER")
    assert leaf is not None
    return -whole_number(leaf) if number.has("minus") else whole_number(leaf)


def close(node: Node) -> ast.Statement:
    """CLOSE cursor | ALL."""
    return ast.CloseCursor(cursor=None if node.has("all") else _cursor(node))


def acknowledge(node: Node) -> ast.Statement:
    """ACKNOWLEDGE subscription TICK n."""
    number, name = node.leaf("NUMBER"), node.node("name")
    assert number is not None and name is not None
    return ast.Acknowledge(subscription=full_name(name), tick=whole_number(number))
