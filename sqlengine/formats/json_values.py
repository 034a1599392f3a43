"""Well-formed JSON texts to typed arrays of any type, nested ones included, a column at a time.

The rule is PostgreSQL's json_to_record: a scalar's text is read as a literal of the wanted type, so numbers
in strings are numbers, and anything is text.  Beyond it, a number is a moment in time: milliseconds since
the epoch for timestamps, days for dates.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.errors import DataError
from sqlengine.formats.base import Converted, Mask, null_mask
from sqlengine.formats.json_structure import Parts, elements, members
from sqlengine.formats.json_syntax import read_objects
from sqlengine.formats.records import as_text, spans_of, surrounded
from sqlengine.formats.text import cast_each, check_supported, convert_text
from sqlengine.json_canonical import canonical
from sqlengine.types import JSON, JSONB, TIMESTAMP, is_json

_QUOTE, _BRACE, _BRACKET = ord('"'), ord("{"), ord("[")


def convert(texts: pa.BinaryArray, dtype: pa.DataType) -> Converted:
    """Each (trimmed, well-formed) JSON text as a value of `dtype`; null and `null` are NULL."""
    texts = pc.if_else(pc.equal(texts, pa.scalar(b"null", pa.binary())), pa.scalar(None, pa.binary()), texts)
    if dtype == JSON:
        return Converted(as_text(texts).cast(JSON), np.zeros(len(texts), dtype=bool))
    if dtype == JSONB:
        return canonical_values(as_text(texts))
    if pa.types.is_list(dtype) or pa.types.is_large_list(dtype):
        return _convert_list(texts, dtype)
    if pa.types.is_struct(dtype):
        return _convert_struct(texts, dtype)
    if pa.types.is_map(dtype):
        return _convert_map(texts, dtype)
    return _convert_scalar(texts, dtype)


def canonical_values(texts: pa.StringArray) -> Converted:
    """Each text of JSON as jsonb; bad is what has none: \\u0000, half of a surrogate pair, a number too large."""
    made: list[str | None] = []
    bad = np.zeros(len(texts), dtype=bool)
    for at, text in enumerate(texts.to_pylist()):
        try:
            made.append(None if text is None else canonical(text))
        except DataError:
            bad[at] = True
            made.append(None)
    return Converted(pa.ExtensionArray.from_storage(JSONB, pa.array(made, pa.string())), bad)


def check_type(dtype: pa.DataType) -> None:
    """Raise NotSupportedError (0A000) for a type (or one inside it) that JSON cannot carry here."""
    if is_json(dtype):
        return
    if pa.types.is_nested(dtype):
        for index in range(dtype.num_fields):
            check_type(dtype.field(index).type)
    else:
        check_supported(dtype)


def unescaped(strings: pa.BinaryArray) -> pa.StringArray:
    """The text of each JSON string (given with its quotes); null stays null."""
    inner = pc.binary_slice(strings, 1, -1)
    escaped = pc.match_substring(inner, b"\\").fill_null(False)
    if not pc.any(escaped).as_py():
        return as_text(inner)
    at = pc.indices_nonzero(escaped)
    wrapped = surrounded(strings.take(at), b'{"v":', b"}")
    plain = read_objects(wrapped, pa.schema([("v", pa.string())])).column(0).combine_chunks()
    return pc.replace_with_mask(as_text(inner), escaped, plain)


def literal_text(texts: pa.BinaryArray) -> pa.StringArray:
    """What `->>` gives: a string's content, anything else as it is written."""
    string = pa.array(spans_of(texts).first() == _QUOTE)
    if not pc.any(string).as_py():
        return as_text(texts)
    content = unescaped(pc.if_else(string, texts, pa.scalar(None, pa.binary())))
    return pc.if_else(string, content, as_text(texts))


def _convert_scalar(texts: pa.BinaryArray, dtype: pa.DataType) -> Converted:
    literal = literal_text(texts)
    if not (pa.types.is_timestamp(dtype) or pa.types.is_date(dtype)):
        return convert_text(literal, dtype)
    first = spans_of(texts).first()
    number = (((first >= ord("0")) & (first <= ord("9"))) | (first == ord("-"))) & ~null_mask(texts)
    if not number.any():
        return convert_text(literal, dtype)
    mask = pa.array(number)
    moments = from_number(convert_text(pc.if_else(mask, literal, None), _number_type(dtype)), dtype)
    words = convert_text(pc.if_else(mask, None, literal), dtype)
    return Converted(pc.coalesce(moments.values, words.values), moments.bad | words.bad)


def _number_type(dtype: pa.DataType) -> pa.DataType:
    return pa.int64() if pa.types.is_date(dtype) else pa.float64()


def from_number(numbers: Converted, dtype: pa.DataType) -> Converted:
    """Numbers as moments: int64 days for a date, float64 or int64 milliseconds since the epoch for a
    timestamp."""
    if pa.types.is_date(dtype):
        days = cast_each(numbers.values, pa.int32())
        return Converted(days.values.cast(dtype), numbers.bad | days.bad)
    micros = pc.multiply(numbers.values.cast(pa.float64()), 1000.0)
    # 2**53 us is the year 2255: up to there milliseconds with three decimals are exact
    in_range = pc.less(pc.abs(micros), 2.0**63)
    bad = numbers.bad | ~cast(Mask, np.asarray(in_range.fill_null(True).to_numpy(zero_copy_only=False)))
    whole = pc.round(pc.if_else(in_range, micros, None)).cast(pa.int64())
    return Converted(whole.cast(TIMESTAMP).cast(dtype), bad)


