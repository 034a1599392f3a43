"""Leaving and help."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from textwrap import wrap
from typing import TYPE_CHECKING

from repl.commands.base import Command, Leave
from repl.render.syntax import syntax_lines
from sqlengine.errors import UndefinedObject, did_you_mean
from sqlengine.sql import statement_words, synopsis

if TYPE_CHECKING:
    from repl.shell import Shell

_USAGE_CELLS = 26
_WIDEST = 98
"""Cells of a line that is read, on a wide terminal, too."""
KEYS = (
    ("Enter", "run the statement if it is complete, else begin a new line"),
    ("Alt-Enter", "begin a new line"),
    ("Tab", "complete"),
    ("Up, Down", "earlier and later statements; Ctrl-R searches them"),
    ("Ctrl-C", "clear the line; cancel the statement that runs"),
    ("Ctrl-D", "leave"),
)


def _quit(_shell: Shell, _argument: str) -> bool:
    raise Leave


def _syntax(shell: Shell, words: str) -> bool:
    """How statements that begin with some words are written; without words, which statements there are."""
    if not words:
        shell.say_long("\n".join(wrap(", ".join(statement_words()), 78)))
        return True
    found = synopsis(words)
    if not found:
        hint = did_you_mean(words.upper(), statement_words()) or "\\h lists the statements"
        raise UndefinedObject(f'no statement begins with "{words}"', hint=hint)
    shell.say_long("\n".join(syntax_lines(found, min(_WIDEST, (shell.width or 80) - 2))))
    return True


def _explained(usage: str, text: str, room: int) -> list[str]:
    """What a command or key does, in lines of `room` cells behind how it is written."""
    first, *more = wrap(text, room) or [""]
    head = f"  {usage:<{_USAGE_CELLS}} {first}" if len(usage) <= _USAGE_CELLS else f"  {usage}"
    more = more if len(usage) <= _USAGE_CELLS else [first, *more]
    return [head, *(" " * (_USAGE_CELLS + 3) + line for line in more)]


def general_commands(others: Callable[[], Iterable[Command]]) -> tuple[Command, ...]:
    """\\q and \\?; `others()` are all commands, for \\? to list."""

    def show_help(shell: Shell, _argument: str) -> bool:
        listed = [(" ".join((", ".join(c.names), c.argument)), c.help) for c in others()]
        room = max(30, (shell.width or 120) - _USAGE_CELLS - 4)
        lines = ["commands", *(line for usage, text in listed for line in _explained(usage, text, room))]
        lines += ["keys", *(line for key, text in KEYS for line in _explained(key, text, room))]
        shell.say_long("\n".join([*lines, "a statement ends with a semicolon and may take several lines"]))
        return True

    return (
        Command(("\\q", "\\quit"), "", "leave", _quit),
        Command(("\\h",), "[STATEMENT]", "how a statement is written", _syntax, ("sql",)),
        Command(("\\?", "\\help"), "", "list commands and keys", show_help),
    )
