"""In which dialect a query's text is written: another one than our own SQL says so in a comment before it.

Why in the text: views, subscriptions and prepared statements keep queries as text, and whoever reads it must know.
"""

from __future__ import annotations

POSTGRES, HIVE, SPARK = "postgres", "hive", "spark"
HIVE_FAMILY = (HIVE, SPARK)
_MARKS = {dialect: f"/* {dialect} */ " for dialect in HIVE_FAMILY}


def marked(text: str, dialect: str) -> str:
    """The text with its dialect's mark."""
    return _MARKS.get(dialect, "") + text


def dialect_of(text: str) -> tuple[str, str]:
    """(dialect, the text without its mark)."""
    for dialect, mark in _MARKS.items():
        if text.startswith(mark):
            return dialect, text[len(mark) :]
    return POSTGRES, text
