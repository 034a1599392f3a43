from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pytest

import storage
from tests.markdown_blocks import blocks
from tests.source_tree import ROOT

README = ROOT / "storage" / "README.md"


def test_every_example_of_the_readme_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"pa": pa, "storage": storage}
    found = [block for block in blocks(README.read_text(encoding="utf-8")) if block.language == "python"]
    assert len(found) >= 4
    for block in found:
        exec(compile("\n" * block.line + block.text, str(README), "exec"), names)  # noqa: S102
    printed = capsys.readouterr().out
    assert "{'user': [1, 2], 'url': ['/', '/buy']}" in printed
    assert "reporting orders 0 None" in printed and " empty" in printed


def test_the_readme_names_every_module_of_the_package() -> None:
    """By its path, or by its name where its folder has a part of its own."""
    named = set(re.findall(r"`([\w/]+(?:\.py|/))`", README.read_text(encoding="utf-8")))
    modules = [path.relative_to(ROOT / "storage") for path in (ROOT / "storage").rglob("*.py")]
    missing = [
        path.as_posix()
        for path in modules
        if path.name != "__init__.py"
        and path.as_posix() not in named
        and not (f"{path.parent}/" in named and path.name in named)
    ]
    assert not missing
