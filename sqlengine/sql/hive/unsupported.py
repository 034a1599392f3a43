"""Statements that Hive has and we do not, by their words: answered 0A000 with their name."""

from __future__ import annotations

from collections.abc import Sequence

from sqlengine.sql.lexer import Token

_BY_WORDS: tuple[tuple[str, ...], ...] = (
    ("CREATE", "SCHEDULED", "QUERY"), ("ALTER", "SCHEDULED", "QUERY"), ("DROP", "SCHEDULED", "QUERY"),
    ("CREATE", "RESOURCE", "PLAN"), ("ALTER", "RESOURCE", "PLAN"), ("DROP", "RESOURCE", "PLAN"),
    ("CREATE", "POOL"), ("ALTER", "POOL"), ("DROP", "POOL"),
    ("CREATE", "TRIGGER"), ("ALTER", "TRIGGER"), ("DROP", "TRIGGER"),
    ("CREATE", "USER", "MAPPING"), ("CREATE", "GROUP", "MAPPING"), ("CREATE", "APPLICATION", "MAPPING"),
    ("ALTER", "INDEX"), ("SHOW", "INDEX"), ("SHOW", "INDEXES"),
    ("CREATE", "CONNECTOR"), ("ALTER", "CONNECTOR"), ("DROP", "CONNECTOR"), ("CREATE", "REMOTE"),
    ("LOCK",), ("UNLOCK",), ("ABORT", "TRANSACTIONS"), ("KILL", "QUERY"), ("REPL",), ("COMPILE",),
    ("SHOW", "LOCKS"), ("SHOW", "COMPACTIONS"), ("SHOW", "TRANSACTIONS"), ("SHOW", "RESOURCE"),
)  # fmt: skip


def unsupported_in_hive(tokens: Sequence[Token]) -> str | None:
    """The feature that a statement would need and we lack, or None."""
    words = tuple(token.upper for token in tokens[:3])
    found = next((known for known in _BY_WORDS if words[: len(known)] == known), None)
    if words[:2] in (("CREATE", "INDEX"), ("DROP", "INDEX")) and any(token.upper == "TABLE" for token in tokens):
        return " ".join((*words[:2], "ON TABLE"))
    return None if found is None else " ".join(found)
