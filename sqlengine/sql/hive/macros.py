"""Macros: `CREATE TEMPORARY MACRO m(x INT) x + 1`; a call is replaced by the body's text before a statement is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlengine import errors
from sqlengine.errors import TooComplex, UndefinedFunction
from sqlengine.sql.hive.lexer import lex_hive
from sqlengine.sql.hive.variables import Macro
from sqlengine.sql.lexer import OP, QUOTED, WORD, Token
from sqlengine.sql.token_edit import matching

_DEPTH_MAX = 100


def macro_of(text: str, tokens: Sequence[Token]) -> tuple[str, Macro | None] | None:
    """The macro that a statement defines, or drops (None in its place); None for any other statement."""
    words = tuple(token.upper for token in tokens[:3])
    if words == ("DROP", "TEMPORARY", "MACRO") and len(tokens) > 3:
        return tokens[-1].value.lower(), None
    if words != ("CREATE", "TEMPORARY", "MACRO") or len(tokens) < 7 or tokens[4].value != "(":
        return None
    close = matching(tokens, 4)
    if close + 1 >= len(tokens):
        return None
    parameters = tuple(part[0].value.lower() for part in _parts(tokens[5:close]) if part)
    body = text[tokens[close + 1].start : tokens[-1].end]
    return tokens[3].value.lower(), (parameters, body)


def inlined(text: str, tokens: Sequence[Token], macros: Mapping[str, Macro]) -> str:
    """The text with the bodies of the macros it calls; the text itself when it calls none.

    UndefinedFunction (42883) for a wrong number of arguments, TooComplex (54001) for macros that call themselves.
    """
    if not macros or macro_of(text, tokens) is not None:
        return text
    for _ in range(_DEPTH_MAX):
        call = _first_call(tokens, macros)
        if call is None:
            return text
        text = _replaced(text, tokens, call, macros)
        tokens = lex_hive(text)
    raise TooComplex("macros call one another without an end")


def _first_call(tokens: Sequence[Token], macros: Mapping[str, Macro]) -> int | None:
    for at in range(len(tokens) - 1):
        is_name = tokens[at].kind in (WORD, QUOTED) and tokens[at].value.lower() in macros
        is_qualified = at and tokens[at - 1].value == "."
        if is_name and not is_qualified and tokens[at + 1].value == "(" and tokens[at + 1].kind == OP:
            return at
    return None


def _replaced(text: str, tokens: Sequence[Token], at: int, macros: Mapping[str, Macro]) -> str:
    name = tokens[at].value.lower()
    parameters, body = macros[name]
    close = matching(tokens, at + 1)
    if close >= len(tokens):
        raise errors.SyntaxError("a closing parenthesis is missing", position=tokens[at + 1].start)
    given = [part for part in _parts(tokens[at + 2 : close]) if part]
    if len(given) != len(parameters):
        raise UndefinedFunction(
            f"macro {name} takes {len(parameters)} argument{'s' if len(parameters) != 1 else ''}, not {len(given)}",
            position=tokens[at].start,
        )
    values = {p: text[part[0].start : part[-1].end] for p, part in zip(parameters, given, strict=True)}
    made = _with_values(body, values)
    return f"{text[: tokens[at].start]}({made}){text[tokens[close].end :]}"


def _with_values(body: str, values: Mapping[str, str]) -> str:
    """The body with the arguments in the parameters' places."""
    made: list[str] = []
    end = 0
    tokens = lex_hive(body)
    for at, token in enumerate(tokens):
        is_field = at and tokens[at - 1].value == "."
        if token.kind in (WORD, QUOTED) and token.value.lower() in values and not is_field:
            made += [body[end : token.start], f"({values[token.value.lower()]})"]
            end = token.end
    return "".join([*made, body[end:]])


def _parts(tokens: Sequence[Token]) -> list[list[Token]]:
    """What stands between commas outside of brackets."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        if token.kind == OP:
            depth += (token.value in ("(", "[", "<")) - (token.value in (")", "]", ">"))
        if token.kind == OP and token.value == "," and depth == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts
