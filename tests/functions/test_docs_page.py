"""docs/functions.md is what the registries say."""

from __future__ import annotations

from pathlib import Path

from sqlengine.functions import aggregates, names
from sqlengine.functions.docs import render

PAGE = Path(__file__).parents[2] / "docs" / "functions.md"


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), "run `python -m sqlengine.functions.docs`"


def test_every_name_is_on_the_page() -> None:
    text = render()
    assert [n for n in [*names(), *aggregates.names()] if n not in text] == []
