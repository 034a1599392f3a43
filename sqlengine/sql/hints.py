"""Hints for misspelt keywords in syntax errors."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from sqlengine.sql.lexer import WORD, Token

QUERY_KEYWORDS = (
    "SELECT DISTINCT FROM WHERE GROUP HAVING QUALIFY WINDOW ORDER BY LIMIT OFFSET UNION INTERSECT EXCEPT "
    "JOIN INNER LEFT RIGHT "
    "FULL CROSS OUTER NATURAL ASOF LATERAL USING ON AS AND OR NOT IN IS NULL BETWEEN LIKE EXISTS CASE WHEN "
    "THEN ELSE END WITH "
    "RECURSIVE VALUES INTERVAL PARTITION OVER FILTER TUMBLE HOP CUMULATE SESSION DESCRIPTOR EMIT CHANGES "
    "ASC DESC"
).split()
_LOOK_BACK = 3


def nearest_keyword(word: str, keywords: Iterable[str]) -> str | None:
    """The keyword a word was probably meant to be, or None; a keyword itself is no mistake."""
    upper = word.upper()
    choices = list(keywords)
    if upper in choices or len(upper) < 3:
        return None
    anagrams = [choice for choice in choices if sorted(choice) == sorted(upper)]
    near = anagrams or difflib.get_close_matches(upper, choices, n=1, cutoff=0.75)
    return near[0] if near else None


def keyword_hint(tokens: Sequence[Token], at: int, keywords: Sequence[str] = tuple(QUERY_KEYWORDS)) -> str | None:
    """`did you mean FROM?` when the token at an error, or one just before it, looks like a misspelt
    keyword."""
    for index in range(at, max(-1, at - 1 - _LOOK_BACK), -1):
        token = tokens[index]
        found = nearest_keyword(token.value, keywords) if token.kind == WORD else None
        if found is not None:
            return f"did you mean {found}?"
    return None
