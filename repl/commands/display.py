"""How results look: \\pset and the short commands for its parts."""

from __future__ import annotations

import dataclasses
import shlex
import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from repl.commands.base import Command
from repl.render import FORMATS
from sqlengine.errors import InvalidParameter, did_you_mean

if TYPE_CHECKING:
    from repl.shell import Display, Shell

_USUAL_ROWS = 40
_PAGERS = ("auto", "on", "off")
_OTHER_FORMATS = {"aligned": "table", "wrapped": "table", "expanded": "vertical", "jsonl": "ndjson"}
"""What other shells call them."""
_BORDERS = ("0", "1", "2")
_LINE_STYLES = ("unicode", "ascii")
_ESCAPES = {"\\t": "\t", "\\n": "\n", "\\\\": "\\"}


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
    wanted = _OTHER_FORMATS.get(name.lower(), name.lower())
    if wanted not in FORMATS:
        hint = did_you_mean(wanted, FORMATS) or "one of: " + ", ".join(FORMATS)
        raise InvalidParameter(f'unknown format "{name}"', hint=hint)
    shell.display = dataclasses.replace(shell.display, format=wanted)
    shell.say(f"format {wanted}")
    return True


def _unaligned(shell: Shell, _argument: str) -> bool:
    return _format(shell, "table" if shell.display.format == "unaligned" else "unaligned")


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
    look = shell.display.look
    plain = look.header or look.footer if not word else word.lower() == "on"
    _look(shell, header=not plain, footer=not plain)
    shell.say(f"names and footers are {'left out' if plain else 'shown'}")
    return True


def _look(shell: Shell, **changes: Any) -> None:
    look = dataclasses.replace(shell.display.look, **changes)
    shell.display = dataclasses.replace(shell.display, look=look)


def _pager(shell: Shell, word: str) -> bool:
    """Which results open in the pager, or the program that is it."""
    if word:
        shell.display = with_pager(shell.display, word)
    meaning = {
        "auto": "results longer than the screen open in the pager",
        "on": "every result opens in the pager",
        "off": "no result opens in the pager; \\last opens one",
    }
    program = shell.display.pager_program
    shell.say(meaning[shell.display.pager] + (f", which is {program}" if program else ""))
    return True


def with_pager(display: Display, text: str) -> Display:
    """A display with the pager that a setting asks for: one of auto, on, off, or a program."""
    plain = {"always": "on", "builtin": "auto"}.get(text.lower(), text.lower())
    if plain in _PAGERS:
        program = "" if text.lower() == "builtin" else display.pager_program
        return dataclasses.replace(display, pager=plain, pager_program=program)
    program = _unquoted(text)
    words = shlex.split(program)
    if not words or shutil.which(words[0]) is None:
        hint = f"one of {', '.join(_PAGERS)}, builtin, or a program such as 'less -S'"
        raise InvalidParameter(f'the pager "{text}" is no program that is there', hint=hint)
    return dataclasses.replace(
        display, pager="auto" if display.pager == "off" else display.pager, pager_program=program
    )


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


def _null(shell: Shell, text: str) -> bool:
    _look(shell, null=_unquoted(text))
    shell.say(f'NULL is shown as "{shell.display.look.null}"')
    return True


def _border(shell: Shell, word: str) -> bool:
    if word and word not in _BORDERS:
        raise InvalidParameter(f'border is 0 (blanks), 1 (lines between columns) or 2 (a box), not "{word}"')
    if word:
        _look(shell, border=int(word))
    shell.say(f"border {shell.display.look.border}")
    return True


def _line_style(shell: Shell, word: str) -> bool:
    if word and word.lower() not in _LINE_STYLES:
        raise InvalidParameter(f'linestyle is unicode or ascii, not "{word}"')
    if word:
        shell.display = dataclasses.replace(shell.display, ascii_only=word.lower() == "ascii")
    shell.say(f"linestyle {_LINE_STYLES[shell.display.ascii_only]}")
    return True


def _title(shell: Shell, text: str) -> bool:
    _look(shell, title=_unquoted(text))
    shell.say(f'results have the title "{shell.display.look.title}"' if text else "results have no title")
    return True


