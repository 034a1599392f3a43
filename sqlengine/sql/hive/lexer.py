"""Hive's text -> tokens: both quotes make strings, backslashes escape, back-quoted names are case-insensitive.

The tokens are those of the ordinary lexer, so that guards, the statement shell and the query parser need not know where
they come from.  Names may begin with a digit (`2024_sales`); numbers may carry the suffix of their type, which becomes
part of the token's value (`10L`, `1.5BD`).
"""

from __future__ import annotations

import re

from sqlengine import errors
from sqlengine.sql.lexer import NUMBER, OP, QUOTED, STRING, WORD, Token, Unterminated

_OPERATORS = ("<=>", "==", "<>", "!=", "<=", ">=", "||", "->", "=>", "<<", ">>")
_TOKEN = re.compile(
    r"(?P<space>[\s\ufeff]+|--[^\n]*|/\*.*?\*/)"
    r"|(?P<open>/\*)"
    r"|(?P<single>'(?:[^'\\]|\\.)*')"
    r'|(?P<double>"(?:[^"\\]|\\.)*")'
    r"|(?P<back>`(?:[^`]|``)*`)"
    r"|(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?:BD|bd|[LSYDFlsydf])?(?![\w]))"
    r"|(?P<word>\w+)"
    r"|(?P<op>" + "|".join(map(re.escape, _OPERATORS)) + r"|[-+*/%^=<>~!&|?:;,.()\[\]{}$@])",
    re.DOTALL,
)
_UNTERMINATED = {"'": "string", '"': "string", "`": "quoted identifier"}
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|([0-3][0-7]{2})|(.))", re.DOTALL)
_NAMED = {"0": "\0", "b": "\b", "n": "\n", "r": "\r", "t": "\t", "Z": "\x1a", "%": "\\%", "_": "\\_"}
"""What stands for another character than itself; `\\%` and `\\_` keep their backslash for LIKE (Hive's
BaseSemanticAnalyzer.unescapeSQLString)."""


def lex_hive(text: str) -> list[Token]:
    """All tokens of `text`, comments and hints left out; adjacent strings are one (`'a' 'b'` is 'ab').

    Raises Unterminated for an open quote or comment, SyntaxError (42601) for a character Hive has no use for.
    """
    tokens: list[Token] = []
    at, end = 0, len(text)
    while at < end:
        found = _TOKEN.match(text, at)
        if found is None:
            raise _stray(text, at)
        kind, stop = found.lastgroup, found.end()
        if kind == "open":
            raise Unterminated("unterminated comment", position=at)
        if kind != "space":
            _take(str(kind), found.group(), at, stop, tokens)
        at = stop
    return tokens


def _take(kind: str, text: str, start: int, end: int, tokens: list[Token]) -> None:
    if kind in ("single", "double"):
        value = _ESCAPE.sub(_unescape, text[1:-1])
        if tokens and tokens[-1].kind == STRING:
            before = tokens.pop()
            value, start = before.value + value, before.start
        tokens.append(Token(STRING, value, start, end))
    elif kind == "back":
        tokens.append(Token(QUOTED, text[1:-1].replace("``", "`").lower(), start, end))
    elif kind == "number":
        tokens.append(Token(NUMBER, text, start, end))
    elif kind == "word":
        digit = text[0].isdigit()
        tokens.append(Token(QUOTED, text.lower(), start, end) if digit else Token(WORD, text, start, end))
    else:
        tokens.append(Token(OP, text, start, end))


def _unescape(found: re.Match[str]) -> str:
    code, octal, plain = found.groups()
    if code is not None:
        return chr(int(code, 16))
    if octal is not None:
        return chr(int(octal, 8))
    return _NAMED.get(plain, plain)


def _stray(text: str, at: int) -> errors.SyntaxError:
    what = _UNTERMINATED.get(text[at])
    if what is not None:
        return Unterminated(f"unterminated {what}", position=at)
    return errors.SyntaxError(f"unexpected character {text[at]!r}", position=at)
