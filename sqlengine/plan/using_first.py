"""Which of a star's columns come first: those that joins with USING merge, the last join's before the others'.

The same chains are looked at as where DuckDB answers (sql/render_stars.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlengine.plan.scope import Visible
from sqlengine.sql import ast


def merged_names(rel: ast.Relation | None) -> list[str]:
    """The merged columns of a FROM in the order in which `*` shows them; none where it is no chain of such joins."""
    names: list[str] = []
    while isinstance(rel, ast.Join):
        if not rel.using and rel.on is None:
            return []
        names += rel.using
        rel = rel.left
    return list(dict.fromkeys(names))


def in_order(chosen: Sequence[tuple[int, Visible]], names: Sequence[str]) -> list[tuple[int, Visible]]:
    """A star's columns with the first of each of these names before the others."""
    first = [next((pair for pair in chosen if pair[1].name == name), None) for name in names]
    before = [pair for pair in first if pair is not None]
    return [*before, *(pair for pair in chosen if pair not in before)]