def _fieldsep(shell: Shell, text: str) -> bool:
    if text:
        separator = _unquoted(text)
        for written, meant in _ESCAPES.items():
            separator = separator.replace(written, meant)
        _look(shell, fieldsep=separator)
    shell.say(f"fieldsep {shell.display.look.fieldsep!r} (of the format unaligned)")
    return True


def _unquoted(text: str) -> str:
    """A text that may stand in quotes, as psql's do."""
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    return text[1:-1].replace(text[0] * 2, text[0]) if quoted else text


_SETTINGS: dict[str, Callable[[Shell, str], bool]] = {
    "format": _format,
    "border": _border,
    "linestyle": _line_style,
    "expanded": _expanded,
    "null": _null,
    "fieldsep": _fieldsep,
    "title": _title,
    "header": _switch("header"),
    "footer": _switch("footer"),
    "tuples_only": _tuples_only,
    "pager": _pager,
    "rows": _rows,
    "timing": _timing,
}
_SWITCHES = ("header", "footer", "tuples_only", "timing")
_VALUES: dict[str, tuple[str, ...]] = {
    "format": FORMATS,
    "border": _BORDERS,
    "linestyle": _LINE_STYLES,
    "expanded": ("on", "off", "auto"),
    "pager": _PAGERS,
    "rows": ("all",),
    **dict.fromkeys(_SWITCHES, ("on", "off")),
}
"""What may stand behind the name of a setting."""
_SHORT = {"x": "expanded", "t": "tuples_only", "vertical": "expanded", "C": "title"}


def _pset(shell: Shell, argument: str) -> bool:
    name, _, value = argument.partition(" ")
    if not name:
        now = _values(shell)
        shell.say("\n".join(f"{word:<12} {text}" for word, text in now.items()))
        return True
    wanted = _SHORT.get(name, name.lower())
    if wanted not in _SETTINGS:
        hint = did_you_mean(wanted, _SETTINGS) or "one of: " + ", ".join(_SETTINGS)
        raise InvalidParameter(f'\\pset knows no "{name}"', hint=hint)
    return _SETTINGS[wanted](shell, value.strip())


def _values(shell: Shell) -> dict[str, str]:
    """All settings as they are now, in the order of _SETTINGS."""
    display, look = shell.display, shell.display.look
    return {
        "format": display.format,
        "border": str(look.border),
        "linestyle": _LINE_STYLES[display.ascii_only],
        "expanded": look.expanded,
        "null": f"'{look.null}'",
        "fieldsep": repr(look.fieldsep),
        "title": f"'{look.title}'" if look.title else "",
        "header": _on(look.header),
        "footer": _on(look.footer),
        "tuples_only": _on(not look.header and not look.footer),
        "pager": f"{display.pager} {display.pager_program}".rstrip(),
        "rows": "all" if look.shown_rows is None else str(look.shown_rows),
        "timing": _on(look.timing),
    }


def _on(value: bool) -> str:
    return "on" if value else "off"


DISPLAY_COMMANDS = (
    Command(("\\x",), "[on|off|auto]", "one line per value instead of one per row", _expanded, ("on", "off", "auto")),
    Command(("\\format",), "[NAME]", "how results are written: " + ", ".join(FORMATS), _format, FORMATS),
    Command(("\\rows",), "[N|all]", f"rows of a table on the screen (usually {_USUAL_ROWS})", _rows, ("all",)),
    Command(("\\timing",), "[on|off]", "how long each statement took", _timing, ("on", "off")),
    Command(("\\pager",), "[auto|on|off|PROGRAM]", "which results open in the pager", _pager, _PAGERS),
    Command(("\\a",), "", "format unaligned, and table again", _unaligned),
    Command(("\\t",), "[on|off]", "only rows: no names and footers", _tuples_only, ("on", "off")),
    Command(("\\C",), "[TITLE]", "a title above results", _title),
    Command(("\\f",), "[TEXT]", "what divides the values of the format unaligned", _fieldsep),
    Command(
        ("\\pset",), "[NAME [VALUE]]", "how results look: " + ", ".join(_SETTINGS), _pset, tuple(_SETTINGS), _VALUES
    ),
)
