"""A user's own storage.py beside a script would shadow our package `storage`: say so instead of failing strangely."""

from __future__ import annotations

import importlib.util
from pathlib import Path


def check_storage_is_ours() -> None:
    """ImportError that names what shadows `storage` and how to avoid it."""
    spec = importlib.util.find_spec("storage")
    origin = Path(spec.origin) if spec is not None and spec.origin else None
    if origin is not None and (origin.parent / "log" / "format.py").exists():
        return
    raise ImportError(
        f"sqlengine needs its own package 'storage', but found {origin or 'none'}; "
        "rename that file or directory, or run from another directory"
    )
