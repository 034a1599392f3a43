"""Writes the generated pages of docs/ from the code: errors.md, settings.md, connectors.md, system.md.

`make docs` runs it; `tests/test_docs.py` fails when a page is not what this would write.  The page of scalar
functions is written by `sqlengine.functions.docs`, which this calls too.  It must not hold a fact the code
does not hold.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import MISSING, fields
from pathlib import Path
from types import ModuleType
from typing import Any

import sqlengine.errors
import storage.errors
from sqlengine.catalog.system import SYSTEM_TABLES
from sqlengine.connectors import CONNECTORS
from sqlengine.settings import Settings
from sqlengine.types import to_sql

FOLDER = Path(__file__).resolve().parent
HEAD = "<!-- written by `make docs`; edit the code it comes from -->\n\n"


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A markdown table; bars inside cells are escaped."""
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def sentence(text: str | None) -> str:
    """The first paragraph of a docstring in one line."""
    return " ".join(inspect.cleandoc(text or "").split("\n\n")[0].split())


def errors_page() -> str:
    """Every error class of both trees with its SQLSTATE."""
    return (
        "# Errors\n\n" + HEAD + "Every error has a SQLSTATE, a message, and where known a detail, a hint and the "
        "position in the statement. In Python they are classes of `sqlengine`; the first level below "
        "`DatabaseError` is that of DB-API 2.0.\n\n"
        + _error_table(sqlengine.errors, sqlengine.errors.Error)
        + "\n## The log on its own\n\nThe `storage` package can be used without SQL and has a tree of its "
        "own; a session turns its errors into those above.\n\n"
        + _error_table(storage.errors, storage.errors.StorageError)
    )


def _error_table(module: ModuleType, base: type[Any]) -> str:
    rows = [
        (f"`{cls.sqlstate}`", f"`{cls.__name__}`", f"`{cls.__bases__[0].__name__}`", sentence(_own_doc(cls)))
        for cls in error_classes(module, base)
    ]
    return table(("SQLSTATE", "class", "is a", "when"), rows)


def _own_doc(cls: type[Any]) -> str:
    return cls.__dict__.get("__doc__") or re.sub(r"(?<=[a-z])(?=[A-Z])", " ", cls.__name__).lower()


def error_classes(module: ModuleType, base: type[Any]) -> list[type[Any]]:
    """The classes of a module's tree of errors, by SQLSTATE."""
    found = [cls for cls in vars(module).values() if inspect.isclass(cls) and issubclass(cls, base)]
    return sorted(set(found), key=lambda cls: (cls.sqlstate, cls.__name__))


def settings_page() -> str:
    """Every setting with its default and what it accepts."""
    rows = []
    for spec in (spec for spec in fields(Settings) if spec.metadata):
        accepted = ", ".join(f"`{word}`" for word in spec.metadata["choices"])
        if spec.metadata["size"]:
            accepted = f"bytes from {spec.metadata['minimum']:,}, also with a unit; `none`"
        elif spec.metadata["minimum"] is not None:
            accepted = f"a whole number from {spec.metadata['minimum']:,}"
        rows.append((f"`{spec.name}`", _value(spec.default), accepted or "text", spec.metadata["help"]))
    return (
        "# Settings\n\n"
        + HEAD
        + "`SET name = value` changes a setting of the session, `SHOW name` shows it, `RESET name` "
        "brings the default back, `SHOW SETTINGS` lists all. `sqlengine.connect(..., name=value)` sets it "
        "for every session of a database.\n\n" + table(("setting", "default", "accepts", "meaning"), rows)
    )


def connectors_page() -> str:
    """Every connector with its options."""
    parts = [
        "# Connectors\n\n" + HEAD + "`WITH (connector = '...', ...)` of a stream or a sink names one of these. Option "
        "names are case-insensitive, and `-`, `.` and `_` are equal in them.\n"
    ]
    for connector in CONNECTORS:
        roles = [word for word, made in (("source", connector.source), ("sink", connector.sink)) if made is not None]
        rows = [_option_row(spec) for spec in fields(connector.options)]
        parts.append(f"## {connector.name}\n\n{connector.description} ({' and '.join(roles)})\n")
        if rows:
            parts.append(table(("option", "default", "accepts", "meaning"), rows))
    return "\n".join(parts)


