"""CREATE TABLE and CREATE TABLE AS."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa

from sqlengine.catalog.catalog import object_name
from sqlengine.catalog.objects import Table
from sqlengine.errors import (
    InvalidDefinition,
    InvalidParameter,
    NotSupportedError,
    SyntaxError,  # noqa: A004 - SQL's word
    did_you_mean,
)
from sqlengine.result import Result
from sqlengine.runtime.sources import check_watermark, topic_schema
from sqlengine.sql import ast
from sqlengine.statements.columns import column_infos, infos_of_schema, watermark_info
from sqlengine.statements.constraints import check_infos
from sqlengine.statements.context import Context
from sqlengine.statements.drop import drop_object
from sqlengine.statements.indexes import unique_infos
from sqlengine.statements.options import split_options
from sqlengine.statements.row_expiry import TTL, check_ttl
from sqlengine.statements.select import run_snapshot
from sqlengine.statements.streams import create_stream
from sqlengine.statements.topics import keep_topic_owner, make_topic, topic_name
from sqlengine.statements.write import write_rows


def create_table(statement: ast.CreateTable, context: Context) -> Result:
    """CREATE [OR REPLACE] TABLE [IF NOT EXISTS], with columns or AS a query (a one-shot copy)."""
    instance = context.instance
    if dict(statement.options).get("connector", "topic") != "topic":
        return create_stream(_as_stream(statement), context)
    rows = _copied(statement, context)
    with instance.lock:
        existing = instance.catalog.find(statement.name)
        if existing is not None and statement.if_not_exists:
            context.notice(f'relation "{existing.name}" already exists, skipping')
            return Result("CREATE TABLE")
        if existing is not None and statement.or_replace:
            drop_object(context, instance.catalog.get_as(Table, statement.name), cascade=False)
        keep_topic_owner(context, topic_name(context, object_name(statement.name), dict(statement.options)))
        table = context.owned(_declare(statement, context, rows), existing)
        instance.catalog.add(table)
        instance.start_table(table)
        if statement.temporary:
            context.temporary.append(instance.catalog.oid(table.name))
    if rows is None:
        return Result("CREATE TABLE")
    count = write_rows(context, table, rows, None).num_rows
    return Result(f"SELECT {count}", row_count=count)


def alter_options(statement: ast.SetTableOptions, context: Context) -> Result:
    """ALTER TABLE name SET (ttl = ...)."""
    instance = context.instance
    with instance.lock:
        table = instance.catalog.get_as(Table, context.prefer_path(statement.name))
        for option, text in statement.options:
            if option != TTL:
                raise InvalidParameter(
                    f'option "{option}" of a table cannot be changed',
                    hint=f"{TTL} can; ALTER TOPIC changes its topic's",
                )
            table = replace(table, options={**table.options, TTL: text})
        check_ttl(table)
        instance.catalog.update(table)
    instance.pump.wake()
    return Result("ALTER TABLE")


def _copied(statement: ast.CreateTable, context: Context) -> pa.Table | None:
    """The rows of AS query, under the names the statement gives them; None without a query."""
    if statement.query is None:
        return None
    rows, names = run_snapshot(context, statement.query), statement.column_aliases
    if len(names) > rows.num_columns:
        raise SyntaxError("too many column names were specified", position=statement.query.position)
    return rows.rename_columns([*names, *rows.column_names[len(names) :]])


def _as_stream(statement: ast.CreateTable) -> ast.CreateStream:
    """CREATE TABLE ... WITH ('connector' = ...), as Flink and RisingWave write it, declares a stream here."""
    if statement.primary_key or any(c.primary_key for c in statement.columns):
        raise NotSupportedError(
            "a table fed by a connector cannot have a primary key yet",
            hint="leave the key out: rows are then appended, and a view can keep the last row of each key",
        )
    if statement.checks:
        raise NotSupportedError(
            "a table fed by a connector cannot have CHECK constraints", hint="a view with WHERE leaves rows out"
        )
    if statement.uniques:
        raise NotSupportedError("a table fed by a connector cannot have UNIQUE constraints")
    return ast.CreateStream(
        name=statement.name,
        columns=statement.columns,
        watermark=statement.watermark,
        options=statement.options,
        if_not_exists=statement.if_not_exists,
        or_replace=statement.or_replace,
        text=statement.text,
        position=statement.position,
    )


def _declare(statement: ast.CreateTable, context: Context, rows: pa.Table | None) -> Table:
    name = object_name(statement.name)
    topic_options, stream_options, rest = split_options(dict(statement.options))
    own = {TTL: rest.pop(TTL)} if TTL in rest else {}
    if rest:
        wrong = next(iter(rest))
        raise InvalidParameter(
            f'unrecognized table option "{wrong}"', hint=did_you_mean(wrong, ("topic", "partitions", TTL))
        )
    key = statement.primary_key or tuple(c.name for c in statement.columns if c.primary_key)
    columns = column_infos(statement.columns, key) if rows is None else infos_of_schema(rows.schema)
    table = Table(
        name=name,
        topic=topic_name(context, name, stream_options),
        columns=columns,
        primary_key=key,
        key_name=statement.key_name,
        sql=statement.text,
        append_only=statement.append_only,
        watermark=watermark_info(statement.watermark),
        options={**topic_options, **stream_options, **own},
        checks=check_infos(name, statement.checks, columns),
        created_us=context.instance.clock.now_us(),
    )
    check_watermark(table)
    check_ttl(table)
    if sum(c.identity is not None for c in columns) > 1:
        raise InvalidDefinition("a table has at most one identity column")
    if name in context.instance.catalog:
        context.instance.catalog.add(table)
    infos = unique_infos(context.instance.catalog, table, statement.uniques, [check.name for check in table.checks])
    table = replace(table, indexes=infos)
    make_topic(context, table, topic_schema(table), topic_options)
    return table
