"""What the encoder must know of a schema, found once when the schema is registered.

Looking a type up costs about as much as writing a value, and an append of a few rows writes few values. Must not
look at data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa


@dataclass(frozen=True)
class SchemaPlan:
    """How batches of a schema are stored.

    has_dictionary: a dictionary-encoded type appears somewhere. widths: per column the bits of a fixed-width value, or
    minus the bytes of an offset for strings and binaries; None if any column is of another type. numeric: (column
    number, physical NumPy type) of the columns that get statistics.
    """

    has_dictionary: bool
    widths: tuple[int, ...] | None
    numeric: tuple[tuple[int, np.dtype[Any]], ...]


def plan_schema(schema: pa.Schema) -> SchemaPlan:
    """The plan of a schema."""
    widths = [_width(field.type) for field in schema]
    numbers = [(index, _numpy_type(field.type)) for index, field in enumerate(schema)]
    return SchemaPlan(
        has_dictionary=any(_dictionary_inside(field.type) for field in schema),
        widths=None if None in widths else tuple(width for width in widths if width is not None),
        numeric=tuple((index, kind) for index, kind in numbers if kind is not None),
    )


def _dictionary_inside(kind: pa.DataType) -> bool:
    """Whether `kind` is or contains a dictionary-encoded type."""
    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    if pa.types.is_dictionary(kind):
        return True
    if pa.types.is_run_end_encoded(kind):
        return _dictionary_inside(kind.value_type)
    return any(_dictionary_inside(kind.field(i).type) for i in range(kind.num_fields))


def _width(kind: pa.DataType) -> int | None:
    """Bits of a fixed-width type, minus the offset bytes of a string or binary type, None for the others."""
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        return -4
    if pa.types.is_large_string(kind) or pa.types.is_large_binary(kind):
        return -8
    if kind.num_fields or pa.types.is_null(kind) or isinstance(kind, pa.BaseExtensionType):
        return None
    try:
        return kind.bit_width or None
    except ValueError:
        return None


def _numpy_type(kind: pa.DataType) -> np.dtype[Any] | None:
    """The physical NumPy type of an integer, float or temporal column, None for any other type."""
    types = pa.types
    if types.is_integer(kind) or types.is_float32(kind) or types.is_float64(kind):
        numpy_type: np.dtype[Any] = np.dtype(kind.to_pandas_dtype())
        return numpy_type
    if types.is_temporal(kind) and not types.is_interval(kind):
        return np.dtype(f"i{kind.bit_width // 8}")
    return None
