"""lark tree -> statements that only Spark has."""

from __future__ import annotations

from sqlengine.errors import NotSupportedError
from sqlengine.sql import ast
from sqlengine.sql.build import Node, string_of
from sqlengine.sql.hive.build import (
    columns_of,
    name_child,
    only_query,
    source_of,
    table_words,
)


def create_source_view(node: Node) -> ast.Statement:
    """CREATE [OR REPLACE] TEMPORARY VIEW ... USING."""
    if table_words(node) != {"temporary"}:
        raise NotSupportedError("only a TEMPORARY VIEW is USING files", hint="CREATE TABLE ... USING is for longer")
    return ast.CreateFileTable(
        name=name_child(node),
        words=frozenset(("temporary", "external")),
        columns=columns_of(node),
        source=source_of(node),
        or_replace=node.has("or_replace"),
    )


def cache(node: Node) -> ast.Statement:
    """CACHE [LAZY] TABLE."""
    query = node.node("as_query") or node.node("bare_query")
    return ast.CacheTable(name=name_child(node), query=None if query is None else only_query(query))


def uncache(node: Node) -> ast.Statement:
    """UNCACHE TABLE."""
    return ast.UncacheTable(name=name_child(node), if_exists=node.has("if_exists"))


def clear_cache(node: Node) -> ast.Statement:
    """CLEAR CACHE."""
    return ast.UncacheTable()


def refresh(node: Node) -> ast.Statement:
    """REFRESH [TABLE] name, REFRESH "path"."""
    return ast.RefreshTable(path=string_of(node), name=() if node.node("name") is None else name_child(node))
