"""How a statement is written (sqlengine.sql.synopsis) laid out to be read: one clause a line, one alternative a line.

What fits a line stays on it.  Of what does not, alternatives come first, then the clauses of a sequence, then what
stands in brackets, each divided only as far as it must be.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from textwrap import wrap

from sqlengine.sql import split_alternatives

_INDENT = 4
_ITEM = re.compile(r"'[^']*'|[^\s\[\]{}()]+|[\[\]{}()]|\s+")
_REPEATS = re.compile(r"\[[,.]? ?[\w ]* ?\.\.\.\]")
"""Says that what stands before it may come again."""
_CLOSES = {"[": "]", "{": "}", "(": ")"}
_SHORT_ALTERNATIVE = 20
"""Alternatives that are shorter share lines."""
_SHORT_GROUP = 24
"""Brackets that are shorter stay on the line of what they follow."""


def syntax_lines(texts: Iterable[str], width: int) -> list[str]:
    """Lines of at most `width` cells, unless a word is longer; parts that several statements name are told once."""
    lines: list[str] = []
    known: set[str] = set()
    for text in texts:
        statement, *parts = text.split("\n")
        if lines:
            lines.append("")
        for alternative in split_alternatives(statement):
            lines += _sequence(alternative, width)
        for part in parts:
            if part not in known:
                known.add(part)
                lines += _part(part, width)
    return lines


def _part(text: str, width: int) -> list[str]:
    """`where x is a | b`."""
    if len(text) <= width:
        return [text]
    head, _, body = text.partition(" is ")
    alternatives = split_alternatives(body)
    if len(alternatives) == 1:
        return [f"{head} is", *_indented(_sequence(body, width - _INDENT), " " * _INDENT)]
    if max(map(len, alternatives)) <= _SHORT_ALTERNATIVE:
        margin = " " * _INDENT
        return [f"{head} is one of", *wrap(body, width, initial_indent=margin, subsequent_indent=margin)]
    return [f"{head} is one of", *_alternatives(alternatives, width - _INDENT, " " * _INDENT)]


def _alternatives(texts: list[str], width: int, margin: str) -> list[str]:
    """Each on lines of its own; all but the first behind `|`."""
    lines = []
    for number, text in enumerate(texts):
        first, *more = _sequence(text, width)
        lines += [f"{margin[:-2]}{'| ' if number else '  '}{first}", *(margin + line for line in more)]
    return lines


def _indented(lines: list[str], margin: str) -> list[str]:
    return [margin + line for line in lines]


def _sequence(text: str, width: int) -> list[str]:
    """A text without alternatives outside brackets."""
    if len(text) <= width:
        return [text]
    clauses = _clauses(text, width)
    if len(clauses) > 1:
        first, *more = clauses
        lines = _sequence(first, width)
        for clause in more:
            lines += _indented(_sequence(clause, width - _INDENT), " " * _INDENT)
        return lines
    return _divided(text, width)


def _divided(text: str, width: int) -> list[str]:
    """One clause that is too long: its longest brackets are divided."""
    groups = [item for item in _items(text) if item.lstrip()[:1] in _CLOSES]
    longest = max(groups, key=len, default="").lstrip()
    if len(longest) <= _SHORT_GROUP:
        return wrap(text, width, subsequent_indent=" " * _INDENT, break_long_words=False, break_on_hyphens=False)
    at = text.index(longest)
    before, behind = text[:at].rstrip(), text[at + len(longest) :]
    if before:
        return [before, *_indented(_sequence(longest + behind, width - _INDENT), " " * _INDENT)]
    inner = longest[1:-1]
    alternatives = split_alternatives(inner)
    if len(alternatives) == 1:
        lines = _indented(_sequence(inner, width - 2), " ")
    else:
        lines = _alternatives(alternatives, width - 4, "   ")
    lines[0] = longest[0] + lines[0][1:]
    lines[-1] += f"{longest[-1]}{behind}"
    return lines


def _clauses(text: str, width: int) -> list[str]:
    """A sequence cut before each of its clauses: a keyword behind something that is none, or brackets of some length.
    The first reaches to the first name, if there is room."""
    clauses, current, before, is_named = [], "", "", False
    for item in _items(text):
        plain = item.lstrip()
        overflows = len(current + item) > width and not _REPEATS.match(plain)
        is_cut = _begins_clause(plain, before, current) if is_named else overflows
        if current and item[:1].isspace() and is_cut and not (_is_keyword(before) and plain[:1] in _CLOSES):
            clauses.append(current)
            current, item, is_named = "", plain, True
        current += item
        before = plain
        is_named = is_named or (plain[:1] not in _CLOSES and not _is_keyword(plain))
    return [*clauses, current]


def _is_keyword(item: str) -> bool:
    return item.isalpha() and item.isupper()


def _begins_clause(item: str, before: str, current: str) -> bool:
    if item[:1] not in _CLOSES:
        return len(before) > _SHORT_GROUP or (_is_keyword(item) and not _is_keyword(before))
    if item.startswith("(") or _REPEATS.match(item):
        return False
    return len(item) > _SHORT_GROUP or (item[:1] == "[" and len(current) > _SHORT_GROUP * 2)


def _items(text: str) -> list[str]:
    """Words and whole brackets, each with the blanks before it."""
    items: list[str] = []
    current, closing = "", []
    for token in _ITEM.findall(text):
        current += token
        if token in _CLOSES:
            closing.append(_CLOSES[token])
        elif closing and token == closing[-1]:
            closing.pop()
        if not closing and not token.isspace():
            items.append(current)
            current = ""
    return items