def _only(texts: pa.BinaryArray, opening: int) -> tuple[pa.BinaryArray, Mask, Mask]:
    """The texts that begin so (others null), where they do not, and where the value is NULL."""
    nulls = null_mask(texts)
    bad = (spans_of(texts).first() != opening) & ~nulls
    return pc.if_else(pa.array(bad), pa.scalar(None, pa.binary()), texts), bad, nulls | bad


def _offsets(owner: np.ndarray, n: int) -> pa.Array:
    offsets = np.zeros(n + 1, dtype=np.int32)
    np.cumsum(np.bincount(owner, minlength=n), out=offsets[1:])
    return pa.array(offsets)


def _convert_list(texts: pa.BinaryArray, dtype: pa.DataType) -> Converted:
    texts, bad, nulls = _only(texts, _BRACKET)
    parts = elements(texts)
    child = convert(parts.values.array(), dtype.value_type)
    bad[parts.owner[child.bad]] = True
    kind = pa.LargeListArray if pa.types.is_large_list(dtype) else pa.ListArray
    values = kind.from_arrays(_offsets(parts.owner, len(texts)), child.values, mask=pa.array(nulls))
    return Converted(values.cast(dtype), bad)


def _convert_struct(texts: pa.BinaryArray, dtype: pa.DataType) -> Converted:
    texts, bad, nulls = _only(texts, _BRACE)
    fields = [dtype.field(i) for i in range(dtype.num_fields)]
    columns = [convert(c, f.type) for c, f in zip(pick(texts, [f.name for f in fields]), fields, strict=True)]
    for column in columns:
        bad |= column.bad
    return Converted(pa.StructArray.from_arrays([c.values for c in columns], fields=fields, mask=pa.array(nulls)), bad)


def _convert_map(texts: pa.BinaryArray, dtype: pa.DataType) -> Converted:
    texts, bad, nulls = _only(texts, _BRACE)
    parts = members(texts)
    keys = convert_text(_key_text(parts), dtype.key_type)
    items = convert(parts.values.array(), dtype.item_type)
    bad[parts.owner[keys.bad | items.bad]] = True
    arrays = (_offsets(parts.owner, len(texts)), keys.values, items.values)
    values = pa.MapArray.from_arrays(*arrays, mask=pa.array(nulls))
    return Converted(values.cast(dtype), bad)


def _key_text(parts: Parts) -> pa.StringArray:
    assert parts.keys is not None, "objects have keys"
    keys = parts.keys.array()
    if pc.any(pc.match_substring(keys, b"\\")).as_py():
        return unescaped(surrounded(keys, b'"', b'"'))
    return as_text(keys)


def pick(
    objects: pa.BinaryArray, names: list[str], any_case: Collection[str] = (), taken: Sequence[str] = ()
) -> list[pa.BinaryArray]:
    """For each name, that member's JSON text in each object (null where missing; of two the last counts).

    Names in `any_case` are also found as json_keys.py says; `taken` are further names whose keys are not free.
    """
    parts = members(objects)
    keys = _key_text(parts)
    wanted = _positions(keys, [*names, *taken])
    folded = _positions(pc.utf8_lower(keys), [n.lower() if n in any_case else "" for n in names]) if any_case else None
    picked = []
    for index, name in enumerate(names):
        hits = _last_of_each(parts, np.flatnonzero(wanted == index))
        if folded is not None and name in any_case:
            others = np.flatnonzero((folded == index) & (wanted < 0))
            hits = np.sort(np.concatenate((hits, _unambiguous(parts, keys, others, parts.owner[hits]))))
        picked.append(_spread(parts, hits, parts.owner[hits], len(objects)))
    return picked


def _positions(keys: pa.StringArray, names: list[str]) -> np.ndarray:
    found = pc.index_in(keys, pa.array(names, pa.string())).fill_null(-1)
    return cast(np.ndarray, found.to_numpy(zero_copy_only=False))


def _last_of_each(parts: Parts, hits: np.ndarray) -> np.ndarray:
    owner = parts.owner[hits]
    last = np.ones(len(hits), dtype=bool)
    last[:-1] = owner[1:] != owner[:-1]
    return hits[last]


def _unambiguous(parts: Parts, keys: pa.StringArray, hits: np.ndarray, served: np.ndarray) -> np.ndarray:
    """The last hit of each object that is not served already and spells the key one way only."""
    hits = hits[~np.isin(parts.owner[hits], served)]
    if not len(hits):
        return hits
    owner, spelt = parts.owner[hits], keys.take(pa.array(hits))
    differs = np.asarray(pc.not_equal(spelt[1:], spelt[:-1]).to_numpy(zero_copy_only=False), dtype=bool)
    doubtful = owner[1:][differs & (owner[1:] == owner[:-1])]
    return _last_of_each(parts, hits[~np.isin(owner, doubtful)])


def _spread(parts: Parts, hits: np.ndarray, owner: np.ndarray, n: int) -> pa.BinaryArray:
    """The parts `hits` at the positions of their owners, null elsewhere."""
    spans = parts.values
    found = type(spans)(spans.data, spans.start[hits], spans.end[hits]).array()
    if len(hits) == n:
        return found
    where = np.full(n, -1, dtype=np.int64)
    where[owner] = np.arange(len(hits))
    return found.take(pa.array(where, mask=where < 0))
