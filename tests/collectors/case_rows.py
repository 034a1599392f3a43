"""Rows of a stream case as typed Arrow tables: JSON objects, or values between bars.

`1 | abc | 2024-01-01 00:00:05 | NULL` is spelled as `expect` blocks spell rows, so answers can be pasted as
inputs.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from sqlengine.functions.casting import cast_kernel
from sqlengine.types import JSONB, is_json, storage_type
from tests.collectors.case_format import Input
from tests.collectors.executor import EMPTY, NULL
from tests.collectors.slt_format import FormatError

SEPARATOR = " | "
_BAR = re.compile(r"(?<!\\)\|")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


def input_table(step: Input, schema: pa.Schema) -> pa.Table:
    """The step's rows with the types `schema` gives their columns; raises FormatError naming the line."""
    if step.raw:
        return pa.table({"value": pa.array([line.encode() for line in step.rows], pa.binary())})
    names = step.columns or tuple(schema.names)
    try:
        records = [_record(row, names) for row in step.rows]
        used = list(dict.fromkeys(name for record in records for name in record))
        columns = {name: [record.get(name) for record in records] for name in used}
        return pa.table({name: typed_array(v, schema.field(name).type) for name, v in columns.items()})
    except (pa.ArrowException, ValueError, KeyError) as error:
        raise FormatError(f"line {step.line}: {error}") from error


def _record(row: str, names: Sequence[str]) -> dict[str, Any]:
    if row.lstrip().startswith("{"):
        record: dict[str, Any] = json.loads(row)
        return record
    cells = [_cell(text) for text in _BAR.split(row)]
    if len(cells) != len(names):
        raise ValueError(f"{row!r} has {len(cells)} values for the {len(names)} columns {', '.join(names)}")
    return dict(zip(names, cells))


def _cell(text: str) -> str | None:
    text = text.strip()
    if text == NULL:
        return None
    return "" if text == EMPTY else _ESCAPE.sub(lambda m: _ESCAPES.get(m[1], m[1]), text)


def typed_array(values: Sequence[Any], dtype: pa.DataType) -> pa.Array:
    """Texts or JSON values as an array of `dtype`; texts are read as Arrow reads them, nested ones as
    JSON."""
    plain = storage_type(dtype)
    if isinstance(dtype, pa.UuidType):
        return pa.array([None if v is None else uuid.UUID(v).bytes for v in values], plain).cast(dtype)
    if is_json(dtype):
        texts = pa.array([v if v is None or isinstance(v, str) else json.dumps(v) for v in values], plain)
        return cast_kernel(plain, dtype)(texts) if dtype == JSONB else texts.cast(dtype)
    if pa.types.is_nested(plain):
        return pa.array([json.loads(v) if isinstance(v, str) else v for v in values], plain)
    if pa.types.is_binary(plain):
        return pa.array([_bytes(v) for v in values], plain)
    if any(isinstance(v, str) for v in values):
        texts = pa.array([v if v is None else str(v) for v in values], pa.string())
        return texts.cast(plain)
    return pa.array(values, plain)


def _bytes(value: str | None) -> bytes | None:
    if value is None:
        return None
    return bytes.fromhex(value[2:]) if value.startswith("\\x") else value.encode()
