"""Scripts as they are read in the dialect that is in force where a statement stands: `SET dialect = 'hive'` is for the
text behind it, which another lexer may cut elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from sqlengine.sql.dialect import HIVE_FAMILY, POSTGRES
from sqlengine.sql.lexer import Piece, Token, lex, statement_end
from sqlengine.sql.lexer import is_complete as is_complete_of_ours
from sqlengine.sql.lexer import split as split_ours

LONG = 1_000
"""Characters."""
_MENTIONED = re.compile(r"\bdialect\b|\b(?:reset|discard)\s+all\b", re.IGNORECASE)
_SWITCH = re.compile(
    r"SET\s+(?:(?:SESSION|LOCAL)\s+)?dialect(?:\s*=\s*|\s+TO\s+)(?P<quote>['\"]?)(?P<value>\w+)(?P=quote)"
    r"|RESET\s+(?:dialect|ALL)|DISCARD\s+ALL",
    re.IGNORECASE,
)


class Part(NamedTuple):
    """A piece of a script in one dialect: `start` in the script; the last statement of all parts but the last one sets
    the dialect of the next."""

    start: int
    text: str
    dialect: str


def may_switch(text: str) -> bool:
    """Whether a text may change the dialect; cheap, and False for nearly all."""
    if len(text) > LONG:  # lower() and `in` take a tenth of the expression's time
        lowered = text.lower()
        if not any(word in lowered for word in ("dialect", "reset", "discard")):
            return False
    return _MENTIONED.search(text) is not None


def dialect_after(statement: str, dialect: str, first: str = POSTGRES) -> str:
    """The dialect after a statement; `first`: the one that RESET goes back to. A value that is no dialect changes none:
    running the statement says so."""
    found = _SWITCH.fullmatch(statement.strip())
    if found is None or dialect != POSTGRES and found["value"] is None and "dialect" not in statement.lower():
        return dialect  # RESET ALL of Hive's is about its variables
    value = (found["value"] or "default").lower()
    if value == "default":
        return first
    return value if value in (POSTGRES, *HIVE_FAMILY) else dialect


def parts(text: str, dialect: str, first: str = POSTGRES) -> list[Part]:
    """The text as pieces that are each in one dialect, beginning in the one given; see `dialect_after`."""
    made: list[Part] = []
    start = 0
    if may_switch(text):
        at = 0
        while at < len(text):
            at, after = _next_switch(text, at, dialect, first)
            if after != dialect:
                made.append(Part(start, text[start:at], dialect))
                start, dialect = at, after
    return [*made, Part(start, text[start:], dialect)]


def _next_switch(text: str, at: int, dialect: str, first: str) -> tuple[int, str]:
    """(end, dialect from there on) of the first statement from `at` on that sets another; what is behind is not
    looked at."""
    for start, end in _spans(text, at, dialect):
        statement = text[start:end]
        if may_switch(statement):
            pieces = _split(Part(0, statement, dialect))
            after = dialect_after(pieces[0].text, dialect, first) if pieces else dialect
            if after != dialect:
                return end, after
    return len(text), dialect


def _spans(text: str, at: int, dialect: str) -> Iterator[tuple[int, int]]:
    """Where statements begin and end, semicolons included, one by one."""
    if dialect != POSTGRES:
        from sqlengine.sql.hive.script import spans  # only who speaks it pays for it

        yield from ((start, min(end + 1, len(text))) for start, end, _ in spans(text, at))
        return
    while at < len(text):
        end = statement_end(text, at)
        yield at, end
        at = end


def split(text: str, dialect: str = POSTGRES) -> list[Piece]:
    """The statements of a script as (text, position, complete); an open quote makes the last one incomplete."""
    made: list[Piece] = []
    for part in parts(text, dialect):
        made += [piece._replace(position=piece.position + part.start) for piece in _split(part)]
    return made


def _split(part: Part) -> list[Piece]:
    if part.dialect == POSTGRES:
        return split_ours(part.text)
    from sqlengine.sql.hive.script import pieces_of  # only who speaks it pays for it

    return list(pieces_of(part.text))


def is_complete(text: str, dialect: str = POSTGRES) -> bool:
    """True when nothing more need be typed: every statement ended by a semicolon, no quote or comment open."""
    last = parts(text, dialect)[-1]
    if last.dialect == POSTGRES:
        return is_complete_of_ours(last.text)
    return all(piece.complete for piece in _split(last))


def lex_in(text: str, dialect: str) -> list[Token]:
    """The tokens of a text in a dialect; see `lex`."""
    if dialect == POSTGRES:
        return lex(text)
    from sqlengine.sql.hive.lexer import lex_hive  # only who speaks it pays for it

    return lex_hive(text)
