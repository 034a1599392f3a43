"""How results look: \\x, \\format, \\timing, \\rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from repl.commands.base import Command
from repl.render import FORMATS
from sqlengine.errors import InvalidParameter, did_you_mean

if TYPE_CHECKING:
    from repl.shell import Shell

_USUAL_ROWS = 40
_PAGERS = ("auto", "on", "off")


def _expanded(shell: Shell, word: str) -> bool:
    now = shell.display.look.expanded
    wanted = word.lower() or ("off" if now == "on" else "on")
    if wanted not in ("on", "off", "auto"):
        raise InvalidParameter(f'\\x takes on, off or auto, not "{word}"')
    _look(shell, expanded=wanted)
    meaning = {
        "on": "one line per value",
        "off": "one line per row",
        "auto": "one line per value when too wide",
    }
    shell.say(f"results have {meaning[wanted]}")
    return True


def _format(shell: Shell, name: str) -> bool:
    if not name:
        shell.say(f"format {shell.display.format}; there are: {', '.join(FORMATS)}")
        return True
    if name.lower() not in FORMATS:
        hint = did_you_mean(name.lower(), FORMATS) or "one of: " + ", ".join(FORMATS)
        raise InvalidParameter(f'unknown format "{name}"', hint=hint)
    shell.display = dataclasses.replace(shell.display, format=name.lower())
    shell.say(f"format {name.lower()}")
    return True


def _timing(shell: Shell, word: str) -> bool:
    if word.lower() not in ("", "on", "off"):
        raise InvalidParameter(f'\\timing takes on or off, not "{word}"')
    wanted = not shell.display.look.timing if not word else word.lower() == "on"
    _look(shell, timing=wanted)
    shell.say(f"timing {'on' if wanted else 'off'}")
    return True


def _rows(shell: Shell, word: str) -> bool:
    if word.lower() in ("all", "0"):
        _look(shell, shown_rows=None)
    elif word.isdigit():
        _look(shell, shown_rows=int(word))
    elif word:
        raise InvalidParameter(f'\\rows takes a number or all, not "{word}"')
    shown = shell.display.look.shown_rows
    shell.say("tables show all rows" if shown is None else f"longer tables show {shown} rows, their head and tail")
    return True


def _tuples_only(shell: Shell, word: str) -> bool:
    if word.lower() not in ("", "on", "off"):
        raise InvalidParameter(f'\\pset tuples_only takes on or off, not "{word}"')
    plain = shell.display.look.header if not word else word.lower() == "on"
    _look(shell, header=not plain, footer=not plain)
    shell.say(f"names and footers are {'left out' if plain else 'shown'}")
    return True


def _look(shell: Shell, **changes: Any) -> None:
    look = dataclasses.replace(shell.display.look, **changes)
    shell.display = dataclasses.replace(shell.display, look=look)


def _pager(shell: Shell, word: str) -> bool:
    if word and word.lower() not in _PAGERS:
        raise InvalidParameter(f'the pager is one of {", ".join(_PAGERS)}, not "{word}"')
    if word:
        shell.display = dataclasses.replace(shell.display, pager=word.lower())
    meaning = {
        "auto": "results longer than the screen open in the pager",
        "on": "every result opens in the pager",
        "off": "no result opens in the pager; \\last opens one",
    }
    shell.say(meaning[shell.display.pager])
    return True


def _switch(name: str) -> Callable[[Shell, str], bool]:
    """A setting of Look that is on or off."""

    def run(shell: Shell, word: str) -> bool:
        now = bool(getattr(shell.display.look, name))
        if word.lower() not in ("", "on", "off"):
            raise InvalidParameter(f'{name} is on or off, not "{word}"')
        wanted = not now if not word else word.lower() == "on"
        _look(shell, **{name: wanted})
        shell.say(f"{name} {'on' if wanted else 'off'}")
        return True

    return run


_SETTINGS: dict[str, Callable[[Shell, str], bool]] = {
    "format": _format,
    "expanded": _expanded,
    "pager": _pager,
    "rows": _rows,
    "timing": _timing,
    "header": _switch("header"),
    "footer": _switch("footer"),
    "tuples_only": _tuples_only,
}


def _pset(shell: Shell, argument: str) -> bool:
    name, _, value = argument.partition(" ")
    if not name:
        display, look = shell.display, shell.display.look
        rows = "all" if look.shown_rows is None else str(look.shown_rows)
        now = {"format": display.format, "expanded": look.expanded, "pager": display.pager, "rows": rows}
        now |= {word: "on" if getattr(look, word) else "off" for word in ("timing", "header", "footer")}
        shell.say("\n".join(f"{word:<10} {text}" for word, text in now.items()))
        return True
    if name.lower() not in _SETTINGS:
        hint = did_you_mean(name.lower(), _SETTINGS) or "one of: " + ", ".join(_SETTINGS)
        raise InvalidParameter(f'\\pset knows no "{name}"', hint=hint)
    return _SETTINGS[name.lower()](shell, value.strip())


DISPLAY_COMMANDS = (
    Command(("\\x",), "[on|off|auto]", "one line per value instead of one per row", _expanded, ("on", "off", "auto")),
    Command(("\\format",), "[NAME]", "how results are written: " + ", ".join(FORMATS), _format, FORMATS),
    Command(("\\rows",), "[N|all]", f"rows of a table on the screen (usually {_USUAL_ROWS})", _rows, ("all",)),
    Command(("\\timing",), "[on|off]", "how long each statement took", _timing, ("on", "off")),
    Command(("\\pager",), "[auto|on|off]", "which results open in the pager", _pager, _PAGERS),
    Command(("\\pset",), "[NAME [VALUE]]", "how results look: " + ", ".join(_SETTINGS), _pset, tuple(_SETTINGS)),
)
