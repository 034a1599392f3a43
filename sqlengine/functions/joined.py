"""array_to_string: the elements of an array, of any type, as one text."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine import duck
from sqlengine.functions.registry import scalar
from sqlengine.functions.shown import TEXT, shown_as, shown_items


def _joined(texts: pa.ListArray, separators: pa.Array, for_null: pa.Array | None) -> pa.Array:
    flat, parents = texts.flatten(), pc.list_parent_indices(texts)
    if for_null is not None:
        flat = pc.coalesce(flat, for_null.take(parents))
    present = flat.is_valid().to_numpy(zero_copy_only=False)
    counts = np.bincount(parents.to_numpy()[present], minlength=len(texts))
    offsets = pa.array(np.concatenate(([0], np.cumsum(counts))).astype(np.int32))
    mask = texts.is_null() if texts.null_count else None
    kept = pa.ListArray.from_arrays(offsets, flat.drop_null(), mask=mask)
    return pc.binary_join(kept, separators) if len(texts) else pa.nulls(0, TEXT)


def _join_lists(lists: pa.Array, kinds: pa.Array, separators: pa.Array, for_null: pa.Array) -> pa.Array:
    return _joined(shown_as(lists, kinds), separators, for_null)


duck.at_opening("array_joined", [pa.list_(TEXT), TEXT, TEXT, TEXT], TEXT, _join_lists)


@scalar(
    "array_to_string(a anyarray, separator text) -> text",
    "the elements as one text, NULLs left out",
    aliases=("array_join",),
    broadcast=True,
    example="array_to_string(ARRAY[1, NULL, 5], '-') = '1-5'",
    duck="array_joined({0}::VARCHAR[], typeof({0}), {1}, NULL)",
)
def array_to_string(a: pa.Array, separator: pa.Array) -> pa.Array:
    return _joined(shown_items(a), separator, None)


@scalar(
    "array_to_string(a anyarray, separator text, for_null text) -> text",
    "the elements as one text, another in place of NULLs",
    aliases=("array_join",),
    broadcast=True,
    strict=False,
    example="array_to_string(ARRAY[1, NULL, 5], '-', '*') = '1-*-5'",
    duck="array_joined({0}::VARCHAR[], typeof({0}), {1}, {2})",
)
def array_to_string_null(a: pa.Array, separator: pa.Array, for_null: pa.Array) -> pa.Array:
    return _joined(shown_items(a), separator, for_null)
