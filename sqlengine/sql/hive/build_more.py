"""lark tree -> Hive's statements: views, functions, data in and out, and looking at what there is."""

from __future__ import annotations

from typing import Any

import lark

from sqlengine.errors import NotSupportedError
from sqlengine.sql import ast
from sqlengine.sql.build import Node, string_of
from sqlengine.sql.dialect import marked
from sqlengine.sql.hive.build import (
    change_of,
    child_text,
    first_ident,
    idents,
    layout_of,
    name_child,
    only_query,
    partition_spec,
    schema_name,
    table_words,
    whole_name,
)
from sqlengine.sql.lexer import Token

# ---------------------------------------------------------------- views


def create_view(node: Node) -> ast.Statement:
    """CREATE VIEW."""
    return _view(node, materialized=False)


def create_materialized_view(node: Node) -> ast.Statement:
    """CREATE MATERIALIZED VIEW; how Hive would store and use it says nothing here."""
    return _view(node, materialized=True)


def _view(node: Node, materialized: bool) -> ast.Statement:
    columns = node.node("view_columns")
    named = [] if columns is None else list(columns.nodes("view_column"))
    made = ast.CreateView(
        name=name_child(node),
        query=only_query(node),
        column_aliases=tuple(first_ident(column) for column in named),
        materialized=materialized,
        if_not_exists=node.has("if_not_exists"),
        or_replace=node.has("or_replace"),
    )
    comment = child_text(node, "remark")
    return made if comment is None else ast.CommentedView(view=made, comment=comment)


def alter_view(node: Node) -> ast.Statement:
    """ALTER VIEW."""
    *_, form = node.nodes()
    if form.rule == "view_query":
        return ast.AlterView(name=name_child(node), query=only_query(form))
    return ast.AlterFileTable(name=name_child(node), change=change_of(form))


def alter_materialized_view(node: Node) -> ast.Statement:
    """ALTER MATERIALIZED VIEW ... REBUILD; a view follows by itself, and no query is rewritten to read it."""
    return ast.Refresh(name=name_child(node))


def drop_view(node: Node) -> ast.Statement:
    """DROP VIEW."""
    return ast.Drop(kind="view", name=name_child(node), if_exists=node.has("if_exists"))


def drop_materialized_view(node: Node) -> ast.Statement:
    """DROP MATERIALIZED VIEW."""
    return ast.Drop(kind="materialized view", name=name_child(node), if_exists=node.has("if_exists"))


# ---------------------------------------------------------------- functions and macros


def create_function(node: Node) -> ast.Statement:
    """CREATE FUNCTION."""
    return ast.CreateHiveFunction(
        name=name_child(node), implementation=string_of(node) or "", temporary=_is_temporary(node)
    )


def drop_function(node: Node) -> ast.Statement:
    """DROP FUNCTION."""
    return ast.DropHiveFunction(name=name_child(node), if_exists=node.has("if_exists"))


def reload_functions(node: Node) -> ast.Statement:
    """RELOAD FUNCTIONS: there is no other place that they could be read from."""
    raise NotSupportedError("RELOAD FUNCTIONS is not supported", hint="functions are where they were made")


def create_macro(node: Node) -> ast.Statement:
    """CREATE TEMPORARY MACRO."""
    parameters = node.node("parameters")
    names = [] if parameters is None else [first_ident(item) for item in parameters.nodes("parameter")]
    body = node.leaf("EXPR")
    assert body is not None, "the grammar asks for it"
    return ast.CreateMacro(name=first_ident(node), parameters=tuple(names), body=node.text_of(body))


def drop_macro(node: Node) -> ast.Statement:
    """DROP TEMPORARY MACRO."""
    return ast.DropMacro(name=first_ident(node), if_exists=node.has("if_exists"))


def _is_temporary(node: Node) -> bool:
    return "temporary" in table_words(node)


# ---------------------------------------------------------------- data


def insert(node: Node) -> ast.Statement:
    """INSERT with a query of its own."""
    clause = node.node("insert_clause")
    assert clause is not None, "the grammar asks for it"
    return ast.HiveInsert(targets=(_target(clause, only_query(clause)),))


def multi_insert(node: Node) -> ast.Statement:
    """`FROM source INSERT ... INSERT ...` and `WITH ... INSERT ...`."""
    source = node.leaf("SOURCE")
    assert source is not None, "the grammar asks for it"
    clauses = list(node.nodes("insert_clause"))
    return ast.HiveInsert(targets=tuple(_target(clause, _from_source(clause, source)) for clause in clauses))


