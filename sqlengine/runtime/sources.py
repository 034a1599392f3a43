"""From catalog objects to readers, watermark trackers and stores: their expressions compiled, their formats chosen."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine import sql, types
from sqlengine.catalog.measures import duration_us
from sqlengine.catalog.objects import Stream, Table
from sqlengine.errors import (
    DatatypeMismatch,
    InvalidDatetime,
    InvalidDefinition,
    UndefinedColumn,
    did_you_mean,
)
from sqlengine.expr.compile import compile_exprs
from sqlengine.expr.tree import Call, Const, Expr, InputRef, input_columns
from sqlengine.formats import decoder
from sqlengine.operators.base import NO_WATERMARK
from sqlengine.plan.rewrite import contains
from sqlengine.runtime.reader import WEIGHT_COLUMN, OnBad, TopicReader
from sqlengine.runtime.stored_expressions import bind_over, computed_evaluator
from sqlengine.runtime.watermark import Times, WatermarkTracker
from sqlengine.sql import ast
from sqlengine.state.row_store import RowStore
from storage import Topic

Relational = Stream | Table

DEFAULT_IDLE_TIMEOUT = "1 minute"
"""How long a partition without records holds the watermark back when the stream does not say."""


def make_reader(obj: Relational, topic: Topic, positions: Sequence[int], on_bad: OnBad) -> TopicReader:
    """A reader of the object's topic from `positions` on."""
    decode = None
    if isinstance(obj, Stream) and obj.format != "arrow":
        decode = decoder(obj.format, record_schema(obj), format_options(obj))
    return TopicReader(obj, topic, decode, computed_evaluator(obj), positions, on_bad)


def format_options(stream: Stream) -> dict[str, str]:
    """The WITH options that belong to the record format: `csv.delimiter` as `delimiter`."""
    head = stream.format + "."
    return {k.removeprefix(head): v for k, v in stream.options.items() if k.startswith(head)}


def record_schema(obj: Relational) -> pa.Schema:
    """The stored columns as records have them."""
    return pa.schema([pa.field(c.stored_name, c.type) for c in obj.stored_columns()])


def topic_schema(obj: Relational) -> pa.Schema:
    """The schema of a topic of Arrow batches: the stored columns; of a table, behind them the weight of each row."""
    schema = record_schema(obj)
    return schema.append(pa.field(WEIGHT_COLUMN, pa.int8())) if isinstance(obj, Table) else schema


def make_store(obj: Table) -> RowStore:
    """An empty store for a table's contents."""
    schema = pa.schema([pa.field(c.name, c.type) for c in obj.columns])
    keys = tuple(schema.names.index(k) for k in obj.row_key) or None
    return RowStore(schema, keys)


def idle_timeout_us(text: str) -> int | None:
    """The option `idle_timeout`: an interval, or 'none' for partitions that hold the watermark for ever."""
    return None if text.lower() == "none" else duration_us(text)


def make_tracker(obj: Relational, topic: Topic) -> WatermarkTracker:
    """The watermark of a stream as its declaration says."""
    idle = idle_timeout_us(obj.options.get("idle_timeout", DEFAULT_IDLE_TIMEOUT))
    if obj.watermark is None:
        return WatermarkTracker(None)
    read = sorted(input_columns(bind_over(obj.watermark.expr, obj.columns)))
    columns = [obj.columns[i] for i in read]
    expr = bind_over(obj.watermark.expr, columns)
    delayed = _column_and_delay(expr)
    evaluate = compile_exprs([expr])

    def values(batch: pa.RecordBatch) -> Times:
        if delayed is None or batch.column(delayed[0]).null_count:
            (stamps,) = evaluate(batch, 0)
            return np.asarray(pc.fill_null(stamps.cast(pa.int64()), NO_WATERMARK))
        micros = np.asarray(batch.column(delayed[0]).view(pa.int64()))
        return micros - delayed[1] if delayed[1] else micros

    stored = delayed is not None and columns[delayed[0]] in obj.stored_columns()
    delay_us = delayed[1] if delayed is not None and stored else None
    return WatermarkTracker(values, idle, lambda: len(topic.partitions), [c.stored_name for c in columns], delay_us)


def _column_and_delay(expr: Expr) -> tuple[int, int] | None:
    """(column, microseconds) of the usual `ts` and `ts - INTERVAL '5 seconds'`, which need no expression kernel."""
    match expr:
        case InputRef(index=index):
            return index, 0
        case Call(function="subtract", args=(InputRef(index=index), Const(value=(months, days, nanos)))) if not months:
            return index, days * 86_400_000_000 + nanos // 1000
    return None


def check_watermark(obj: Relational) -> None:
    """UndefinedColumn, DatatypeMismatch or InvalidDefinition for a WATERMARK FOR that cannot work."""
    mark = obj.watermark
    if mark is None:
        return
    info = next((c for c in obj.columns if c.name == mark.column), None)
    if info is None:
        names = [c.name for c in obj.columns]
        raise UndefinedColumn(f'column "{mark.column}" does not exist', hint=did_you_mean(mark.column, names))
    if not pa.types.is_timestamp(info.type):
        raise DatatypeMismatch(
            f'watermark column "{mark.column}" must be timestamp or timestamptz, not {types.to_sql(info.type)}'
        )
    expr = bind_over(mark.expr, obj.columns)
    if not pa.types.is_timestamp(expr.type):
        raise DatatypeMismatch(f"a watermark must be a timestamp, not {types.to_sql(expr.type)}")
    if info.computed is None and info.metadata is None and not contains(sql.parse_expr(mark.expr), ast.Column):
        raise InvalidDefinition(
            "a watermark must depend on a column", hint=f"for example {mark.column} - INTERVAL '5 seconds'"
        )


def timestamp_us(text: str) -> int:
    """An ISO 8601 timestamp (UTC unless it says otherwise) in microseconds; InvalidDatetime (22007) if it is none."""
    try:
        stamp = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidDatetime(f'invalid input syntax for type timestamp: "{text}"') from None
    if stamp.tzinfo is None:
        stamp = stamp.replace(tzinfo=UTC)
    delta = stamp - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds
