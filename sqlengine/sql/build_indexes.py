"""CREATE INDEX and UNIQUE: lark tree -> ast."""

from __future__ import annotations

from sqlengine import errors
from sqlengine.errors import NotSupportedError
from sqlengine.sql import ast
from sqlengine.sql.build import Node, ident, name_of, names_of
from sqlengine.sql.lexer import QUOTED, WORD, Token

_METHODS = ("btree", "hash")
_ORDERS = frozenset([(), ("ASC",), ("DESC",)])
_NULLS = frozenset([(), ("NULLS", "FIRST"), ("NULLS", "LAST")])


def unique(node: Node, column: str | None = None) -> ast.UniqueDef:
    """[CONSTRAINT name] UNIQUE (columns), or UNIQUE behind a column."""
    named = node.node("constraint")
    leaf = named.leaf("IDENT") if named is not None else None
    name = ident(named, leaf) if named is not None and leaf is not None else None
    found = node.node("names")
    position = next(found.flat()).start_pos if found is not None else None
    return ast.UniqueDef(name, names_of(node) if column is None else (column,), position)


def create_index(node: Node) -> ast.Statement:
    """CREATE [UNIQUE] INDEX ... ON name (columns) [INCLUDE (columns)] [DISTRIBUTED BY (columns)]."""
    index, method, partial = node.node("index_name"), node.node("index_method"), node.node("partial")
    if method is not None and (leaf := next(method.flat())) and ident(method, leaf) not in _METHODS:
        hint = f"one of: {', '.join(_METHODS)}"
        message = f'access method "{ident(method, leaf)}" does not exist'
        raise errors.UndefinedObject(message, hint=hint, position=leaf.start_pos)
    if partial is not None:
        position = next(partial.flat()).start_pos
        raise NotSupportedError(
            "an index of some rows only is not supported", hint="leave WHERE out", position=position
        )
    carried = [(names, leaf) for names in node.nodes("names") for leaf in names.flat()]
    items = [(item, leaf) for item in node.nodes("index_item") if (leaf := item.leaf("EXPR")) is not None]
    return ast.CreateIndex(
        name=name_of(node),
        columns=tuple(_column(item.source(leaf)) for item, leaf in items),
        positions=tuple(leaf.start_pos or 0 for _, leaf in items),
        carried=tuple((ident(names, leaf), leaf.start_pos or 0) for names, leaf in carried),
        index=ident(index, next(index.flat())) if index is not None else None,
        unique=node.has("is_unique_index"),
        if_not_exists=node.has("if_not_exists"),
    )


def _column(tokens: list[Token]) -> str:
    """The column an item of an index is; how it would be ordered makes no difference here."""
    first, words = tokens[0], tuple(token.upper for token in tokens[1:])
    cut = words.index("NULLS") if "NULLS" in words else len(words)
    if first.kind not in (WORD, QUOTED) or words[:cut] not in _ORDERS or words[cut:] not in _NULLS:
        raise NotSupportedError(
            "an index on an expression is not supported",
            hint="index a column; a materialized view can have one for the expression",
            position=first.start,
        )
    return first.value.lower() if first.kind == WORD else first.value
