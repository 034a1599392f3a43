"""LIKE and regular expressions.  Regular expressions are RE2's in both executors (not PostgreSQL's own flavour).

Patterns are compiled by Arrow per call, so they must be constants; DuckDB evaluates calls where they are not.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine import errors
from sqlengine.functions.registry import Function, Value, declare, scalar

# Made without pa.scalar, which imports pandas where it is installed.
_NULL_BOOL = pa.nulls(1, pa.bool_())[0]
_NULL_TEXT = pa.nulls(1, pa.string())[0]


@lru_cache(maxsize=256)
def like_regex(pattern: str, escape: str = "\\") -> str:
    """The RE2 expression that matches what LIKE `pattern` matches, as a whole."""
    out, i = ["(?s)^"], 0
    while i < len(pattern):
        ch = pattern[i]
        if escape and ch == escape:
            i += 1
            if i == len(pattern):
                raise errors.DataError("like pattern must not end with escape character", sqlstate="22025")
            out.append(_quote(pattern[i]))
        else:
            out.append({"%": ".*", "_": "."}.get(ch) or _quote(ch))
        i += 1
    return "".join(out) + "$"


def _quote(ch: str) -> str:
    return "\\" + ch if ch in r"\.+*?()|[]{}^$" else ch


def _literal_parts(pattern: str) -> tuple[bool, str, bool] | None:
    """(starts with %, plain text, ends with %) for patterns that are a substring, prefix or suffix test; else None."""
    core = pattern.strip("%")
    if "%" in core or "_" in core or "\\" in core:
        return None
    return pattern.startswith("%"), core, pattern.endswith("%")


def _like(ignore_case: bool) -> Any:
    def kernel(s: Value, pattern: Value) -> Value:
        text = pattern.as_py()
        if text is None:
            return _NULL_BOOL
        parts = _literal_parts(text)
        if parts is not None and parts[1] and not ignore_case:
            return _plain_like(s, *parts)
        return pc.match_substring_regex(s, pattern=like_regex(text), ignore_case=ignore_case)

    return kernel


def _plain_like(s: Value, head: bool, core: str, tail: bool) -> Value:
    if head and tail:
        return pc.match_substring(s, pattern=core)
    if tail:
        return pc.starts_with(s, pattern=core)
    if head:
        return pc.ends_with(s, pattern=core)
    return pc.equal(s, pa.scalar(core))


like = scalar(
    "like(s text, pattern text) -> boolean",
    "whether the text fits: % any characters, _ one, \\ escapes",
    example="'abc' LIKE 'a%'",
    operator="like",
    duck="({0} LIKE {1} ESCAPE '\\')",
    constant_args=(1,),
    can_raise=True,
)(_like(False))
ilike = scalar(
    "ilike(s text, pattern text) -> boolean",
    "LIKE without regard to case",
    example="'ABC' ILIKE 'a%'",
    operator="ilike",
    duck="({0} ILIKE {1} ESCAPE '\\')",
    constant_args=(1,),
    can_raise=True,
)(_like(True))
like_escape = declare(
    "like_escape(s text, pattern text, escape text) -> boolean",
    "LIKE with another escape character",
    example="'a%' LIKE 'a!%' ESCAPE '!'",
    duck="({0} LIKE {1} ESCAPE {2})",
    can_raise=True,
)


def _match(ignore_case: bool) -> Any:
    def kernel(s: Value, pattern: Value) -> Value:
        text = pattern.as_py()
        return _NULL_BOOL if text is None else pc.match_substring_regex(s, pattern=text, ignore_case=ignore_case)

    return kernel


def _regex(name: str, operator: str | None, ignore_case: bool, duck: str, example: str, **options: Any) -> Function:
    words = "whether a regular expression matches anywhere" + (", in any case" if ignore_case else "")
    return scalar(
        f"{name}(s text, pattern text) -> boolean",
        words,
        example=example,
        operator=operator,
        duck=duck,
        constant_args=(1,),
        can_raise=True,
        **options,
    )(_match(ignore_case))


regex_match = _regex("regex_match", "~", False, "regexp_matches({0}, {1})", "'abc' ~ 'b'")
regex_imatch = _regex("regex_imatch", "~*", True, "regexp_matches({0}, {1}, 'i')", "'ABC' ~* 'b'")
regexp_like = _regex(
    "regexp_like",
    None,
    False,
    "regexp_matches({0}, {1})",
    "regexp_like('abc', '^a')",
    aliases=("regexp_matches", "regexp"),
)
similar_to = declare(
    "similar_to(s text, pattern text) -> boolean",
    "whether the whole text fits SQL's regular expression",
    example="'abc' SIMILAR TO 'a(b|x)c'",
    operator="similar to",
    duck="regexp_full_match({0}, replace(replace({1}, '%', '.*'), '_', '.'), 's')",
    can_raise=True,
)


_GROUP_OR_NOT = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]])*\]|\((?!\?)|\(\?P?<[A-Za-z]\w*>", re.DOTALL)


@lru_cache(maxsize=256)
def name_groups(pattern: str, only: int | None = None) -> tuple[str, int]:
    """The pattern with every capturing group named g1, g2, ... and the whole as g0 (Arrow extracts named groups only),
    or with the group `only` named and no other capturing; and how many groups it has, not counting the whole."""
    out, at, count = ["(?P<g0>" if only in (None, 0) else "(?:"], 0, 0
    for found in _GROUP_OR_NOT.finditer(pattern):
        if not found.group().startswith("("):
            continue
        count += 1
        out += [pattern[at : found.start()], f"(?P<g{count}>" if only in (None, count) else "(?:"]
        at = found.end()
    return "".join([*out, pattern[at:], ")"]), count


def _extract(s: Value, pattern: str, group: int) -> Value:
    """The group's text where the pattern matches, NULL elsewhere."""
    text, count = name_groups(pattern, group)
    if not 0 <= group <= count:
        raise errors.DataError(f"regular expression has no group {group}", sqlstate="2201B")
    return pc.struct_field(pc.extract_regex(s, pattern=text), [0])


