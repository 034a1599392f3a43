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
    found = node.node("names")
    position = next(found.flat()).start_pos if found is not None else None
    columns = names_of(node) if column is None else (column,)
    return ast.UniqueDef(constraint_name(node), columns, position, node.has("nulls_not_distinct"))


def constraint_name(node: Node) -> str | None:
    """The name of CONSTRAINT name before a constraint; None where there is none."""
    named = node.node("constraint")
    leaf = named.leaf("IDENT") if named is not None else None
    return ident(named, leaf) if named is not None and leaf is not None else None


def add_primary_key(table: ast.Name, node: Node) -> ast.Statement:
    """ALTER TABLE ... ADD [CONSTRAINT name] PRIMARY KEY (columns)."""
    names = node.node("names")
    assert names is not None
    positions = tuple(leaf.start_pos or 0 for leaf in names.flat())
    return ast.AddPrimaryKey(table=table, columns=names_of(node), positions=positions, constraint=constraint_name(node))


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
        nulls_equal=node.has("nulls_not_distinct"),
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
