"""Tables STORED BY Hive's KafkaStorageHandler: streams over topics of this database, which show behind their columns
what Kafka keeps of a record: its key, partition, offset and time.

There is no Kafka here: whatever servers a table names, its topic is this database's own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine import types, warehouse
from sqlengine.catalog.catalog import object_name
from sqlengine.catalog.objects import CatalogObject, Stream
from sqlengine.catalog.options import STREAM_OPTIONS
from sqlengine.errors import (
    DependentObjects,
    InvalidDefinition,
    InvalidParameter,
    NotSupportedError,
    did_you_mean,
)
from sqlengine.result import Result
from sqlengine.runtime.rows import check_columns, conform
from sqlengine.sql import ast
from sqlengine.statements.access import authorize
from sqlengine.statements.context import Context
from sqlengine.statements.streams import create_stream
from sqlengine.statements.topics import create_topic, topic_names
from sqlengine.statements.write import append_all, default_of, encoded_rows, frames_of, write_rows
from storage import BYTES_SCHEMA, Log, Topic, deal, partitions_by_key

Numbers: TypeAlias = npt.NDArray[np.int64]
HANDLER = "org.apache.hadoop.hive.kafka.KafkaStorageHandler"
TOPIC, SERVERS, SERDE = "kafka.topic", "kafka.bootstrap.servers", "kafka.serde.class"
_METADATA = (
    ("__key", "bytea", "key"),
    ("__partition", "integer", "partition"),
    ("__offset", "bigint", "offset"),
    ("__timestamp", "bigint", "timestamp_ms"),
)
"""Name, type and meaning of the columns that such a table has behind its own, in Hive's order."""
_FORMATS = {
    "org.apache.hadoop.hive.serde2.JsonSerDe": "json",
    "org.apache.hive.hcatalog.data.JsonSerDe": "json",
    "org.apache.hadoop.hive.serde2.OpenCSVSerde": "csv",
    "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe": "csv",
}
_DEFAULT_SERDE = next(iter(_FORMATS))


def is_kafka_table(obj: CatalogObject) -> bool:
    """Whether an object was made by STORED BY that handler."""
    return isinstance(obj, Stream) and SERVERS in obj.options


def kafka_properties(stream: Stream) -> dict[str, str]:
    """The TBLPROPERTIES of such a table."""
    return {k: v for k, v in stream.options.items() if k not in STREAM_OPTIONS and not k.startswith("csv.")}


def create_kafka_table(statement: ast.CreateFileTable, context: Context) -> Result:
    """CREATE EXTERNAL TABLE ... STORED BY; a topic that is not there is made."""
    handler = statement.layout.handler
    if handler.lower() != HANDLER.lower():
        name = handler.rpartition(".")[2]
        raise NotSupportedError(
            f"tables STORED BY {name} are not supported",
            hint=did_you_mean(name, [HANDLER.rpartition(".")[2]])
            or f"{HANDLER} is; CREATE STREAM declares what comes from elsewhere",
        )
    _check_form(statement)
    properties = {**dict(statement.layout.serde_properties), **dict(statement.properties)}
    topic = _mandatory(properties, TOPIC)
    servers = _mandatory(properties, SERVERS)
    stream = ast.CreateStream(
        name=statement.name,
        columns=(*_columns(statement, topic, context), *_metadata_columns()),
        options=(("topic", topic), *_format_options(properties, _topic(topic, context))),
        text=statement.text,
        position=statement.position,
    )
    authorize(stream, context)
    is_new = topic not in topic_names(context)
    if is_new:
        made = ast.CreateTopic(name=(topic,), text=statement.text)
        authorize(made, context)
        create_topic(made, context)
    create_stream(stream, context)
    with context.instance.lock:
        catalog = context.instance.catalog
        found = catalog.get_as(Stream, statement.name)
        catalog.update(found, options={**found.options, **properties}, comment=statement.comment or None)
    own = "is this database's own and new" if is_new else "is this database's own"
    context.notice(f'topic "{topic}" {own}: nothing is connected to at {servers}')
    return Result("CREATE TABLE")


