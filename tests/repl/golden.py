"""Screens kept as files in tests/repl/screens; docs show the same ones.

After a wanted change: SQLENGINE_WRITE_SCREENS=1 pytest tests/repl writes them anew; read the difference.
"""

from __future__ import annotations

import os
from pathlib import Path

SCREENS = Path(__file__).with_name("screens")


def golden(name: str) -> str:
    """The text of a screen."""
    return (SCREENS / f"{name}.txt").read_text(encoding="utf-8").rstrip("\n")


def assert_screen(name: str, text: str) -> None:
    """A screen's text is the one that is kept."""
    text = text.rstrip("\n")
    if os.environ.get("SQLENGINE_WRITE_SCREENS"):
        (SCREENS / f"{name}.txt").write_text(text + "\n", encoding="utf-8")
    assert text == golden(name)
