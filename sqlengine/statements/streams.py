"""CREATE STREAM: over a topic, fed by a connector, or AS a query's changes."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa

from sqlengine.catalog.catalog import object_name
from sqlengine.catalog.objects import ColumnInfo, Stream
from sqlengine.catalog.options import STREAM_OPTIONS, TOPIC_OPTIONS
from sqlengine.connectors import connector
from sqlengine.errors import (
    DatatypeMismatch,
    InvalidDefinition,
    InvalidParameter,
    UndefinedColumn,
    did_you_mean,
)
from sqlengine.formats import FORMATS
from sqlengine.result import Result
from sqlengine.runtime.ingest import open_source
from sqlengine.runtime.sources import check_watermark, idle_timeout_us, timestamp_us, topic_schema
from sqlengine.sql import ast
from sqlengine.statements.columns import column_infos, infos_of_schema, watermark_info
from sqlengine.statements.context import Context
from sqlengine.statements.drop import drop_object
from sqlengine.statements.options import split_options
from sqlengine.statements.sinks import declare_stream_query, start_stream_query
from sqlengine.statements.topics import keep_topic_owner, make_topic, topic_name, topic_names
from storage import Topic


def create_stream(statement: ast.CreateStream, context: Context) -> Result:
    """CREATE [OR REPLACE] STREAM [IF NOT EXISTS]."""
    instance = context.instance
    with instance.lock:
        existing = instance.catalog.find(statement.name)
        if existing is not None and statement.if_not_exists:
            context.notice(f'relation "{existing.name}" already exists, skipping')
            return Result("CREATE STREAM")
        if existing is not None and statement.or_replace:
            drop_object(context, instance.catalog.get_as(Stream, statement.name), cascade=False)
        if statement.query is None:
            stream = context.owned(_declare(statement, context), existing)
            instance.catalog.add(stream)
            if stream.connector != "topic":
                instance.start_ingest(stream)
            return Result("CREATE STREAM")
        made = declare_stream_query(statement, context, existing)
    start_stream_query(made, statement.emit or ast.Emit(), context)
    return Result("CREATE STREAM")


def _declare(statement: ast.CreateStream, context: Context) -> Stream:
    """The stream and its topic, everything checked before anything is made."""
    name = object_name(statement.name)
    topic_options, stream_options, rest = split_options(dict(statement.options))
    kind = stream_options.get("connector", "topic").lower()
    stream = Stream(
        name=name,
        topic=topic_name(context, name, stream_options),
        connector=kind,
        columns=column_infos(statement.columns),
        watermark=watermark_info(statement.watermark),
        options={**stream_options, **rest},
        sql=statement.text,
        created_us=context.instance.clock.now_us(),
        format=stream_options.get("format", "").lower() if kind == "topic" else "arrow",
    )
    if name in context.instance.catalog:
        context.instance.catalog.add(stream)
    _check_options(stream, rest)
    if kind == "topic":
        stream = _over_topic(stream, topic_options, context)
    else:
        stream = _over_connector(stream, topic_options, context)
    check_watermark(stream)
    if stream.owns_topic:
        make_topic(context, stream, _topic_schema(stream), topic_options)
    return stream


def _check_options(stream: Stream, rest: dict[str, str]) -> None:
    options = stream.options
    if "idle_timeout" in options:
        idle_timeout_us(options["idle_timeout"])
    if options.get("on_error", "dead_letter") not in ("dead_letter", "skip", "fail"):
        raise InvalidParameter(
            f'invalid value for option "on_error": "{options["on_error"]}"', hint="one of: dead_letter, skip, fail"
        )
    start = options.get("start", "earliest")
    if start not in ("earliest", "latest") and not start.startswith("offset:"):
        timestamp_us(start)
    if "key" in options and stream.columns and options["key"] not in {c.name for c in stream.columns}:
        raise UndefinedColumn(
            f'key column "{options["key"]}" does not exist',
            hint=did_you_mean(options["key"], [c.name for c in stream.columns]),
        )
    if stream.connector == "topic":
        for name in rest:
            if not name.startswith(f"{stream.format}."):
                known = (*STREAM_OPTIONS, *TOPIC_OPTIONS)
                raise InvalidParameter(f'unrecognized stream option "{name}"', hint=did_you_mean(name, known))


def _over_topic(stream: Stream, topic_options: dict[str, str], context: Context) -> Stream:
    """Settle format and columns with the topic, when there is one already."""
    exists = stream.topic in topic_names(context)
    topic = context.instance.storage.topic(stream.topic) if exists else None
    keep_topic_owner(context, stream.topic)
    empty = topic is None or not any(log.end_offset for log in topic.partitions)
    text = stream.format or ("arrow" if empty or topic is None or not topic.is_bytes else "json")
    known = ["arrow", *(f.name for f in FORMATS)]
    if text not in known:
        raise InvalidParameter(f'unknown format "{text}"', hint="one of: " + ", ".join(known))
    stream = replace(stream, format=text)
    if topic is not None and not topic.is_bytes and text != "arrow":
        raise InvalidDefinition(f'topic "{topic.name}" holds Arrow batches, not {text} records')
    if topic is not None and topic.is_bytes and text == "arrow" and not empty:
        raise InvalidDefinition(
            f'topic "{topic.name}" holds records, not Arrow batches', hint="give a format such as json"
        )
    if topic is not None and not topic.is_bytes:
        return replace(stream, columns=_match_topic(stream, topic), owns_topic=False)
    if not stream.columns:
        raise InvalidDefinition(
            f'stream "{stream.name}" needs columns', hint="name them, or use a topic that has a schema"
        )
    return replace(stream, owns_topic=topic is None or text == "arrow")


def _match_topic(stream: Stream, topic: Topic) -> tuple[ColumnInfo, ...]:
    """Declared columns must be the topic's; none declared = all of them."""
    if not stream.columns:
        return infos_of_schema(topic.schema)
    for info in stream.stored_columns():
        at = topic.schema.get_field_index(info.name)
        if at < 0:
            raise UndefinedColumn(
                f'topic "{topic.name}" has no column "{info.name}"', hint=did_you_mean(info.name, topic.schema.names)
            )
        if topic.schema.field(at).type != info.type:
            raise DatatypeMismatch(f'column "{info.name}" of topic "{topic.name}" is {topic.schema.field(at).type}')
    return stream.columns


def _over_connector(stream: Stream, topic_options: dict[str, str], context: Context) -> Stream:
    """Options checked by opening the source; columns inferred when none were declared."""
    connector(stream.connector)
    source, _ = open_source(stream)
    if not stream.stored_columns():
        inferred = infos_of_schema(source.schema())
        if stream.columns:
            raise InvalidDefinition("computed columns need the stored columns spelt out")
        stream = replace(stream, columns=inferred)
    return replace(stream, owns_topic=True)


def _topic_schema(stream: Stream) -> pa.Schema | None:
    """None for topics of records."""
    return topic_schema(stream) if stream.format == "arrow" else None
