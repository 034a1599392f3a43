"""Our own lexer: SQL text -> tokens with positions; splits scripts into statements.

Why our own: guards, statement splitting, clause cutting and rewriting all need quote- and comment-aware
tokens before any parser sees the text, and they must be cheap (one regular expression, no tree).  It knows
PostgreSQL's quoting ('..', E'..', $tag$..$tag$, "..", nested comments) plus backquoted identifiers.  It must
not judge grammar.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from sqlengine import errors

WORD, QUOTED, STRING, NUMBER, OP, HEX, BIT = "word", "quoted", "string", "number", "op", "hex", "bit"


QUERY_STARTS = frozenset(("SELECT", "WITH", "VALUES", "TABLE", "FROM", "PIVOT", "UNPIVOT"))
"""First words of a query; it may also begin with a parenthesis."""


class Token(NamedTuple):
    """`kind` is one of the constants above; `value` is the decoded content (folded word, unescaped string,
    name); `start`, `end` are the half-open character range in the lexed text."""

    kind: str
    value: str
    start: int
    end: int

    @property
    def upper(self) -> str:
        """The keyword this token spells, or "" for quoted names, strings and numbers; operators as they
        are."""
        return self.value.upper() if self.kind in (WORD, OP) else ""


_OPERATORS = (
    "<<->>",
    "!~~*",
    "->>",
    "#>>",
    "<->",
    "-|-",
    "!~*",
    "~~*",
    "!~~",
    "||/",
    "<=>",
    "::",
    "->",
    "#>",
    "#-",
    "@>",
    "<@",
    "@?",
    "@@",
    "?|",
    "?&",
    "<=",
    ">=",
    "<>",
    "!=",
    "||",
    "|/",
    "&&",
    "&<",
    "&>",
    "!~",
    "~*",
    "~~",
    ":=",
    "=>",
    "==",
    "<<",
    ">>",
    "^@",
)
_TOKEN = re.compile(
    r"(?P<space>[\s\ufeff]+|--[^\n]*)"
    r"|(?P<comment>/\*)"
    r"|(?P<estring>[eE]'(?:[^'\\]|\\.|'')*')"
    r"|(?P<eopen>[eE]')"
    r"|(?P<ustring>[uU]&'(?:[^']|'')*')"
    r"|(?P<uident>[uU]&\"(?:[^\"]|\"\")*\")"
    r"|(?P<hex>[xX]'[^']*')|(?P<bit>[bB]'[^']*')"
    r"|(?P<string>[nN]?'[^']*(?:''[^']*)*')"
    r"|(?P<quoted>\"[^\"]*(?:\"\"[^\"]*)*\")"
    r"|(?P<back>`[^`]*(?:``[^`]*)*`)"
    r"|(?P<dollar>\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$)"
    r"|(?P<open>\$(?:[^\W\d]\w*)?\$)"
    r"|(?P<number>(?:0[xX][0-9a-fA-F_]+|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?))"
    r"|(?P<word>[^\W\d][\w$]*)"
    r"|(?P<op>" + "|".join(re.escape(op) for op in _OPERATORS) + r"|[-+*/%^=<>~!@#&|?:;,.()\[\]{}$])",
    re.DOTALL,
)
_UNTERMINATED = {"'": "quoted string", '"': "quoted identifier", "`": "quoted identifier"}
_DIGITS = {HEX: frozenset("0123456789abcdefABCDEF"), BIT: frozenset("01")}
_SHOWN_MAX = 200
_COMMENT_EDGE = re.compile(r"/\*|\*/")
_ESCAPE = re.compile(r"\\(?:([0-7]{1,3})|x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))|''", re.DOTALL)
_UNICODE = re.compile(r"\\(?:\\|([0-9a-fA-F]{4})|\+([0-9a-fA-F]{6}))")
_NAMED_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


class Unterminated(errors.SyntaxError):
    """A quote or comment that never ends: at a prompt, more input is wanted."""


def lex(text: str) -> list[Token]:
    """All tokens of `text`, comments and white space left out.

    Raises Unterminated for an open quote or comment and SyntaxError (42601) for a character SQL has no use
    for.
    """
    tokens: list[Token] = []
    match, at, end = _TOKEN.match, 0, len(text)
    while at < end:
        found = match(text, at)
        if found is None:
            raise _stray(text, at)
        kind, stop = found.lastgroup, found.end()
        if kind == "word" or kind == "op":
            tokens.append(Token(kind, found.group(), at, stop))
        elif kind == "comment":
            stop = _comment_end(text, at)
        elif kind == "open":
            raise Unterminated("unterminated dollar-quoted string", position=at)
        elif kind == "eopen":
            raise Unterminated(f'unterminated quoted string at or near "{_shortened(text[at:])}"', position=at)
        elif kind != "space":
            tokens.append(_quoted(str(kind), found, at, stop))
        at = stop
    return tokens


def _stray(text: str, at: int) -> errors.SyntaxError:
    what = _UNTERMINATED.get(text[at])
    if what is not None:
        return Unterminated(f'unterminated {what} at or near "{_shortened(text[at:])}"', position=at)
    return errors.SyntaxError(f"unexpected character {text[at]!r}", position=at)


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN_MAX else text[:_SHOWN_MAX] + "..."


def _comment_end(text: str, start: int) -> int:
    depth, at = 0, start
    while (edge := _COMMENT_EDGE.search(text, at)) is not None:
        depth += 1 if edge.group() == "/*" else -1
        at = edge.end()
        if depth == 0:
            return at
    raise Unterminated("unterminated comment", position=start)


def _quoted(kind: str, found: re.Match[str], start: int, end: int) -> Token:
    """A token whose value differs from its text."""
    text = found.group()
    if kind == "number":
        return Token(NUMBER, text.replace("_", ""), start, end)
    if kind == "string":
        return Token(STRING, text[text.index("'") + 1 : -1].replace("''", "'"), start, end)
    if kind == "quoted":
        return Token(QUOTED, text[1:-1].replace('""', '"'), start, end)
    if kind == "back":
        return Token(QUOTED, text[1:-1].replace("``", "`"), start, end)
    if kind == "estring":
        return Token(STRING, _ESCAPE.sub(_unescape, text[2:-1]), start, end)
    if kind == "ustring":
        return Token(STRING, _unicode(text[3:-1].replace("''", "'"), start), start, end)
    if kind == "uident":
        return Token(QUOTED, _unicode(text[3:-1].replace('""', '"'), start), start, end)
    if kind in ("hex", "bit"):
        if not set(text[2:-1]) <= _DIGITS[kind]:
            raise errors.SyntaxError(f"invalid {'hexadecimal' if kind == HEX else 'binary'} string", position=start)
        return Token(kind, text[2:-1], start, end)
    skip = len(found.group("tag")) + 2
    return Token(STRING, text[skip:-skip], start, end)


def _unescape(found: re.Match[str]) -> str:
    octal, hexa, four, eight, plain = found.groups()
    if octal is not None:
        return chr(int(octal, 8))
    code = hexa or four or eight
    if code is not None:
        number = int(code, 16)
        return chr(number) if number < 0x110000 else found.group()
    return _NAMED_ESCAPES.get(plain, plain) if plain is not None else "'"


def _unicode(text: str, position: int) -> str:
    def replace(found: re.Match[str]) -> str:
        code = found.group(1) or found.group(2)
        if code is None:
            return "\\"
        if int(code, 16) >= 0x110000:
            raise errors.SyntaxError("invalid Unicode escape value", position=position)
        return chr(int(code, 16))

    return _UNICODE.sub(replace, text)


# ---------------------------------------------------------------- scripts


class Piece(NamedTuple):
    """One statement of a script: its text without the semicolon, where it starts, and whether a semicolon
    ended it."""

    text: str
    position: int
    complete: bool


def pieces(text: str, tokens: Iterable[Token]) -> list[tuple[Piece, list[Token]]]:
    """Cut lexed text at its semicolons; empty statements are left out; token positions stay those of the
    script."""
    found: list[tuple[Piece, list[Token]]] = []
    current: list[Token] = []
    for token in tokens:
        if token.kind == OP and token.value == ";":
            _close(text, current, True, found)
            current = []
        else:
            current.append(token)
    _close(text, current, False, found)
    return found


def _close(text: str, tokens: list[Token], complete: bool, into: list[tuple[Piece, list[Token]]]) -> None:
    if tokens:
        start = tokens[0].start
        into.append((Piece(text[start : tokens[-1].end], start, complete), tokens))


def statement_end(text: str, at: int) -> int:
    """Where the statement that begins at `at` ends: behind its semicolon, or at the end of the text, which is also
    where a quote or comment ends that is never closed. What stands behind is not looked at."""
    while (found := _TOKEN.match(text, at)) is not None:
        at = found.end()
        if found.lastgroup == "comment":
            try:
                at = _comment_end(text, found.start())
            except Unterminated:
                return len(text)
        elif found.lastgroup in ("open", "eopen"):
            return len(text)
        elif found.lastgroup == "op" and found.group() == ";":
            return at
    return len(text)


def split(text: str) -> list[Piece]:
    """The statements of a script as (text, position, complete); an open quote makes the last one
    incomplete."""
    try:
        return [piece for piece, _ in pieces(text, lex(text))]
    except Unterminated as err:
        return _split_open(text, err.position or 0)


def _split_open(text: str, opened: int) -> list[Piece]:
    """Split text whose quote or comment opened at `opened` never ends."""
    found = [piece for piece, _ in pieces(text, lex(text[:opened]))]
    if found and not found[-1].complete:
        start = found.pop().position
    else:
        start = opened
    return [*found, Piece(text[start:], start, False)]


def is_complete(text: str) -> bool:
    """True when nothing more need be typed: every statement ended by a semicolon, no quote or comment
    open."""
    try:
        found = pieces(text, lex(text))
    except Unterminated:
        return False
    except errors.SyntaxError:
        return True
    return not found or found[-1][0].complete
