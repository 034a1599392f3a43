"""Completion of keywords, names and backslash commands: basic, by what the word begins with.

Names are a snapshot: the completer never asks the session.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from repl.commands import COMMANDS
from repl.render import FORMATS
from sqlengine.errors import Error

_KINDS = ("topics", "streams", "tables", "views", "sinks", "subscriptions")
_MOST_DESCRIBED = 100
_WORD = re.compile(r"[\w$]*$")
_OPEN_STRING = re.compile(r"^(?:[^']|'[^']*')*'[^']*$")
KEYWORDS = tuple(
    """
    ACKNOWLEDGE ADD ALL ALTER AND AS ASC ASOF BEGIN BETWEEN BY CASE CAST CHANGES CLOSE COMMIT COPY COUNT
    CREATE CROSS CUMULATE CURSOR DECLARE DELETE DESC DESCRIBE DESCRIPTOR DISTINCT DROP ELECT ELSE EMIT END
    EXCEPT EXISTS EXPLAIN FALSE FETCH FILTER FOR FROM FULL GROUP HAVING HOP IF IN INNER INSERT INTERSECT
    INTERVAL INTO IS JOIN KEY LATENESS LEADER LEFT LIKE LIMIT MATERIALIZED NOT NULL OFFSET ON OR ORDER OUTER
    OVER PARTITION PARTITIONS PAUSE PRIMARY PRINT QUALIFY REPAIR REPLACE REPLICA REPLICAS RESET RESUME RIGHT
    ROLLBACK SELECT SESSION SET SHOW SINCE SINK SINKS SOURCE STREAM STREAMS SUBSCRIBE SUBSCRIPTION
    SUBSCRIPTIONS SYSTEM TABLE TABLES THEN TICK TOPIC TOPICS TRUE TRUNCATE TUMBLE UNCLEAN UNION UPDATE USING
    VALUES VIEW VIEWS WATERMARK WHEN WHERE WINDOW WITH
    """.split()
)


@dataclass(frozen=True, slots=True)
class Names:
    """What exists: relations and the columns of all of them."""

    relations: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()


def fetch_names(session: Any) -> Names:
    """Ask a session for its names; what it cannot tell is left out."""
    relations: set[str] = set()
    columns: set[str] = set()
    for kind in _KINDS:
        relations.update(_first_column(session, f"SHOW {kind.upper()}"))
    for name in sorted(relations)[:_MOST_DESCRIBED]:
        columns.update(_first_column(session, f"DESCRIBE {_identifier(name)}"))
    return Names(tuple(sorted(relations)), tuple(sorted(columns)))


def _first_column(session: Any, sql: str) -> list[str]:
    try:
        rows = session.execute(sql).to_arrow()
    except Error:
        return []  # a topic has no columns, and a statement that fails offers no names
    at = max(0, rows.schema.get_field_index("name"))
    return [str(value) for value in rows.column(at).to_pylist()] if rows.num_columns else []


def _identifier(name: str) -> str:
    plain = re.fullmatch(r"[a-z_][a-z0-9_]*", name)
    return name if plain else '"' + name.replace('"', '""') + '"'


class SqlCompleter(Completer):
    """Offers what begins with the word before the cursor; set `names` to change what exists."""

    def __init__(self) -> None:
        self.names = Names()

    def learn(self, session: Any) -> None:
        """Fetch the names that exist now."""
        self.names = fetch_names(session)

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        """See prompt_toolkit."""
        before = document.text_before_cursor
        if before.lstrip().startswith("\\"):
            yield from _commands(before.lstrip())
        elif not _OPEN_STRING.match(before):
            yield from self._words(before)

    def _words(self, before: str) -> Iterator[Completion]:
        found = _WORD.search(before)
        word = found[0] if found else ""
        if not word:
            return
        upper = word.isupper()
        for name, kind in [(n, "name") for n in self.names.relations] + [(n, "column") for n in self.names.columns]:
            if name.lower().startswith(word.lower()):
                yield Completion(name, -len(word), display_meta=kind)
        for keyword in KEYWORDS:
            if keyword.startswith(word.upper()):
                yield Completion(keyword if upper else keyword.lower(), -len(word))


def _commands(line: str) -> Iterator[Completion]:
    """Backslash commands, and the argument of \\format and \\i."""
    name, blank, argument = line.partition(" ")
    if not blank:
        for command in COMMANDS:
            if command.names[0].startswith(name):
                yield Completion(command.names[0], -len(name), display_meta=command.help)
    elif name == "\\format":
        yield from (Completion(f, -len(argument)) for f in FORMATS if f.startswith(argument))
    elif name in ("\\i", "\\o"):
        yield from _paths(argument)


def _paths(typed: str) -> Iterator[Completion]:
    folder, _, start = typed.rpartition("/")
    try:
        entries = sorted(os.scandir(os.path.expanduser(folder + "/") if "/" in typed else "."), key=lambda e: e.name)
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith(start) and (start or not entry.name.startswith(".")):
            yield Completion(entry.name + ("/" if entry.is_dir() else ""), -len(start))
