"""SQL's JSON calls, whose arguments are more than values, as plain calls: JSON_OBJECT, JSON_ARRAY, JSON_OBJECTAGG and
JSON_ARRAYAGG with `NULL | ABSENT ON NULL`, and JSON_VALUE, JSON_QUERY and JSON_EXISTS with their clauses.

What they leave out is what the standard says: arrays skip NULLs and objects keep them, an error is NULL.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlengine.errors import NotSupportedError
from sqlengine.quick_dataclass import dataclass
from sqlengine.sql.lexer import OP, STRING, WORD, Token
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
_OF_ARRAYS = {1: "jsonb_object", 2: "json_object"}
"""JSON_OBJECT of that many arguments without any of SQL's words may be PostgreSQL's of arrays of texts."""
_PATHS = frozenset(("JSON_VALUE", "JSON_QUERY", "JSON_EXISTS"))
CALLS = _OTHERWISE.keys() | _PATHS
_MODES = ("lax ", "strict ")


def json_call(name: Token, opener: Token, inner: list[Token], closer: Token) -> list[Token]:
    """Such a call, from its name to its closing parenthesis, as plain ones."""
    if name.upper in _PATHS:
        return _path_call(name, opener, inner, closer)
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


# ---------------------------------------------------------------- paths


@dataclass(frozen=True, slots=True)
class _Clauses:
    """What stands behind the path: `returning` a type; `on_empty`, `on_error` a word or the tokens of a DEFAULT."""

    returning: list[Token]
    wrapped: bool
    on_empty: str | list[Token] | None
    on_error: str | list[Token] | None


def _path_call(name: Token, opener: Token, inner: list[Token], closer: Token) -> list[Token]:
    arguments = split_arguments(inner)
    if len(arguments) != 2 or not arguments[1]:
        return [name, opener, *inner, closer]
    clauses = _path_clauses(arguments[1])
    source, path = arguments[0], [_without_mode(arguments[1][0]), *_path_rest(arguments[1])]
    plain = [word(name.value, name), opener, *source, operator(",", name), *path, closer]
    if name.upper == "JSON_QUERY" and clauses.wrapped:
        plain = [word("json_wrapped", name), opener, *plain, closer]
    if name.upper == "JSON_EXISTS":
        return plain
    value = _returned(plain, clauses, name, opener, closer)
    return _with_defaults(value, clauses, [*source, operator(",", name), *path], name, opener, closer)


def _without_mode(path: Token) -> Token:
    """The mode of a path says how errors in structure count: all are NULL here."""
    if path.kind == STRING:
        for mode in _MODES:
            if path.value.lower().startswith(mode):
                return Token(STRING, path.value[len(mode) :].lstrip(), path.start, path.end)
    return path


_CLAUSE_WORDS = (
    "RETURNING",
    "NULL",
    "ERROR",
    "DEFAULT",
    "WITH",
    "WITHOUT",
    "TRUE",
    "FALSE",
    "UNKNOWN",
    "EMPTY",
    "KEEP",
    "OMIT",
)


def _path_rest(argument: list[Token]) -> list[Token]:
    """What belongs to the path itself behind its first token."""
    end = next(
        (at for at, t in enumerate(argument) if at and t.kind == WORD and t.upper in _CLAUSE_WORDS), len(argument)
    )
    return argument[1:end]


def _path_clauses(argument: list[Token]) -> _Clauses:
    rest = argument[1 + len(_path_rest(argument)) :]
    returning: list[Token] = []
    found: dict[str, str | list[Token]] = {}
    wrapped = False
    if rest and rest[0].upper == "RETURNING":
        end = next((at for at, t in enumerate(rest) if at > 1 and t.upper in _CLAUSE_WORDS), len(rest))
        returning, rest = rest[1:end], rest[end:]
    if rest and rest[0].upper in ("WITH", "WITHOUT"):
        wrapper = next((at for at, t in enumerate(rest) if t.upper == "WRAPPER"), None)
        if wrapper is None or "CONDITIONAL" in {t.upper for t in rest[:wrapper]}:
            raise NotSupportedError("only WITH WRAPPER and WITHOUT WRAPPER are supported", position=rest[0].start)
        wrapped, rest = rest[0].upper == "WITH", rest[wrapper + 1 :]
    while rest:
        at = next((i for i in range(1, len(rest) - 1) if rest[i].upper == "ON"), None)
        on = rest[at + 1].upper if at is not None else ""
        if at is None or on not in ("EMPTY", "ERROR") or rest[0].upper not in ("NULL", "ERROR", "DEFAULT", "FALSE"):
            raise NotSupportedError("this clause of a JSON path is not supported", position=rest[0].start)
        found[on] = rest[1:at] if rest[0].upper == "DEFAULT" else rest[0].upper
        rest = rest[at + 2 :]
    return _Clauses(returning, wrapped, found.get("EMPTY"), found.get("ERROR"))


def _returned(plain: list[Token], clauses: _Clauses, name: Token, opener: Token, closer: Token) -> list[Token]:
    """The value in the type asked for; what cannot be cast is NULL, unless the call says otherwise."""
    if not clauses.returning:
        return plain
    cast = word("CAST" if clauses.on_error == "ERROR" else "TRY_CAST", name)
    return [cast, opener, *plain, word("AS", name), *clauses.returning, closer]


def _with_defaults(
    value: list[Token], clauses: _Clauses, found_by: list[Token], name: Token, opener: Token, closer: Token
) -> list[Token]:
    """CASE WHEN json_exists(...) THEN coalesce(value, on error) ELSE on empty END."""
    if clauses.on_empty == "ERROR":
        raise NotSupportedError("ERROR ON EMPTY is not supported", position=name.start)
    if isinstance(clauses.on_error, list) and clauses.returning:
        value = [word("coalesce", name), opener, *value, operator(",", name), *clauses.on_error, closer]
    if not isinstance(clauses.on_empty, list):
        return value
    exists = [word("json_exists", name), opener, *found_by, closer]
    made = [word("CASE", name), word("WHEN", name), *exists, word("THEN", name), *value]
    return [opener, *made, word("ELSE", name), *clauses.on_empty, word("END", name), closer]
