"""Backslash commands: `\\d orders` and its like.  One table, COMMANDS, from which \\? and completion come.

Each is a function (shell, argument) -> bool (False = it failed, and said so).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from repl.commands.base import Command
from repl.commands.catalog import CATALOG_COMMANDS
from repl.commands.display import DISPLAY_COMMANDS
from repl.commands.files import FILE_COMMANDS
from repl.commands.general import general_commands
from repl.commands.live import LIVE_COMMANDS
from repl.commands.loading import LOADING_COMMANDS
from repl.commands.results import RESULT_COMMANDS
from repl.commands.setting import SETTING_COMMANDS
from repl.commands.tutorial import TUTORIAL_COMMANDS
from sqlengine import errors

if TYPE_CHECKING:
    from repl.shell import Shell

__all__ = ["COMMANDS", "Command", "command_of", "run_command"]

COMMANDS: tuple[Command, ...] = (
    *general_commands(lambda: COMMANDS),
    *CATALOG_COMMANDS,
    *DISPLAY_COMMANDS,
    *RESULT_COMMANDS,
    *LIVE_COMMANDS,
    *FILE_COMMANDS,
    *LOADING_COMMANDS,
    *SETTING_COMMANDS,
    *TUTORIAL_COMMANDS,
)
_BY_NAME = {name: command for command in COMMANDS for name in command.names}


def command_of(name: str) -> Command | None:
    """The command of that name (with its backslash), or None."""
    return _BY_NAME.get(name)


def run_command(shell: Shell, line: str) -> bool:
    """Run a line such as `\\format csv`; raises SyntaxError (42601) with the nearest name for an unknown
    command."""
    name, _, argument = line.strip().partition(" ")
    command = _BY_NAME.get(name)
    if command is None and name.rstrip(";") in _BY_NAME:
        command = _BY_NAME[name.rstrip(";")]
    if command is None:
        hint = errors.did_you_mean(name, _BY_NAME) or "\\? lists the commands"
        raise errors.SyntaxError(f"unknown command {name}", hint=hint.replace('"', ""), position=0)
    return command.run(shell, argument.strip().rstrip(";").rstrip())
