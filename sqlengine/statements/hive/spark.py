"""What only Spark says: USING of CREATE TABLE and of temporary views, CACHE, UNCACHE and REFRESH."""

from __future__ import annotations

import glob
from dataclasses import replace

from sqlengine import sql, warehouse
from sqlengine.catalog.catalog import object_name
from sqlengine.catalog.objects import FileTable, MaterializedView, View
from sqlengine.errors import InvalidDefinition, InvalidParameter, NotSupportedError, UndefinedTable, did_you_mean
from sqlengine.result import Result
from sqlengine.runtime.named_files import FORMATS, named_files
from sqlengine.sql import ast
from sqlengine.statements.context import Context
from sqlengine.statements.drop import drop_object
from sqlengine.statements.followed_files import level
from sqlengine.statements.hive.found import any_object, local_path
from sqlengine.statements.views import create_view

_COMPRESSIONS = {
    "parquet": "parquet.compression",
    "orc": "orc.compress",
    "avro": "avro.output.codec",
    "json": "output.compression",
    "text": "output.compression",
}


def with_source(statement: ast.CreateFileTable) -> ast.CreateFileTable:
    """A statement with what USING says put into its layout, properties, location and, where none are stated, columns.

    Raises NotSupportedError (0A000) for a format that is not here, InvalidParameter (22023) for an option that a format
    has not, InvalidDefinition (42P17), and what `named_files` raises.
    """
    if statement.source is None:
        return statement
    kind = statement.source.format.lower()
    if kind not in FORMATS:
        raise NotSupportedError(
            f"tables USING {kind} are not supported",
            hint=did_you_mean(kind, FORMATS) or "one of: " + ", ".join(FORMATS),
        )
    if statement.layout != ast.FileLayout():
        raise InvalidDefinition("USING says how files are stored: ROW FORMAT and STORED AS cannot say it as well")
    options = dict(statement.source.options)
    path = options.pop("path", "")
    if path and statement.location:
        raise InvalidDefinition("OPTIONS (path ...) and LOCATION are the same thing")
    location = statement.location or path
    layout, properties = _layout(kind, options)
    made = replace(
        statement,
        layout=layout,
        properties=(*properties, *statement.properties),
        location=location,
        words=statement.words | {"external"} if location else statement.words,
    )
    return made if made.columns or made.query is not None else _with_columns(made, kind, options)


def _layout(kind: str, options: dict[str, str]) -> tuple[ast.FileLayout, ast.Options]:
    if kind == "csv":
        table, serde = warehouse.csv_properties(options)
        return ast.FileLayout(file_format="csv", serde_properties=tuple(serde.items())), tuple(table.items())
    table = {}
    for name, value in options.items():
        if name not in ("compression", "codec"):
            raise InvalidParameter(f'{kind} files have no option "{name}"', hint="path and compression are known")
        table[_COMPRESSIONS[kind]] = value
    whole = warehouse.WHOLE_LINES if kind == "text" else {}
    return ast.FileLayout(file_format=kind, serde_properties=tuple(whole.items())), tuple(table.items())


def _with_columns(statement: ast.CreateFileTable, kind: str, options: dict[str, str]) -> ast.CreateFileTable:
    """The columns that the files have."""
    if not statement.location:
        raise InvalidDefinition(
            f'table "{statement.name[-1]}" has no columns',
            hint="state them, or OPTIONS (path '...') of files that have",
        )
    if glob.has_magic(local_path(statement.location)):
        raise NotSupportedError("a table or view of files is of one file or one directory, not of a pattern")
    found = named_files(kind, statement.location, options if kind == "csv" else None).description
    columns = tuple(ast.HiveColumn(column.name, str(column.type)) for column in found.columns)
    partitions = tuple(ast.HiveColumn(column.name, str(column.type)) for column in found.partition_columns)
    stated = {column.name for column in statement.partition_columns}
    if stated - {column.name for column in partitions}:
        raise InvalidDefinition("PARTITIONED BY names columns that the directories do not have")
    return replace(statement, columns=columns, partition_columns=partitions)


# ---------------------------------------------------------------- CACHE


def cache_table(statement: ast.CacheTable, context: Context) -> Result:
    """CACHE TABLE. Of a query: a materialized view, whose rows are kept and follow what it reads, as those of Spark's
    cached views do. Of what there is: nothing, which a notice says."""
    if statement.query is not None:
        made = ast.CreateView(
            name=statement.name,
            query=statement.query,
            materialized=True,
            text=statement.text,
            position=statement.position,
        )
        create_view(made, context)
        context.cached.append(statement.name)
        return Result("CACHE TABLE")
    with context.instance.lock:
        found = any_object(context, statement.name)
    context.notice(
        f'the rows of "{found.name}" are kept in any case'
        if not isinstance(found, (FileTable, View))
        else f'the rows of "{found.name}" are read from where they are: a materialized view would keep them'
    )
    return Result("CACHE TABLE")


def uncache_table(statement: ast.UncacheTable, context: Context) -> Result:
    """UNCACHE TABLE, CLEAR CACHE: what CACHE TABLE ... AS has made goes on as a view."""
    if not statement.name:
        for name in list(context.cached):
            _uncache(name, context)
        return Result("CLEAR CACHE")
    if statement.name in context.cached:
        _uncache(statement.name, context)
        return Result("UNCACHE TABLE")
    with context.instance.lock:
        found = context.instance.catalog.find(statement.name)
    if found is None and not statement.if_exists:
        raise UndefinedTable(f'relation "{object_name(statement.name)}" does not exist')
    context.notice(f'"{object_name(statement.name)}" is not cached')
    return Result("UNCACHE TABLE")


def _uncache(name: ast.Name, context: Context) -> None:
    context.cached.remove(name)
    with context.instance.lock:
        found = context.instance.catalog.find(name)
    if not isinstance(found, MaterializedView):  # somebody has dropped it meanwhile
        return
    query = sql.parse_query(found.query)
    with context.instance.lock:
        drop_object(context, found, cascade=False)
    create_view(ast.CreateView(name=name, query=query, text=found.sql, position=0), context)


def refresh_table(statement: ast.RefreshTable, context: Context) -> Result:
    """REFRESH [TABLE]: files are looked for whenever a table is read; what views know of them is made to be so now."""
    if statement.path is None:
        with context.instance.lock:
            any_object(context, statement.name)
    level(context.instance)
    return Result("REFRESH TABLE")
