"""What a backslash command is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Command:
    """`names` with their backslash, the first one preferred; `argument` as \\? shows it; `run(shell,
    argument)`; `completes`: what the argument can be completed by: kinds of
    repl/completion/wanted.py, "sql", or plain words."""

    names: tuple[str, ...]
    argument: str
    help: str
    run: Callable[[Any, str], bool]
    completes: tuple[str, ...] = ()


class Leave(Exception):
    """The user asked to leave."""
