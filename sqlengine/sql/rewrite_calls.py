"""Calls whose arguments are not expressions, as calls of texts and values: units of time as bare words
(`TIMESTAMPDIFF(DAY, a, b)`), rounding (`FLOOR(t TO HOUR)`), normal forms (`NORMALIZE(s, NFD)`), and SQL's calls of
JSON (rewrite_json.py)."""

from __future__ import annotations

from sqlengine.sql.lexer import STRING, WORD, Token
from sqlengine.sql.named_arguments import NAMED, in_places
from sqlengine.sql.rewrite_json import CALLS, json_call
from sqlengine.sql.token_edit import matching, operator, split_arguments, word

UNIT_FIRST = frozenset(
    "TIMESTAMPDIFF TIMESTAMPADD TIMESTAMPSUB DATEDIFF DATE_DIFF DATEADD DATESUB TIMEADD TIMESUB".split()
)
"""Functions of a unit and two values."""
ROUNDED = {"FLOOR": "date_trunc", "CEIL": "date_ceil", "CEILING": "date_ceil"}
_FORMS = frozenset(("NFC", "NFD", "NFKC", "NFKD"))
TRIGGERS = UNIT_FIRST | ROUNDED.keys() | CALLS | NAMED.keys() | {"NORMALIZE"}


def special_calls(tokens: list[Token]) -> list[Token]:
    """Every such call made plain, the innermost first."""
    out = list(tokens)
    for at in reversed(range(len(out) - 1)):
        name = out[at].upper
        if out[at].kind != WORD or name not in TRIGGERS or out[at + 1].value != "(":
            continue
        close = matching(out, at + 1)
        inner = out[at + 2 : close]
        if name in UNIT_FIRST:
            out[at + 2 : close] = _unit_as_text(inner)
        elif name == "NORMALIZE":
            out[at + 2 : close] = _form_as_text(inner)
        elif name in NAMED:
            out[at + 2 : close] = in_places(out[at], inner)
        elif name in ROUNDED:
            out[at:close] = _rounded(out[at], out[at + 1], inner)
        else:
            out[at : close + 1] = json_call(out[at], out[at + 1], inner, out[close])
    return out


def _text(unit: Token) -> Token:
    return Token(STRING, unit.value.lower(), unit.start, unit.end)


def _unit_as_text(inner: list[Token]) -> list[Token]:
    """`DAY, a, b` -> `'day', a, b`; of two arguments the first is a value like any other."""
    bare = len(inner) > 1 and inner[0].kind == WORD and inner[1].value == ","
    return [_text(inner[0]), *inner[1:]] if bare and len(split_arguments(inner)) == 3 else inner


def _form_as_text(inner: list[Token]) -> list[Token]:
    """`s, NFD` -> `s, 'nfd'`."""
    is_form = len(inner) > 2 and inner[-2].value == "," and inner[-1].kind == WORD and inner[-1].upper in _FORMS
    return [*inner[:-1], _text(inner[-1])] if is_form else inner


def _rounded(name: Token, opener: Token, inner: list[Token]) -> list[Token]:
    """`FLOOR(t TO HOUR` -> `date_trunc('hour', t`."""
    if len(inner) < 3 or inner[-2].upper != "TO" or inner[-1].kind != WORD:
        return [name, opener, *inner]
    return [word(ROUNDED[name.upper], name), opener, _text(inner[-1]), operator(",", name), *inner[:-2]]
