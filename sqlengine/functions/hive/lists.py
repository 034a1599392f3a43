"""What functions of arrays share: elements side by side with their rows, compared by codes, and put into rows again."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


def flat(a: pa.ListArray) -> tuple[Ints, pa.Array, Ints]:
    """(row of each element, elements, place of each in its row); NULL arrays have none."""
    parents = pc.list_parent_indices(a).to_numpy(zero_copy_only=False).astype(np.int64)
    counts = np.bincount(parents, minlength=len(a))
    places = np.arange(len(parents)) - np.repeat(np.cumsum(counts) - counts, counts)
    return parents, pc.list_flatten(a), places


def map_entries(m: pa.MapArray) -> tuple[Ints, Ints]:
    """(row of each entry, its place among `m.keys` and `m.items`); NULL maps have none."""
    starts = m.offsets.to_numpy()
    counts = np.where(pc.is_valid(m).to_numpy(zero_copy_only=False), np.diff(starts), 0)
    parents = np.repeat(np.arange(len(m)), counts)
    within = np.arange(len(parents)) - np.repeat(np.cumsum(counts) - counts, counts)
    return parents, within + np.repeat(starts[:-1], counts)


def offsets_of(parents: Ints, rows: int, unknown: Mask | None = None) -> pa.Array:
    """Where each row's elements begin, by the ascending rows of the elements; NULL for rows that are unknown."""
    ends = np.concatenate([[0], np.cumsum(np.bincount(parents, minlength=rows))]).astype(np.int32)
    return pa.array(ends, mask=None if unknown is None else np.append(unknown, False))


def row_nulls(*arrays: pa.Array) -> Mask | None:
    """Where one of the arrays is NULL; None for nowhere."""
    masks = [pc.is_null(a).to_numpy(zero_copy_only=False) for a in arrays if a.null_count]
    return np.logical_or.reduce(masks) if masks else None


def relisted(parents: Ints, values: pa.Array, rows: int, kind: pa.DataType, unknown: Mask | None) -> pa.Array:
    """Arrays of elements whose rows ascend; elements of rows that are NULL are dropped."""
    if unknown is not None:
        kept = np.flatnonzero(~unknown[parents])
        if len(kept) < len(parents):
            parents, values = parents[kept], values.take(pa.array(kept))
    offsets = np.concatenate([[0], np.cumsum(np.bincount(parents, minlength=rows))]).astype(np.int32)
    mask = None if unknown is None else pa.array(unknown)
    if values.type != kind.value_type:
        values = values.cast(kind.value_type)
    return pa.ListArray.from_arrays(pa.array(offsets), values, type=kind, mask=mask)


def one_of_rows(values: pa.Array, rows: Ints, places: Ints, count: int, kind: pa.DataType) -> pa.Array:
    """For the rows named, the value at a place; NULL for the others."""
    at = np.zeros(count, np.int64)
    at[rows] = places
    missing = np.ones(count, bool)
    missing[rows] = False
    if not len(values):
        return pa.nulls(count, kind)
    return values.take(pa.array(at, mask=missing))


def element_codes(values: pa.Array) -> Ints:
    """A number for each value: the same for equal ones, NULL equal to NULL."""
    plain = values.storage if isinstance(values, pa.ExtensionArray) else values
    if pa.types.is_nested(plain.type):  # Arrow does not compare nested values: their texts do
        plain = pa.array([None if v is None else repr(v) for v in plain.to_pylist()], pa.string())
    if pa.types.is_null(plain.type):
        return np.full(len(plain), -1, np.int64)
    codes = plain.dictionary_encode(null_encoding="encode").indices
    return pc.fill_null(codes, -1).to_numpy(zero_copy_only=False).astype(np.int64)


def pair_codes(one: pa.Array, other: pa.Array) -> tuple[Ints, Ints]:
    """Codes of two arrays that agree where their values are equal."""
    if other.type != one.type:
        other = other.cast(one.type)
    codes = element_codes(pa.concat_arrays([one, other]))
    return codes[: len(one)], codes[len(one) :]


def element_order(values: pa.Array) -> Ints:
    """The place of each value in ascending order, NULL before all; equal ones share it.

    Structs and arrays are ordered by their fields or elements in turn (ObjectInspectorUtils.compare)."""
    plain = values.storage if isinstance(values, pa.ExtensionArray) else values
    if pa.types.is_nested(plain.type):
        return _nested_order(plain)
    if pa.types.is_null(plain.type):
        return np.zeros(len(plain), np.int64)
    ranks = pc.rank(plain, sort_keys="ascending", tiebreaker="min").to_numpy(zero_copy_only=False).astype(np.int64)
    known = pc.is_valid(plain).to_numpy(zero_copy_only=False)
    return np.where(known, ranks, 0)


def _nested_order(values: pa.Array) -> Ints:
    if pa.types.is_struct(values.type):
        keys = [element_order(field) for field in values.flatten()]
        known = pc.is_valid(values).to_numpy(zero_copy_only=False).astype(np.int64)
        rows = np.stack([known, *(key * known for key in keys)], axis=1)
        return np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1)
    parents, items, places = flat(values)
    width = int(places.max(initial=-1)) + 1
    rows = np.zeros((len(values), width + 1), np.int64)
    rows[:, 0] = pc.is_valid(values).to_numpy(zero_copy_only=False)
    rows[parents, places + 1] = element_order(items)
    return np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1)
