"""Looking at what there is: \\d and its relatives.  They are short for SHOW and DESCRIBE statements."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from repl.commands.base import Command, is_run
from sqlengine.errors import Error

if TYPE_CHECKING:
    from repl.shell import Shell

_KINDS = ("topics", "streams", "tables", "views", "sinks", "subscriptions")
_READERS = ("views", "sinks", "subscriptions")
_FACT = "# "
"""How DESCRIBE EXTENDED marks what is no column."""


def _describe(shell: Shell, name: str) -> bool:
    if not name:
        return _everything(shell)
    rows = shell.ask(f"DESCRIBE EXTENDED {name}")
    columns = rows.column(0).to_pylist()
    is_fact = pa.array([str(column).startswith(_FACT) for column in columns], pa.bool_())
    facts = {c.removeprefix(_FACT): t for c, t in zip(columns, rows.column(1).to_pylist()) if c.startswith(_FACT)}
    title = f"{facts.get('kind', '')} {facts.get('name', name)}".strip()
    shell.show(rows.filter(pc.invert(is_fact)), title)
    for label in facts:
        if label not in ("kind", "name"):
            shell.say(f"{label}: {facts[label]}")
    readers = _readers(shell, facts.get("name", name))
    if readers:
        shell.say(f"read by: {', '.join(readers)}")
    return True


def _readers(shell: Shell, name: str) -> list[str]:
    """The views, sinks and subscriptions that read an object."""
    found = []
    for kind in _READERS:
        for reader in _names(shell, kind):
            described = shell.ask(f"DESCRIBE EXTENDED {reader}")
            facts = dict(zip(described.column(0).to_pylist(), described.column(1).to_pylist()))
            if name in str(facts.get(f"{_FACT}reads", "")).split(", "):
                found.append(reader)
    return found


def _names(shell: Shell, kind: str) -> list[str]:
    try:
        rows = shell.ask(f"SHOW {kind.upper()}")
    except Error:
        return []  # whoever may not list them sees what else there is
    return [str(name) for name in rows.column(0).to_pylist()] if rows.num_columns else []


def _everything(shell: Shell) -> bool:
    found = [_show(shell, kind, "", title=kind) for kind in _KINDS]
    if not any(found):
        shell.say("nothing has been created yet")
    return True


def _lister(words: str, what: str) -> Callable[[Any, str], bool]:
    """A command that lists objects, those like a pattern if one is given (* and ? stand for others)."""

    def run(shell: Shell, pattern: str) -> bool:
        if not _show(shell, words, pattern):
            shell.say(f"there are no {what}" + (f" like {pattern}" if pattern else ""))
        return True

    return run


def _show(shell: Shell, words: str, pattern: str, title: str | None = None) -> bool:
    """Show a list; False if it is empty."""
    like = pattern.replace("'", "''").replace("*", "%").replace("?", "_")
    rows = shell.ask(f"SHOW {words.upper()}" + (f" LIKE '{like}'" if like else ""))
    if rows.num_rows:
        shell.show(rows, title)
    return bool(rows.num_rows)


def _databases(shell: Shell, _argument: str) -> bool:
    shell.show(shell.ask("SELECT datname AS name FROM pg_catalog.pg_database ORDER BY 1"))
    return True


def _explain(shell: Shell, statement: str) -> bool:
    return is_run(shell, f"EXPLAIN {statement}")


CATALOG_COMMANDS = (
    Command(("\\d",), "[NAME]", "what there is, or an object: columns, facts, readers", _describe, ("relation",)),
    Command(("\\dt",), "[PATTERN]", "tables", _lister("tables", "tables")),
    Command(("\\ds",), "[PATTERN]", "streams", _lister("streams", "streams")),
    Command(("\\dv",), "[PATTERN]", "views", _lister("views", "views")),
    Command(("\\di",), "[PATTERN]", "indexes", _lister("indexes", "indexes")),
    Command(("\\dq",), "[PATTERN]", "running queries", _lister("queries", "queries")),
    Command(("\\df",), "[PATTERN]", "functions", _lister("functions", "functions")),
    Command(("\\dn",), "[PATTERN]", "schemas", _lister("schemas", "schemas")),
    Command(("\\du",), "[PATTERN]", "roles", _lister("roles", "roles")),
    Command(("\\l",), "", "databases", _databases),
    Command(("\\explain",), "STATEMENT", "how a query is carried out", _explain, ("sql",)),
)
