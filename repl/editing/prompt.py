"""The line editor: a prompt_toolkit session with our completer, colours, keys and history."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import Completer
from prompt_toolkit.enums import EditingMode
from prompt_toolkit.filters import Always, Condition, has_completions, is_done, is_searching
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import History
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.key_binding.bindings.named_commands import get_by_name
from prompt_toolkit.layout.processors import ConditionalProcessor, HighlightMatchingBracketProcessor
from prompt_toolkit.styles import Style

from repl.config import Config
from repl.editing.highlight import SqlLexer
from repl.editing.indent import indent_after, margin_of_closing
from repl.statements import OURS, needs_more
from sqlengine.errors import InvalidParameter

_LONGEST_MATCHED = 5_000
_STYLES = {
    "prompt": "bold",
    "sql.keyword": "ansiblue bold",
    "sql.function": "ansicyan",
    "sql.string": "ansigreen",
    "sql.number": "ansimagenta",
    "sql.name": "ansiyellow",
    "sql.comment": "ansibrightblack italic",
    "sql.operator": "",
    "sql.command": "ansicyan bold",
    "sql.wrong": "ansired underline",
    "auto-suggestion": "ansibrightblack",
    "matching-bracket.cursor": "bold underline",
    "matching-bracket.other": "bold underline",
    "completion-menu": "bg:ansiblack ansiwhite",
    "completion-menu.completion.current": "reverse",
    "completion-menu.meta": "bg:ansiblack ansibrightblack",
    "completion-menu.meta.completion.current": "reverse",
}


def make_prompt(
    completer: Completer,
    history: History,
    config: Config,
    color: bool = True,
    dialect: Callable[[], str] = lambda: OURS,
    **terminal: Any,
) -> PromptSession[str]:
    """A prompt that takes lines until the statement is complete; `dialect()`: of what is typed; `terminal`: input and
    output, for tests.

    Raises InvalidParameter (22023) for colours and keys of the configuration that do not exist.
    """
    message = FormattedText([("class:prompt", config.prompt)])
    continuation = "...> "
    prompt: PromptSession[str] = PromptSession(
        message=message,
        multiline=True,
        prompt_continuation=lambda width, _line, wrapped: ("" if wrapped else continuation).rjust(width),
        key_bindings=_bindings(config, dialect),
        completer=completer,
        complete_while_typing=config.complete_while_typing,
        complete_in_thread=True,
        lexer=SqlLexer() if color else None,
        style=_style(config) if color else Style([]),
        auto_suggest=AutoSuggestFromHistory(),
        history=history,
        search_ignore_case=True,
        enable_open_in_editor=True,
        tempfile_suffix=".sql",
        editing_mode=editing_mode(config.editing),
        input_processors=[
            ConditionalProcessor(HighlightMatchingBracketProcessor(max_cursor_distance=_LONGEST_MATCHED), ~is_done)
        ],
        **terminal,
    )
    # as an option of the session it would switch completion while typing off
    prompt.default_buffer.enable_history_search = Always()
    return prompt


def editing_mode(name: str) -> EditingMode:
    """prompt_toolkit's name of "vi" or "emacs"."""
    return EditingMode.VI if name == "vi" else EditingMode.EMACS


def _style(config: Config) -> Style:
    renamed = {"prompt": "prompt", "suggestion": "auto-suggestion"}
    chosen = {renamed.get(name, f"sql.{name}"): style for name, style in config.colors.items()}
    try:
        return Style.from_dict(_STYLES | chosen)
    except ValueError as error:
        raise InvalidParameter(
            f"no such colour: {str(error).lower()}", hint="see [colors] of the configuration"
        ) from None


def _bindings(config: Config, dialect: Callable[[], str]) -> KeyBindings:
    bindings = KeyBindings()
    enough = Condition(lambda: not needs_more(get_app().current_buffer.text, dialect()))
    chosen = Condition(lambda: _chosen(get_app().current_buffer))
    bindings.add("enter", filter=chosen & ~is_searching)(_take)
    bindings.add("enter", filter=enough & ~chosen & ~is_searching)(_run)
    bindings.add("enter", filter=~enough & ~chosen & ~is_searching)(_new_line)
    bindings.add("escape", "enter")(_new_line)
    bindings.add("up", filter=has_completions & ~chosen)(_earlier)
    bindings.add(")")(_close)
    bindings.add("escape", filter=has_completions, eager=True)(_leave_menu)
    handlers = {
        "run": _run,
        "new_line": _new_line,
        "complete": get_by_name("menu-complete").handler,
        "edit": get_by_name("edit-and-execute-command").handler,
        "search": get_by_name("reverse-search-history").handler,
    }
    for action, keys in config.keys.items():
        try:
            bindings.add(*keys.split())(handlers[action])
        except ValueError:
            raise InvalidParameter(
                f'no such key: "{keys}"', hint='keys are written as "c-x c-e", "f5" or "escape enter"'
            ) from None
    return bindings


def _chosen(buffer: Buffer) -> bool:
    return buffer.complete_state is not None and buffer.complete_state.current_completion is not None


def _take(event: KeyPressEvent) -> None:
    """Keep the completion that is chosen, and close the menu."""
    event.current_buffer.complete_state = None


def _earlier(event: KeyPressEvent) -> None:
    """Up is the history's until Tab or Down has gone into the menu."""
    event.current_buffer.cancel_completion()
    event.current_buffer.auto_up(count=event.arg)


def _leave_menu(event: KeyPressEvent) -> None:
    event.current_buffer.cancel_completion()


def _run(event: KeyPressEvent) -> None:
    event.current_buffer.validate_and_handle()


def _new_line(event: KeyPressEvent) -> None:
    buffer = event.current_buffer
    blanks = indent_after(buffer.document.text_before_cursor)
    buffer.insert_text("\n" + " " * blanks)


def _close(event: KeyPressEvent) -> None:
    """A closing bracket that begins a line goes to the margin of the line it closes."""
    buffer = event.current_buffer
    line = buffer.document.current_line_before_cursor
    if line and line.isspace():
        margin = margin_of_closing(buffer.document.text_before_cursor)
        if margin is not None and margin < len(line):
            buffer.delete_before_cursor(len(line) - margin)
    buffer.insert_text(")")
