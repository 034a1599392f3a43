"""What a server sends as text, as columns of the types it tells: the opposite of pgtext, a column at a time."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.errors import DataError, NotSupportedError
from sqlengine.formats.csv_format import field_values
from sqlengine.formats.json_values import check_type
from sqlengine.formats.text import check_supported
from sqlengine.pgtext import list_parts
from sqlengine.types import JSON, is_text, to_sql


def readable(schema: pa.Schema) -> pa.Schema:
    """The schema with text in the place of types that cannot be read back from their text."""
    return pa.schema([f if _is_readable(f.type) else f.with_type(pa.string()) for f in schema])


def _is_readable(dtype: pa.DataType) -> bool:
    if pa.types.is_integer(dtype) or pa.types.is_null(dtype):
        return True
    try:
        if dtype == JSON or pa.types.is_nested(dtype):
            check_type(dtype)
        else:
            check_supported(dtype)
    except NotSupportedError:
        return False
    return True


def batch_of(columns: Sequence[Sequence[bytes | None]], schema: pa.Schema) -> pa.RecordBatch:
    """Values as they were sent, by column, as a batch of a readable schema."""
    arrays = [_column(pa.array(values, pa.binary()).cast(pa.string()), f) for values, f in zip(columns, schema)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _column(texts: pa.StringArray, field: pa.Field) -> pa.Array:
    """PostgreSQL's text of values as an Arrow column; DataError (22P02) for a text that is none."""
    dtype = field.type
    if is_text(dtype) or pa.types.is_null(dtype):
        return texts.cast(dtype) if not pa.types.is_null(dtype) else pa.nulls(len(texts))
    if dtype == JSON:
        return pa.ExtensionArray.from_storage(JSON, texts)
    if pa.types.is_boolean(dtype):
        return pc.equal(texts, "t")
    if pa.types.is_integer(dtype):
        return texts.cast(dtype)
    if pa.types.is_list(dtype) and pa.types.is_nested(dtype.value_type):
        return _list_of_nested(texts, field)
    found = field_values(texts, dtype)
    if found.bad.any():
        wrong = texts[int(found.bad.argmax())].as_py()
        raise DataError(
            f'column "{field.name}": the server\'s {to_sql(dtype)} cannot be read: "{wrong}"', sqlstate="22P02"
        )
    return found.values


def _list_of_nested(texts: pa.StringArray, field: pa.Field) -> pa.Array:
    """Arrays of arrays, and of what is told as json: first the elements' texts, then those."""
    depth, leaf = 0, field.type
    while pa.types.is_list(leaf):
        depth, leaf = depth + 1, leaf.value_type
    as_text = pa.string()
    for _ in range(depth):
        as_text = pa.list_(as_text)
    lists = _column(texts, field.with_type(as_text)) if depth == 1 else field_values(texts, as_text).values
    return _with_leaves(lists, field.with_type(leaf)).cast(field.type)


def _with_leaves(lists: pa.Array, field: pa.Field) -> pa.Array:
    if not pa.types.is_list(lists.type):
        return _column(lists, field)
    offsets, values = list_parts(lists)
    mask = lists.is_null() if lists.null_count else None
    return pa.ListArray.from_arrays(offsets.cast(pa.int32()), _with_leaves(values, field), mask=mask)
