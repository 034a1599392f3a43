"""How far a long statement is: what `Session.on_progress` tells."""

from __future__ import annotations

from collections.abc import Callable

from sqlengine.quick_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Advance:
    """`fraction`: from 0 to 1, None where it is not known; `done`: rows (or, with `unit` "bytes", bytes) so far."""

    fraction: float | None
    done: int
    unit: str = "rows"


OnProgress = Callable[[Advance], None]
