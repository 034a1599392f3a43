"""PostgreSQL's regular expressions and its options (manual, section 9.7.3) in terms of Python's re.

For the functions that Arrow and DuckDB have no like of (the N-th match, from a position on, a group of it).  What is
not translated means the same in both or is refused: collating elements, `\\pL`, and that of several alternatives the
longest is taken, where re takes the first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from sqlengine.errors import DataError

_CLASSES = {
    "alnum": r"^\W_", "alpha": r"^\W\d_", "blank": r" \t", "cntrl": r"\x00-\x1f\x7f", "digit": r"\d",
    "graph": r"!-~", "lower": "a-z", "print": " -~", "punct": r"!-/:-@\[-`{-~", "space": r"\s", "upper": "A-Z",
    "word": r"\w", "xdigit": "0-9a-fA-F",
}  # fmt: skip
_PARTS = re.compile(r"\\(.)|\[(\^?)(\]?(?:\[:\w+:\]|\\.|[^\]])*)\]|(\$)", re.DOTALL)
_ESCAPES = {"y": r"\b", "Y": r"\B", "m": r"\b(?=\w)", "M": r"\b(?<=\w)", "z": r"\Z"}
_OPTIONS = frozenset("bceginmpqstwx")


@lru_cache(maxsize=256)
def compiled(pattern: str, options: str, function: str) -> re.Pattern[str]:
    """The pattern for re; 2201B for one that is none, 22023 for options that are none or not the function's."""
    for letter in options:
        if letter not in _OPTIONS:
            raise DataError(f'invalid regular expression option: "{letter}"', sqlstate="22023")
    if "g" in options and function != "regexp_replace":
        raise DataError(f'{function}() does not support the "global" option', sqlstate="22023")
    by_lines = next((o for o in reversed(options) if o in "nmpsw"), "s")
    flags = re.DOTALL if by_lines in "sw" else re.NOFLAG
    flags |= re.MULTILINE if by_lines in "nmw" else re.NOFLAG
    if next((o for o in reversed(options) if o in "ci"), "c") == "i":
        flags |= re.IGNORECASE
    if "x" in options:
        flags |= re.VERBOSE
    text = re.escape(pattern) if "q" in options else _translated(pattern, bool(flags & re.MULTILINE))
    try:
        return re.compile(text, flags)
    except re.error as error:
        raise DataError(f"invalid regular expression: {error}", sqlstate="2201B") from None


def _translated(pattern: str, by_lines: bool) -> str:
    def part(found: re.Match[str]) -> str:
        escaped, negated, members, end = found.groups()
        if escaped is not None:
            return _ESCAPES.get(escaped, found[0])
        if end:
            return "$" if by_lines else r"\Z"
        return _bracket(negated, members)

    return _PARTS.sub(part, pattern)


def _bracket(negated: str, members: str) -> str:
    """`[...]`: its classes written out; those of letters, which re knows only by what they are not, stand beside."""
    names = re.findall(r"\[:(\w+):\]", members)
    if any(name not in _CLASSES for name in names):
        raise DataError("invalid regular expression: invalid character class", sqlstate="2201B")
    rest = re.sub(r"\[:\w+:\]", "", members)
    rest = ("\\]" + rest[1:] if rest.startswith("]") else rest).replace("[", "\\[")
    plain = rest + "".join(_CLASSES[n] for n in names if not _CLASSES[n].startswith("^"))
    choices = [f"[{_CLASSES[n]}]" for n in names if _CLASSES[n].startswith("^")] + ([f"[{plain}]"] if plain else [])
    if not negated:
        return choices[0] if len(choices) == 1 else f"(?:{'|'.join(choices)})"
    return f"[^{plain}]" if choices == [f"[{plain}]"] else f"(?:(?!{'|'.join(choices)})(?s:.))"


def matches(text: str, pattern: re.Pattern[str], start: int) -> Iterator[re.Match[str]]:
    """The matches from a position on, which is counted from 1."""
    if start <= 0:
        raise DataError(f'invalid value for parameter "start": {start}', sqlstate="22023")
    return iter(()) if start > len(text) + 1 else pattern.finditer(text, start - 1)
