"""Regular expressions from a position on, their N-th match, a group of it: PostgreSQL 15's longer signatures.

The kernels are Python's, in both executors; the short signatures are in patterns.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import islice

import pyarrow as pa

from sqlengine import duck
from sqlengine.errors import DataError
from sqlengine.functions.posix_regex import compiled, matches
from sqlengine.functions.registry import Function, per_row, scalar

_TEXT, _INT, _BOOL = pa.string(), pa.int32(), pa.bool_()
_TYPES = {"text": _TEXT, "integer": _INT, "boolean": _BOOL, "text[][]": pa.list_(pa.list_(_TEXT))}


def _known(signature: str, least: int, body: Callable[..., object], description: str, example: str) -> list[Function]:
    """Functions of `least` parameters of a signature, one more, and so on to all."""
    name, params, result = re.fullmatch(r"(\w+)\((.*)\) -> (.+)", signature).groups()  # type: ignore[union-attr]
    parts = params.split(", ")
    kernel = per_row(_TYPES[result], body)
    found = []
    for count in range(least, len(parts) + 1):
        types = [_TYPES[part.split()[1]] for part in parts[:count]]
        duck.at_opening(f"{name}_{count}", types, _TYPES[result], kernel)
        found.append(
            scalar(
                f"{name}({', '.join(parts[:count])}) -> {result}",
                description,
                example=example,
                broadcast=True,
                can_raise=True,
                duck=f"{name}_{count}({{*}})",
            )(kernel)
        )
    return found


def _found(text: str, pattern: re.Pattern[str], start: int, n: int, group: int) -> tuple[int, int] | None:
    """Where a group of the N-th match begins and ends."""
    if n <= 0:
        raise DataError(f'invalid value for parameter "n": {n}', sqlstate="22023")
    if group < 0:
        raise DataError(f'invalid value for parameter "subexpr": {group}', sqlstate="22023")
    match = next(islice(matches(text, pattern, start), n - 1, None), None)
    if match is None or group > pattern.groups or match.start(group) < 0:
        return None
    return match.span(group)


def _groups(text: str, pattern: str, flags: str = "") -> list[list[str | None]]:
    """The groups of the first match, or of every one with `g`; the match itself, without groups."""
    found = matches(text, compiled(pattern, flags.replace("g", ""), "regexp_matches"), 1)
    chosen = found if "g" in flags else islice(found, 1)
    return [list(match.groups()) if match.re.groups else [match[0]] for match in chosen]


def _like(text: str, pattern: str, flags: str) -> bool:
    return compiled(pattern, flags, "regexp_like").search(text) is not None


def _count(text: str, pattern: str, start: int, flags: str = "") -> int:
    return sum(1 for _ in matches(text, compiled(pattern, flags, "regexp_count"), start))


def _place(text: str, pattern: str, start: int, n: int = 1, end: int = 0, flags: str = "", group: int = 0) -> int:
    if end not in (0, 1):
        raise DataError(f'invalid value for parameter "endoption": {end}', sqlstate="22023")
    found = _found(text, compiled(pattern, flags, "regexp_instr"), start, n, group)
    return 0 if found is None else found[end] + 1


def _piece(text: str, pattern: str, start: int, n: int = 1, flags: str = "", group: int = 0) -> str | None:
    found = _found(text, compiled(pattern, flags, "regexp_substr"), start, n, group)
    return None if found is None else text[slice(*found)]


def _replaced(text: str, pattern: str, new: str, start: int, n: int = 1, flags: str = "") -> str:
    if n < 0:
        raise DataError(f'invalid value for parameter "n": {n}', sqlstate="22023")
    out, at = [], 0
    found = matches(text, compiled(pattern, flags, "regexp_replace"), start)
    for match in found if n == 0 else islice(found, n - 1, n):
        out += [text[at : match.start()], _filled(new, match)]
        at = match.end()
    return "".join([*out, text[at:]])


def _filled(new: str, match: re.Match[str]) -> str:
    """The replacement for a match: \\1 is a group, \\& the whole, \\\\ a backslash."""

    def part(place: re.Match[str]) -> str:
        sign = place[1]
        if sign == "\\":
            return "\\"
        group = 0 if sign == "&" else int(sign)
        return match[group] or "" if group <= match.re.groups else ""

    return re.sub(r"\\([0-9&\\])", part, new)


(regexp_like,) = _known(
    "regexp_like(s text, pattern text, flags text) -> boolean",
    3,
    _like,
    "whether a regular expression matches anywhere; flags: i in any case, n and w by lines, x with blanks, q as it is",
    "regexp_like('Hello', 'LL', 'i')",
)
regexp_count_from, regexp_count_flags = _known(
    "regexp_count(s text, pattern text, start integer, flags text) -> integer",
    3,
    _count,
    "how many matches there are from a position on",
    "regexp_count('abab', 'a', 2) = 1",
)
regexp_instr_from, regexp_instr_nth, regexp_instr_end, regexp_instr_flags, regexp_instr_group = _known(
    "regexp_instr(s text, pattern text, start integer, n integer, end_option integer, flags text, subexpr integer) "
    "-> integer",
    3,
    _place,
    "where the N-th match from a position on begins, or a group of it; with end_option 1, what follows it; 0 for none",
    "regexp_instr('abab', 'b', 1, 2) = 4",
)
regexp_substr_from, regexp_substr_nth, regexp_substr_flags, regexp_substr_group = _known(
    "regexp_substr(s text, pattern text, start integer, n integer, flags text, subexpr integer) -> text",
    3,
    _piece,
    "the N-th match from a position on, or a group of it; NULL for none",
    "regexp_substr('a1b2', '[0-9]', 1, 2) = '2'",
)
regexp_replace_from, regexp_replace_nth, regexp_replace_flags = _known(
    "regexp_replace(s text, pattern text, new text, start integer, n integer, flags text) -> text",
    4,
    _replaced,
    "the N-th match from a position on replaced, every one for N = 0; \\1 stands for group 1, \\& for the whole",
    "regexp_replace('abab', 'b', 'x', 1, 2) = 'abax'",
)
regexp_matches_all, regexp_matches_flags = _known(
    "regexp_matches_all(s text, pattern text, flags text) -> text[][]",
    2,
    _groups,
    "the groups of the first match, of every one with the flag g; regexp_matches(s, pattern, 'g') gives them as rows",
    "(regexp_matches_all('ab1cb2', '(b)([0-9])'))[1] = ARRAY['b', '1']",
)
