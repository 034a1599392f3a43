"""Colours of what is typed, by the engine's own tokens, so that what looks like a string is one.

`spans` is pure; the class below hands them to prompt_toolkit line by line.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.lexers import Lexer

from sqlengine.errors import Error
from sqlengine.sql import Token, Unterminated, is_keyword, lex

KEYWORD, FUNCTION, STRING, NUMBER, NAME, COMMENT, OPERATOR, COMMAND, WRONG = (
    "keyword", "function", "string", "number", "name", "comment", "operator", "command", "wrong",
)  # fmt: skip
_BY_KIND = {"quoted": NAME, "string": STRING, "hex": STRING, "bit": STRING, "number": NUMBER, "op": OPERATOR}
_UNENDED = {'"': NAME, "`": NAME, "/": COMMENT}


def spans(text: str) -> list[tuple[int, int, str]]:
    """(start, end, what) of the parts of a text that have a colour, in order."""
    if text.lstrip().startswith("\\"):
        return _command(text)
    found: list[tuple[int, int, str]] = []
    at = 0
    while at < len(text):
        try:
            tokens, end = lex(text[at:]), len(text)
            tail = None
        except Unterminated as error:
            end = at + (error.position or 0)
            tokens, tail = lex(text[at:end]), (end, len(text), _UNENDED.get(text[end], STRING))
        except Error as error:
            end = at + (error.position or 0)
            tokens, tail = _tokens_before(text[at:end]), (end, end + 1, WRONG)
        _add(text, at, end, tokens, found)
        if tail is None:
            break
        found.append(tail)
        at = tail[1]
    return found


def _tokens_before(text: str) -> list[Token]:
    """The tokens before an error; none where a token of theirs is what is wrong."""
    try:
        return lex(text)
    except Error:
        return []


def _command(text: str) -> list[tuple[int, int, str]]:
    start = len(text) - len(text.lstrip())
    name = text.split(maxsplit=1)[0]
    return [(start, start + len(name), COMMAND)]


def _add(text: str, start: int, end: int, tokens: list[Token], found: list[tuple[int, int, str]]) -> None:
    """The spans of some tokens, and of the comments between them."""
    at = start
    for index, token in enumerate(tokens):
        _add_comment(text, at, start + token.start, found)
        follows = tokens[index + 1].value if index + 1 < len(tokens) else ""
        after_dot = index > 0 and tokens[index - 1].value == "."
        kind = _word(token, follows, after_dot) if token.kind == "word" else _BY_KIND.get(token.kind)
        if kind is not None:
            found.append((start + token.start, start + token.end, kind))
        at = start + token.end
    _add_comment(text, at, end, found)


def _add_comment(text: str, start: int, end: int, found: list[tuple[int, int, str]]) -> None:
    gap = text[start:end]
    if gap and not gap.isspace():
        first = start + len(gap) - len(gap.lstrip())
        found.append((first, start + len(gap.rstrip()), COMMENT))


def _word(token: Token, follows: str, after_dot: bool) -> str | None:
    if not after_dot and is_keyword(token.value):
        return KEYWORD
    return FUNCTION if follows == "(" else None


class SqlLexer(Lexer):
    """The lexer of the prompt."""

    def lex_document(self, document: Document) -> Callable[[int], StyleAndTextTuples]:
        """See prompt_toolkit."""
        lines = _lines(document.text)
        return lambda number: lines[number] if number < len(lines) else []


@lru_cache(maxsize=8)
def _lines(text: str) -> list[StyleAndTextTuples]:
    """The lines of a text as prompt_toolkit's fragments."""
    lines: list[StyleAndTextTuples] = [[]]
    at = 0
    for start, end, what in [*spans(text), (len(text), len(text), "")]:
        _append(lines, text[at:start], "")
        _append(lines, text[start:end], f"class:sql.{what}")
        at = end
    return lines


def _append(lines: list[StyleAndTextTuples], text: str, style: str) -> None:
    first, *others = text.split("\n")
    for number, part in enumerate([first, *others]):
        if number:
            lines.append([])
        if part:
            lines[-1].append((style, part))