def _check_form(statement: ast.CreateFileTable) -> None:
    """What Hive says no to, too."""
    if "external" not in statement.words:
        raise InvalidDefinition("a table STORED BY KafkaStorageHandler is EXTERNAL", hint="CREATE EXTERNAL TABLE")
    wrong = {
        "PARTITIONED BY": statement.partition_columns,
        "CLUSTERED BY": statement.buckets.columns,
        "PRIMARY KEY": statement.primary_key,
        "LOCATION": statement.location,
        "LIKE": statement.like or statement.like_file,
        "AS SELECT": statement.query,
        "TEMPORARY": "temporary" in statement.words,
    }
    for clause, said in wrong.items():
        if said:
            raise InvalidDefinition(f"{clause} does not go with a table over a topic")


def _mandatory(properties: dict[str, str], key: str) -> str:
    value = properties.get(key, "").strip()
    if not value:
        known = [name for name in properties if name.lower() == key]
        raise InvalidDefinition(
            f'a table over a topic needs the table property "{key}"',
            hint=f'did you mean "{key}"? "{known[0]}" is another' if known else f"TBLPROPERTIES ('{key}' = '...')",
        )
    return value


def _topic(name: str, context: Context) -> Topic | None:
    return context.instance.storage.topic(name) if name in topic_names(context) else None


def _columns(statement: ast.CreateFileTable, topic: str, context: Context) -> tuple[ast.ColumnDef, ...]:
    """The columns as stated; without any those of a topic that has a schema."""
    for column in statement.columns:
        if any(column.name == name for name, _, _ in _METADATA):
            raise InvalidDefinition(f'a table over a topic has a column "{column.name}" in any case')
    if statement.columns:
        return tuple(
            ast.ColumnDef(
                name=column.name,
                type_name=types.to_sql(warehouse.parse_type(column.type_text or "").arrow),
                not_null=column.not_null,
                default_text=column.default,
                position=column.position,
            )
            for column in statement.columns
        )
    found = _topic(topic, context)
    if found is None or found.is_bytes:
        raise InvalidDefinition(
            f'table "{object_name(statement.name)}" needs columns', hint=f'topic "{topic}" does not say any'
        )
    return tuple(ast.ColumnDef(name=field.name, type_name=types.to_sql(field.type)) for field in found.schema)


def _metadata_columns() -> list[ast.ColumnDef]:
    return [ast.ColumnDef(name=name, type_name=kind, metadata=what) for name, kind, what in _METADATA]


def _format_options(properties: dict[str, str], topic: Topic | None) -> list[tuple[str, str]]:
    """How a topic's records are read: Arrow batches as they are, others as the SerDe says."""
    serde = properties.get(SERDE, _DEFAULT_SERDE).strip()
    found = _FORMATS.get(serde)
    if found is None:
        name = serde.rpartition(".")[2]
        raise NotSupportedError(
            f"records of topics cannot be read by {name or serde}",
            hint="one of: " + ", ".join(_FORMATS),
        )
    if topic is not None and not topic.is_bytes:
        return [("format", "arrow")]
    if found == "json":
        return [("format", "json")]
    if serde.endswith("OpenCSVSerde"):
        style = {"delimiter": properties.get("separatorChar", ","), "quote": properties.get("quoteChar", '"')}
    else:
        delimiter = properties.get("field.delim", properties.get("serialization.format", "\1"))
        style = {"delimiter": "\1" if delimiter == "1" else delimiter, "quote": ""}
        style["null_string"] = properties.get("serialization.null.format", "\\N")
    return [("format", "csv"), *((f"csv.{key}", value) for key, value in style.items())]


# ---------------------------------------------------------------- ALTER TABLE


def alter_kafka_table(stream: Stream, change: ast.TableChange, context: Context) -> Result:
    """SET and UNSET TBLPROPERTIES; another SerDe is for what is read from then on. The caller holds the lock."""
    given = dict(change.properties)
    if TOPIC in given or (SERVERS in given and change.verb == "unset_properties"):
        raise InvalidDefinition(
            f'the property "{TOPIC if TOPIC in given else SERVERS}" stays as it is', hint="make another table"
        )
    properties = kafka_properties(stream)
    if change.verb == "set_properties":
        properties |= given
    else:
        for key in given:
            if key not in properties and not change.if_exists:
                raise InvalidParameter(f'table "{stream.name}" has no property "{key}"')
        properties = {key: value for key, value in properties.items() if key not in given}
    kept = {key: value for key, value in stream.options.items() if key in STREAM_OPTIONS and key != "format"}
    style = dict(_format_options(properties, _topic(stream.topic, context)))
    changed = replace(stream, format=style["format"], options={**kept, **style, **properties})
    was = {key: value for key, value in stream.options.items() if key.startswith("csv.")}
    is_read_otherwise = changed.format != stream.format or was != {k: v for k, v in style.items() if k != "format"}
    if is_read_otherwise and (over := context.instance.catalog.dependents(stream.name)):
        raise DependentObjects(
            f'"{over[-1].name}" reads table "{stream.name}" by its SerDe', hint="drop what reads it first"
        )
    context.instance.catalog.change([changed])
    return Result("ALTER TABLE")


