"""The prompt: reads statements with prompt_toolkit and feeds them to the shell.

The only file that imports prompt_toolkit, together with complete.py.  Nothing slow happens while the user
types: completion works on names fetched after the last statement that changed them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

from repl.commands.base import Leave
from repl.complete import SqlCompleter
from repl.options import Options
from repl.shell import Shell
from repl.statements import cut, needs_more
from sqlengine import __version__

PROMPT, CONTINUATION = "sql> ", "...> "
_BARE_WORDS = {"quit": "\\q", "exit": "\\q", "help": "\\?"}


def run_prompt(shell: Shell, options: Options, **terminal: Any) -> int:
    """Read and run statements until the user leaves; always 0.  `terminal`: input and output, for tests."""
    completer = SqlCompleter()
    prompt = make_prompt(completer, _history(shell), **terminal)
    if not options.quiet:
        shell.say(banner(options.data_dir))
    try:
        while True:
            _refresh(shell, completer)
            text = _read(prompt)
            if text is None:
                return 0
            run_text(shell, text)
    except Leave:
        return 0


def run_text(shell: Shell, text: str) -> None:
    """Run what was typed at one prompt: one or more statements, or a backslash command."""
    typed = text.strip()
    command = _BARE_WORDS.get(typed.rstrip(";").rstrip().lower())
    if command is not None or typed.startswith("\\"):
        shell.run_script([command or typed])
        return
    for statement in cut(text):
        if not shell.run(statement):
            return


def banner(data_dir: str | None) -> str:
    """Two lines: what this is, where the data is, how to get help and out."""
    place = f"data in {data_dir}" if data_dir else "in memory: nothing is kept (sqlengine DATA_DIR keeps it)"
    return f"sqlengine {__version__}, {place}\nSQL ends with a semicolon; \\? lists commands, \\q leaves"


def make_prompt(completer: SqlCompleter, history: History, **terminal: Any) -> PromptSession[str]:
    """A prompt that takes lines until the statement is complete."""
    return PromptSession(
        message=FormattedText([("bold", PROMPT)]),
        multiline=True,
        prompt_continuation=lambda width, _line, _wrapped: CONTINUATION.rjust(width),
        key_bindings=_bindings(),
        completer=completer,
        complete_while_typing=False,
        history=history,
        enable_history_search=True,
        **terminal,
    )


def _read(prompt: PromptSession[str]) -> str | None:
    """The next text that is not blank; None at Ctrl-D.  Ctrl-C throws away what was typed."""
    while True:
        try:
            text = prompt.prompt()
        except KeyboardInterrupt:
            continue
        except EOFError:
            return None
        if text.strip():
            return text


def _bindings() -> KeyBindings:
    bindings = KeyBindings()
    enough = Condition(lambda: not needs_more(get_app().current_buffer.text))

    @bindings.add("enter", filter=enough)
    def _run(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    @bindings.add("escape", "enter")
    def _new_line(event: KeyPressEvent) -> None:
        event.current_buffer.newline(copy_margin=False)

    return bindings


def history_path() -> Path:
    """$XDG_STATE_HOME/sqlengine/history, by default under ~/.local/state."""
    state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return Path(state) / "sqlengine" / "history"


def _history(shell: Shell) -> History:
    """The history file, readable by its owner only; in memory when it cannot be written."""
    path = history_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600))
        return FileHistory(str(path))
    except OSError as error:
        shell.say(f"history is not kept: {path}: {error.strerror}")
        return InMemoryHistory()


def _refresh(shell: Shell, completer: SqlCompleter) -> None:
    """After a statement that may have changed the names, fetch them while the user types."""
    if shell.changed_catalog:
        shell.changed_catalog = False
        shell.runner.start(lambda session: completer.learn(session))
