"""What a backslash command is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any

from repl.statements import Statement
from sqlengine.quick_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """`names` with their backslash, the first one preferred; `argument` as \\? shows it; `run(shell,
    argument)`; `completes`: what the argument can be completed by: kinds of
    repl/completion/wanted.py, "sql", or plain words; `values`: by such a word, what may stand behind it."""

    names: tuple[str, ...]
    argument: str
    help: str
    run: Callable[[Any, str], bool]
    completes: tuple[str, ...] = ()
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def is_run(shell: Any, text: str) -> bool:
    """Run a statement of a command's own as if it had been typed, but nobody is asked whether it may lose what it does;
    False if it failed, which has then been reported."""
    confirms, shell.confirms = shell.confirms, False
    try:
        return bool(shell.run(Statement(text)))
    finally:
        shell.confirms = confirms


class Leave(Exception):
    """The user asked to leave."""
