"""Lines to statements: cuts a script at semicolons and backslash commands, and keeps where each piece came
from.

Works line by line, so that a pipe's first statement runs before its second is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from sqlengine.errors import Error
from sqlengine.quick_dataclass import dataclass
from sqlengine.sql import is_complete, split


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement or backslash command: `text` begins at `offset` of `block`, whose first line is `line`
    of `name`."""

    text: str
    block: str = ""
    offset: int = 0
    line: int = 1
    name: str | None = None

    @property
    def is_command(self) -> bool:
        """True for `\\d orders` and its like."""
        return self.text.startswith("\\")

    def locate(self, position: int) -> tuple[int, int, str]:
        """Line and column (both from 1) of a character of `text`, and that line's text."""
        block = self.block or self.text
        at = min(self.offset + position, len(block))
        start = block.rfind("\n", 0, at) + 1
        end = block.find("\n", at)
        return self.line + block.count("\n", 0, at), at - start + 1, block[start : end if end >= 0 else None]


OURS = "postgres"
"""The dialect that a session begins in."""


def read_statements(
    lines: Iterable[str], name: str | None = None, dialect: Callable[[], str] = lambda: OURS
) -> Iterator[Statement]:
    """The statements of a script, each as soon as its last line has been read; what is left at the end
    counts too.  `dialect()`: of the text behind the statements that have been run."""
    block, first_line = "", 1
    for number, line in enumerate(lines, 1):
        if _only_comments(block):
            block, first_line = "", number
            if line.lstrip().startswith("\\"):
                yield Statement(line.strip(), line, len(line) - len(line.lstrip()), number, name)
                continue
        block += line
        if ";" in line and _complete(block, dialect()):
            yield from cut(block, first_line, name, dialect())
            block = ""
    yield from cut(block, first_line, name, dialect())


def cut(block: str, line: int = 1, name: str | None = None, dialect: str = OURS) -> Iterator[Statement]:
    """The statements of a text that needs no more lines; it begins in the dialect."""
    if not block.strip():
        return
    try:
        pieces = [(piece.text, piece.position) for piece in split(block, dialect)]
    except Error:
        # what cannot be cut is one statement: running it says what is wrong with it, and where
        pieces = [(block, 0)]
    for text, position in pieces:
        yield Statement(text, block, position, line, name)


def needs_more(text: str, dialect: str = OURS) -> bool:
    """True while a prompt should go on to another line: no backslash command, not blank, no statement's end
    yet."""
    typed = text.strip()
    if not typed or typed.startswith("\\") or typed.lower() in ("quit", "exit", "help"):
        return False
    return not _complete(text, dialect)


def _only_comments(block: str) -> bool:
    return all(not line.strip() or line.lstrip().startswith("--") for line in block.splitlines())


def _complete(text: str, dialect: str) -> bool:
    try:
        return is_complete(text, dialect)
    except Error:
        return True
