"""Variables, the dialect, the editor: what a session at the prompt is set up by."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from typing import TYPE_CHECKING

from repl.commands.base import Command, is_run
from repl.config import EDITING_MODES
from repl.options import DIALECTS
from repl.variables import is_variable_name
from sqlengine.errors import FileUnavailable, InvalidParameter, did_you_mean

if TYPE_CHECKING:
    from repl.shell import Shell


def _set(shell: Shell, argument: str) -> bool:
    name, _, value = argument.partition(" ")
    if not name:
        listed = [f"{known} = {text}" for known, text in sorted(shell.variables.items())]
        shell.say("\n".join([*listed, f"editing = {shell.editing}"]))
        return True
    if not is_variable_name(name):
        raise InvalidParameter(f'no variable can be called "{name}"', hint="letters, digits and underscores")
    value = value.strip().strip("'")
    if name == "editing":
        if value not in EDITING_MODES:
            raise InvalidParameter(f'editing is emacs or vi, not "{value}"')
        shell.editing = value
    else:
        shell.variables[name] = value
    return True


def _unset(shell: Shell, name: str) -> bool:
    if name not in shell.variables:
        hint = did_you_mean(name, shell.variables) or "\\set lists the variables"
        raise InvalidParameter(f'there is no variable "{name}"', hint=hint)
    del shell.variables[name]
    return True


def _dialect(shell: Shell, name: str) -> bool:
    if not name:
        return is_run(shell, "SHOW dialect")
    if name.lower() not in DIALECTS:
        hint = did_you_mean(name.lower(), DIALECTS) or "one of: " + ", ".join(DIALECTS)
        raise InvalidParameter(f'unknown dialect "{name}"', hint=hint)
    return is_run(shell, f"SET dialect = '{name.lower()}'")


def _edit(shell: Shell, path: str) -> bool:
    """Edit what was run last (or a file); it then stands at the prompt, to be run with Enter."""
    if path:
        _run_editor(shell, os.path.expanduser(path))
        return shell.run_file(path)
    with tempfile.TemporaryDirectory() as folder:
        draft = os.path.join(folder, "statement.sql")
        with open(draft, "w", encoding="utf-8") as file:
            file.write(shell.last_text)
        _run_editor(shell, draft)
        with open(draft, encoding="utf-8") as file:
            text = file.read().strip()
    if not shell.interactive:
        raise InvalidParameter("\\e without a file needs a prompt")
    shell.next_text = text
    return True


def _run_editor(shell: Shell, path: str) -> None:
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        with shell.keyboard.given_back():
            status = subprocess.run([*shlex.split(editor), path], check=False).returncode
    except OSError as error:
        raise FileUnavailable(f'cannot run the editor "{editor}": {(error.strerror or str(error)).lower()}') from None
    if status != 0:
        raise FileUnavailable(f'the editor "{editor}" ended with status {status}')


SETTING_COMMANDS = (
    Command(
        ("\\set",), "[NAME VALUE]", "set a variable for :NAME, or list them; editing: vi, emacs", _set, ("editing",)
    ),
    Command(("\\unset",), "NAME", "forget a variable", _unset),
    Command(("\\dialect",), "[NAME]", "dialect of what follows: " + ", ".join(DIALECTS), _dialect, DIALECTS),
    Command(("\\e", "\\edit"), "[FILE]", "edit what was run last, or a script, in $EDITOR", _edit, ("path",)),
)
