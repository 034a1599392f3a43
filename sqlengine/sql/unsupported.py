"""Statements we know and do not have yet: recognised by their first words, answered 0A000 with the feature's
name.

A statement leaves this list when it gets a grammar rule.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlengine.sql.lexer import Token

_BY_WORDS: dict[str, str] = {
    **{
        words: words
        for words in (
            "CREATE PUBLICATION",
            "CREATE SECRET",
            "CREATE CONNECTION",
            "CREATE CONNECTOR",
            "CREATE CATALOG",
            "CREATE TYPE",
            "CREATE DOMAIN",
            "CREATE SEQUENCE",
            "CREATE TRIGGER",
            "CREATE AGGREGATE",
            "CREATE EXTENSION",
            "CREATE PROCEDURE",
            "CREATE RULE",
            "CREATE POLICY",
            "CREATE FOREIGN",
            "CREATE EXTERNAL",
            "CREATE MACRO",
            "CREATE CLUSTER",
            "CREATE CAST",
            "CREATE OPERATOR",
            "CREATE STATISTICS",
            "CREATE MODEL",
            "DROP SECRET",
            "DROP CONNECTION",
            "DROP CONNECTOR",
            "DROP TYPE",
            "DROP SEQUENCE",
            "DROP TRIGGER",
            "DROP EXTENSION",
            "DROP CATALOG",
            "DROP POLICY",
            "REINDEX",
            "CLUSTER",
            "LOCK",
            "CALL",
            "DO",
            "USE",
            "LOAD",
            "MSCK",
            "IMPORT",
            "EXPORT",
            "ATTACH",
            "DETACH",
            "SUMMARIZE",
            "SECURITY",
            "DEFINE",
            "UNDEFINE",
            "TERMINATE",
            "RUN",
            "SPOOL",
            "INSERT OVERWRITE",
            "KILL",
            "RECOVER",
        )
    },
    "CREATE UNLOGGED": "CREATE UNLOGGED TABLE",
    "EXPLAIN PLAN": "EXPLAIN PLAN FOR",
}
_MODIFIERS = frozenset(("OR", "REPLACE", "TEMPORARY", "TEMP"))
_CONSTRAINTS = frozenset("CONSTRAINT PRIMARY UNIQUE FOREIGN CHECK EXCLUDE".split())
_ROLE_WORDS = frozenset(("ROLE", "USER", "GROUP"))
_OBJECTS = frozenset(
    "TOPIC STREAM TABLE VIEW MATERIALIZED SINK SOURCE SCHEMA DATABASE FUNCTION INDEX SUBSCRIPTION".split()
)


def unsupported_feature(tokens: Sequence[Token]) -> str | None:
    """The feature a statement would need and we lack, or None."""
    words = [token.upper for token in tokens[:8]]
    first = words[0]
    rest = [word for word in words[1:] if word not in _MODIFIERS] if first == "CREATE" else words[1:]
    second = rest[0] if rest else ""
    found = _BY_WORDS.get(f"{first} {second}") or _BY_WORDS.get(first)
    if found is not None:
        return found
    if "TABLE" in words[1:4] and first in ("CREATE", "ALTER") and any(map(_is_foreign_key, tokens)):
        return "FOREIGN KEY"
    if first == "ALTER":
        return _alter(words, tokens)
    return None


def _is_foreign_key(token: Token) -> bool:
    return token.upper == "REFERENCES"


_OTHER_SETTINGS = frozenset(("SCHEMA", "TABLESPACE", "ACCESS", "WITHOUT"))
"""Words behind SET that do not begin an option."""


_OTHER_CHANGES = frozenset(("STATISTICS", "STORAGE", "COMPRESSION", "GENERATED", "IDENTITY"))
"""Words of what ALTER COLUMN does not have."""


def _changes_columns(kind: str, words: set[str], verb: str | None) -> bool:
    """DROP COLUMN, ALTER COLUMN of tables and streams; of tables what adds and drops constraints as well."""
    if verb == "ADD":
        return kind == "TABLE" and bool({"CHECK", "UNIQUE", "PRIMARY"} & words)
    return verb == "DROP" or (verb == "ALTER" and not _OTHER_CHANGES & words)


def _alter(words: list[str], tokens: Sequence[Token]) -> str | None:
    """ALTER has RENAME and OWNER for everything, AS for views, SET for topics, tables, materialized views and
    subscriptions, ADD PARTITIONS for topics, RESET for consumer groups, ADD and DROP for SYSTEM, options for roles,
    and DEFAULT PRIVILEGES.
    """
    if len(words) < 2 or words[1] in ("TOPIC", "CONSUMER", "") or any(token.upper == "RENAME" for token in tokens):
        return None
    added = next((token.upper for token in tokens[2:] if token.upper in ("ADD", "DROP", "ALTER", "SET")), None)
    stored = words[1] in ("TABLE", "STREAM", "SOURCE")
    if stored and added == "ADD" and not any(t.upper in _CONSTRAINTS for t in tokens[3:6]):
        return None
    if stored and _changes_columns(words[1], {token.upper for token in tokens}, added):
        return None
    if words[1:3] in (["SYSTEM", "ADD"], ["SYSTEM", "DROP"], ["DEFAULT", "PRIVILEGES"]):
        return None
    if words[1] in _ROLE_WORDS:
        return None
    if words[1] not in _OBJECTS:
        return f"ALTER {words[1]}" if words[1].isalpha() and len(tokens) > 2 else None
    kind = "MATERIALIZED VIEW" if words[1] == "MATERIALIZED" else words[1]
    verbs = ("ADD", "DROP", "ALTER", "SET", "RESET", "OWNER", "SWAP", "AS")
    verb = next((token.upper for token in tokens[2:] if token.upper in verbs), None)
    if (
        verb in ("OWNER", "SWAP")
        or "SCHEMA" in (token.upper for token in tokens[2:])
        or (verb == "AS" and kind in ("VIEW", "MATERIALIZED VIEW"))
    ):
        return None
    has_options = words[1] in ("MATERIALIZED", "SUBSCRIPTION", "TABLE")
    if has_options and verb == "SET" and not _OTHER_SETTINGS & {token.upper for token in tokens}:
        return None
    return f"ALTER {kind} ... {verb}" if verb is not None else None
