"""ksqlDB's options TIMESTAMP and TIMESTAMP_FORMAT: the column that is a stream's event time, as WATERMARK FOR.

A whole number counts milliseconds since 1970 and a text is read by a format of Java; either becomes a column `rowtime`.
Rows may come in any order there, and grace periods say how long windows wait: the watermark is the latest time itself.
"""

from __future__ import annotations

from dataclasses import replace

from sqlengine import types
from sqlengine.errors import InvalidDefinition, UndefinedColumn, did_you_mean
from sqlengine.sql import ast

ROWTIME_COLUMN = "rowtime"


def timed_by_option(stream: ast.CreateStream) -> ast.CreateStream:
    """The stream with a watermark in place of those options."""
    given = dict(stream.options)
    name, pattern = given.pop("timestamp", None), given.pop("timestamp_format", None)
    if name is None or not stream.columns:
        return stream
    name = name.lower() if name not in {c.name for c in stream.columns} else name
    column = next((c for c in stream.columns if c.name == name), None)
    if column is None:
        raise UndefinedColumn(
            f'column "{name}" named in option timestamp does not exist',
            hint=did_you_mean(name, [c.name for c in stream.columns]),
        )
    if stream.watermark is not None:
        raise InvalidDefinition("the option timestamp and WATERMARK FOR say the same twice", hint="leave one out")
    columns, timed = stream.columns, name
    text = _made(column, name, pattern)
    if text is not None:
        timed = ROWTIME_COLUMN
        columns = (*columns, ast.ColumnDef(timed, None, expr_text=text, expr=ast.Column((name,))))
    mark = ast.WatermarkDef(timed, ast.Column((timed,)), f'"{timed}"')
    return replace(stream, columns=columns, watermark=mark, options=tuple(given.items()))


def _made(column: ast.ColumnDef, name: str, pattern: str | None) -> str | None:
    """The expression of the time, None where the column is one."""
    quoted = '"' + name.replace('"', '""') + '"'
    if pattern is not None:
        return f"CAST(parse_timestamp({quoted}, '{pattern.replace(chr(39), 2 * chr(39))}') AS TIMESTAMP)"
    kind = types.from_sql(column.type_name or "text", column.position)
    if types.is_integer(kind):
        return f"CAST(timestamp_millis({quoted}) AS TIMESTAMP)"
    if types.is_text(kind):
        raise InvalidDefinition(
            f'column "{name}" is text: the option timestamp_format says how it is read',
            hint="timestamp_format = 'yyyy-MM-dd HH:mm:ss'",
        )
    return None
