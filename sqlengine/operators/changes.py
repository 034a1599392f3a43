"""Old rows and new rows of touched groups as one delta: what aggregating operators emit.

A row whose values did not change is left out; all retractions come before all insertions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.delta import Delta
from sqlengine.masks import present
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
    was = present(old)
    now = present(new)
    return np.asarray((was != now) | (was & now & other))


def replacement(
    schema: pa.Schema,
    keys: Sequence[pa.Array],
    old: Sequence[pa.Array],
    new: Sequence[pa.Array],
    had: int,
    has: Mask | None,
) -> Delta | None:
    """The change of groups from `old` to `new` values; the output's columns are keys, then values.

    `keys`, `new`: columns, one row per group; the first `had` groups had a row before, with the values `old`
    (columns of `had` rows, ignored when 0); `has`: which groups have a row now (None: all).
    """
    n = len(keys[0]) if keys else len(new[0])
    after = np.ones(n, dtype=bool) if has is None else has
    changed = ~after[:had]
    for was, now in zip(old, new, strict=False):
        if not had or changed.all():
            break
        changed |= differ(was, now[:had])
    minus = _side(schema, [*(k[:had] for k in keys), *old], changed, -1) if had else None
    plus = _side(schema, [*keys, *new], np.concatenate([changed, np.ones(n - had, dtype=bool)]) & after, 1)
    if minus is None or plus is None:
        return Delta(plus.batch) if minus is None and plus is not None else minus
    weights = np.concatenate([minus.weight_array(), plus.weight_array()])
    return Delta(pa.concat_batches([minus.batch, plus.batch]), weights)


def _side(schema: pa.Schema, columns: Sequence[pa.Array], chosen: Mask, weight: int) -> Delta | None:
    """The chosen rows with one weight; None when there are none."""
    if not chosen.any():
        return None
    if not chosen.all():
        at = pa.array(np.flatnonzero(chosen))
        columns = [c.take(at) for c in columns]
    batch = pa.RecordBatch.from_arrays(list(columns), schema=schema)
    return Delta(batch, np.full(batch.num_rows, weight, dtype=np.int64))


def had_first(slots: Ints, had: Mask) -> tuple[Ints, int]:
    """(the slots with those that had a row in front, how many had one)."""
    if had.all():
        return slots, len(slots)
    return np.concatenate([slots[had], slots[~had]]), int(np.count_nonzero(had))
