"""What Spark spells as Hive does not, before the query parser: files by path, binary values, labels in their case."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlengine import errors
from sqlengine.sql.lexer import HEX, QUOTED, STRING, WORD, Token
from sqlengine.sql.token_edit import matching

FILE_FORMATS = ("parquet", "orc", "csv", "json", "text", "avro")
"""Formats that may stand before a path in back quotes."""
_FROM = frozenset(("FROM", "JOIN", ",", "("))


def spark_forms(tokens: Sequence[Token], text: str) -> list[Token]:
    """parquet.`path` in FROM as the string 'parquet:path', X'1F' as one token, labels of UNPIVOT and units of time as
    strings."""
    return _units(_labels(_binaries(_files(_substr(tokens), text)), text))


def _substr(tokens: Sequence[Token]) -> list[Token]:
    """`substr(s FROM n FOR m)` under the name that may be written so."""
    opens = (token.value for token in [*tokens[1:], None] if token is not None)
    return [
        Token(WORD, "substring", token.start, token.end) if token.upper == "SUBSTR" and opened == "(" else token
        for token, opened in zip(tokens, [*opens, ""], strict=True)
    ]


def _files(tokens: Sequence[Token], text: str) -> list[Token]:
    out: list[Token] = []
    at = 0
    while at < len(tokens):
        if _is_file(tokens, at):
            kind, path = tokens[at], tokens[at + 2]
            place = text[path.start + 1 : path.end - 1].replace("``", "`")  # the token's own value has lost its case
            out.append(Token(STRING, f"{kind.value.lower()}:{place}", kind.start, path.end))
            at += 3
        else:
            out.append(tokens[at])
            at += 1
    return out


def _is_file(tokens: Sequence[Token], at: int) -> bool:
    if not at or at + 2 >= len(tokens) or tokens[at - 1].upper not in _FROM:
        return False
    kind, dot, path = tokens[at : at + 3]
    return kind.value.lower() in FILE_FORMATS and dot.value == "." and path.kind == QUOTED


def _binaries(tokens: list[Token]) -> list[Token]:
    """`X'1F'`, whose digits may be odd in number: a 0 is then before them."""
    out: list[Token] = []
    for token in tokens:
        before = out[-1] if out else None
        if before is not None and before.upper == "X" and token.kind == STRING:
            if not re.fullmatch(r"[0-9a-fA-F]*", token.value):
                raise errors.InvalidText(f"invalid binary literal: X'{token.value}'", position=before.start)
            out[-1] = Token(HEX, token.value.zfill(len(token.value) + len(token.value) % 2), before.start, token.end)
        else:
            out.append(token)
    return out


_UNITS = frozenset("YEAR QUARTER MONTH WEEK DAY DAYOFYEAR HOUR MINUTE SECOND MILLISECOND MICROSECOND".split())
_OF_UNITS = {
    **dict.fromkeys(("DATEADD", "DATE_ADD", "TIMESTAMPADD"), "timestampadd"),
    **dict.fromkeys(("DATEDIFF", "DATE_DIFF", "TIMESTAMPDIFF"), "timestamp_units"),
}
"""Functions that Spark has twice, and what they are called here when their first argument is a unit."""


def _units(tokens: list[Token]) -> list[Token]:
    """`DATEADD(DAY, 1, d)`: the unit is a word of its own."""
    out = list(tokens)
    for at in range(len(out) - 3):
        name, opens, unit, comma = out[at : at + 4]
        wanted = _OF_UNITS.get(name.upper)
        if wanted and opens.value == "(" and unit.kind == WORD and unit.upper in _UNITS and comma.value == ",":
            word = "day" if unit.upper == "DAYOFYEAR" else unit.value.lower()
            out[at] = Token(WORD, wanted, name.start, name.end)
            out[at + 2] = Token(STRING, word, unit.start, unit.end)
    return out


def _labels(tokens: list[Token], text: str) -> list[Token]:
    """`UNPIVOT (v FOR k IN (a AS Q1))`: the label is a value, and is as it was written."""
    out = list(tokens)
    at = 0
    while at < len(out):
        if out[at].upper == "UNPIVOT":
            opens = next((i for i in range(at + 1, min(at + 4, len(out))) if out[i].value == "("), None)
            if opens is not None:
                _as_strings(out, opens, matching(out, opens), text)
        at += 1
    return out


def _as_strings(tokens: list[Token], start: int, end: int, text: str) -> None:
    for at in range(start, end):
        label = tokens[at + 1]
        if tokens[at].upper == "AS" and label.kind in (WORD, QUOTED):
            written = text[label.start : label.end]
            is_quoted = label.kind == QUOTED and written[:1] == "`"
            plain = written[1:-1].replace("``", "`") if is_quoted else written
            tokens[at + 1] = Token(STRING, plain, label.start, label.end)
