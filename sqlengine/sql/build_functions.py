"""CREATE FUNCTION, and statements whose names may say the arguments of a function: lark tree -> ast."""

from __future__ import annotations

from sqlengine import errors
from sqlengine.errors import NotSupportedError
from sqlengine.sql import ast
from sqlengine.sql.build import Node, expr_text, full_name, ident, kind_of, name_of, string_of


def create_function(node: Node) -> ast.Statement:
    """CREATE FUNCTION ... LANGUAGE sql, its body as text (AS) or as an expression (RETURN)."""
    create = node.node("create")
    if node.has("if_not_exists") or (create is not None and create.has("temporary")):
        raise NotSupportedError(
            "a function has no IF NOT EXISTS and is not temporary", hint="CREATE OR REPLACE FUNCTION"
        )
    if node.has("setof"):
        raise NotSupportedError("a function that returns rows is not supported", hint="CREATE VIEW names a query")
    returns, language = node.leaf("TYPE"), node.node("language")
    assert returns is not None
    leaf = language.leaf("IDENT") if language is not None else None
    spelt = string_of(language) if language is not None else "sql"
    parameters = node.node("parameters")
    return ast.CreateFunction(
        name=name_of(node),
        or_replace=create is not None and create.has("or_replace"),
        params=tuple(_parameter(item) for item in parameters.nodes("parameter")) if parameters is not None else (),
        returns=node.text_of(returns),
        language=ident(language, leaf) if language is not None and leaf is not None else (spelt or "").lower(),
        body=_body(node),
        strict=node.has("strict"),
    )


def _body(node: Node) -> str:
    """What it does, as text."""
    text, returned = node.node("body"), node.node("returned")
    if (text is None) == (returned is None):
        hint = "AS 'SELECT expression' or RETURN expression"
        raise errors.SyntaxError("a function needs one body", hint=hint, position=len(node.text), sqlstate="42P13")
    if returned is not None:
        leaf = returned.leaf("EXPR")
        assert leaf is not None
        return expr_text(returned, leaf)
    return string_of(text) or "" if text is not None else ""


def _parameter(node: Node) -> tuple[str, str]:
    """(name, type); a parameter that is its type alone has no name."""
    leaf, type_leaf = node.leaf("IDENT"), node.leaf("TYPE")
    assert leaf is not None
    return ("", node.text_of(leaf)) if type_leaf is None else (ident(node, leaf), node.text_of(type_leaf))


# ---------------------------------------------------------------- names with arguments


def drop(node: Node) -> list[ast.Statement]:
    """DROP kind name, ...: one statement for each name."""
    kind, if_exists, cascade = kind_of(node), node.has("if_exists"), node.has("cascade")
    return [
        ast.Drop(kind=kind, name=name, arguments=arguments, if_exists=if_exists, cascade=cascade)
        for name, arguments in (_named(each, kind) for each in node.nodes("named"))
    ]


def comment_on(node: Node) -> ast.Statement:
    """COMMENT ON kind name IS 'text' | NULL."""
    kind, named = kind_of(node), node.node("named")
    assert named is not None
    name, arguments = _named(named, kind)
    text = string_of(node) or None
    if kind != "column":
        return ast.Comment(kind=kind, name=name, arguments=arguments, comment=text)
    if len(name) == 1:
        raise errors.SyntaxError("column name must be qualified", hint="COMMENT ON COLUMN table.column IS ...")
    return ast.Comment(kind=kind, name=name[:-1], column=name[-1], comment=text)


def _named(node: Node, kind: str) -> tuple[ast.Name, tuple[str, ...] | None]:
    """The name, and the types behind it of a function."""
    listed, name = node.node("argument_types"), node.node("name")
    assert name is not None
    if listed is None:
        return full_name(name), None
    if kind != "function":
        leaf = next(name.flat())
        raise errors.SyntaxError(f"a {kind} has no arguments", position=leaf.end_pos)
    return full_name(name), tuple(node.text_of(leaf) for leaf in listed.flat())
