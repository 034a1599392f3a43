"""Rows of LazySimpleSerDe's text, cut by separators and made columns without a step per row.

Positions of separators are found once for a chunk of lines; fields, items of arrays, fields of structs and entries
of maps are then pairs of positions, found by binary search, and columns are gathered and converted whole. As in
Hive: fields that are missing are NULL, further ones are ignored, what cannot be read is NULL; a map keeps the first
of equal keys and none that is NULL.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.formats.base import Mask, null_mask
from sqlengine.formats.records import Bytes, Offsets, Spans, spans_of
from sqlengine.hive_types import HiveType
from sqlengine.quick_dataclass import dataclass
from sqlengine.warehouse.description import RowFormat
from sqlengine.warehouse.lines import line_ends
from sqlengine.warehouse.text_values import parse


@dataclass(frozen=True, slots=True)
class Items:
    """Parts of values: those of value i are `offsets[i]` to `offsets[i + 1]`."""

    spans: Spans
    offsets: npt.NDArray[np.int32]


def lines_of(data: bytes) -> Spans:
    """The lines of whole lines, without what ends them."""
    plain = np.frombuffer(data, np.uint8)
    ends = line_ends(plain)
    start = np.r_[0, ends.following].astype(np.int64)
    end = np.r_[ends.at, len(plain)].astype(np.int64)
    if start[-1] == len(plain):
        start, end = start[:-1], end[:-1]
    return Spans(plain, start, end)


class Splitter:
    """The separators of one chunk of lines."""

    def __init__(self, data: Bytes, row_format: RowFormat) -> None:
        self._data = data
        self._format = row_format
        self._escaped = _escaped(data, row_format.escape) if row_format.escape else None
        self._known: dict[bytes, Offsets] = {}

    def _positions(self, level: int) -> Offsets:
        """Of the unescaped separators of a level."""
        separator = self._format.separator(level)
        if separator not in self._known:
            found = np.flatnonzero(self._data == separator[0])
            self._known[separator] = found if self._escaped is None else found[~self._escaped[found]]
        return self._known[separator]

    def fields(self, spans: Spans, level: int, wanted: list[int], width: int) -> list[tuple[Spans, Mask]]:
        """The `wanted` ones of `width` fields of each value, and where each is missing."""
        positions = self._positions(level)
        low, high = np.searchsorted(positions, spans.start), np.searchsorted(positions, spans.end)
        count = high - low
        found = []
        for place in wanted:
            missing = count < place
            start = spans.start if place == 0 else np.where(missing, spans.end, _at(positions, low + place - 1) + 1)
            end = np.where(count <= place, spans.end, _at(positions, low + place))
            if self._format.is_last_greedy and level == 0 and place == width - 1:
                end = spans.end
            found.append((Spans(spans.data, start, end), missing))
        return found

    def items(self, spans: Spans, level: int, nulls: Mask) -> Items:
        """The items of each value; an empty or NULL value has none."""
        positions = self._positions(level)
        low, high = np.searchsorted(positions, spans.start), np.searchsorted(positions, spans.end)
        count = np.where(nulls | (spans.start == spans.end), 0, high - low + 1)
        offsets = np.r_[0, np.cumsum(count)]
        owner = np.repeat(np.arange(len(spans)), count)
        place = np.arange(len(owner)) - offsets[owner]
        before = low[owner] + place
        start = np.where(place == 0, spans.start[owner], _at(positions, before - 1) + 1)
        end = np.where(place == count[owner] - 1, spans.end[owner], _at(positions, before))
        return Items(Spans(spans.data, start, end), offsets.astype(np.int32))

    def first(self, spans: Spans, level: int) -> tuple[Offsets, Mask]:
        """(where the first separator in each value is, where there is none)."""
        positions = self._positions(level)
        at = _at(positions, np.searchsorted(positions, spans.start))
        none = (np.searchsorted(positions, spans.end) - np.searchsorted(positions, spans.start)) == 0
        return np.where(none, spans.end, at), none


def _at(positions: Offsets, index: Offsets) -> Offsets:
    """The positions at an index, any where it is out of range."""
    if not len(positions):
        return np.zeros(len(index), dtype=np.int64)
    return positions[np.clip(index, 0, len(positions) - 1)]


def _escaped(data: Bytes, escape: bytes) -> Mask:
    """Where a byte stands behind an escape that is not escaped itself."""
    found = np.zeros(len(data) + 1, dtype=bool)
    found[_introducers(np.flatnonzero(data == escape[0])) + 1] = True
    return found[:-1]


def _introducers(escapes: Offsets, is_first: Mask | None = None) -> Offsets:
    """Those escapes that escape what follows: every second one of a run. `is_first`: where a run begins in any case."""
    begins = np.ones(len(escapes), dtype=bool)
    begins[1:] = np.diff(escapes) != 1
    if is_first is not None:
        begins |= is_first
    run = np.maximum.accumulate(np.where(begins, np.arange(len(escapes)), 0))
    return escapes[(np.arange(len(escapes)) - run) % 2 == 0]


# ---------------------------------------------------------------- values


def column(
    splitter: Splitter, spans: Spans, missing: Mask, hive: HiveType, row_format: RowFormat, level: int
) -> pa.Array:
    """Values of a Hive type at these places; `level`: of the separators that divide them."""
    nulls = missing | _equal(spans, row_format.null)
    if hive.name == "array":
        items = splitter.items(spans, level, nulls)
        nothing = np.zeros(len(items.spans), dtype=bool)
        values = column(splitter, items.spans, nothing, hive.children[0], row_format, level + 1)
        return pa.ListArray.from_arrays(pa.array(items.offsets), values, type=hive.arrow, mask=pa.array(nulls))
    if hive.name == "struct":
        parts = splitter.fields(spans, level, list(range(len(hive.fields))), len(hive.fields))
        children = [
            column(splitter, part, gone | nulls, child, row_format, level + 1)
            for (part, gone), child in zip(parts, hive.children, strict=True)
        ]
        return pa.StructArray.from_arrays(children, fields=list(hive.arrow), mask=pa.array(nulls))
    if hive.name == "map":
        return _map(splitter, spans, nulls, hive, row_format, level)
    values = spans.array()
    if nulls.any():
        values = pc.if_else(pa.array(nulls), pa.scalar(None, pa.binary()), values)
    if row_format.escape:
        values = unescaped(values, row_format.escape)
    return parse(values, hive)


def _equal(spans: Spans, text: bytes) -> Mask:
    """Where the value is exactly this."""
    same = spans.end - spans.start == len(text)
    at = np.flatnonzero(same)
    for place, byte in enumerate(text):
        at = at[spans.data[spans.start[at] + place] == byte]
    same[:] = False
    same[at] = True
    return same


def _map(
    splitter: Splitter, spans: Spans, nulls: Mask, hive: HiveType, row_format: RowFormat, level: int
) -> pa.MapArray:
    """Entries, each a key up to the first separator and a value behind it; without one the value is NULL."""
    items = splitter.items(spans, level, nulls)
    entries, offsets = items.spans, items.offsets
    middle, none = splitter.first(entries, level + 1)
    nothing = np.zeros(len(entries), dtype=bool)
    keys = column(
        splitter, Spans(entries.data, entries.start, middle), nothing, hive.children[0], row_format, level + 2
    )
    behind = Spans(entries.data, np.where(none, entries.end, middle + 1), entries.end)
    owner = np.repeat(np.arange(len(spans)), np.diff(offsets))
    kept = _first_of_equal(owner, keys)
    if len(kept) < len(entries):
        keys = keys.take(pa.array(kept))
        behind, none = Spans(behind.data, behind.start[kept], behind.end[kept]), none[kept]
        offsets = np.r_[0, np.cumsum(np.bincount(owner[kept], minlength=len(spans)))].astype(np.int32)
    values = column(splitter, behind, none, hive.children[1], row_format, level + 2)
    return pa.MapArray.from_arrays(pa.array(offsets), keys, values, type=hive.arrow, mask=pa.array(nulls))


def _first_of_equal(owner: npt.NDArray[np.int64], keys: pa.Array) -> npt.NDArray[np.int64]:
    """Positions of the keys that are not NULL and not there before in the same map."""
    coded = keys.dictionary_encode()
    codes = coded.indices.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    there = np.flatnonzero(~null_mask(keys))
    number = owner[there] * max(len(coded.dictionary), 1) + codes[there]
    _, first = np.unique(number, return_index=True)
    return there[np.sort(first)]


def unescaped(values: pa.BinaryArray, escape: bytes) -> pa.BinaryArray:
    """Values without their escapes: an escaped n or r is a newline or a return, anything else itself."""
    with_escapes = pc.match_substring(values, escape)
    if not pc.any(with_escapes).as_py():
        return values
    values = pa.concat_arrays([values])  # compact, so that its bytes are the values'
    spans = spans_of(values)
    base, end = int(spans.start[0]), int(spans.end[-1])
    data = spans.data[base:end].copy()
    starts, ends = spans.start - base, spans.end - base
    first, last = np.zeros(len(data) + 1, dtype=bool), np.zeros(len(data) + 1, dtype=bool)
    filled = starts < ends
    first[starts[filled]], last[ends[filled] - 1] = True, True
    escapes = np.flatnonzero(data == escape[0])
    introducers = _introducers(escapes, first[escapes])
    introducers = introducers[~last[introducers]]  # a last one alone stands for itself
    following = data[introducers + 1]
    data[introducers + 1] = np.where(following == ord("n"), 10, np.where(following == ord("r"), 13, following))
    kept = np.ones(len(data), dtype=bool)
    kept[introducers] = False
    place = np.r_[0, np.cumsum(kept)]
    offsets = np.r_[place[starts], place[ends[-1:]]].astype(np.int32)
    validity = values.is_valid().buffers()[1] if values.null_count else None
    return pa.Array.from_buffers(
        pa.binary(), len(values), [validity, pa.py_buffer(offsets), pa.py_buffer(data[kept].tobytes())]
    )
