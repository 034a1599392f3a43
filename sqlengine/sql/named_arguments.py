"""`make_interval(days => 10)`, `jsonb_path_query(j, path, silent => true)`: arguments given by name, put in their
places."""

from __future__ import annotations

from sqlengine import errors
from sqlengine.duck_macros import INTERVAL_PARTS
from sqlengine.sql.lexer import NUMBER, STRING, WORD, Token
from sqlengine.sql.token_edit import operator, split_arguments

_PATH_PARTS = ("target", "path", "vars", "silent")
NAMED: dict[str, tuple[str, ...]] = {
    "MAKE_INTERVAL": INTERVAL_PARTS,
    **{f"JSONB_PATH_{name}": _PATH_PARTS for name in ("EXISTS", "MATCH", "QUERY", "QUERY_ARRAY", "QUERY_FIRST")},
}
"""Functions and their parameters."""
_LEFT_OUT: dict[str, tuple[str, str]] = {
    **dict.fromkeys(INTERVAL_PARTS, (NUMBER, "0")),
    "vars": (STRING, "{}"),
    "silent": (WORD, "false"),
}
"""What a parameter is that is left out; one that is not here must be given."""
_ARROWS = ("=>", ":=")


def in_places(name: Token, inner: list[Token]) -> list[Token]:
    """The arguments of such a call in the order of its parameters."""
    names = NAMED[name.upper]
    arguments = split_arguments(inner)
    by_name = [argument[0].value.lower() for argument in arguments if _is_named(argument)]
    if not by_name:
        return inner
    twice = next((key for key in by_name if by_name.count(key) > 1), None)
    if twice is not None:
        raise errors.SyntaxError(f'argument name "{twice}" used more than once', position=name.start)
    given: dict[str, list[Token]] = {}
    for argument in arguments:
        key, value = _placed(name, argument, given)
        given[key] = value
    last = max(names.index(key) for key in given)
    out: list[Token] = []
    for key in names[: last + 1]:
        out += [operator(",", name)] if out else []
        out += given[key] if key in given else [_left_out(name, key)]
    return out


def _left_out(name: Token, key: str) -> Token:
    if key not in _LEFT_OUT:
        raise errors.UndefinedFunction(f"function {name.value} needs its parameter {key}", position=name.start)
    return Token(*_LEFT_OUT[key], name.start, name.end)


def _placed(name: Token, argument: list[Token], before: dict[str, list[Token]]) -> tuple[str, list[Token]]:
    """The parameter an argument is for, and its value."""
    names, at = NAMED[name.upper], len(before)
    if not _is_named(argument):
        if list(before) != list(names[:at]) or at >= len(names) or not argument:
            raise errors.SyntaxError("positional argument cannot follow named argument", position=name.start)
        return names[at], argument
    key = argument[0].value.lower()
    if key not in names or key in before:
        raise errors.UndefinedFunction(
            f"function {name.value} has no {'further ' if key in before else ''}parameter {key}",
            hint=errors.did_you_mean(key, names),
            position=argument[0].start,
        )
    return key, argument[2:]


def _is_named(argument: list[Token]) -> bool:
    return len(argument) > 2 and argument[1].value in _ARROWS
