"""Which statements lose data or objects, so that a prompt asks before it runs them.  Pure."""

from __future__ import annotations

from collections.abc import Sequence

from sqlengine.errors import Error
from sqlengine.sql import Token, lex_in


def what_it_loses(text: str, dialect: str = "postgres") -> str | None:
    """What a statement loses, as the beginning of a question; None for one that loses nothing (or is none)."""
    try:
        tokens = lex_in(text, dialect)
    except Error:
        return None
    words = [token.upper or token.value for token in tokens]
    first = words[0] if words else ""
    if first == "DROP":
        return f"this drops {_named(text, tokens)}"
    if first == "TRUNCATE":
        return f"this removes all rows of {tokens[-1].value}"
    if first == "DELETE" and not _has_where(words):
        return f"this deletes all rows of {_after(tokens, words, 'FROM')}"
    if first == "UPDATE" and not _has_where(words):
        return f"this changes all rows of {tokens[1].value if len(tokens) > 1 else '?'}"
    return None


def _has_where(words: Sequence[str]) -> bool:
    """WHERE outside brackets, or rows chosen by a join (USING, FROM)."""
    depth = 0
    for word in words[2:]:
        depth += (word == "(") - (word == ")")
        if depth == 0 and word in ("WHERE", "USING", "FROM") and not (word == "FROM" and words[2] == "FROM"):
            return True
    return False


def _named(text: str, tokens: Sequence[Token]) -> str:
    """What stands behind DROP, without IF EXISTS; of CASCADE what it means."""
    behind = [t for t in tokens[1:] if t.upper not in ("IF", "EXISTS", ";")]
    ending = behind.pop().upper if behind and behind[-1].upper in ("CASCADE", "RESTRICT") else ""
    named = " ".join(text[t.start : t.end] for t in behind).replace(" . ", ".").replace(" ,", ",") or "something"
    return f"{named} and all that depends on it" if ending == "CASCADE" else named


def _after(tokens: Sequence[Token], words: Sequence[str], word: str) -> str:
    at = list(words).index(word) + 1 if word in words else len(words)
    return tokens[at].value if at < len(tokens) else "?"
