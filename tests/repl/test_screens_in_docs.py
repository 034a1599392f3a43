"""The screens that docs show are those the tests compare."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.repl.golden import golden

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"<!-- screen: (\w+) -->\n```text\n(.*?)\n?```", re.DOTALL)
PAGES = [
    page for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))] if _BLOCK.search(page.read_text())
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.name))
def test_the_screens_of_a_page(page: Path) -> None:
    for name, shown in _BLOCK.findall(page.read_text(encoding="utf-8")):
        assert shown == golden(name), f"{page.name} shows another {name}"
