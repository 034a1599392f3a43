"""Flat delimited text by Arrow's CSV reader: the quick way for chunks in which it cannot see anything else than Hive.

Where it could (white space around integers, hexadecimal digits, infinities) a column is read as text and converted by
`text_values`; what it refuses (lines with too few or too many fields, bytes that are not UTF-8) is left to `delimited`.
"""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.formats.records import Bytes
from sqlengine.formats.text import too_wide
from sqlengine.hive_types import HiveType
from sqlengine.warehouse.description import Column, RowFormat
from sqlengine.warehouse.text_values import fit_text, parse

_REFUSALS_MAX = 3
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_FAILED = re.compile(r"CSV column #(\d+)")
_NEWLINE, _RETURN = 10, 13
_DIRECT = ("tinyint", "smallint", "int", "bigint", "float", "double", "decimal", "date", "boolean", "string")
_STRICT = ("tinyint", "smallint", "int", "bigint", "boolean")
"""Types whose texts have no white space around them in Hive; Arrow allows it."""


class QuickReader:
    """Reads chunks of lines; remembers which columns came with values that only `text_values` can tell."""

    def __init__(self, columns: tuple[Column, ...], wanted: list[int], row_format: RowFormat) -> None:
        self._columns = columns
        self._wanted = wanted
        self._format = row_format
        self._as_text: frozenset[int] = frozenset()
        self._refusals = 0

    @property
    def is_usable(self) -> bool:
        """Whether such columns can be read at all, and chunks of this file so far."""
        one = self._format.separators[0]
        return (
            self._refusals < _REFUSALS_MAX
            and one.isascii()
            and one not in (b"\r", b"\n", b'"')
            and not self._format.is_last_greedy
            and all(not self._columns[place].type.is_nested for place in self._wanted)
            and _is_text(self._format.null)
        )

    def read(self, data: bytes) -> list[pa.Array] | None:
        """The wanted columns, or None when the chunk needs a closer look."""
        if (self._format.escape and self._format.escape in data) or data.startswith(_BYTE_ORDER_MARK):
            return None
        if len(self._columns) > 1 and _has_empty_lines(np.frombuffer(data, np.uint8)):
            return None
        cautious: frozenset[int] = frozenset()
        if self._has_doubtful_numbers(data):
            cautious = frozenset(p for p in self._wanted if self._columns[p].type.name in _STRICT)
        for _ in range(2 * len(self._wanted) + 1):
            as_text = self._as_text | cautious
            try:
                table = self._table(data, as_text)
            except pa.ArrowInvalid as error:
                failed = _FAILED.search(str(error))
                if failed is None or not self._is_typed(int(failed[1]), as_text):
                    break
                self._as_text |= {int(failed[1])}
                continue
            columns = [self._column(table.column(i), place, as_text) for i, place in enumerate(self._wanted)]
            if self._is_certain(columns, as_text):
                self._refusals = 0
                return columns
        self._refusals += 1
        return None

    def _is_typed(self, place: int, as_text: frozenset[int]) -> bool:
        """Whether Arrow was to convert the column of that number in the file."""
        return place in self._wanted and place not in as_text and _wire(self._columns[place].type) != pa.string()

    def _has_doubtful_numbers(self, data: bytes) -> bool:
        if not any(self._columns[place].type.name in _STRICT for place in self._wanted):
            return False
        plain = np.frombuffer(data, np.uint8)
        return _has_spaces_at_ends(plain, self._format.separators[0][0]) or _has_hexadecimal(plain)

    def _table(self, data: bytes, as_text: frozenset[int]) -> pa.Table:
        # the CSV reader is needed for text alone
        import pyarrow.csv as pv

        names = [str(i) for i in range(len(self._columns))]
        types = {
            str(place): pa.string() if place in as_text else _wire(self._columns[place].type) for place in self._wanted
        }
        return pv.read_csv(
            pa.BufferReader(data),
            pv.ReadOptions(column_names=names, block_size=len(data) + 64, use_threads=False),
            pv.ParseOptions(
                delimiter=self._format.separators[0].decode(),
                quote_char=False,
                double_quote=False,
                newlines_in_values=False,
                ignore_empty_lines=False,
            ),
            pv.ConvertOptions(
                column_types=types,
                include_columns=[str(place) for place in self._wanted],
                null_values=[self._format.null.decode()],
                true_values=["true"],
                false_values=["false"],
                strings_can_be_null=True,
            ),
        )

    def _column(self, chunks: pa.ChunkedArray, place: int, as_text: frozenset[int]) -> pa.Array:
        values = chunks.combine_chunks() if chunks.num_chunks != 1 else chunks.chunk(0)
        hive = self._columns[place].type
        if hive.name == "string":
            return values
        if place in as_text or hive.name not in _DIRECT:
            return fit_text(values, hive) if hive.name in ("char", "varchar") else parse(values, hive)
        return values

    def _is_certain(self, columns: list[pa.Array], as_text: frozenset[int]) -> bool:
        """False when a column that Arrow converted may hold what Hive reads otherwise; it is text from then on."""
        doubtful = [
            place
            for place, values in zip(self._wanted, columns, strict=True)
            if place not in as_text and _is_doubtful(values, self._columns[place].type)
        ]
        self._as_text |= frozenset(doubtful)
        return not doubtful


def _wire(hive: HiveType) -> pa.DataType:
    return hive.arrow if hive.name in _DIRECT else pa.string()


def _is_doubtful(values: pa.Array, hive: HiveType) -> bool:
    if hive.name in ("float", "double"):
        return bool(pc.any(pc.invert(pc.is_finite(values))).as_py())
    return hive.name == "decimal" and bool(too_wide(values).any())


def _has_spaces_at_ends(data: Bytes, separator: int) -> bool:
    """Whether a field begins or ends with a space or a tab."""
    is_edge = np.zeros(256, dtype=bool)
    is_edge[[separator, ord("\n"), ord("\r")]] = True
    for space in {ord(" "), ord("\t")} - {separator}:
        at = np.flatnonzero(data == space)
        if len(at) and (at[0] == 0 or at[-1] == len(data) - 1):
            return True
        if is_edge[data[at - 1]].any() or is_edge[data[at + 1]].any():
            return True
    return False


def _has_empty_lines(data: Bytes) -> bool:
    """Arrow fills such a line up with empty fields, in Hive they are missing."""
    if not len(data) or data[0] in (_NEWLINE, _RETURN):
        return True
    newlines, returns = np.flatnonzero(data[:-1] == _NEWLINE), np.flatnonzero(data[:-1] == _RETURN)
    behind = data[newlines + 1]
    return bool(((behind == _NEWLINE) | (behind == _RETURN)).any() or (data[returns + 1] == _RETURN).any())


def _has_hexadecimal(data: Bytes) -> bool:
    at = np.flatnonzero((data | 0x20) == ord("x"))
    return bool((data[at[at > 0] - 1] == ord("0")).any())


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
