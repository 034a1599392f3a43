"""Looking at what there is: \\d and its relatives.  They are short for SHOW and DESCRIBE statements."""

from __future__ import annotations

from typing import TYPE_CHECKING

from repl.commands.base import Command

if TYPE_CHECKING:
    from repl.shell import Shell

_KINDS = ("topics", "streams", "tables", "views", "sinks", "subscriptions")


def _describe(shell: Shell, name: str) -> bool:
    if name:
        shell.show(shell.ask(f"DESCRIBE {name}"))
        return True
    found = False
    for kind in _KINDS:
        found = _show(shell, kind, title=kind) or found
    if not found:
        shell.say("nothing has been created yet")
    return True


def _tables(shell: Shell, _argument: str) -> bool:
    if not _show(shell, "tables"):
        shell.say("there are no tables")
    return True


def _views(shell: Shell, _argument: str) -> bool:
    if not _show(shell, "views"):
        shell.say("there are no views")
    return True


def _streams(shell: Shell, _argument: str) -> bool:
    if not _show(shell, "streams"):
        shell.say("there are no streams")
    return True


def _show(shell: Shell, kind: str, title: str | None = None) -> bool:
    """Show a list; False if it is empty."""
    rows = shell.ask(f"SHOW {kind.upper()}")
    if rows.num_rows:
        shell.show(rows, title)
    return bool(rows.num_rows)


CATALOG_COMMANDS = (
    Command(("\\d",), "[NAME]", "what there is, or the columns of one stream, table or view", _describe, ("relation",)),
    Command(("\\dt",), "", "tables", _tables),
    Command(("\\dv",), "", "views", _views),
    Command(("\\ds",), "", "streams", _streams),
)
