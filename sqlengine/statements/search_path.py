"""The session's search path: which object a name without a schema means.

What reads an object by a statement's own name asks `Context.prefer_path`.  Queries are kept, as text, by what they
make, and mean the same in every session: their names get their schemas here, in the tree and in the text, before
anything else sees the statement.  A new object is made in the first schema of the path that there is.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, TypeVar

from sqlengine import sql
from sqlengine.catalog.objects import Namespace
from sqlengine.errors import UndefinedObject
from sqlengine.sql import ast
from sqlengine.sql.dialect import POSTGRES
from sqlengine.statements.context import Context

S = TypeVar("S", bound=ast.Statement)
_MADE = (ast.CreateTable, ast.CreateStream, ast.CreateView, ast.CreateSink, ast.CreateSubscription)
_PARTS = (ast.Query, ast.Statement, ast.WithItem)
"""What a statement may consist of and a name may stand in."""


def on_path(statement: S, context: Context) -> S:
    """The statement with the schemas that its names without one are found in, and that what it makes is made in.

    Raises UndefinedObject (3F000) where something is to be made and no schema of the path exists.
    """
    if context.settings.search_path == "public" or context.settings.dialect != POSTGRES:
        return statement
    return _whole(statement, context)  # type: ignore[no-any-return]


def qualified(query: ast.Query, context: Context) -> ast.Query:
    """The query with the schemas of the names in it."""
    if context.settings.search_path == "public" or query.tree is None or query.dialect != POSTGRES:
        return query
    return sql.with_schemas(query, lambda name: context.prefer_path((name,))[:-1])


def _whole(part: Any, context: Context) -> Any:
    if isinstance(part, ast.Query):
        return qualified(part, context)
    changed = {}
    for field in fields(part):
        value = getattr(part, field.name)
        if isinstance(value, _PARTS):
            made: Any = _whole(value, context)
        elif isinstance(value, tuple) and value and all(isinstance(item, _PARTS) for item in value):
            made = tuple(_whole(item, context) for item in value)
        else:
            continue
        if made is not value:
            changed[field.name] = made
    if isinstance(part, _MADE) and len(part.name) == 1 and (schema := _first_schema(context)) is not None:
        changed["name"] = (schema, *part.name)
    if isinstance(part, ast.CreateSink) and part.from_name is not None:
        changed["from_name"] = context.prefer_path(part.from_name)
    if not changed:
        return part
    old, new = getattr(part, "query", None), changed.get("query")
    if old is not None and new is not None:
        changed["text"] = part.text.replace(old.text, new.text, 1)
    return replace(part, **changed)


def _first_schema(context: Context) -> str | None:
    """Where new objects are made; None for `public`."""
    for schema in context.schemas_searched():
        if schema == "public":
            return None
        if isinstance(context.instance.catalog.find((schema,)), Namespace):
            return schema
    hint = "search_path names no schema that exists"
    raise UndefinedObject("no schema has been selected to create in", sqlstate="3F000", hint=hint)
