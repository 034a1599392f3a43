"""Text columns whose values repeat, held as dictionaries: each value once, and a number a row.

Why: a view that joins facts with dimensions repeats the texts of few dimension rows in most of its memory.
It must not know when packing pays: the owner of the rows does it when there is time.
"""

from __future__ import annotations

from collections.abc import Collection

import pyarrow as pa

SAMPLED_ROWS = 1024
"""So many rows tell whether it is worth looking at a whole column."""
WORTH = 4
"""Packed, a column must be so many times smaller."""

NUMBERS = pa.int32()


def repeating(batch: pa.RecordBatch) -> frozenset[int]:
    """Positions of the text columns that are worth packing: by far smaller so, and in memory of their own.

    What lies in a mapped file costs nothing as it is.
    """
    return frozenset(i for i, column in enumerate(batch.columns) if _is_own_text(column) and _repeats(column))


def _is_own_text(column: pa.Array) -> bool:
    if not (pa.types.is_string(column.type) or pa.types.is_binary(column.type)):
        return False
    data = column.buffers()[2]
    return data is not None and data.parent is None


def _repeats(column: pa.Array) -> bool:
    sample = column.slice(0, SAMPLED_ROWS)
    return _is_smaller(sample) and (len(sample) == len(column) or _is_smaller(column))


def _is_smaller(column: pa.Array) -> bool:
    return WORTH * int(column.dictionary_encode().nbytes) <= int(column.nbytes)


def packed_schema(schema: pa.Schema, columns: Collection[int]) -> pa.Schema:
    """The schema with dictionaries for the given columns."""
    return pa.schema(
        [f.with_type(pa.dictionary(NUMBERS, f.type)) if i in columns else f for i, f in enumerate(schema)],
        schema.metadata,
    )


def packed(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The batch under a `packed_schema`; columns that are packed already stay as they are."""
    if batch.schema == schema:
        return batch
    columns = [
        column.dictionary_encode() if pa.types.is_dictionary(f.type) and column.type != f.type else column
        for column, f in zip(batch.columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def plain_array(column: pa.Array, dtype: pa.DataType) -> pa.Array:
    """The column with every value written out, as `dtype`."""
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) and column.type != dtype else column


def plain(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The batch with every value written out; itself when it is so."""
    if batch.schema == schema:
        return batch
    columns = [plain_array(column, f.type) for column, f in zip(batch.columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
