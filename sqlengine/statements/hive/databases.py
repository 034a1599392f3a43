"""CREATE, ALTER DATABASE, USE: databases are schemas with a place for files."""

from __future__ import annotations

import re

from sqlengine.catalog.catalog import DEFAULT_SCHEMA
from sqlengine.catalog.objects import Namespace
from sqlengine.errors import InvalidParameter, NotSupportedError
from sqlengine.result import Result
from sqlengine.sql import ast
from sqlengine.statements.context import Context
from sqlengine.statements.drop import create_schema
from sqlengine.statements.grants import set_owner
from sqlengine.statements.hive.found import database, local_path


def create_database(statement: ast.CreateDatabase, context: Context) -> Result:
    """CREATE DATABASE [COMMENT] [LOCATION] [WITH DBPROPERTIES]."""
    if not re.fullmatch(r"\w+", statement.name):
        raise InvalidParameter(
            f'"{statement.name}" is no name of a database', hint="letters, digits and underscores are allowed"
        )
    with context.instance.lock:
        catalog = context.instance.catalog
        is_new = statement.name not in catalog and statement.name != DEFAULT_SCHEMA
        create_schema(ast.CreateSchema(name=(statement.name,), if_not_exists=statement.if_not_exists), context)
        if is_new:
            location = local_path(statement.location) if statement.location else ""
            catalog.update(
                catalog.get_as(Namespace, (statement.name,)),
                comment=statement.comment,
                location=location,
                properties=dict(statement.properties),
                sql=statement.text,
            )
    return Result("CREATE DATABASE")


def alter_database(statement: ast.AlterDatabase, context: Context) -> Result:
    """ALTER DATABASE ... SET DBPROPERTIES | LOCATION | OWNER; a place is for tables that are made from then on."""
    if statement.name == DEFAULT_SCHEMA:
        raise NotSupportedError("the database default cannot be altered")
    with context.instance.lock:
        found = database(context, statement.name)
        if statement.owner is not None:
            set_owner(ast.SetOwner(kind="schema", name=(statement.name,), role=statement.owner), context)
        elif statement.location is not None:
            context.instance.catalog.update(found, location=local_path(statement.location))
        else:
            changed = {**found.properties, **dict(statement.properties or ())}
            context.instance.catalog.update(found, properties=changed)
    return Result("ALTER DATABASE")


def use(statement: ast.Use, context: Context) -> Result:
    """USE: names without a database are looked for there."""
    with context.instance.lock:
        database(context, statement.name)
    context.changes_setting("search_path")
    context.settings.set("search_path", statement.name)
    return Result("USE")
