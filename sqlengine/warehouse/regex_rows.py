"""RegexSerDe: lines whose columns are the groups of a regular expression that matches the whole line.

A line that does not match is a row of NULLs. RE2 matches whole columns; it does not tell a group that took no part
from an empty one, so lines with empty groups are looked at again with Python's `re`, as are all lines when RE2
cannot read the expression.
"""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.errors import InvalidParameter
from sqlengine.formats.base import Mask
from sqlengine.warehouse.description import Column, TableDescription
from sqlengine.warehouse.text_values import parse

_OPENING = re.compile(r"\\.|\[\^?\]?(?:\\.|\[:\w+:\]|[^\]\\])*\]|\((?!\?)|\(\?P?<(?![=!])(\w+)>", re.DOTALL)

_NAMED = re.compile(r"\(\?<(?=[A-Za-z])")
"""Java's named groups; Python writes them with a P."""


class RegexReader:
    """Reads lines of a table; InvalidParameter (22023) for an expression that cannot be read, or whose groups are
    not as many as the columns."""

    def __init__(self, description: TableDescription) -> None:
        text = description.option("input.regex")
        flags = "(?is)" if description.is_on("input.regex.case.insensitive") else "(?s)"
        named, groups = _named(text)
        if groups != len(description.columns):
            raise InvalidParameter(
                f'"input.regex" has {groups} groups, the table "{description.name}" {len(description.columns)} columns',
                hint="each column is a group; (?:...) groups without being one",
            )
        self._re2: str | None = f"{flags}^(?:{named})$"
        self._python: re.Pattern[str] | None = None
        complaint = ""
        try:
            self._python = re.compile(f"{flags}(?:{_NAMED.sub('(?P<', text)})")
        except re.error as error:
            complaint = str(error)
        try:
            pc.extract_regex(pa.array([""]), self._re2)
        except pa.ArrowInvalid as error:
            self._re2 = None
            if self._python is None:
                raise InvalidParameter(f'"input.regex" cannot be read: {complaint}', detail=str(error)) from None

    def columns(self, texts: pa.StringArray, wanted: list[tuple[int, Column]]) -> list[pa.Array]:
        """The wanted (place, column) as typed values."""
        groups = self._groups(texts, [place for place, _ in wanted])
        return [_typed(group, column) for group, (_, column) in zip(groups, wanted, strict=True)]

    def _groups(self, texts: pa.StringArray, places: list[int]) -> list[pa.Array]:
        if self._re2 is None:
            return self._one_by_one(texts, places)
        found = pc.extract_regex(texts, self._re2)
        groups = [pc.struct_field(found, f"g{place}") for place in places]
        doubtful: Mask = np.zeros(len(texts), dtype=bool)
        for group in groups:
            doubtful |= np.asarray(pc.equal(group, "").fill_null(False).to_numpy(zero_copy_only=False))
        if self._python is None or not doubtful.any():
            return groups
        exact = self._one_by_one(texts.filter(pa.array(doubtful)), places)
        return [
            pc.replace_with_mask(group, pa.array(doubtful), part) for group, part in zip(groups, exact, strict=True)
        ]

    def _one_by_one(self, texts: pa.StringArray, places: list[int]) -> list[pa.Array]:
        assert self._python is not None
        matches = [self._python.fullmatch(text) for text in texts.to_pylist()]
        return [pa.array([m and m[place + 1] for m in matches], pa.string()) for place in places]


def _named(text: str) -> tuple[str, int]:
    """The expression with all groups called g0, g1, ..., and how many there are."""
    count = 0

    def name(found: re.Match[str]) -> str:
        nonlocal count
        if found[0] != "(" and found[1] is None:
            return found[0]
        count += 1
        return f"(?P<g{count - 1}>"

    return _OPENING.sub(name, text), count


def _typed(texts: pa.StringArray, column: Column) -> pa.Array:
    """Java's Boolean.valueOf calls everything false but true."""
    if column.type.name == "boolean":
        return pc.equal(pc.ascii_lower(texts), "true")
    return parse(texts, column.type)
