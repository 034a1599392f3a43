"""CREATE SINK and CREATE STREAM ... AS: a continuous query whose changes leave, to a connector or into a topic."""

from __future__ import annotations

from sqlengine.catalog.catalog import object_name
from sqlengine.catalog.objects import STREAM_QUERY, CatalogObject, EmitInfo, Sink, Stream
from sqlengine.connectors import connector, parse_options
from sqlengine.errors import InvalidDefinition, InvalidParameter, NotSupportedError
from sqlengine.plan.pipeline import Planned
from sqlengine.result import Result
from sqlengine.sql import ast, parse_query
from sqlengine.statements.columns import infos_of_schema
from sqlengine.statements.context import Context
from sqlengine.statements.envelopes import ENVELOPE, in_envelope
from sqlengine.statements.followed_files import follow_files
from sqlengine.statements.making import Making, being_made
from sqlengine.statements.options import split_options
from sqlengine.statements.topics import drop_topic, make_topic, topic_names
from sqlengine.statements.views import direct_inputs, explain_costs


def create_sink(statement: ast.CreateSink, context: Context) -> Result:
    """CREATE SINK name FROM object | AS query WITH (connector = ...)."""
    instance = context.instance
    with instance.lock:
        if statement.if_not_exists and instance.catalog.find(statement.name) is not None:
            context.notice(f'relation "{object_name(statement.name)}" already exists, skipping')
            return Result("CREATE SINK")
        query = query_of(statement, context)
        options = dict(statement.options)
        if "connector" not in options:
            raise InvalidParameter("a sink needs a connector", hint="WITH (connector = 'file', path = ...)")
        emit = statement.emit or ast.Emit()
        follow_files(context, query)
        planned = instance.plan(query, emit, context.planning(), context.settings.threads)
        told = in_envelope(query, options, planned)
        if told is not query:
            query, planned = told, instance.plan(told, emit, context.planning(), context.settings.threads)
        sink = Sink(
            name=object_name(statement.name),
            query=query.text,
            query_id=instance.next_id("q"),
            sql=statement.text,
            connector=options["connector"].lower(),
            options=options,
            columns=infos_of_schema(planned.schema),
            emit=emit_info(emit),
            planning=context.planning(planned),
            inputs=direct_inputs(query, context),
            created_us=instance.clock.now_us(),
        )
        sink = context.owned(sink)
        if sink.name in instance.catalog:
            instance.catalog.add(sink)
        _check(sink, planned)
        explain_costs(planned, context)
    with being_made(context, (sink,), undo=lambda: instance.release_sink(sink.name, "none")) as making:
        start(sink, planned, emit, making)
    context.instance.checkpoints.save()
    return Result("CREATE SINK")


def query_of(statement: ast.CreateSink, context: Context) -> ast.Query:
    """The query of a sink, FROM an object as well; UndefinedTable (42P01) when there is none of that name."""
    if statement.query is not None:
        return statement.query
    assert statement.from_name is not None
    context.instance.catalog.get(context.prefer_path(statement.from_name))
    return parse_query(sink_query(statement.from_name))


def sink_query(name: ast.Name) -> str:
    """The query of CREATE SINK ... FROM name."""
    return "SELECT * FROM " + ".".join(f'"{part}"' for part in name)


def start(sink: Sink, planned: Planned, emit: ast.Emit, making: Making) -> None:
    """Run a sink's query as the session of a statement wants it; the caller holds no lock."""
    context = making.context
    context.instance.start_sink(
        sink,
        planned,
        emit,
        on_progress=context.on_progress,
        check=context.check,
        started=making.done,
        pace=context.pace(),
        behind=context.in_background,
    )


def emit_info(emit: ast.Emit) -> EmitInfo:
    """When a query speaks, as the catalog keeps it."""
    return EmitInfo(mode=emit.mode, every_us=emit.every_us, lateness_us=emit.lateness_us, timeout_us=emit.timeout_us)


def _check(sink: Sink, planned: Planned) -> None:
    kind = connector(sink.connector)
    if kind.sink is None:
        raise NotSupportedError(f"connector {kind.name} cannot be written to")
    parse_options(kind, {k: v for k, v in sink.options.items() if k not in ("connector", ENVELOPE)})
    if sink.connector == "file" and not planned.physical.append_only:
        raise InvalidDefinition(
            "a file sink needs a query that never takes a row back",
            hint="use envelope = 'debezium' or 'upsert' to write changes, or EMIT ON WINDOW CLOSE",
        )


def declare_stream_query(
    statement: ast.CreateStream, context: Context, replaced: CatalogObject | None
) -> tuple[Stream, Sink, Planned]:
    """CREATE STREAM s AS query, whose rows are appended to the stream's topic: everything checked, the topic made."""
    instance = context.instance
    assert statement.query is not None
    emit = statement.emit or ast.Emit()
    follow_files(context, statement.query)
    planned = instance.plan(statement.query, emit, context.planning(), context.settings.threads)
    if not planned.physical.append_only:
        raise InvalidDefinition(
            "a stream is append-only, and this query takes rows back",
            hint="use EMIT ON WINDOW CLOSE, or CREATE MATERIALIZED VIEW",
        )
    topic_options, stream_options, rest = split_options(dict(statement.options))
    if rest:
        raise InvalidParameter(f'unrecognized stream option "{next(iter(rest))}"')
    name = object_name(statement.name)
    stream = Stream(
        name=name,
        topic=stream_options.get("topic", name),
        columns=infos_of_schema(planned.schema),
        sql=statement.text,
        options=stream_options,
        created_us=instance.clock.now_us(),
    )
    sink = Sink(
        name=name + STREAM_QUERY,
        query=statement.query.text,
        query_id=instance.next_id("q"),
        connector="topic",
        sql=statement.text,
        options={"topic": stream.topic},
        columns=stream.columns,
        emit=emit_info(emit),
        planning=context.planning(planned),
        inputs=direct_inputs(statement.query, context),
        created_us=instance.clock.now_us(),
    )
    if name in instance.catalog:
        instance.catalog.add(stream)
    if stream.topic in topic_names(context):
        raise InvalidDefinition(
            f'topic "{stream.topic}" exists already', hint="CREATE STREAM ... AS makes its own topic"
        )
    explain_costs(planned, context)
    if "compact" in topic_options.get("cleanup_policy", ""):
        raise NotSupportedError("a stream that is written by a query cannot be compacted", hint="use retention")
    make_topic(context, stream, stream.arrow_schema(), topic_options)
    return context.owned(stream, replaced), context.owned(sink, replaced), planned


def start_stream_query(made: tuple[Stream, Sink, Planned], emit: ast.Emit, context: Context) -> None:
    """Run the query of a stream that `declare_stream_query` has declared; the caller holds no lock."""
    stream, sink, planned = made

    def undo() -> None:
        context.instance.release_sink(sink.name, "none")
        if stream.topic in topic_names(context):
            drop_topic(context, stream.topic)

    with being_made(context, (stream, sink), undo) as making:
        start(sink, planned, emit, making)
        context.instance.checkpoints.save()
        query = context.instance.scheduler.queries.get(sink.query_id)
        if query is not None and query.status == "failed" and query.error is not None:
            raise query.error
