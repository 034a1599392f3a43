"""prompt_toolkit's completer over suggest.py (what kind of thing) and candidates.py (which ones).

It runs on a thread beside the prompt and reads a snapshot of names: it never asks the session.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from repl.commands import COMMANDS, command_of
from repl.completion import wanted
from repl.completion.candidates import Candidate, candidates
from repl.completion.names import Names
from repl.completion.suggest import suggest
from repl.completion.wanted import Place, Wanted

_WORD = re.compile(r"[^\W\d][\w$]*")
_REMEMBERED = 200
_DETAIL_CELLS = 42
_SHOWN_UNASKED = frozenset((wanted.RELATION, wanted.OPTION, wanted.OPTION_VALUE, wanted.QUERY_ID, wanted.JOIN))
"""Kinds that are offered while typing before a letter of them is typed."""


class SqlCompleter(Completer):
    """Offers what may stand at the cursor; `names()` gives the snapshot of what exists."""

    def __init__(self, names: Callable[[], Names] = Names) -> None:
        self._names = names
        self._counts: Counter[str] = Counter()
        self.missed: str | None = None
        """The text for which nothing was found last, perhaps because names were not known yet."""

    def learn(self, statements: Iterable[str]) -> None:
        """Count the words of what was typed before (the last 200), to rank by."""
        counts: Counter[str] = Counter()
        for statement in list(statements)[-_REMEMBERED:]:
            counts.update(word.lower() for word in _WORD.findall(statement))
        self._counts = counts

    def remember(self, statement: str) -> None:
        """Count the words of one more statement."""
        self._counts.update(word.lower() for word in _WORD.findall(statement))

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        """See prompt_toolkit."""
        self.missed = None
        is_found = False
        for completion in self._found(document, complete_event):
            is_found = True
            yield completion
        if not is_found:
            self.missed = document.text

    def _found(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        for place in self._places(document.text, document.cursor_position):
            if complete_event.text_inserted and not _is_asked(place):
                continue
            yield from _completions(place, candidates(place, self._names(), self._counts))
            if wanted.PATH in place.kinds:
                yield from _paths(place.word)
            if wanted.COMMAND in place.kinds:
                yield from _commands(place.word)

    def _places(self, text: str, cursor: int) -> Iterator[Place]:
        """The place itself; for an argument of a command, the place it is."""
        place = suggest(text, cursor)
        if wanted.ARGUMENT not in place.kinds:
            yield place
            return
        name, index = place.wanted[0].words
        command = command_of(name)
        completes = command.completes if command is not None else ()
        if "sql" in completes:
            start = text.index(name) + len(name) + 1
            verb = "COPY " if name == "\\copy" else ""
            inner = suggest(verb + text[start:], cursor - start + len(verb))
            yield replace(inner, start=inner.start + start - len(verb))
        kinds = [
            Wanted(kind, ("*",) if kind == wanted.RELATION else ()) for kind in completes if kind in _ARGUMENT_KINDS
        ]
        words = tuple(word for word in completes if word not in _ARGUMENT_KINDS and word != "sql")
        if index != "0":
            words = (
                tuple(command.values.get(text.split()[1].lower(), ())) if command is not None and index == "1" else ()
            )
        if words:
            kinds.append(Wanted(wanted.KEYWORD, words))
        qualifier, dot, word = place.word.rpartition(".") if wanted.RELATION in completes else ("", "", place.word)
        yield Place(word, place.start + len(qualifier + dot), tuple(kinds), qualifier, upper=False)


_ARGUMENT_KINDS = frozenset(
    (wanted.RELATION, wanted.QUERY_ID, wanted.PATH, wanted.ROLE, wanted.SCHEMA, wanted.FUNCTION, wanted.SETTING)
)


def _is_asked(place: Place) -> bool:
    """While typing, a menu of everything is a nuisance: before the first letter only names are offered."""
    return bool(place.word or place.qualifier) or bool(_SHOWN_UNASKED & set(place.kinds))


def _completions(place: Place, found: list[Candidate]) -> Iterator[Completion]:
    for candidate in found:
        shown = (
            candidate.detail if len(candidate.detail) <= _DETAIL_CELLS else candidate.detail[: _DETAIL_CELLS - 1] + "…"
        )
        meta = shown or candidate.kind
        if candidate.kind == wanted.FUNCTION and candidate.help:
            meta = f"{shown}  {candidate.help}"
        yield Completion(
            candidate.text,
            -len(place.word),
            display_meta=meta,
            style=f"class:completion.{candidate.kind.replace(' ', '-')}",
        )


def _commands(word: str) -> Iterator[Completion]:
    for command in COMMANDS:
        if command.names[0].startswith(word):
            yield Completion(
                command.names[0],
                -len(word),
                display=f"{command.names[0]} {command.argument}".rstrip(),
                display_meta=command.help,
            )


def _paths(typed: str) -> Iterator[Completion]:
    """Files and folders that begin with what is typed; a folder ends with a slash."""
    typed = typed.lstrip("'\"")
    folder, _, start = typed.rpartition("/")
    try:
        entries = sorted(os.scandir(os.path.expanduser(folder + "/") if "/" in typed else "."), key=lambda e: e.name)
    except OSError:
        return  # nothing can be offered where there is no such folder
    for entry in entries:
        if entry.name.startswith(start) and (start or not entry.name.startswith(".")):
            yield Completion(
                entry.name + ("/" if entry.is_dir() else ""),
                -len(start),
                display_meta="folder" if entry.is_dir() else "file",
            )
