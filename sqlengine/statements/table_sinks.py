"""CREATE SINK ... INTO a table: what a continuous query says becomes rows of a table that others write as well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from sqlengine import errors
from sqlengine.catalog.catalog import object_name
from sqlengine.catalog.objects import Table, TableSink
from sqlengine.errors import (
    InvalidDefinition,
    InvalidParameter,
    WrongObjectType,
    did_you_mean,
)
from sqlengine.plan.pipeline import Planned
from sqlengine.result import Result
from sqlengine.runtime.rows import check_columns, conform
from sqlengine.runtime.subscription import remove_topic
from sqlengine.runtime.table_output import make_topic, topic_name
from sqlengine.sql import ast
from sqlengine.statements.columns import infos_of_schema
from sqlengine.statements.constraints import refuse_given
from sqlengine.statements.context import Context
from sqlengine.statements.followed_files import follow_files
from sqlengine.statements.making import being_made
from sqlengine.statements.sinks import emit_info, query_of, start
from sqlengine.statements.views import direct_inputs, explain_costs
from sqlengine.statements.write import writable

TYPES = ("append-only", "upsert")
_OPTIONS = ("type", "force_append_only")


def create_table_sink(statement: ast.CreateSinkInto, context: Context) -> Result:
    """CREATE SINK name INTO table [(columns)] FROM object | AS query [WITH (type = ..., force_append_only = ...)]."""
    instance = context.instance
    with instance.lock:
        if statement.if_not_exists and instance.catalog.find(statement.name) is not None:
            context.notice(f'relation "{object_name(statement.name)}" already exists, skipping')
            return Result("CREATE SINK")
        emit = statement.emit or ast.Emit()
        query = query_of(statement, context)
        follow_files(context, query)
        planned = instance.plan(query, emit, context.planning(), context.settings.threads)
        sink = context.owned(_declared(statement, query, planned, context))
        if sink.name in instance.catalog:
            instance.catalog.add(sink)  # raises
        explain_costs(planned, context)
        instance.catalog.note_unowned(sink.topic)
        make_topic(instance.storage, sink)

    def undo() -> None:
        instance.release_sink(sink.name, "none")
        remove_topic(instance.storage, sink.topic)
        instance.catalog.forget_unowned(sink.topic)

    with being_made(context, (sink,), undo) as making:
        start(sink, planned, emit, making)
    instance.checkpoints.save()
    return Result("CREATE SINK")


def _declared(statement: ast.CreateSinkInto, query: ast.Query, planned: Planned, context: Context) -> TableSink:
    """The sink, checked: its columns, what the table can take, and that no row comes round in a circle."""
    instance, name = context.instance, object_name(statement.name)
    table = _target(context, statement.into)
    inserts_only = _asks_inserts_only(dict(statement.options), planned.physical.append_only)
    named = _targets(table, statement.into_columns, planned.schema)
    if not planned.physical.append_only and not inserts_only:
        _require_changes(table, named)
    inputs = direct_inputs(query, context)
    way = instance.catalog.way(table.name, inputs)
    if way:
        raise InvalidDefinition(
            "creating such a sink will result in a circular dependency",
            detail=f"rows would go this way: {' -> '.join([*way, name, table.name])}",
        )
    stored, query_id = {column.name: column.stored_name for column in table.columns}, instance.next_id("q")
    return TableSink(
        name=name,
        query=query.text,
        query_id=query_id,
        sql=statement.text,
        connector="topic",
        options={"topic": topic_name(query_id)},
        columns=infos_of_schema(planned.schema),
        emit=emit_info(statement.emit or ast.Emit()),
        planning=context.planning(planned),
        inputs=inputs,
        into=table.name,
        targets=tuple(stored[column] for column in named),
        inserts_only=inserts_only,
        created_us=instance.clock.now_us(),
    )


def _target(context: Context, name: ast.Name) -> Table:
    target = writable(context, name, "sink into")
    if isinstance(target, Table):
        return target
    raise WrongObjectType(
        f'cannot sink into {target.kind} "{target.name}": it is no table',
        hint="CREATE STREAM ... AS writes what a query says into a stream",
    )


def _asks_inserts_only(options: Mapping[str, str], append_only: bool) -> bool:
    """Whether rows that the query takes back are to stay, by RisingWave's options `type` and `force_append_only`."""
    for option in options:
        if option not in _OPTIONS:
            hint = did_you_mean(option, _OPTIONS) or f"one of: {', '.join(_OPTIONS)}"
            raise InvalidParameter(f'unrecognized option of a sink into a table "{option}"', hint=hint)
    kind, force = options.get("type", "upsert").lower(), options.get("force_append_only", "false").lower()
    if kind not in TYPES:
        raise InvalidParameter(f'invalid value for option "type": "{kind}"', hint=f"one of: {', '.join(TYPES)}")
    if force not in ("true", "false"):
        raise InvalidParameter(f'invalid value for option "force_append_only": "{force}"', hint="true or false")
    if force == "true" and kind != "append-only":
        raise InvalidParameter("force_append_only needs type = 'append-only'")
    if kind == "append-only" and force == "false" and not append_only:
        raise InvalidDefinition(
            "the sink is append-only, and this query takes rows back",
            hint="force_append_only = true leaves in the table what the query takes back",
        )
    return kind == "append-only"


def _targets(table: Table, given: Sequence[str], schema: pa.Schema) -> list[str]:
    """The columns that the query's are written to, () given: the table's first. UndefinedColumn, DuplicateColumn,
    DatatypeMismatch (42804), SyntaxError (42601) where there are not as many."""
    known = [column.name for column in table.stored_columns()]
    check_columns(given, known, table.name)
    named = list(given) or known[: len(schema)]
    if len(named) != len(schema):
        more = "more columns" if len(schema) > len(named) else "fewer columns"
        counts = f"{len(schema)}, not {len(named)}"
        raise errors.SyntaxError(f'the query has {more} than table "{table.name}" is to take: {counts}')
    refuse_given(table, named)
    rows = schema.empty_table().rename_columns([str(i) for i in range(len(schema))])
    columns = [column for column in table.stored_columns() if column.name in named]
    conform(rows, columns, named, lambda info, count: pa.nulls(count, info.type), table.name)
    for column in table.stored_columns():
        if column.name not in named and column.not_null and column.default is None and column.identity is None:
            raise InvalidDefinition(
                f'column "{column.name}" of table "{table.name}" must not be null, and the sink does not write it',
                hint="name it among the sink's columns, or give it a DEFAULT",
            )
    return named


def _require_changes(table: Table, named: Sequence[str]) -> None:
    """InvalidDefinition (42P17) unless a row that is taken back can be found in the table."""
    if table.append_only or not table.primary_key:
        why = "is append-only" if table.append_only else "has no primary key"
        raise InvalidDefinition(
            f'table "{table.name}" {why}, and this query takes rows back',
            hint="a table with a PRIMARY KEY takes updates and deletes; EMIT ON WINDOW CLOSE has each row once; "
            "WITH (type = 'append-only', force_append_only = true) leaves what is taken back",
        )
    missing = [column for column in table.primary_key if column not in named]
    if missing:
        raise InvalidDefinition(
            f'the sink does not write column "{missing[0]}" of the primary key of table "{table.name}"',
            hint="a query that takes rows back has to name all of the key",
        )
