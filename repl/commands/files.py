"""Scripts in, results out: \\i and \\o."""

from __future__ import annotations

from typing import TYPE_CHECKING

from repl.commands.base import Command
from sqlengine.errors import FileUnavailable, InvalidParameter

if TYPE_CHECKING:
    from repl.shell import Shell


def _include(shell: Shell, path: str) -> bool:
    if not path:
        raise InvalidParameter("\\i needs the name of a file")
    return shell.run_file(_unquoted(path))


def _output(shell: Shell, path: str) -> bool:
    path = _unquoted(path)
    try:
        shell.send_to(path or None)
    except OSError as error:
        raise FileUnavailable(f'cannot write "{path}": {(error.strerror or str(error)).lower()}') from None
    shell.say(f'results go to "{path}"' if path else "results are shown here")
    return True


def _unquoted(path: str) -> str:
    """A name with blanks may stand in quotes."""
    quoted = len(path) > 1 and path[0] == path[-1] and path[0] in "'\""
    return path[1:-1] if quoted else path


FILE_COMMANDS = (
    Command(("\\i",), "FILE", "run a script", _include, ("path",)),
    Command(("\\o",), "[FILE]", "write results to a file, or (without one) here again", _output, ("path",)),
)
