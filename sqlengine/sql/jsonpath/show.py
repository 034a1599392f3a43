"""A path as PostgreSQL prints one: keys in double quotes, parentheses where the order of operators needs them."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from sqlengine.sql.jsonpath import nodes

_ORDER = {"||": 0, "&&": 1, "+": 3, "-": 3, "*": 4, "/": 4, "%": 4}
_COMPARED, _SIGNED, _HIGHEST = 2, 5, 6


def shown_path(text: str) -> str:
    """The canonical text of a path; raises as parse_path does."""
    from sqlengine.sql.jsonpath.parse import parse_path  # lark: heavy

    path = parse_path(text)
    return ("strict " if path.strict else "") + _shown(path.body, parentheses=True)


def quoted(text: str) -> str:
    """A text as a JSON string."""
    return json.dumps(text, ensure_ascii=False)


def _order(node: Any) -> int:
    if isinstance(node, (nodes.Logic, nodes.Binary)):
        return _ORDER[node.op]
    if isinstance(node, (nodes.Compare, nodes.StartsWith)):
        return _COMPARED
    return _SIGNED if isinstance(node, nodes.Unary) else _HIGHEST


def _shown(node: Any, parentheses: bool = False) -> str:
    """`parentheses`: around what is an operation."""
    kind = type(node)
    if kind in _OPERATIONS:
        text = _OPERATIONS[kind](node)
        return f"({text})" if parentheses else text
    return str(_PLAIN[kind](node))


def _inside(part: Any, of: Any) -> str:
    return _shown(part, parentheses=_order(part) <= _order(of))


def _literal(node: nodes.Literal) -> str:
    value = node.value
    if isinstance(value, Decimal):
        return format(value, "f")
    return quoted(value) if isinstance(value, str) else "null" if value is None else str(value).lower()


def _range(first: Any, last: Any) -> str:
    return _shown(first) if last is None else f"{_shown(first)} to {_shown(last)}"


def _descend(node: nodes.Descend) -> str:
    if (node.first, node.last) == (0, nodes.LAST_LEVEL):
        return ".**"
    first, last = ("last" if level == nodes.LAST_LEVEL else str(level) for level in (node.first, node.last))
    return f".**{{{first}}}" if first == last else f".**{{{first} to {last}}}"


def _method(node: nodes.Method) -> str:
    arguments = ",".join(quoted(a) if isinstance(a, str) else str(a) for a in node.arguments)
    return f".{node.name}({arguments})"


def _chain(node: nodes.Chain) -> str:
    head = node.head
    text = _shown(head, parentheses=True)
    if isinstance(head, nodes.Literal) and type(head.value) in (int, Decimal):
        text = f"({text})"
    return text + "".join(_shown(step) for step in node.steps)


def _regex(node: nodes.LikeRegex) -> str:
    flags = f' flag "{node.flags}"' if node.flags else ""
    return f"{_inside(node.text, node)} like_regex {quoted(node.pattern)}{flags}"


_PLAIN: dict[type, Any] = {
    nodes.Literal: _literal,
    nodes.Variable: lambda node: "$" + quoted(node.name),
    nodes.Root: lambda node: "$",
    nodes.Current: lambda node: "@",
    nodes.Last: lambda node: "last",
    nodes.Member: lambda node: "." + quoted(node.key),
    nodes.AnyMember: lambda node: ".*",
    nodes.AnyElement: lambda node: "[*]",
    nodes.Elements: lambda node: f"[{','.join(_range(*pair) for pair in node.ranges)}]",
    nodes.Descend: _descend,
    nodes.Filter: lambda node: f"?({_shown(node.predicate)})",
    nodes.Method: _method,
    nodes.Chain: _chain,
    nodes.Exists: lambda node: f"exists ({_shown(node.path)})",
    nodes.Not: lambda node: f"!({_shown(node.operand)})",
    nodes.IsUnknown: lambda node: f"({_shown(node.operand)}) is unknown",
}
_OPERATIONS: dict[type, Any] = {
    nodes.Unary: lambda node: f"{node.op}{_inside(node.operand, node)}",
    nodes.Binary: lambda node: f"{_inside(node.left, node)} {node.op} {_inside(node.right, node)}",
    nodes.Logic: lambda node: f"{_inside(node.left, node)} {node.op} {_inside(node.right, node)}",
    nodes.Compare: lambda node: f"{_inside(node.left, node)} {node.op} {_inside(node.right, node)}",
    nodes.StartsWith: lambda node: f"{_inside(node.whole, node)} starts with {_inside(node.beginning, node)}",
    nodes.LikeRegex: _regex,
}
