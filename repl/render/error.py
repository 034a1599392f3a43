"""An error as a reader of the terminal wants it: what, where (with the line and a caret under the word),
and why."""

from __future__ import annotations

import re

from repl.render.width import cut_text, text_width, visible_text
from repl.statements import Statement
from repl.terminal import BOLD, DIM, RED, Screen
from sqlengine.errors import Error

_TOKEN = re.compile(r"\"(?:[^\"]|\"\")*\"|'(?:[^']|'')*'|`[^`]*`|[\w$.]+|[<>=!:|~@#&]+|\S", re.DOTALL)
_TAB = "    "


def error_text(error: Error, statement: Statement | None, screen: Screen) -> str:
    """The lines to print, each with its line end."""
    lines = [f"{screen.paint('error:', RED)} {screen.paint(visible_text(error.message), BOLD)} [{error.sqlstate}]"]
    if statement is not None and error.position is not None:
        lines += _place(error.position, statement, screen)
    for label, text in (("detail", error.detail), ("hint", error.hint)):
        if text:
            lines.append(f"{screen.paint(label + ':', DIM)} {text}")
    return "".join(f"{line}\n" for line in lines)


def _place(position: int, statement: Statement, screen: Screen) -> list[str]:
    """`line 3:8`, the line, and a caret under every cell of the word at `position`."""
    line, column, text = statement.locate(position)
    before, word, after = _cut_at(text, column - 1)
    number = str(line)
    room = None if screen.width is None else max(20, screen.width - len(number) - 4)
    before, after = _window(before, word, after, room)
    where = f"{statement.name}:{line}:{column}" if statement.name else f"line {line}:{column}"
    carets = "^" * max(1, text_width(word))
    margin = " " * len(number)
    return [
        f"{margin} {screen.paint('at', DIM)} {where}",
        f"{screen.paint(number + ' |', DIM)} {before}{word}{after}",
        f"{screen.paint(margin + ' |', DIM)} {' ' * text_width(before)}{screen.paint(carets, RED)}",
    ]


def _cut_at(text: str, column: int) -> tuple[str, str, str]:
    """The line's parts before, in and after the token that begins at `column`, made visible."""
    found = _TOKEN.match(text, column)
    end = found.end() if found else column
    before, word, after = text[:column], text[column:end], text[end:]
    return _shown(before), _shown(word), _shown(after.rstrip())


def _shown(text: str) -> str:
    return visible_text(text.replace("\t", _TAB))


def _window(before: str, word: str, after: str, room: int | None) -> tuple[str, str]:
    """`before` and `after` shortened with … so that the line fits, with the word in view."""
    if room is None or text_width(before) + text_width(word) + text_width(after) <= room:
        return before, after
    spare = max(0, room - min(text_width(word), room))
    left = min(text_width(before), max(spare // 2, spare - text_width(after)))
    if text_width(before) > left:
        while text_width(before) >= max(1, left) and before:
            before = before[1:]
        before = "…" + before
    right = max(1, room - text_width(before) - text_width(word))
    return before, after if text_width(after) <= right else cut_text(after, right - 1) + "…"
