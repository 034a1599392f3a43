"""Old rows and new rows of touched groups as one delta: what aggregating operators emit.

A row whose values did not change is left out; all retractions come before all insertions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.delta import Delta
from sqlengine.state import arrow_buffers as buffers
from sqlengine.state.key_index import KeyIndex

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


def differ(old: pa.Array, new: pa.Array) -> Mask:
    """bool[n]: the values differ, NULL being a value like any other (and NaN equal to NaN where that matters not)."""
    old, new = buffers.plain(old), buffers.plain(new)
    dtype = old.type
    primitive = pa.types.is_primitive(dtype) and not pa.types.is_boolean(dtype) and dtype.bit_width in (8, 16, 32, 64)
    if not primitive:
        n = len(old)
        codes = KeyIndex([dtype]).insert([pa.concat_arrays([old, new])])
        return codes[:n] != codes[n:]
    kind = f"i{dtype.bit_width // 8}"
    other = buffers.fixed(old, kind) != buffers.fixed(new, kind)
    if not old.null_count and not new.null_count:
        return np.asarray(other)
    was = np.asarray(old.is_valid().to_numpy(zero_copy_only=False))
    now = np.asarray(new.is_valid().to_numpy(zero_copy_only=False))
    return np.asarray((was != now) | (was & now & other))


def replacement(schema: pa.Schema, keys: Sequence[pa.Array], old: Sequence[pa.Array] | None, new: Sequence[pa.Array],
                had: Mask | None, has: Mask | None) -> Delta | None:
    """The change of groups from `old` to `new` values.

    `keys`, `old`, `new`: columns, one row per group; `had`/`has`: the group had a row before / has one now (None: all
    do); `old` is None when no group had one.  The output's columns are keys, then values.
    """
    n = len(keys[0]) if keys else len(new[0])
    if old is None:
        rows = None if has is None or has.all() else np.flatnonzero(has)
        return _side(schema, [*keys, *new], rows, None)
    before = np.ones(n, dtype=bool) if had is None else had
    after = np.ones(n, dtype=bool) if has is None else has
    changed = before != after
    for was, now in zip(old, new, strict=True):
        if changed.all():
            break
        changed |= differ(was, now)
    minus = _side(schema, [*keys, *old], np.flatnonzero(changed & before), -1)
    plus = _side(schema, [*keys, *new], np.flatnonzero(changed & after), 1)
    if minus is None:
        return None if plus is None else Delta(plus.batch)
    if plus is None:
        return minus
    weights = np.concatenate([minus.weight_array(), plus.weight_array()])
    return Delta(pa.concat_batches([minus.batch, plus.batch]), weights)


def _side(schema: pa.Schema, columns: Sequence[pa.Array], rows: Ints | None, weight: int | None) -> Delta | None:
    """The chosen rows (all when None) with one weight; None when there are none."""
    if rows is not None and not len(rows):
        return None
    if rows is not None and len(rows) < len(columns[0]):
        at = pa.array(rows)
        columns = [c.take(at) for c in columns]
    if not len(columns[0]):
        return None
    batch = pa.RecordBatch.from_arrays(list(columns), schema=schema)
    return Delta(batch, None if weight is None else np.full(batch.num_rows, weight, dtype=np.int64))
