"""Keeps pandas out of the command's first second.

pyarrow asks, the first time it converts any Python value, whether pandas is there, and where it is
installed that question alone loads it: 0.3 s and more, for nothing.  For the command's own process only: an
answer once given stays, and with it pyarrow takes a pandas Series for a plain sequence.
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


def keep_pandas_out() -> None:
    """Make pyarrow ask while pandas cannot be found; to be called before anything makes Arrow values."""
    if "pandas" in sys.modules:
        return
    hook = _HidePandas()
    sys.meta_path.insert(0, hook)
    try:
        pa.scalar(0)
    finally:
        sys.meta_path.remove(hook)
