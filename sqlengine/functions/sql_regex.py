"""Pieces of texts by patterns: `substring(s FROM pattern)`, of POSIX, and `substring(s FROM pattern FOR escape)`, of
SQL, whose piece stands between two escape characters with double quotes (manual, section 9.7.2)."""

from __future__ import annotations

import re
from functools import lru_cache

import pyarrow as pa

from sqlengine import duck
from sqlengine.errors import DataError
from sqlengine.functions.posix_regex import compiled
from sqlengine.functions.registry import scalar

_TEXT = pa.string()
_KEPT = frozenset("|*+?{}()0123456789,")


class _Translation:
    """A pattern of SQL on its way to re: the part before the first separator matches as little as it can."""

    def __init__(self, pattern: str, escape: str) -> None:
        self.pattern, self.escape = pattern, escape
        self.parts: list[list[str]] = [[]]

    def run(self) -> str:
        at = 0
        while at < len(self.pattern):
            at += self._take(at)
        texts = ["".join(part) for part in self.parts]
        if len(texts) < 3:
            return f"(?:{')(?:'.join(texts)})"
        before, piece, behind = texts
        lazy = re.sub(r"(?<!\\)([*+]|(?<=[^(])\?(?!:)|\})", r"\1?", before)
        return f"(?:{lazy})({piece})(?:{behind})"

    def _take(self, at: int) -> int:
        """The sign at a place, and how long it is."""
        sign = self.pattern[at]
        if sign == self.escape:
            return self._escaped(self.pattern[at + 1 : at + 2])
        if sign == "[":
            end = self.pattern.find("]", at + 2)
            if end < 0:
                raise DataError("invalid regular expression: brackets [] not balanced", sqlstate="2201B")
            self._add(self.pattern[at : end + 1])
            return end + 1 - at
        self._add({"%": ".*", "_": ".", "(": "(?:"}.get(sign) or (sign if sign in _KEPT else re.escape(sign)))
        return 1

    def _escaped(self, sign: str) -> int:
        if sign != '"':
            self._add(re.escape(sign))
        elif len(self.parts) == 3:
            raise DataError(_TOO_MANY, sqlstate="2200C")
        else:
            self.parts.append([])
        return 1 + len(sign)

    def _add(self, text: str) -> None:
        self.parts[-1].append(text)


_TOO_MANY = "SQL regular expression may not contain more than two escape-double-quote separators"


@lru_cache(maxsize=256)
def _sql_pattern(pattern: str, escape: str) -> re.Pattern[str]:
    if len(escape) > 1:
        raise DataError("invalid escape string", sqlstate="22025", hint="it is one character, or none")
    text = _Translation(pattern, escape).run()
    try:
        return re.compile(text, re.DOTALL)
    except re.error as error:
        raise DataError(f"invalid regular expression: {error}", sqlstate="2201B") from None


def _first_group(found: re.Match[str] | None) -> str | None:
    return None if found is None else found[min(1, found.re.groups)]


def _by_posix(texts: pa.Array, patterns: pa.Array) -> pa.Array:
    rows = zip(texts.to_pylist(), patterns.to_pylist(), strict=True)
    found = (None if None in row else _first_group(compiled(row[1], "", "substring").search(row[0])) for row in rows)
    return pa.array(list(found), _TEXT)


def _by_sql(texts: pa.Array, patterns: pa.Array, escapes: pa.Array) -> pa.Array:
    rows = zip(texts.to_pylist(), patterns.to_pylist(), escapes.to_pylist(), strict=True)
    found = (None if None in row else _first_group(_sql_pattern(*row[1:]).fullmatch(row[0])) for row in rows)
    return pa.array(list(found), _TEXT)


duck.at_opening("substring_posix", [_TEXT] * 2, _TEXT, _by_posix)
duck.at_opening("substring_sql", [_TEXT] * 3, _TEXT, _by_sql)
duck.run_at_opening(
    "CREATE MACRO substring_by(s, p) AS CASE WHEN typeof(p) = 'VARCHAR' THEN substring_posix(s, p::VARCHAR) "
    "ELSE substr(s, TRY_CAST(p AS BIGINT)) END, (s, p, n) AS CASE WHEN typeof(p) = 'VARCHAR' "
    "THEN substring_sql(s, p::VARCHAR, n::VARCHAR) ELSE substr(s, TRY_CAST(p AS BIGINT), TRY_CAST(n AS BIGINT)) END"
)

substring_posix = scalar(
    "substring(s text, pattern text) -> text",
    "what a regular expression matches first, or its first group; NULL for none",
    example="substring('Thomas' FROM '...$') = 'mas'",
    broadcast=True,
    can_raise=True,
    duck="substring_posix({0}, {1})",
)(_by_posix)
substring_sql = scalar(
    "substring(s text, pattern text, escape text) -> text",
    "what stands between the separators of a regular expression of SQL that matches the whole; NULL for none",
    example="substring('Thomas' FROM '%#\"o_a#\"_' FOR '#') = 'oma'",
    broadcast=True,
    can_raise=True,
    duck="substring_sql({0}, {1}, {2})",
)(_by_sql)
