"""Texts that sound or look alike: Soundex as the United States' National Archives define it, and edit distances."""

from __future__ import annotations

from sqlengine.functions.registry import declare

_LETTERS = "upper(regexp_replace({0}, '[^A-Za-z]', '', 'g'))"
_CODES = f"translate({_LETTERS}, 'AEIOUYBFPVCGJKQSXZDTLMNRHW', '000000111122222222334556')"
"""The digit of each letter; H and W, which separate nothing, fall away."""


def _soundex(text: str) -> str:
    """DuckDB text: the first letter and the digits of the next three consonants that differ from their neighbour."""
    letters = _LETTERS.replace("{0}", text)
    first = f"left({letters}, 1)"
    codes = f"CASE WHEN {first} IN ('H', 'W') THEN '0' ELSE '' END || {_CODES.replace('{0}', text)}"
    for digit in "123456":
        codes = f"regexp_replace({codes}, '{digit}+', '{digit}', 'g')"
    digits = f"replace(substring({codes}, 2), '0', '')"
    return f"CASE WHEN {letters} = '' THEN '' ELSE {first} || rpad(left({digits}, 3), 3, '0') END"


soundex = declare(
    "soundex(s text) -> text",
    "a letter and three digits that names of the same sound share; empty without a letter",
    example="soundex('Ashcraft') = 'A261'",
    duck=_soundex("{0}"),
)
difference = declare(
    "difference(a text, b text) -> integer",
    "how many of the four signs of their Soundex two texts share in their places",
    example="difference('Anne', 'Andrew') = 2",
    duck=f"list_sum(list_transform(range(1, 5), lambda i: ({_soundex('{0}')})[i] = ({_soundex('{1}')})[i]))::INTEGER",
)
levenshtein = declare(
    "levenshtein(a text, b text) -> bigint",
    "edits from one text to the other",
    example="levenshtein('ab', 'ac') = 1",
)