def _option_row(spec: Any) -> tuple[str, ...]:
    names = [spec.name, *spec.metadata.get("aliases", ())]
    has_default = spec.default is not MISSING or spec.default_factory is not MISSING
    default = "required" if not has_default else _value(None if spec.default is MISSING else spec.default)
    kind = re.sub(r"<class '(\w+)'>", r"\1", str(spec.type)).removesuffix(" | None")
    choices = ", ".join(f"`{word}`" for word in spec.metadata.get("choices", ()))
    shown = ", ".join(f"`{name}`" for name in names)
    return shown, default, choices or _TYPE_WORDS.get(kind, kind), str(spec.metadata.get("help", ""))


_TYPE_WORDS = {"str": "text", "int": "a whole number", "float": "a number", "bool": "true or false"}


def _value(value: Any) -> str:
    if value is None or value == "":
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def functions_page() -> str:
    """Every scalar function and aggregate; written by the package that holds them."""
    from sqlengine.functions import docs  # lazy: it loads every family

    return docs.render()


def hive_functions_page() -> str:
    """Every function of Hive 4 and of Spark: how it is written and what it gives, or why it is not there."""
    from sqlengine.expr.hive import catalogue  # lazy: only this page needs Hive's dialect
    from sqlengine.functions.hive.gaps import SPARK_GAPS  # lazy: the same

    here = [entry for name in catalogue.names() if (entry := catalogue.entry(name)) is not None]
    gone = [
        entry
        for name in (*catalogue.NAMES, *SPARK_GAPS)
        if (entry := catalogue.entry(name)) is not None and entry.gap is not None
    ]
    rows = [
        ("<br>".join(f"`{text}`" for text in e.signatures), e.words, f"`{e.example}`" if e.example else "")
        for e in here
    ]
    reasons: dict[tuple[str, str], list[str]] = {}
    for entry in gone:
        assert entry.gap is not None
        reasons.setdefault((entry.gap.word, entry.gap.reason), []).append(f"`{entry.name}`")
    return (
        "# Functions of Hive\n\n"
        + HEAD
        + "In the dialect `hive`, these have the meaning Hive 4 gives them; examples are true. Values never make them "
        "fail: what has no answer is NULL. `SHOW FUNCTIONS [LIKE 'pattern']` lists the names, `DESCRIBE FUNCTION "
        "[EXTENDED] name` one of them.\n\n"
        "Regular expressions are Java's. They run in RE2 where it has a word for all that is in them, else in Python's "
        "`re`, once for each distinct text: look-around, possessive quantifiers, atomic groups and back references; "
        "such an expression can take very long, as in Java.\n\n"
        + table(("function", "what it gives", "example"), rows)
        + "\n## Not there\n\n`never`: it has no meaning here, or is refused. `notimpl`: it could be added.\n\n"
        + table(("word", "why", "functions"), [(w, r, ", ".join(n)) for (w, r), n in sorted(reasons.items())])
    )


def system_page() -> str:
    """Every table of the schema `system` with its columns."""
    rows = []
    for system_table in SYSTEM_TABLES.values():
        columns = ", ".join(f"`{column.name}` {to_sql(column.type)}" for column in system_table.columns)
        rows.append((f"`{system_table.name}`", system_table.comment or "", columns))
    return (
        "# The schema system\n\n" + HEAD + "What the engine tells of itself, as tables that can be read in any SELECT, "
        "joined, ordered and aggregated. They tell of the moment they are read, so a materialized view cannot follow "
        "them.\n\n" + table(("table", "rows", "columns"), rows)
    )


PAGES: dict[str, Callable[[], str]] = {
    "connectors.md": connectors_page,
    "errors.md": errors_page,
    "functions.md": functions_page,
    "hive-functions.md": hive_functions_page,
    "settings.md": settings_page,
    "system.md": system_page,
}


def main() -> None:
    """Write every page that is not yet what it should be."""
    for name, page in PAGES.items():
        path, text = FOLDER / name, page()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"wrote docs/{name}")


if __name__ == "__main__":
    main()
