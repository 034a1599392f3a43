"""How kernels of Hive's functions meet rows: options that are mostly constants, and bodies run once per distinct value.

`by_options` keeps an Arrow kernel whose options must be constants vectorised when they are columns: the rows are
grouped by the options' distinct values.  `per_distinct` runs a Python body once for each distinct row of arguments;
it is for what Arrow cannot compute (Java's formats, XPath, edit distance), never for what it can.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.functions.registry import Kernel, Value

Body = Callable[..., Any]


def per_distinct(result: pa.DataType, body: Body, *, strict: bool = True) -> Kernel:
    """A kernel that calls `body` with the Python values of each distinct row; `strict`: never for rows with NULL.

    A body that gives None makes NULL.  All arguments must be of types that Arrow can dictionary-encode.
    """

    def kernel(*args: Value) -> Value:
        arrays, scalar = spread(args)
        columns, codes = distinct_rows(arrays)
        made = [None if strict and None in row else body(*row) for row in zip(*columns, strict=True)]
        out = pa.array(made, result).take(pa.array(codes))
        return out[0] if scalar else out

    return kernel


def by_options(result: pa.DataType, body: Callable[..., pa.Array]) -> Kernel:
    """A kernel over the first argument's array; `body` takes it and the options as Python values, none of them NULL."""

    def kernel(first: Value, *options: Value) -> Value:
        if not any(isinstance(option, pa.Array) for option in options):
            values = [option.as_py() for option in options]
            array = first if isinstance(first, pa.Array) else pa.array([first.as_py()], first.type)
            out = pa.nulls(len(array), result) if None in values else body(array, *values)
            return out if isinstance(first, pa.Array) else out[0]
        arrays, _ = spread((first, *options))
        return _grouped(arrays, body, result)

    return kernel


def _grouped(arrays: Sequence[pa.Array], body: Callable[..., pa.Array], result: pa.DataType) -> pa.Array:
    columns, codes = distinct_rows(arrays[1:])
    order = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes[order], np.arange(len(columns[0]) + 1))
    pieces = []
    for at, options in enumerate(zip(*columns, strict=True)):
        rows = order[bounds[at] : bounds[at + 1]]
        chosen = arrays[0].take(pa.array(rows))
        pieces.append(pa.nulls(len(rows), result) if None in options else body(chosen, *options))
    back = np.empty(len(order), dtype=np.int64)
    back[order] = np.arange(len(order))
    return pa.concat_arrays(pieces).take(pa.array(back)) if pieces else pa.nulls(0, result)


def spread(args: Sequence[Value]) -> tuple[list[pa.Array], bool]:
    """All arguments as arrays of one length; and whether all were scalars, so that the length is 1."""
    lengths = {len(a) for a in args if isinstance(a, pa.Array)}
    rows = lengths.pop() if lengths else 1
    return [a if isinstance(a, pa.Array) else _repeated(a, rows) for a in args], not any(
        isinstance(a, pa.Array) for a in args
    )


def _repeated(value: pa.Scalar, rows: int) -> pa.Array:
    return pa.nulls(rows, value.type) if not value.is_valid else pa.repeat(value, rows)


def distinct_rows(arrays: Sequence[pa.Array]) -> tuple[list[list[Any]], npt.NDArray[np.int64]]:
    """(the columns of the distinct rows as Python values, which of them each row is)."""
    first = arrays[0].dictionary_encode(null_encoding="encode")
    columns, codes = [first.dictionary], _codes(first)
    for array in arrays[1:]:
        encoded = array.dictionary_encode(null_encoding="encode")
        size = len(encoded.dictionary)
        pairs, codes = np.unique(codes * size + _codes(encoded), return_inverse=True)
        columns = [c.take(pa.array(pairs // max(size, 1))) for c in columns]
        columns.append(encoded.dictionary.take(pa.array(pairs % max(size, 1))))
    return [c.to_pylist() for c in columns], codes.astype(np.int64)


def _codes(encoded: pa.DictionaryArray) -> npt.NDArray[np.int64]:
    return encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)  # type: ignore[no-any-return]


def known(*arrays: pa.Array) -> pa.Array:
    """Where no array is NULL."""
    out = arrays[0].is_valid()
    for array in arrays[1:]:
        out = pc.and_(out, array.is_valid())
    return out