# ---------------------------------------------------------------- INSERT


def write_records(context: Context, stream: Stream, rows: pa.Table) -> int:
    """Append rows that may state their record's key, partition and time; a NULL or a number below 0 leaves it to the
    topic, and an offset is always the topic's own. Returns how many."""
    meaning = {info.name: info.metadata for info in stream.columns if info.metadata is not None}
    check_columns(rows.schema.names, [info.name for info in stream.columns], stream.name)
    stated = {what: rows.column(name).combine_chunks() for name, what in meaning.items() if name in rows.schema.names}
    plain = rows.select([name for name in rows.schema.names if name not in meaning])
    key, partition, time_ms = stated.get("key"), stated.get("partition"), stated.get("timestamp_ms")
    known = [key is not None and key.null_count < len(key), _some(partition), _some(time_ms)]
    if not any(known):
        return write_rows(context, stream, plain, plain.schema.names).num_rows
    if context.transaction is not None:
        raise NotSupportedError("keys, partitions and times of records cannot be stated within BEGIN ... COMMIT")
    if stream.format == "arrow" and (known[0] or known[2]):
        what = "key" if known[0] else "time"
        raise InvalidDefinition(
            f'topic "{stream.topic}" holds Arrow batches, whose rows have no {what} of their own', hint="give NULL"
        )
    stored = conform(plain, stream.stored_columns(), plain.schema.names, default_of(context, stream), stream.name)
    n = stored.num_rows
    keys = pa.nulls(n, pa.binary()) if key is None else key
    writes = []
    at = 0
    for batch in frames_of(stored):
        here = slice(at, at + batch.num_rows)
        writes += _placed(context, stream, batch, keys[here], _numbers(partition, n)[here], _numbers(time_ms, n)[here])
        at = here.stop
    append_all(context, iter(writes))
    return n


def _some(numbers: pa.Array | None) -> bool:
    """Whether any is stated."""
    return numbers is not None and bool(pc.any(pc.greater_equal(numbers, 0)).as_py())


def _numbers(stated: pa.Array | None, count: int) -> Numbers:
    """int64[count], below 0 where nothing is stated."""
    if stated is None:
        return np.full(count, -1, dtype=np.int64)
    return np.asarray(pc.fill_null(stated.cast(pa.int64()), -1))


def _placed(
    context: Context, stream: Stream, batch: pa.RecordBatch, keys: pa.Array, partitions: Numbers, times_ms: Numbers
) -> list[tuple[Log, pa.RecordBatch]]:
    """The batch as records in their partitions: the stated one, else by key, else one of the topic's in turn."""
    topic = context.instance.topic_of(stream)
    logs = topic.partitions
    wrong = np.flatnonzero(partitions >= len(logs))
    if len(wrong):
        raise InvalidParameter(
            f'topic "{topic.name}" has no partition {partitions[wrong[0]]}', hint=f"it has {len(logs)}, from 0 on"
        )
    records = encoded_rows(context, stream, batch, None)
    if stream.format != "arrow":
        stamps = np.where(times_ms >= 0, times_ms * 1000, np.asarray(records.column("timestamp").cast(pa.int64())))
        columns = [keys, records.column("value"), pa.array(stamps).cast(pa.timestamp("us")), records.column("headers")]
        records = pa.RecordBatch.from_arrays(columns, schema=BYTES_SCHEMA)
    by_key = partitions_by_key([keys], len(logs))
    in_turn = context.instance.next_partition(topic.name, len(logs)) if keys.null_count else 0
    free = np.where(np.asarray(keys.is_null()), in_turn, by_key)
    chosen = np.where(partitions >= 0, partitions, free)
    return [(logs[i], part) for i, part in deal(records, chosen, len(logs))]
