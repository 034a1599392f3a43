"""The prompt: reads statements with the line editor and feeds them to the shell.

Nothing slow happens while the user types: completion works on names that a thread of its own fetches.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.history import FileHistory, History, InMemoryHistory

from repl.commands.base import Leave
from repl.commands.tutorial import go_on
from repl.completion.completer import SqlCompleter
from repl.completion.names import NameKeeper, Names
from repl.config import Config
from repl.editing.prompt import editing_mode, make_prompt
from repl.late import LateSession
from repl.options import Options, is_address
from repl.runner import Interrupted
from repl.shell import Shell
from repl.statements import cut
from repl.terminal import has_color
from sqlengine import __version__
from sqlengine.errors import Error
from sqlengine.sql import accepts

_USAGE = "SQL ends with a semicolon; \\? lists commands, \\q leaves"
_BARE_WORDS = {"quit": "\\q", "exit": "\\q", "help": "\\?"}


def run_prompt(shell: Shell, options: Options, config: Config = Config(), **terminal: Any) -> int:  # noqa: B008 - frozen
    """Read and run statements until the user leaves; always 0.  `terminal`: input and output, for tests.

    Raises Error when the database turns out not to open, which is known after the prompt has been drawn.
    """
    shell.terminal = terminal
    keeper = NameKeeper(shell.open_session, shell.is_remote) if shell.open_session is not None else None
    completer = SqlCompleter(lambda: keeper.names if keeper is not None else Names())
    history = _history(shell)
    colored = has_color() and not options.no_color
    prompt = make_prompt(completer, history, config, colored, lambda: shell.dialect, **terminal)
    if keeper is not None and config.complete_while_typing:
        keeper.on_change = lambda: _complete_again(prompt, completer)
    completer.learn(history.load_history_strings())
    _when_shown(prompt, lambda: _prepare(shell, keeper, prompt))
    if not options.quiet:
        shell.say(banner(options.data_dir))
    try:
        while True:
            if not terminal:
                shell.keyboard.keep()
            try:
                text = _read(prompt, shell)
                if text is None:
                    return 0
                completer.remember(text)
                shell.wait_for(_opened)
                run_text(shell, text)
            except (Interrupted, KeyboardInterrupt):
                shell.say("cancelled")  # also what is no statement: Ctrl-C never leaves the prompt
            _refresh(shell, keeper)
    except Leave:
        return 0
    finally:
        shell.keyboard.give_back()
        if keeper is not None:
            keeper.close()


def _when_shown(prompt: PromptSession[str], act: Callable[[], None]) -> None:
    """Do something once, when the prompt has been drawn for the first time."""

    def once(_sender: object) -> None:
        prompt.app.after_render -= once
        act()

    prompt.app.after_render += once


def _complete_again(prompt: PromptSession[str], completer: SqlCompleter) -> None:
    """Offer what was not known when it was typed; called by the thread that fetches names."""
    app, buffer = prompt.app, prompt.default_buffer

    def begin() -> None:
        if app.is_running and buffer.text and buffer.text == completer.missed and buffer.complete_state is None:
            buffer.start_completion(complete_event=CompleteEvent(text_inserted=True))

    loop = app.loop
    if loop is not None and app.is_running:
        loop.call_soon_threadsafe(begin)


def _prepare(shell: Shell, keeper: NameKeeper | None, prompt: PromptSession[str]) -> None:
    """What the first keys need, while nobody has typed yet: the engine, names, and the parser of statements."""

    def load(session: Any) -> None:
        try:
            _opened(session)
        except Error as error:
            _take_back(prompt, error)
        else:
            accepts(())

    shell.runner.start(load)
    _refresh(shell, keeper)


def _opened(session: Any) -> None:
    """Have the session open."""
    if isinstance(session, LateSession) and not session.is_open:
        session.opened()


def _take_back(prompt: PromptSession[str], error: Error) -> None:
    """End a prompt that stands over nothing; one that has just been answered is ended by what it asks for."""
    app = prompt.app

    def leave() -> None:
        if app.is_running and not app.is_done:
            app.exit(exception=error)

    if app.loop is not None:
        app.loop.call_soon_threadsafe(leave)


def run_text(shell: Shell, text: str) -> None:
    """Run what was typed at one prompt: one or more statements, or a backslash command."""
    typed = text.strip()
    command = _BARE_WORDS.get(typed.rstrip(";").rstrip().lower())
    if command is not None or typed.startswith("\\"):
        shell.run_script([command or typed])
        return
    shell.last_text = text
    for statement in cut(text, dialect=shell.dialect):
        if not shell.run(statement):
            return
    go_on(shell)


def banner(data_dir: str | None) -> str:
    """Two lines: what this is, where the data is, how to get help and out."""
    if data_dir is not None and is_address(data_dir):
        shown = re.sub(r"(://[^/@:]*):[^@]*@", r"\1@", data_dir)  # no password on the screen
        return f"sqlengine {__version__}, connected to {shown}\n{_USAGE}"
    place = f"data in {data_dir}" if data_dir else "in memory: nothing is kept (sqlengine DATA_DIR keeps it)"
    return f"sqlengine {__version__}, {place}\n{_USAGE}"


def _read(prompt: PromptSession[str], shell: Shell) -> str | None:
    """The next text that is not blank; None at Ctrl-D.  Ctrl-C throws away what was typed."""
    while True:
        default, shell.next_text = shell.next_text, ""
        prompt.editing_mode = editing_mode(shell.editing)
        try:
            text = prompt.prompt(default=default)
        except KeyboardInterrupt:
            continue
        except EOFError:
            return None
        if text.strip():
            return text


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


def _refresh(shell: Shell, keeper: NameKeeper | None) -> None:
    """After a statement that may have changed the names, fetch them while the user types."""
    if shell.changed_catalog and keeper is not None:
        shell.changed_catalog = False
        keeper.refresh()
