"""Spark's functions of Java's regular expressions (Spark's Built-in Functions: String Functions)."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.functions.hive.java_regex import JavaPattern
from sqlengine.functions.hive.patterns import patterned
from sqlengine.functions.hive.rows import per_distinct
from sqlengine.functions.hive.spark_arrays import wrong
from sqlengine.functions.registry import Value, scalar

_TEXT = pa.string()
_TEXTS = pa.list_(_TEXT)


def _found(s: pa.Array, pattern: JavaPattern) -> pa.Array:
    re2 = pattern.in_arrow(s)
    if re2 is not None:
        return pc.match_substring_regex(s, pattern=re2)
    return per_distinct(pa.bool_(), lambda text: pattern.python.search(text) is not None)(s)


regexp_like = scalar(
    "hive$regexp_like(s text, pattern text) -> boolean",
    "whether a Java regular expression matches anywhere",
    example="regexp_like('Steven Jones and Stephen Smith', 'Ste(v|ph)en')",
    can_raise=True,
)(patterned(pa.bool_(), _found))


def _counted(s: pa.Array, pattern: JavaPattern) -> pa.Array:
    re2 = pattern.in_arrow(s)
    if re2 is not None and not pattern.can_be_empty:
        return pc.count_substring_regex(s, pattern=re2)
    return per_distinct(pa.int32(), lambda text: sum(1 for _ in pattern.python.finditer(text)))(s)


regexp_count = scalar(
    "hive$regexp_count(s text, pattern text) -> integer",
    "how often a Java regular expression matches",
    example="regexp_count('Steven Jones and Stephen Smith are the best players', 'Ste(v|ph)en') = 2",
    can_raise=True,
)(patterned(pa.int32(), _counted))


def _first(s: pa.Array, pattern: JavaPattern) -> pa.Array:
    def one(text: str) -> str | None:
        match = pattern.python.search(text)
        return match.group() or None if match is not None else None

    return per_distinct(_TEXT, one)(s)


regexp_substr = scalar(
    "hive$regexp_substr(s text, pattern text) -> text",
    "what a Java regular expression matches first; NULL when there is nothing",
    example="regexp_substr('Steven Jones and Stephen Smith are the best players', 'Ste(v|ph)en') = 'Steven'",
    can_raise=True,
)(patterned(_TEXT, _first))


def _place(s: pa.Array, pattern: JavaPattern) -> pa.Array:
    def one(text: str) -> int:
        match = pattern.python.search(text)
        return 0 if match is None else match.start() + 1

    return per_distinct(pa.int32(), one)(s)


regexp_instr = scalar(
    "hive$regexp_instr(s text, pattern text) -> integer",
    "where a Java regular expression matches first, counted from 1; 0 when nowhere",
    example="regexp_instr('user@spark.apache.org', '@[^.]*') = 5",
    can_raise=True,
)(patterned(pa.int32(), _place))


def _all(s: pa.Array, pattern: JavaPattern, group: int) -> pa.Array:
    if not 0 <= group <= pattern.groups:
        raise wrong(f"the expression has {pattern.groups} groups, and no group {group}")

    def each(text: str) -> list[str]:
        return [_of_group(match, group) for match in pattern.python.finditer(text)]

    return per_distinct(_TEXTS, each)(s)


def _of_group(match: re.Match[str], group: int) -> str:
    return match.group(group) or ""


_extract_all = patterned(_TEXTS, _all)


def _extracted(s: Value, pattern: Value, idx: Value | None = None) -> Value:
    return _extract_all(s, pattern, pa.scalar(1, pa.int32()) if idx is None else idx)


regexp_extract_all = scalar(
    "hive$regexp_extract_all(s text, pattern text) -> text[];"
    "hive$regexp_extract_all(s text, pattern text, idx integer) -> text[]",
    "a group of every match, group 1 when none is named; empty where the group is unused",
    example="regexp_extract_all('100-200, 300-400', '(\\\\d+)-(\\\\d+)', 1)[1] = '300'",
    can_raise=True,
)(_extracted)
