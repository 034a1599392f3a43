"""Calls whose arguments are not expressions, as calls of texts and values: units of time as bare words
(`TIMESTAMPDIFF(DAY, a, b)`), rounding (`FLOOR(t TO HOUR)`), and SQL's JSON_OBJECT(KEY k VALUE v, ...)."""

from __future__ import annotations

from collections.abc import Sequence

from sqlengine import errors
from sqlengine.sql.lexer import STRING, WORD, Token
from sqlengine.sql.token_edit import matching, operator, split_arguments, word

UNIT_FIRST = frozenset(
    "TIMESTAMPDIFF TIMESTAMPADD TIMESTAMPSUB DATEDIFF DATE_DIFF DATEADD DATESUB TIMEADD TIMESUB".split()
)
"""Functions of a unit and two values."""
ROUNDED = {"FLOOR": "date_trunc", "CEIL": "date_ceil", "CEILING": "date_ceil"}
OBJECTS = {"JSON_OBJECT": "json_build_object", "JSON_OBJECTAGG": "json_object_agg"}
TRIGGERS = UNIT_FIRST | ROUNDED.keys() | OBJECTS.keys()


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
        elif name in ROUNDED:
            out[at:close] = _rounded(out[at], out[at + 1], inner)
        else:
            out[at:close] = [word(OBJECTS[name], out[at]), out[at + 1], *_pairs(inner)]
    return out


def _text(unit: Token) -> Token:
    return Token(STRING, unit.value.lower(), unit.start, unit.end)


def _unit_as_text(inner: list[Token]) -> list[Token]:
    """`DAY, a, b` -> `'day', a, b`; of two arguments the first is a value like any other."""
    bare = len(inner) > 1 and inner[0].kind == WORD and inner[1].value == ","
    return [_text(inner[0]), *inner[1:]] if bare and len(split_arguments(inner)) == 3 else inner


def _rounded(name: Token, opener: Token, inner: list[Token]) -> list[Token]:
    """`FLOOR(t TO HOUR` -> `date_trunc('hour', t`."""
    if len(inner) < 3 or inner[-2].upper != "TO" or inner[-1].kind != WORD:
        return [name, opener, *inner]
    return [word(ROUNDED[name.upper], name), opener, _text(inner[-1]), operator(",", name), *inner[:-2]]


def _pairs(inner: list[Token]) -> list[Token]:
    """`KEY 'a' VALUE x, 'b' VALUE y NULL ON NULL` -> `'a', x, 'b', y`."""
    inner = _without_null_clause(inner)
    out: list[Token] = []
    for argument in split_arguments(inner):
        out += [operator(",", argument[0] if argument else out[-1])] if out else []
        keyed = len(argument) > 1 and argument[0].upper == "KEY" and argument[1].value not in (",", ".")
        out += _pair(argument[1:] if keyed else argument)
    return out


def _pair(argument: list[Token]) -> list[Token]:
    """`k VALUE v` or `k : v` -> `k, v`; anything else as it is."""
    depth = 0
    for at, token in enumerate(argument):
        depth += (token.value in ("(", "[")) - (token.value in (")", "]"))
        if depth == 0 and 0 < at < len(argument) - 1 and (token.upper == "VALUE" or token.value == ":"):
            return [*argument[:at], operator(",", token), *argument[at + 1 :]]
    return argument


def _without_null_clause(inner: Sequence[Token]) -> list[Token]:
    """Without NULL ON NULL, which is the rule here; NotSupportedError (0A000) for ABSENT ON NULL."""
    last = [token.upper for token in inner[-3:]]
    if last == ["ABSENT", "ON", "NULL"]:
        raise errors.NotSupportedError(
            "ABSENT ON NULL is not supported",
            hint="json_strip_nulls(...) takes fields that are null away",
            position=inner[-3].start,
        )
    return list(inner[:-3] if last == ["NULL", "ON", "NULL"] else inner)
