"""What token rewriting is made of: brackets, arguments, and new tokens that stand where old ones stood."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlengine import errors
from sqlengine.sql.lexer import OP, QUOTED, WORD, Token

ROWTIME = "$rowtime"
"""Column name of a stream's own time, where a query does not say which column (ksqlDB, Arroyo)."""

CLOSERS = {"(": ")", "[": "]", "{": "}"}


def matching(tokens: Sequence[Token], opener: int) -> int:
    """The index of the bracket that closes the one at `opener`; SyntaxError (42601) when none does."""
    stack: list[str] = []
    for index in range(opener, len(tokens)):
        token = tokens[index]
        if token.kind != OP:
            continue
        if token.value in CLOSERS:
            stack.append(CLOSERS[token.value])
        elif stack and token.value == stack[-1]:
            stack.pop()
            if not stack:
                return index
    raise errors.SyntaxError(f'"{tokens[opener].value}" is never closed', position=tokens[opener].start)


def words_of(tokens: Iterable[Token]) -> set[str]:
    """The words there are, in upper case: what spells none of a rewrite's words need not be gone through for it."""
    return {token.value.upper() for token in tokens if token.kind == WORD}


def operator(value: str, like: Token) -> Token:
    """An operator token standing where `like` stands."""
    return Token(OP, value, like.start, like.end)


def word(value: str, like: Token) -> Token:
    """A word token standing where `like` stands."""
    return Token(WORD, value, like.start, like.end)


def call(name: str, arguments: Sequence[Token], like: Token) -> list[Token]:
    """`name(arguments)`; the name is quoted so that it can be one no user writes."""
    return [Token(QUOTED, name, like.start, like.end), operator("(", like), *arguments, operator(")", like)]


def split_arguments(tokens: Sequence[Token], separators: Sequence[str] = (",",)) -> list[list[Token]]:
    """Cut at top-level separators; the columns of `TABLE t PARTITION BY a, b` stay together."""
    parts: list[list[Token]] = [[]]
    depth, partitioning = 0, False
    for at, token in enumerate(tokens):
        if token.kind == OP:
            depth += (token.value in CLOSERS) - (token.value in ")]}")
        if depth == 0 and token.upper in ("PARTITION", "DISTRIBUTE"):
            partitioning = True
        cuts = depth == 0 and token.kind == OP and token.value in separators
        if cuts and not (partitioning and not _new_argument(tokens, at + 1)):
            parts.append([])
            partitioning = False
        else:
            parts[-1].append(token)
    return parts if parts != [[]] else []


def edited(text: str, edits: Sequence[tuple[int, int, str]]) -> str:
    """A text with each (start, end, what is there then) replaced."""
    for start, end, instead in sorted(edits, reverse=True):
        text = text[:start] + instead + text[end:]
    return text


def _new_argument(tokens: Sequence[Token], at: int) -> bool:
    """After PARTITION BY, the next real argument is DESCRIPTOR(...), an interval or a named one."""
    if at >= len(tokens):
        return False
    named = at + 1 < len(tokens) and tokens[at + 1].value == "=>"
    return named or tokens[at].upper in ("DESCRIPTOR", "INTERVAL")
