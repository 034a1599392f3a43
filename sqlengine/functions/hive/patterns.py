"""Hive's LIKE and regular expressions (java.util.regex; how they are run: java_regex.py).

A constant that is no regular expression is an error, as in Hive; in a column it gives NULL.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sqlengine import errors
from sqlengine.functions.hive.java_regex import BadPattern, JavaPattern, compiled
from sqlengine.functions.hive.rows import by_options, per_distinct
from sqlengine.functions.patterns import name_groups
from sqlengine.functions.registry import Function, Kernel, Value, scalar

_TEXT, _BOOL = pa.string(), pa.bool_()
_TEXTS = pa.list_(_TEXT)


def patterned(result: pa.DataType, body: Callable[..., pa.Array]) -> Kernel:
    """A kernel of texts and a pattern; `body` takes the texts, the compiled pattern and the other options."""

    def soft(s: pa.Array, pattern: str, *options: Any) -> pa.Array:
        try:
            return body(s, compiled(pattern), *options)
        except BadPattern:
            return pa.nulls(len(s), result)

    grouped = by_options(result, soft)

    def kernel(s: Value, pattern: Value, *options: Value) -> Value:
        if isinstance(pattern, pa.Scalar) and pattern.is_valid:
            try:
                compiled(pattern.as_py())
            except BadPattern as err:
                raise errors.DataError(f"invalid regular expression: {err}", sqlstate="2201B") from None
        return grouped(s, pattern, *options)

    return kernel


def _like_regex(pattern: str) -> str:
    """`%` any characters, `_` one, `\\%` and `\\_` themselves; any other backslash is one (UDFLike)."""
    out, at = ["(?s)^"], 0
    while at < len(pattern):
        mark = pattern[at]
        if mark == "\\" and pattern[at + 1 : at + 2] in ("_", "%"):
            at += 1
            out.append(pattern[at])
        else:
            out.append({"%": ".*", "_": "."}.get(mark) or re.escape(mark))
        at += 1
    return "".join(out) + r"\z"


def _like(s: pa.Array, pattern: str) -> pa.Array:
    core = pattern.strip("%")
    if core and not set(core) & set("%_\\") and "\\" not in pattern:
        head, tail = pattern.startswith("%"), pattern.endswith("%")
        if head and tail:
            return pc.match_substring(s, pattern=core)
        if head or tail:
            return (pc.ends_with if head else pc.starts_with)(s, pattern=core)
        return pc.equal(s, core)
    return pc.match_substring_regex(s, pattern=_like_regex(pattern))


like = scalar(
    "hive$like(s text, pattern text) -> boolean",
    "whether the text fits: % any characters, _ one, \\% and \\_ themselves",
    example="'Facebook' LIKE '%boo_'",
)(by_options(_BOOL, _like))


def _spark_like(s: pa.Array, pattern: str) -> pa.Array:
    if "\\" not in pattern:
        return _like(s, pattern)
    pieces = re.findall(r"\\[%_\\]|.", pattern, re.DOTALL)
    if "\\" in pieces:
        raise errors.DataError(
            f"invalid escape in the pattern of LIKE: {pattern}",
            sqlstate="22025",
            hint="a backslash stands before %, _ or another backslash",
        )
    words = {"%": ".*", "_": "."}
    core = "".join(words.get(piece) or re.escape(piece[-1]) for piece in pieces)
    return pc.match_substring_regex(s, pattern=rf"(?s)^{core}\z")


spark_like = scalar(
    "hive$spark_like(s text, pattern text) -> boolean",
    "LIKE of the dialect spark: a backslash before %, _ and itself makes them plain",
    can_raise=True,
)(by_options(_BOOL, _spark_like))


def _escaped(s: pa.Array, pattern: str, escape: str) -> pa.Array:
    if len(escape) != 1:
        return pa.nulls(len(s), _BOOL)
    out, at = [], 0
    while at < len(pattern):
        mark = pattern[at]
        if mark == escape and at + 1 < len(pattern):
            at += 1
            out.append("\\" + pattern[at] if pattern[at] in "%_" else pattern[at])
        else:
            out.append(mark)
        at += 1
    return _like(s, "".join(out))


like_escape = scalar(
    "hive$like_escape(s text, pattern text, escape text) -> boolean",
    "LIKE with another escape character",
    example="'a%' LIKE 'a!%' ESCAPE '!'",
)(by_options(_BOOL, _escaped))


def _matches(s: pa.Array, pattern: JavaPattern) -> pa.Array:
    if not pattern.python.pattern:  # GenericUDFRegExp: an empty expression matches nothing
        return pc.if_else(s.is_valid(), False, pa.scalar(None, _BOOL))
    re2 = pattern.in_arrow(s)
    if re2 is not None:
        return pc.match_substring_regex(s, pattern=re2)
    return per_distinct(_BOOL, lambda text: pattern.python.search(text) is not None)(s)


def _match_named(name: str) -> Function:
    return scalar(
        f"hive${name}(s text, pattern text) -> boolean",
        "whether a Java regular expression matches anywhere; also an operator",
        example=f"{name}('fb', '.*')",
        can_raise=True,
    )(patterned(_BOOL, _matches))


rlike, regexp = _match_named("rlike"), _match_named("regexp")


def _extracted(s: pa.Array, pattern: JavaPattern, group: int) -> pa.Array:
    re2 = pattern.in_arrow(s)
    if re2 is not None and 0 <= group <= pattern.groups and (pattern.sure_groups or group == 0):
        found = pc.struct_field(pc.extract_regex(s, pattern=name_groups(re2, group)[0]), [0])
        return pc.if_else(s.is_valid(), pc.fill_null(found, ""), pa.scalar(None, _TEXT))

    def one(text: str) -> str | None:
        match = pattern.python.search(text)
        if match is None:
            return ""
        return match.group(group) if 0 <= group <= pattern.groups else "Regex index not found"

    return per_distinct(_TEXT, one)(s)


_extract = patterned(_TEXT, _extracted)
regexp_extract = scalar(
    "hive$regexp_extract(s text, pattern text) -> text; hive$regexp_extract(s text, pattern text, idx integer) -> text",
    "a group of the first match, group 1 when none is named; empty when nothing matches, NULL when the group is unused",
    example="regexp_extract('100-200', '(\\\\d+)-(\\\\d+)', 1) = '100'",
    can_raise=True,
)(lambda s, pattern, idx=None: _extract(s, pattern, pa.scalar(1, pa.int32()) if idx is None else idx))


@lru_cache(maxsize=256)
def _replacement(text: str, pattern: JavaPattern) -> tuple[str, list[int | str]] | None:
    """(RE2's replacement, literal texts and groups in turn) of Java's `$1`, `${name}`, `\\x`; None for a bad one."""
    parts: list[int | str] = []
    at = 0
    while at < len(text):
        mark = text[at]
        if mark == "\\":
            if at + 1 == len(text):
                return None
            parts.append(text[at + 1])
            at += 2
            continue
        if mark != "$":
            parts.append(mark)
            at += 1
            continue
        named = re.compile(r"\$\{([A-Za-z]\w*)\}").match(text, at)
        if named is not None:
            group = pattern.python.groupindex.get(named.group(1))
            at = named.end()
        else:
            group, at = _group_number(text, at + 1, pattern.groups)
        if group is None:
            return None
        parts.append(group)
    return "".join(f"\\{p}" if isinstance(p, int) else p.replace("\\", "\\\\") for p in parts), parts


def _group_number(text: str, at: int, groups: int) -> tuple[int | None, int]:
    """The group whose digits begin here: as many digits as make a group there is."""
    if not text[at : at + 1].isdigit() or int(text[at]) > groups:
        return None, at
    number, at = int(text[at]), at + 1
    while text[at : at + 1].isdigit() and number * 10 + int(text[at]) <= groups:
        number, at = number * 10 + int(text[at]), at + 1
    return number, at


def _substituted(s: pa.Array, pattern: JavaPattern, new: str) -> pa.Array:
    made = _replacement(new, pattern)
    if made is None:
        return pa.nulls(len(s), _TEXT)
    re2 = pattern.in_arrow(s)
    if re2 is not None and not pattern.can_be_empty and all(not isinstance(p, int) or p < 10 for p in made[1]):
        return pc.replace_substring_regex(s, pattern=re2, replacement=made[0])
    parts = made[1]

    def put(match: re.Match[str]) -> str:
        return "".join(match.group(p) or "" if isinstance(p, int) else p for p in parts)

    return per_distinct(_TEXT, lambda text: pattern.python.sub(put, text))(s)


regexp_replace = scalar(
    "hive$regexp_replace(s text, pattern text, new text) -> text",
    "every match replaced; $1 stands for group 1, \\$ for the sign itself",
    example="regexp_replace('100-200', '(\\\\d+)', 'num') = 'num-num'",
    can_raise=True,
)(patterned(_TEXT, _substituted))


def cut(text: str, pattern: JavaPattern) -> list[str]:
    """String.split with all its pieces: an empty match at the beginning cuts nothing off."""
    out, start = [], 0
    for match in pattern.python.finditer(text):
        if match.end() == 0:
            continue
        out.append(text[start : match.start()])
        start = match.end()
    out.append(text[start:])
    return out


def _split(s: pa.Array, pattern: JavaPattern) -> pa.Array:
    re2 = pattern.in_arrow(s)
    if re2 is not None and not pattern.can_be_empty:
        return pc.split_pattern_regex(s, pattern=re2)
    return per_distinct(_TEXTS, lambda text: cut(text, pattern))(s)


split = scalar(
    "hive$split(s text, pattern text) -> text[]",
    "the pieces between the matches of a regular expression, empty ones too",
    example="split('oneAtwoBthreeC', '[ABC]')[2] = 'three'",
    can_raise=True,
)(patterned(_TEXTS, _split))


def _split_up_to(s: pa.Array, pattern: JavaPattern, limit: int) -> pa.Array:
    if limit <= 0:
        return _split(s, pattern)

    def pieces(text: str) -> list[str]:
        out: list[str] = []
        start = 0
        for match in pattern.python.finditer(text):
            if len(out) == limit - 1:
                break
            if match.end():
                out.append(text[start : match.start()])
                start = match.end()
        return [*out, text[start:]]

    return per_distinct(_TEXTS, pieces)(s)


split_up_to = scalar(
    "hive$split(s text, pattern text, most integer) -> text[]",
    "the pieces between the matches of a regular expression, so many at most where the number is above 0",
    example="split('oneAtwoBthreeC', '[ABC]', 2)[1] = 'twoBthreeC'",
    can_raise=True,
)(patterned(_TEXTS, _split_up_to))


def _to_map(text: str, pairs: str, values: str) -> list[tuple[str, str | None]] | None:
    try:
        outer, inner = compiled(pairs), compiled(values)
    except BadPattern:
        return None
    pieces = cut(text, outer)
    while len(pieces) > 1 and not pieces[-1]:
        pieces.pop()
    found: dict[str, str | None] = {}
    for piece in pieces:
        match = next((m for m in inner.python.finditer(piece) if m.end()), None)
        if match is None:
            found[piece] = None
        else:
            found[piece[: match.start()]] = piece[match.end() :]
    return list(found.items())


_mapped = per_distinct(pa.map_(_TEXT, _TEXT), _to_map)


def _str_to_map(text: Value, delimiter1: Value | None = None, delimiter2: Value | None = None) -> Value:
    return _mapped(
        text, pa.scalar(",") if delimiter1 is None else delimiter1, pa.scalar(":") if delimiter2 is None else delimiter2
    )


str_to_map = scalar(
    "hive$str_to_map(s text) -> map<text, text>; hive$str_to_map(s text, delimiter1 text) -> map<text, text>; "
    "hive$str_to_map(s text, delimiter1 text, delimiter2 text) -> map<text, text>",
    "a map of pairs divided by the first expression (,) whose key and value the second divides (:)",
    example="str_to_map('a:1,b:2')['b'] = '2'",
)(_str_to_map)
