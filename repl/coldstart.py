"""Keeps pandas out of the command's first second.

pyarrow asks, the first time it converts any Python value, whether pandas is there, and where it is
installed that question alone loads it: 0.3 s and more, for nothing.  Importing this module asks the
question while pandas cannot be found; it must therefore be imported before anything that makes Arrow
values.  Later imports of pandas, and pyarrow's conversions to and from it, work as always.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import ModuleType

import pyarrow as pa


class _HidePandas:
    """An import hook that finds no pandas."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> None:
        """See importlib.abc.MetaPathFinder."""
        if name == "pandas":
            raise ModuleNotFoundError("pandas is not needed yet", name=name)


def _answer_pyarrow() -> None:
    if "pandas" in sys.modules:
        return
    hook = _HidePandas()
    sys.meta_path.insert(0, hook)
    try:
        pa.scalar(0)
    finally:
        sys.meta_path.remove(hook)


_answer_pyarrow()
