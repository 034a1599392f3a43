"""SQL's JSON calls, whose arguments are more than values, as plain calls: JSON_OBJECT, JSON_ARRAY, JSON_OBJECTAGG and
JSON_ARRAYAGG with `NULL | ABSENT ON NULL`; those with paths are in json_path_clauses.py.

What they leave out is what the standard says: arrays skip NULLs and objects keep them.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlengine.errors import NotSupportedError
from sqlengine.sql.json_path_clauses import PATHS, path_call
from sqlengine.sql.lexer import OP, WORD, Token
from sqlengine.sql.token_edit import CLOSERS, operator, split_arguments, word

_MADE = {
    ("JSON_OBJECT", "NULL"): "json_build_object",
    ("JSON_OBJECT", "ABSENT"): "json_build_object",
    ("JSON_ARRAY", "NULL"): "json_build_array",
    ("JSON_ARRAY", "ABSENT"): "json_array_present",
    ("JSON_OBJECTAGG", "NULL"): "json_object_agg",
    ("JSON_OBJECTAGG", "ABSENT"): "json_object_agg_strict",
    ("JSON_ARRAYAGG", "NULL"): "json_agg",
    ("JSON_ARRAYAGG", "ABSENT"): "json_agg_strict",
}
"""(constructor, what becomes of NULL) -> the function that makes it."""
_OTHERWISE = {"JSON_OBJECT": "NULL", "JSON_ARRAY": "ABSENT", "JSON_OBJECTAGG": "NULL", "JSON_ARRAYAGG": "ABSENT"}
_OF_ARRAYS = {1: "json_of_arrays", 2: "json_object"}
"""JSON_OBJECT of that many arguments without any of SQL's words may be PostgreSQL's of arrays of texts."""
CALLS = _OTHERWISE.keys() | PATHS


def json_call(name: Token, opener: Token, inner: list[Token], closer: Token) -> list[Token]:
    """Such a call, from its name to its closing parenthesis, as plain ones."""
    if name.upper in PATHS:
        return path_call(name, opener, inner, closer)
    nulls, rest = _constructor_clauses(name, inner)
    if name.upper == "JSON_ARRAY" and not rest:
        nulls = "NULL"
    arguments = _pairs(rest) if name.upper.startswith("JSON_OBJECT") else rest
    count = len(split_arguments(inner))
    if name.upper == "JSON_OBJECT" and count in _OF_ARRAYS and [t.value for t in arguments] == [t.value for t in inner]:
        return [word(_OF_ARRAYS[count], name), opener, *inner, closer]
    made = [word(_MADE[name.upper, nulls], name), opener, *arguments, closer]
    if name.upper == "JSON_OBJECT" and nulls == "ABSENT":
        return [word("json_present", name), opener, *made, closer]
    return made


def _constructor_clauses(name: Token, inner: list[Token]) -> tuple[str, list[Token]]:
    """What becomes of NULL, and the arguments without the clauses behind them."""
    rest, returned = _cut(inner, "RETURNING")
    if returned and [t.upper for t in returned] not in (["JSON"], ["JSONB"]):
        raise NotSupportedError(
            f"{name.upper} RETURNING another type than JSON is not supported",
            hint="cast the result",
            position=returned[0].start,
        )
    for last in (["WITHOUT", "UNIQUE", "KEYS"], ["WITHOUT", "UNIQUE"]):
        if [t.upper for t in rest[-len(last) :]] == last:
            rest = rest[: -len(last)]
    unique = next((at for at in range(len(rest) - 1) if _ends(rest, at, "WITH", "UNIQUE")), None)
    if unique is not None:
        raise NotSupportedError("WITH UNIQUE KEYS is not supported", position=rest[unique].start)
    last = [t.upper for t in rest[-3:]]
    if last in (["NULL", "ON", "NULL"], ["ABSENT", "ON", "NULL"]):
        return last[0], rest[:-3]
    return _OTHERWISE[name.upper], rest


def _ends(tokens: Sequence[Token], at: int, *words: str) -> bool:
    return [t.upper for t in tokens[at : at + len(words)]] == list(words) and len(tokens) - at <= len(words) + 1


def _cut(tokens: list[Token], at_word: str) -> tuple[list[Token], list[Token]]:
    """What stands before a word outside of parentheses, and what behind it."""
    depth = 0
    for at, token in enumerate(tokens):
        if token.kind == OP:
            depth += (token.value in CLOSERS) - (token.value in ")]}")
        if depth == 0 and at and token.kind == WORD and token.upper == at_word:
            return tokens[:at], tokens[at + 1 :]
    return tokens, []


def _pairs(inner: list[Token]) -> list[Token]:
    """`KEY 'a' VALUE x, 'b' : y` -> `'a', x, 'b', y`."""
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