def _from_source(clause: Node, source: lark.Token) -> ast.Query:
    """What one INSERT selects of the source that all have."""
    from sqlengine.sql.hive.query import parse_hive  # here, not above: it needs sqlglot

    leaf = clause.leaf("QUERY")
    assert leaf is not None, "the grammar asks for it"
    tokens: list[Token] = [*clause.source(source), *clause.source(leaf)]
    text = f"{clause.text_of(source)} {clause.text_of(leaf)}"
    start = tokens[0].start
    return ast.Query(marked(text, clause.dialect), parse_hive(tokens, clause.text, clause.dialect), start)


def _target(clause: Node, query: ast.Query) -> ast.InsertTarget:
    into = clause.node("insert_into")
    if into is not None:
        return ast.InsertTarget(
            query,
            name_child(into),
            into.has("overwrite"),
            partition_spec(into.node("partition")) or (),
            into.has("if_not_exists"),
            idents(into.node("names")),
            by_name=into.has("by_name"),
        )
    directory = clause.node("insert_directory")
    assert directory is not None, "the grammar has no third way"
    return ast.InsertTarget(query, overwrite=True, directory=string_of(directory), layout=layout_of(directory))


def load(node: Node) -> ast.Statement:
    """LOAD DATA."""
    form = node.node("load_format")
    return ast.Load(
        path=string_of(node) or "",
        name=name_child(node),
        local=node.has("local"),
        overwrite=node.has("overwrite"),
        partition=partition_spec(node.node("partition")) or (),
        serde="" if form is None else [form.tokens[leaf.line or 0].value for leaf in form.flat()][-1],
    )


def export(node: Node) -> ast.Statement:
    """EXPORT TABLE."""
    return ast.Export(
        name=name_child(node), path=string_of(node) or "", partition=partition_spec(node.node("partition"))
    )


def import_(node: Node) -> ast.Statement:
    """IMPORT."""
    imported = node.node("imported")
    return ast.Import(
        path=string_of(node) or "",
        name=None if imported is None else name_child(imported),
        partition=None if imported is None else partition_spec(imported.node("partition")),
        external=imported is not None and imported.has("external"),
        location=child_text(node, "location") or "",
    )


# ---------------------------------------------------------------- looking


def describe(node: Node) -> ast.Statement:
    """DESCRIBE a table or a column of it."""
    column = node.node("described_column")
    return ast.HiveDescribe(
        kind="table",
        name=name_child(node),
        column=None if column is None else first_ident(column),
        partition=partition_spec(node.node("partition")),
        extended=node.has("extended"),
    )


def describe_database(node: Node) -> ast.Statement:
    """DESCRIBE DATABASE."""
    return ast.HiveDescribe(kind="database", name=(schema_name(first_ident(node)),), extended=node.has("extended"))


def describe_function(node: Node) -> ast.Statement:
    """DESCRIBE FUNCTION."""
    found = node.node("function_name")
    assert found is not None, "the grammar asks for it"
    name = string_of(found) or first_ident(found)
    return ast.HiveDescribe(kind="function", name=(name.lower(),), extended=node.has("extended"))


_SHOWN = {
    "show_databases": "databases",
    "show_tables": "tables",
    "show_views": "views",
    "show_materialized_views": "materialized views",
    "show_partitions": "partitions",
    "show_create": "create",
    "show_columns": "columns",
    "show_properties": "tblproperties",
    "show_table_status": "table status",
    "show_conf": "conf",
}


def show(node: Node) -> ast.Statement:
    """SHOW."""
    (form,) = node.nodes()
    database = form.node("in_database")
    named = form.node("name")
    schema = node.dialect.database if database is None else first_ident(database)
    name = None if named is None else whole_name(named)
    if name is not None and database is not None:
        name = (schema_name(schema), name[-1])
    return ast.HiveShow(
        what=_SHOWN[form.rule],
        name=name,
        database=schema_name(schema),
        like=child_text(form, "like"),
        partition=partition_spec(form.node("partition")),
        key=string_of(form),
        extended=form.has("extended"),
    )


def show_create_database(node: Node) -> ast.Statement:
    """SHOW CREATE DATABASE."""
    return ast.HiveShow(what="create database", database=schema_name(first_ident(node)))


def explain_head(node: Node) -> dict[str, Any]:
    """What EXPLAIN says before the statement."""
    words = [str(next(word.flat())).upper() for word in node.nodes("explain_word")]
    return {"analyze": "ANALYZE" in words, "options": (("format", "json"),) if "FORMATTED" in words else ()}
