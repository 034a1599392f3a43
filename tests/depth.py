"""How deep the random and the exhaustive tests go: what a change must pass takes a sample of what `make soak` takes
whole (SQLENGINE_DEEP=1)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

DEEP = os.environ.get("SQLENGINE_DEEP", "") not in ("", "0")


def rounds(suite: int, soak: int) -> int:
    """How often: `suite` times in what a change must pass, `soak` times in the long run."""
    return soak if DEEP else suite


def sample(values: Sequence[T], suite: int) -> list[T]:
    """All of `values` in the long run; else `suite` of them, spread evenly, the first and the last among them."""
    if DEEP or suite >= len(values):
        return list(values)
    step = (len(values) - 1) / max(1, suite - 1)
    return [values[round(at * step)] for at in range(suite)]