@scalar(
    "regexp_extract(s text, pattern text) -> text; regexp_extract(s text, pattern text, part integer) -> text",
    "the match, or one of its groups, of a regular expression; NULL when nothing matches (Flink)",
    example="regexp_extract('k=v', '(\\w)=(\\w)', 2) = 'v'",
    constant_args=(1, 2),
    can_raise=True,
)
def regexp_extract(s: Value, pattern: Value, part: Value | None = None) -> Value:
    text, group = pattern.as_py(), 0 if part is None else part.as_py()
    if text is None or group is None:
        return _NULL_TEXT
    return _extract(s, text, group)


@scalar(
    "regexp_replace(s text, pattern text, new text) -> text; "
    "regexp_replace(s text, pattern text, new text, flags text) -> text",
    "the first match replaced, every match with flag g; \\1 stands for group 1",
    example="regexp_replace('abab', 'b', 'x', 'g') = 'axax'",
    constant_args=(1, 2, 3),
    can_raise=True,
)
def regexp_replace(s: Value, pattern: Value, new: Value, flags: Value | None = None) -> Value:
    text, replacement = pattern.as_py(), new.as_py()
    letters = "" if flags is None else flags.as_py()
    if text is None or replacement is None or letters is None:
        return _NULL_TEXT
    inline = "".join(sorted(set(letters) - {"g", "c"}))
    if set(inline) - set("ims"):
        raise errors.DataError(f'invalid regular expression option: "{letters}"', sqlstate="2201B")
    counted = None if "g" in letters else 1
    pattern_text = f"(?{inline}){text}" if inline else text
    return pc.replace_substring_regex(s, pattern=pattern_text, replacement=replacement, max_replacements=counted)


@scalar(
    "regexp_match(s text, pattern text) -> text[]",
    "the groups of the first match (the match itself, without groups); NULL for none",
    example="(regexp_match('k=v', '(\\w)=(\\w)'))[2] = 'v'",
    can_raise=True,
    constant_args=(1,),
    broadcast=True,
    duck="",
)
def regexp_match(s: pa.Array, pattern: pa.Array) -> Value:
    text = pattern[0].as_py() if len(pattern) else None
    if text is None:
        return pa.nulls(len(s), pa.list_(pa.string()))
    named, count = name_groups(text)
    found = pc.extract_regex(s, pattern=named)
    groups = [pc.struct_field(found, [i]) for i in (range(1, count + 1) if count else [0])]
    width, rows = len(groups), len(s)
    order = (np.arange(rows)[:, None] + rows * np.arange(width)[None, :]).ravel()
    values = pa.concat_arrays(groups).take(pa.array(order))
    offsets = pa.array(np.arange(rows + 1, dtype=np.int32) * width)
    return pa.ListArray.from_arrays(offsets, values, mask=found.is_null())


regexp_count = declare(
    "regexp_count(s text, pattern text) -> bigint",
    "how many matches there are",
    example="regexp_count('abab', 'b') = 2",
    can_raise=True,
    duck="len(regexp_extract_all({0}, {1}))",
)
regexp_instr = declare(
    "regexp_instr(s text, pattern text) -> integer",
    "where the first match begins, counted from 1; 0 for none",
    example="regexp_instr('a12', '[0-9]+') = 2",
    can_raise=True,
    duck="CASE WHEN regexp_matches({0}, {1}) THEN "
    "length(system.main.regexp_extract({0}, '(?s)^(.*?)(?:' || {1} || ')', 1)) + 1 "
    "WHEN {0} IS NOT NULL AND {1} IS NOT NULL THEN 0 END::INTEGER",
)
regexp_substr = declare(
    "regexp_substr(s text, pattern text) -> text",
    "the first match; NULL for none",
    example="regexp_substr('a12', '[0-9]+') = '12'",
    can_raise=True,
    duck="regexp_extract({0}, {1})",  # the macro of duck_macros.py: NULL for no match
)
regexp_split = declare(
    "regexp_split_to_array(s text, pattern text) -> text[]",
    "the pieces between matches",
    example="(regexp_split_to_array('a1b2c', '[0-9]'))[3] = 'c'",
    can_raise=True,
    duck="string_split_regex({0}, {1})",
)
