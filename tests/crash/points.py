"""Which of many points a test tries."""

from __future__ import annotations

import os
import random

POINTS = int(os.environ.get("SQLENGINE_KILL_POINTS", "4"))


def chosen(total: int, rng: random.Random) -> list[int]:
    """Some of the numbers from 1 to `total`, spread over all of them; all if SQLENGINE_KILL_POINTS is large enough."""
    if total <= POINTS:
        return list(range(1, total + 1))
    width = total / POINTS
    return [1 + int(width * i + rng.random() * width) for i in range(POINTS)]
