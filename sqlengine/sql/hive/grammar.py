"""Hive's statements as a grammar of the statement shell: where its stretches of text end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sqlengine.sql.lexer import Token
from sqlengine.sql.shell import ShellGrammar, query_end, stretch, type_end

_COLUMN_WORDS = frozenset(
    "COMMENT CONSTRAINT PRIMARY UNIQUE CHECK REFERENCES DISABLE ENABLE ENFORCED VALIDATE NOVALIDATE RELY NORELY".split()
)
_STARTS = frozenset("CREATE ALTER DROP TRUNCATE INSERT UPDATE DELETE MERGE LOAD EXPORT IMPORT MSCK USE SET".split())


def has_insert(tokens: Sequence[Token]) -> bool:
    """Whether an INSERT stands outside of parentheses."""
    return _insert_after(tokens, 0) < len(tokens)


def _insert_after(tokens: Sequence[Token], start: int) -> int:
    return stretch(tokens, start, lambda at: is_insert(tokens, at))


def is_insert(tokens: Sequence[Token], at: int) -> bool:
    """Whether an INSERT begins here."""
    following = tokens[at + 1].upper if at + 1 < len(tokens) else ""
    return tokens[at].upper == "INSERT" and following in ("INTO", "OVERWRITE")


def _query_end(tokens: Sequence[Token], start: int) -> int:
    """A query ends before the next INSERT of its statement as well."""
    return min(query_end(tokens, start), _insert_after(tokens, start))


def _source_end(tokens: Sequence[Token], start: int) -> int:
    if start or tokens[0].upper not in ("FROM", "WITH"):
        return start
    end = _insert_after(tokens, start)
    return end if end < len(tokens) else start


def _expression_end(tokens: Sequence[Token], start: int) -> int:
    def stops(at: int) -> bool:
        word = tokens[at].upper
        if word == "NOT":
            following = tokens[at + 1].upper if at + 1 < len(tokens) else ""
            return at > start and following in ("NULL", "ENFORCED") and tokens[at - 1].upper != "IS"
        return word == "," or (at > start and word in _COLUMN_WORDS)

    return stretch(tokens, start, stops)


def _type_end(tokens: Sequence[Token], start: int) -> int:
    return start if tokens[start].upper == "COMMENT" else type_end(tokens, start)


HIVE_SHELL = ShellGrammar(
    Path(__file__).with_name("statements.lark"),
    {"SOURCE": _source_end, "EXPR": _expression_end, "TYPE": _type_end},
    _query_end,
    _STARTS,
)
