"""Functions that cut text into pieces: split_part, split_index, string_to_array."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine import errors
from sqlengine.functions.registry import Value, scalar

_TEXT = pa.string()


def _pieces(s: pa.Array, separator: str, most: int | None = None) -> tuple[pa.ListArray, np.ndarray, np.ndarray]:
    """The pieces of each text (only the first `most` and the rest), where they begin in the flat values, how many."""
    lists = pc.split_pattern(s, pattern=separator, max_splits=most)
    offsets = lists.offsets.to_numpy()
    return lists, offsets[:-1].astype(np.int64), np.diff(offsets)


def _pick(lists: pa.ListArray, rows: np.ndarray, inside: np.ndarray) -> pa.Array:
    """The flat values at `rows`, NULL where not `inside`."""
    index = pa.array(np.where(inside, rows, 0), mask=~inside)
    return lists.values.take(index) if len(lists.values) else pa.nulls(len(rows), _TEXT)


def _one_array(s: Value) -> pa.Array:
    return pa.array([s.as_py()], _TEXT) if isinstance(s, pa.Scalar) else s


@scalar(
    "split_part(s text, separator text, n integer) -> text",
    "the n-th piece, from 1; from the end when negative; '' beyond the last",
    example="split_part('a,b', ',', 2) = 'b'",
    constant_args=(1, 2),
    can_raise=True,
    duck="CASE WHEN {2} = 0 THEN error('field position must not be zero')::VARCHAR "
    "WHEN {1} = '' THEN CASE WHEN {2} IN (1, -1) THEN {0} ELSE left({0}, 0) END ELSE split_part({0}, {1}, {2}) END",
)
def split_part(s: Value, separator: Value, n: Value) -> Value:
    mark, number = separator.as_py(), n.as_py()
    if mark is None or number is None:
        return pa.scalar(None, _TEXT)
    if number == 0:
        raise errors.DataError("field position must not be zero", sqlstate="22023")
    if mark == "":
        return s if number in (1, -1) else pc.utf8_slice_codeunits(s, start=0, stop=0)
    texts = _one_array(s)
    lists, starts, counts = _pieces(texts, mark, number if number > 0 else None)
    place = number - 1 if number > 0 else counts + number
    inside = (place >= 0) & (place < counts)
    out = pc.fill_null(_pick(lists, starts + place, inside), "")
    out = pc.if_else(pc.is_valid(texts), out, pa.scalar(None, _TEXT)) if texts.null_count else out
    return out[0] if isinstance(s, pa.Scalar) else out


@scalar(
    "split_index(s text, separator text, n integer) -> text",
    "the n-th piece, from 0; NULL beyond the last (Flink)",
    example="split_index('a/b/c', '/', 1) = 'b'",
    constant_args=(1, 2),
)
def split_index(s: Value, separator: Value, n: Value) -> Value:
    mark, number = separator.as_py(), n.as_py()
    if mark is None or number is None or number < 0:
        return pa.scalar(None, _TEXT)
    texts = _one_array(s)
    lists, starts, counts = _pieces(texts, mark, number + 1) if mark else _letters(texts)
    inside = (number < counts) & pc.greater(pc.fill_null(pc.binary_length(texts), 0), 0).to_numpy(zero_copy_only=False)
    out = _pick(lists, starts + number, inside)
    return out[0] if isinstance(s, pa.Scalar) else out


def _letters(texts: pa.Array) -> tuple[pa.ListArray, np.ndarray, np.ndarray]:
    """An empty separator splits between all characters, as DuckDB's string_split does."""
    spaced = pc.replace_substring_regex(texts, pattern="(?s)(.)", replacement="\\1\x01")
    return _pieces(pc.utf8_slice_codeunits(spaced, start=0, stop=-1), "\x01")


_SPLIT = (
    "CASE WHEN {0} = '' THEN []::VARCHAR[] WHEN {1} = '' THEN [{0}] "
    "WHEN {1} IS NULL AND {0} IS NOT NULL THEN string_split({0}, '') ELSE string_split({0}, {1}) END"
)


@scalar(
    "string_to_array(s text, separator text) -> text[]",
    "all pieces as an array",
    example="string_to_array('a,b', ',') = ARRAY['a', 'b']",
    constant_args=(1,),
    strict=False,
    duck=_SPLIT,
    aliases=("string_split",),
    factory=True,
)
def string_to_array(arg_types: object, result: pa.DataType) -> object:
    def kernel(s: Value, separator: Value) -> Value:
        mark = separator.as_py()
        texts = _one_array(s)
        out = _split_all(texts, mark).cast(result)
        return out[0] if isinstance(s, pa.Scalar) else out

    return kernel


@scalar(
    "string_to_array(s text, separator text, for_null text) -> text[]",
    "all pieces as an array, NULL in place of those that are a text",
    example="string_to_array('a,b', ',', 'b') = ARRAY['a', NULL]",
    constant_args=(1,),
    strict=False,
    broadcast=True,
    duck=f"list_transform({_SPLIT}, lambda piece_of_it: nullif(piece_of_it, {{2}}))",
)
def string_to_array_null(s: pa.Array, separator: pa.Array, for_null: pa.Array) -> pa.Array:
    lists = _split_all(s, separator[0].as_py() if len(separator) else "")
    flat = lists.flatten()
    is_null = pc.fill_null(pc.equal(flat, for_null.take(pc.list_parent_indices(lists))), False)
    items = pc.if_else(is_null, pa.scalar(None, _TEXT), flat)
    counts = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    offsets = pa.array(np.concatenate(([0], np.cumsum(counts))).astype(np.int32))
    return pa.ListArray.from_arrays(offsets, items, mask=lists.is_null() if lists.null_count else None)


def _split_all(texts: pa.Array, mark: str | None) -> pa.Array:
    empty = pc.equal(texts, "")
    if mark is None:
        lists = _letters(texts)[0]
    elif mark == "":
        lists = pc.split_pattern(texts, pattern="\x00\x00never")
    else:
        lists = pc.split_pattern(texts, pattern=mark)
    if not pc.any(empty).as_py():
        return lists
    none = pa.array([[]], lists.type)[0]
    return pc.if_else(pc.fill_null(empty, False), none, lists)
