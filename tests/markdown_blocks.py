"""The code blocks of a markdown page, and how a printed table in one of them is compared with an answer.

The information string of a fence is its language, maybe followed by `file=NAME`: such a block is written to
that file before the blocks below it run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.collectors.executor import Answer

_FENCE = re.compile(
    r"^(?P<fence>```+|~~~+)(?P<info>[^\n`]*)\n(?P<body>.*?)^(?P=fence)[ \t]*$", re.MULTILINE | re.DOTALL
)
_ERROR = re.compile(r"^\s*--\s*error:\s*(?P<state>[0-9A-Z]{5})\s*(?P<pattern>.*)$", re.MULTILINE)
_RULE = re.compile(r"^[\s\-+=|─━═│┃┼╪┬┴├┤┌┐└┘╭╮╰╯]*$")
_FOOTER = re.compile(r"^\(\d[\d,]* rows?\b.*\)$")
_BAR = re.compile(r"[|│┃]")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: 1-based `line` of its first line, `language`, the text, and the file it is to
    become."""

    line: int
    language: str
    text: str
    file: str | None = None

    @property
    def error(self) -> str | None:
        """What stands behind `-- error:`: the SQLSTATE and maybe a pattern."""
        found = _ERROR.search(self.text)
        return None if found is None else f"{found['state']} {found['pattern']}".strip()


def blocks(text: str) -> list[Block]:
    """All fenced blocks of a page."""
    found = []
    for match in _FENCE.finditer(text):
        language, *options = match["info"].split() or [""]
        files = [option[5:] for option in options if option.startswith("file=")]
        line = text.count("\n", 0, match.start()) + 2
        found.append(Block(line, language, match["body"], files[0] if files else None))
    return found


def printed_rows(text: str) -> list[tuple[str, ...]]:
    """The cells of a printed table without its rules and footer: the header first, as psql or our command
    print it."""
    rows = []
    for line in text.splitlines():
        if _RULE.match(line) or _FOOTER.match(line.strip()):
            continue
        rows.append(tuple(cell.strip() for cell in _BAR.split(line.strip().strip("|│┃"))))
    return rows


def differs(text: str, answer: Answer, type_names: tuple[str, ...]) -> str | None:
    """Why a printed table is not the answer, or None; the header and the line of types below it may be left out."""
    body = printed_rows(text)
    if body and body[0] == answer.names:
        body = body[1:]
        if body and body[0] == type_names:
            body = body[1:]
    actual = [tuple(_shown(value) for value in row) for row in answer.rows]
    if body == actual:
        return None
    return "printed:\n" + _lines(body) + "\nanswered:\n" + _lines(actual)


def _shown(value: str | None) -> str:
    return "NULL" if value is None else value.strip()


def _lines(rows: list[tuple[str, ...]]) -> str:
    return "\n".join("  " + " | ".join(row) for row in rows)
