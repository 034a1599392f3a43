"""COPY FROM a file or the client, COPY TO a file or the client."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from sqlengine.catalog.objects import Stream, Table
from sqlengine.connectors import connector, parse_options
from sqlengine.connectors.file import write_table
from sqlengine.errors import (
    InvalidParameter,
    NotSupportedError,
    UndefinedColumn,
    did_you_mean,
)
from sqlengine.result import Result
from sqlengine.runtime.rows import conform
from sqlengine.sql import ast
from sqlengine.statements.context import Context
from sqlengine.statements.select import run_snapshot
from sqlengine.statements.write import append_changes, append_stream, check_unique, default_of, writable

READ_ROWS = 65_536


def copy_from(statement: ast.CopyFrom, context: Context) -> Result:
    """COPY target [(columns)] FROM 'path' (options): malformed records go to the target's error topic."""
    target = writable(context, statement.target)
    if statement.path is None:
        raise NotSupportedError("COPY FROM STDIN needs a client connection", hint="COPY ... FROM 'file'")
    stored = {c.name: c for c in target.stored_columns()}
    for name in statement.columns:
        if name not in stored:
            raise UndefinedColumn(f'column "{name}" does not exist', hint=did_you_mean(name, stored))
    names = list(statement.columns) or list(stored)
    schema = pa.schema([pa.field(n, stored[n].type) for n in names])
    kind = connector("file")
    source = kind.source(parse_options(kind, {"path": statement.path, **_file_options(statement.options)}), schema)
    count = 0
    parts = source.partitions()
    for number, part in enumerate(parts):
        reader = source.open(part, None)
        try:
            done = False
            while not done:
                polled = reader.poll(READ_ROWS, context.instance.clock.now_us())
                done = polled.done
                count += _take(context, target, polled, names)
                fraction = reader.progress() or 0.0
                if context.on_progress is not None:
                    context.on_progress((number + fraction) / len(parts))
                context.check()
        finally:
            reader.close()
    return Result(f"COPY {count}", row_count=count)


def _take(context: Context, target: Stream | Table, polled: object, names: list[str]) -> int:
    bad = getattr(polled, "bad", ())
    if bad:
        if target.options.get("on_error", "dead_letter") == "fail":
            raise InvalidParameter(bad[0].reason, sqlstate=bad[0].sqlstate)
        instance = context.instance
        instance.side_topics.rejected(instance.error_topic(target), bad, instance.clock.now_us())
        context.notice(f"{len(bad)} malformed records were set aside: SHOW ERRORS FOR {target.name}")
    batch = getattr(polled, "batch", None)
    if batch is None or not batch.num_rows:
        return 0
    rows = conform(pa.Table.from_batches([batch]), target.stored_columns(), names, default_of(context, target))
    if isinstance(target, Table):
        check_unique(context, target, rows)
        append_changes(context, target, rows, None)
    else:
        append_stream(context, target, rows)
    return int(rows.num_rows)


def _file_options(options: ast.Options) -> dict[str, str]:
    known = {"null": "null_string"}
    return {known.get(k, k): v for k, v in options}


def copy_to(statement: ast.CopyTo, context: Context) -> Result:
    """COPY target | (query) TO 'path' (FORMAT ...), written atomically: a temporary file renamed when complete."""
    rows = run_snapshot(context, statement.query)
    if statement.path is None:
        return Result(f"COPY {rows.num_rows}", rows)
    write_table(rows, Path(statement.path), _file_options(statement.options))
    return Result(f"COPY {rows.num_rows}", row_count=rows.num_rows)
