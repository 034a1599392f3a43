"""COPY FROM a file or the client, COPY TO a file or the client."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pyarrow as pa

from sqlengine.advance import Advance
from sqlengine.catalog.objects import Stream, Table
from sqlengine.connectors import connector, parse_options
from sqlengine.connectors.base import Polled, Source
from sqlengine.connectors.file import check_header, write_table
from sqlengine.errors import (
    InvalidParameter,
    InvalidText,
    NotSupportedError,
)
from sqlengine.result import Result
from sqlengine.runtime.rows import check_columns, conform
from sqlengine.sql import ast
from sqlengine.statements.context import Context
from sqlengine.statements.select import run_at
from sqlengine.statements.spool import Spool
from sqlengine.statements.subscribe import follow, subscribe
from sqlengine.statements.write import (
    append_changes,
    append_stream,
    changes_of,
    check_unique,
    default_of,
    flush,
    frames_of,
    pending_of,
    writable,
)

READ_ROWS = 65_536


def copy_from(statement: ast.CopyFrom, context: Context) -> Result:
    """COPY target [(columns)] FROM 'path' (options): all rows or none, and seen together; malformed records go to the
    target's error topic.
    """
    if statement.path is None:
        raise NotSupportedError("COPY FROM STDIN needs a client connection", hint="COPY ... FROM 'file'")
    schema = copy_schema(statement, context)
    kind = connector("file")
    options = parse_options(kind, {"path": statement.path, **_file_options(statement.options)})
    source = kind.source(options, schema)
    if _matches(statement.options):
        for path in source.partitions():
            check_header(path, options, schema.names)
    return copy_pieces(statement, _polled(context, source), context)


def copy_schema(statement: ast.CopyFrom, context: Context) -> pa.Schema:
    """The columns a COPY fills, in their order; UndefinedColumn (42703) for one that is not there."""
    target = writable(context, statement.target)
    stored = {c.name: c for c in target.stored_columns()}
    check_columns(statement.columns, stored, target.name)
    return pa.schema([pa.field(n, stored[n].type) for n in statement.columns or stored])


def copy_defaults(statement: ast.CopyFrom, context: Context) -> Callable[[str, int], pa.Array]:
    """(a column, a count) -> so many of its defaults; InvalidText (22P04) for a column that has none."""
    target = writable(context, statement.target)
    stored = {c.name: c for c in target.stored_columns()}
    default = default_of(context, target)

    def values(name: str, count: int) -> pa.Array:
        info = stored[name]
        if info.default is None and info.identity is None:
            raise InvalidText(
                "unexpected default marker in COPY data",
                sqlstate="22P04",
                detail=f'column "{name}" has no default value',
            )
        return default(info, count)

    return values


def copy_pieces(statement: ast.CopyFrom, pieces: Iterable[Polled], context: Context, *, stops: bool = False) -> Result:
    """Write rows of the columns `copy_schema` names; `stops`: a malformed record ends it with an error."""
    target = writable(context, statement.target)
    names = copy_schema(statement, context).names
    with Spool() as spool:
        for polled in pieces:
            if stops and polled.bad:
                bad = polled.bad[0]
                raise InvalidText(bad.reason, sqlstate=bad.sqlstate, detail=f"COPY {target.name}: {shown(bad.raw)}")
            rows = _rows(context, target, polled, names)
            context.check()
            if rows is None:
                continue
            if context.transaction is not None:
                _write(context, target, rows)
                spool.num_rows += rows.num_rows
            else:
                changes = changes_of(context, target, rows, None) if isinstance(target, Table) else rows
                spool.add(frames_of(changes))
        if context.transaction is None:
            _write_all(context, target, spool)
        return Result(f"COPY {spool.num_rows}", row_count=spool.num_rows)


def shown(raw: bytes) -> str:
    """A record as an error shows it."""
    text = raw.decode("utf-8", "replace")
    return f'"{text}"' if len(text) <= 100 else f'"{text[:100]}..."'


def _polled(context: Context, source: Source) -> Iterator[Polled]:
    """What the files hold, piece by piece, with progress."""
    parts, rows = source.partitions(), 0
    for number, part in enumerate(parts):
        reader = source.open(part, None)
        try:
            done = False
            while not done:
                polled = reader.poll(READ_ROWS, context.instance.clock.now_us())
                done = polled.done
                yield polled
                rows += polled.batch.num_rows if polled.batch is not None else 0
                fraction = reader.progress() or 0.0
                if context.on_progress is not None:
                    context.on_progress(Advance((number + fraction) / len(parts), rows))
                context.check()
        finally:
            reader.close()


def _rows(context: Context, target: Stream | Table, polled: Polled, names: list[str]) -> pa.Table | None:
    """The rows of a piece as the target stores them; malformed records go to its error topic."""
    bad = polled.bad
    if bad:
        if target.options.get("on_error", "dead_letter") == "fail":
            raise InvalidParameter(bad[0].reason, sqlstate=bad[0].sqlstate)
        instance = context.instance
        instance.side_topics.rejected(instance.error_topic(target), bad, instance.clock.now_us())
        context.notice(f"{len(bad)} malformed records were set aside: SHOW ERRORS FOR {target.name}")
    batch = polled.batch
    if batch is None or not batch.num_rows:
        return None
    rows, default = pa.Table.from_batches([batch]), default_of(context, target)
    return conform(rows, target.stored_columns(), names, default, target.name, target.key_columns)


def _write(context: Context, target: Stream | Table, rows: pa.Table) -> None:
    """Keep rows for COMMIT."""
    if isinstance(target, Table):
        check_unique(context, target, rows)
        append_changes(context, target, rows, None)
    else:
        append_stream(context, target, rows)


def _write_all(context: Context, target: Stream | Table, spool: Spool) -> None:
    """Append everything that was read: all of it is seen together, and nothing if anything is wrong with it.

    The rows wait here and not in an open transaction of the log, which would hold up those who read what others write.
    """
    if not spool.num_rows:
        return
    pending = pending_of(context, target, spool.batches())
    if not isinstance(target, Table) or not target.unique_keys():
        flush(context, pending)
        return
    with context.instance.lock:  # no other session's row of a key comes between
        keys = list(dict.fromkeys(name for key in target.unique_keys() for name in key.columns))
        stored = [c.name for c in target.stored_columns()]
        keys = keys if set(keys) <= set(stored) else stored  # what is computed may need any
        check_unique(context, target, pa.Table.from_batches([batch.select(keys) for batch in spool.batches()]))
        flush(context, pending)


def _file_options(options: ast.Options) -> dict[str, str]:
    known = {"null": "null_string"}
    return {known.get(k, k): v for k, v in options if not (k == "header" and v.lower() == "match")}


def _matches(options: ast.Options) -> bool:
    """HEADER MATCH: the first line must name the columns that are filled, in their order."""
    return any(name == "header" and value.lower() == "match" for name, value in options)


def copy_to(statement: ast.CopyTo, context: Context) -> Result:
    """COPY target | (query) TO 'path' (FORMAT ...), written atomically: a temporary file renamed when complete; what is
    followed is for a client alone."""
    copied = statement.statement
    if isinstance(copied, ast.Subscribe) or (isinstance(copied, ast.SelectStatement) and copied.emit is not None):
        return _copy_changes(statement, context)
    assert isinstance(copied, ast.SelectStatement)
    rows, _ = run_at(context, copied.query, copied.as_of, copied.as_of_what, context.is_binary)
    if statement.path is None:
        return Result(f"COPY {rows.num_rows}", rows)
    write_table(rows, Path(statement.path), _file_options(statement.options))
    return Result(f"COPY {rows.num_rows}", row_count=rows.num_rows)


def _copy_changes(statement: ast.CopyTo, context: Context) -> Result:
    """COPY (SUBSCRIBE ...), COPY (SELECT ... EMIT ...): the changes as they come, without end."""
    copied = statement.statement
    if statement.path is not None:
        raise NotSupportedError(
            "COPY to a file of changes without end is not supported", hint="CREATE SINK writes changes to files"
        )
    if isinstance(copied, ast.Subscribe):
        result = subscribe(copied, context)
    else:
        assert isinstance(copied, ast.SelectStatement) and copied.emit is not None
        result = follow(context, copied.query, copied.emit, snapshot=True, limit=copied.limit)
    result.tag = "COPY"
    return result
