"""Where things are in JSON text: a vectorised scan that finds the members of objects and the elements of
arrays.

It assumes well-formed values (json_syntax.py checks them) and never looks deeper than one level, so nesting
costs no stack.  The idea, positions of structural characters first and structure from running sums over
them, is simdjson's first stage (Langdale and Lemire, VLDB Journal 2019) in NumPy.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.formats.records import Bytes, Offsets, Spans, spans_of
from sqlengine.quick_dataclass import dataclass

_OPEN, _CLOSE, _COLON, _COMMA, _QUOTE, _BACKSLASH = 1, 2, 3, 4, 5, 6
_KIND = np.zeros(256, dtype=np.uint8)
for _chars, _kind in (
    (b"{[", _OPEN),
    (b"}]", _CLOSE),
    (b":", _COLON),
    (b",", _COMMA),
    (b'"', _QUOTE),
    (b"\\", _BACKSLASH),
):
    _KIND[list(_chars)] = _kind


@dataclass(frozen=True, slots=True)
class Parts:
    """The members or elements of all values, in order: `owner[j]`: the value that part j belongs to;
    `values`: the part's own JSON text, trimmed; `keys`: a member's key between its quotes, still escaped
    (None for elements)."""

    owner: Offsets
    values: Spans
    keys: Spans | None = None


@dataclass(frozen=True, slots=True)
class _Level1:
    """Structural characters of the outermost level: position and kind; and all unescaped quotes'
    positions."""

    at: Offsets
    kind: npt.NDArray[np.uint8]
    quotes: Offsets


def members(objects: pa.BinaryArray) -> Parts:
    """The members of each JSON object."""
    spans = spans_of(objects)
    level = _scan(spans)
    colons = np.flatnonzero(level.kind == _COLON)
    values = Spans(spans.data, level.at[colons] + 1, level.at[colons + 1])
    closing = np.searchsorted(level.quotes, level.at[colons]) - 1
    keys = Spans(spans.data, level.quotes[closing - 1] + 1, level.quotes[closing])
    return Parts(_owner(spans, level.at[colons]), values.trimmed(), keys)


def elements(arrays: pa.BinaryArray) -> Parts:
    """The elements of each JSON array."""
    spans = spans_of(arrays)
    level = _scan(spans)
    before = np.flatnonzero((level.kind == _OPEN) | (level.kind == _COMMA))
    values = Spans(spans.data, level.at[before] + 1, level.at[before + 1]).trimmed()
    real = values.start < values.end  # an empty array has an opening bracket but no element
    kept = Spans(spans.data, values.start[real], values.end[real])
    return Parts(_owner(spans, level.at[before][real]), kept)


def _owner(spans: Spans, at: Offsets) -> Offsets:
    return np.searchsorted(spans.start, at, side="right") - 1


def _scan(spans: Spans) -> _Level1:
    """Structural characters outside strings at depth one; the values of a binary array lie side by side."""
    low, high = (int(spans.start[0]), int(spans.end[-1])) if len(spans) else (0, 0)
    kinds = _KIND[spans.data[low:high]]
    at = np.flatnonzero(kinds)
    kind = kinds[at]
    at += low
    quote = kind == _QUOTE
    escapes = at[kind == _BACKSLASH]
    if len(escapes):
        quote[quote] = ~_escaped(at[quote], escapes, spans.data)
    outside = np.cumsum(quote) % 2 == 0
    structural = outside & (kind <= _COMMA)
    at_s, kind_s = at[structural], kind[structural]
    depth = np.cumsum((kind_s == _OPEN).astype(np.int64) - (kind_s == _CLOSE))
    level1 = np.where(kind_s == _CLOSE, depth == 0, depth == 1)
    return _Level1(at_s[level1], kind_s[level1], at[quote])


def _escaped(quotes: Offsets, backslashes: Offsets, data: Bytes) -> npt.NDArray[np.bool_]:
    """Where a quote stands behind an odd run of backslashes."""
    starts = np.ones(len(backslashes), dtype=bool)
    starts[1:] = np.diff(backslashes) != 1
    run_start = np.maximum.accumulate(np.where(starts, backslashes, 0))
    result = np.zeros(len(quotes), dtype=bool)
    behind = np.flatnonzero((quotes > 0) & (data[quotes - 1] == ord("\\")))
    last = quotes[behind] - 1
    index = np.searchsorted(backslashes, last)
    inside = index < len(backslashes)
    inside[inside] = backslashes[index[inside]] == last[inside]
    behind, last, index = behind[inside], last[inside], index[inside]
    result[behind] = (last - run_start[index]) % 2 == 0
    return result
